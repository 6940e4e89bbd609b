//! What is read as frequent is read as the general reading reads it, or not at all.

use std::fmt::Write as _;

use paxosctl_node::event::{Acceptance, Event, NodeEvent};
use paxosctl_node::ids::{Ballot, ClientId, ServerId, Slot};
use paxosctl_node::value::{Command, Value};
use proptest::prelude::*;

use crate::history::parse::{Found, Item, Known, node_event, parse};
use crate::history::{Line, Phase};

/// A line, when the frequent reading takes it.
fn frequent(line: &[u8], known: &Known) -> Option<Line> {
    let mut names = Vec::new();
    let (item, rest) = crate::history::parse::frequent(line, known, &mut names, &mut 0)?;
    assert!(rest.is_empty(), "more than one line");
    Some(match item {
        Item::Node { at_us, node, what } => Line::Node {
            at_us,
            node: names[node as usize].clone(),
            what,
        },
        Item::Slot {
            server,
            slot,
            value,
        } => Line::Slot {
            server,
            slot,
            value: match value {
                Found::New(value) => value,
                Found::Known(number) => {
                    let (known, value) = known.value(slot).expect("a known slot");
                    assert_eq!(*known, number);
                    value.clone()
                }
            },
        },
        _ => panic!("not a frequent line"),
    })
}

/// The definition of what lines mean.
fn general(line: &[u8]) -> Option<Line> {
    serde_json::from_slice(line).ok()
}

fn spelt(line: &Line) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(line).expect("plain data");
    bytes.push(b'\n');
    bytes
}

/// Numbers of every length.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..200_u64,
        any::<u64>(),
        Just(u64::MAX),
        (0..20_u32).prop_map(|digits| 10_u64.pow(digits)),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "[a-z\"\\\\/\n\t\u{1}\u{7f}\u{fc}\u{2028}\u{1f389}]{0,20}",
        any::<String>(),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    (number(), number(), text(), number(), text()).prop_map(|(client, seq, name, at_ms, text)| {
        Command {
            client: ClientId(client),
            seq,
            name,
            at_ms,
            text,
        }
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Noop),
        4 => prop::collection::vec(command(), 0..4).prop_map(Value::batch),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let numbers = (
        number(),
        number(),
        number(),
        number(),
        any::<u32>(),
        any::<u16>(),
    );
    prop_oneof![
        (numbers, 0..6).prop_map(
            |((first, second, third, fourth, digest, server), kind)| match kind {
                0 => Event::Delivered {
                    client: ClientId(first),
                    index: second,
                    from: ClientId(third),
                    seq: fourth,
                    digest,
                },
                1 => Event::Accepted(Acceptance {
                    ballot: Ballot::new(first, ServerId(server)),
                    slot: Slot(second),
                    digest,
                }),
                2 => Event::Chosen { upto: Slot(first) },
                3 => Event::ChosenOnDisk { upto: Slot(first) },
                4 => Event::Acked {
                    client: ClientId(first),
                    seq: second,
                    index: third,
                    slot: Slot(fourth),
                    server: ServerId(server),
                },
                _ => Event::Promised {
                    ballot: Ballot::new(first, ServerId(server)),
                },
            }
        ),
        command().prop_map(|command| Event::Say {
            client: command.client,
            name: command.name,
            seq: command.seq,
            at_ms: command.at_ms,
            text: command.text,
        }),
        text().prop_map(|reason| Event::Stopping { reason }),
    ]
}

fn line() -> impl Strategy<Value = Line> {
    prop_oneof![
        6 => (number(), prop_oneof!["[a-z]{1,6}", text()], event())
            .prop_map(|(at_us, node, what)| Line::Node { at_us, node, what }),
        3 => (any::<u16>(), 0..40_u64, value()).prop_map(|(server, slot, value)| Line::Slot {
            server: ServerId(server),
            slot: Slot(slot),
            value,
        }),
        1 => number().prop_map(|at_us| Line::Phase { at_us, phase: Phase::Drain }),
    ]
}

/// Every slot is known: those of this line, or of another.
fn knows(value: &Value) -> Known {
    Known {
        values: (0..40)
            .map(|number| Some((number, value.clone())))
            .collect(),
    }
}

/// What may happen to bytes.
#[derive(Debug, Clone)]
enum Change {
    Put(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Double(prop::sample::Index, prop::sample::Index),
    CutOff(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let byte = || {
        prop_oneof![
            prop::sample::select(&b"\"\\{}[],:0123456789.eE+-u \t\r\x00\x1f\x80\xff"[..]),
            any::<u8>(),
        ]
    };
    let place = any::<prop::sample::Index>;
    prop_oneof![
        (place(), byte()).prop_map(|(place, byte)| Change::Put(place, byte)),
        (place(), byte()).prop_map(|(place, byte)| Change::Insert(place, byte)),
        place().prop_map(Change::Remove),
        (place(), place()).prop_map(|(from, to)| Change::Double(from, to)),
        place().prop_map(Change::CutOff),
    ]
}

fn apply(change: &Change, bytes: &mut Vec<u8>) {
    let length = bytes.len();
    if length == 0 {
        return;
    }
    match change {
        Change::Put(place, byte) => bytes[place.index(length)] = *byte,
        Change::Insert(place, byte) => bytes.insert(place.index(length), *byte),
        Change::Remove(place) => drop(bytes.remove(place.index(length))),
        Change::Double(from, to) => {
            let (from, to) = (from.index(length), to.index(length));
            let copy = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.splice(to..to, copy);
        }
        Change::CutOff(place) => bytes.truncate(place.index(length)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn sound_lines_are_read_alike(line in line(), other in value()) {
        let bytes = spelt(&line);
        prop_assert_eq!(general(&bytes), Some(line.clone()));
        let own = match &line {
            Line::Slot { value, .. } => value.clone(),
            _ => Value::Noop,
        };
        let is_frequent = match &line {
            Line::Slot { .. } => true,
            Line::Node { node, what, .. } => {
                let plain = |character: char| character >= ' ' && !"\"\\".contains(character);
                let rare = matches!(what, Event::Promised { .. } | Event::Stopping { .. });
                node.chars().all(plain) && !rare
            }
            _ => false,
        };
        for known in [Known::default(), knows(&own), knows(&other)] {
            let read = frequent(&bytes, &known);
            prop_assert_eq!(read.is_some(), is_frequent);
            if let Some(read) = read {
                prop_assert_eq!(&read, &line);
            }
        }
    }

    #[test]
    fn damaged_lines_are_never_read_otherwise(
        line in line(),
        changes in prop::collection::vec(change(), 1..3),
    ) {
        let mut bytes = spelt(&line);
        for change in &changes {
            apply(change, &mut bytes);
        }
        // A line ends at its first line feed.
        if let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            bytes.truncate(end + 1);
        }
        let own = match &line {
            Line::Slot { value, .. } => value.clone(),
            _ => Value::Noop,
        };
        for known in [Known::default(), knows(&own)] {
            if let Some(read) = frequent(&bytes, &known) {
                prop_assert_eq!(Some(read), general(&bytes), "{}", bytes.escape_ascii());
            }
        }
    }

    #[test]
    fn lines_of_nodes_are_read_alike_or_not_at_all(
        at_us in number(),
        event in event(),
        changes in prop::collection::vec(change(), 0..3),
    ) {
        let event = NodeEvent { at_us, event };
        let mut bytes = serde_json::to_vec(&event).expect("plain data");
        let read = node_event(&bytes);
        prop_assert_eq!(read.expect("readable"), event.clone());
        let rare = matches!(event.event, Event::Promised { .. } | Event::Stopping { .. });
        prop_assert_eq!(super::node_event(&bytes).is_some(), !rare);
        for change in &changes {
            apply(change, &mut bytes);
        }
        let general = serde_json::from_slice::<NodeEvent>(&bytes).ok();
        if let Some(read) = super::node_event(&bytes) {
            prop_assert_eq!(Some(read), general, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_piece_is_its_lines(lines in prop::collection::vec(line(), 0..8), blank in any::<bool>()) {
        let mut bytes = Vec::new();
        for line in &lines {
            bytes.extend(spelt(line));
            if blank {
                bytes.extend_from_slice(b" \n");
            }
        }
        let parsed = parse(&bytes, &Known::default());
        let mut read = String::new();
        for item in &parsed.items {
            match item {
                Item::Blank => {}
                Item::Node { at_us, node, what } => {
                    let node = parsed.names[*node as usize].clone();
                    let (at_us, what) = (*at_us, what.clone());
                    writeln!(read, "{:?}", Line::Node { at_us, node, what }).expect("memory");
                }
                Item::Slot { server, slot, value: Found::New(value) } => {
                    let (server, slot, value) = (*server, *slot, value.clone());
                    writeln!(read, "{:?}", Line::Slot { server, slot, value }).expect("memory");
                }
                Item::Slot { .. } | Item::Damaged { .. } => panic!("nothing is known or damaged"),
                Item::Other(line) => writeln!(read, "{line:?}").expect("memory"),
            }
        }
        let wanted: String = lines.iter().map(|line| format!("{line:?}\n")).collect();
        prop_assert_eq!(read, wanted);
        prop_assert_eq!(parsed.items.len(), lines.len() * (1 + usize::from(blank)));
    }
}

#[test]
fn every_single_byte_of_every_frequent_line_matters() {
    let batch = Value::batch(vec![
        Command {
            client: ClientId(u64::MAX),
            seq: 1,
            name: "ann".to_string(),
            at_ms: 2,
            text: "gr\u{fc}\u{df}e \\ \"x\" 🎉".to_string(),
        },
        Command {
            client: ClientId(7),
            seq: 10,
            name: String::new(),
            at_ms: 0,
            text: "longer than eight bytes".to_string(),
        },
    ]);
    let known = knows(&batch);
    let mut lines: Vec<Vec<u8>> = vec![
        spelt(&Line::Slot {
            server: ServerId(1),
            slot: Slot(2),
            value: batch,
        }),
        spelt(&Line::Slot {
            server: ServerId(1),
            slot: Slot(3),
            value: Value::Noop,
        }),
    ];
    for what in [
        Event::Delivered {
            client: ClientId(1),
            index: 20,
            from: ClientId(3),
            seq: 4,
            digest: u32::MAX,
        },
        Event::Accepted(Acceptance {
            ballot: Ballot::new(7, ServerId(u16::MAX)),
            slot: Slot(5),
            digest: 6,
        }),
        Event::Chosen { upto: Slot(6) },
        Event::ChosenOnDisk { upto: Slot(6) },
        Event::Acked {
            client: ClientId(1),
            seq: 1,
            index: 2,
            slot: Slot(3),
            server: ServerId(4),
        },
        Event::Say {
            client: ClientId(1),
            name: "a\"n\n".to_string(),
            seq: 1,
            at_ms: 2,
            text: "one two three".to_string(),
        },
    ] {
        lines.push(spelt(&Line::Node {
            at_us: 12,
            node: "load1".to_string(),
            what,
        }));
    }
    for line in lines {
        assert!(frequent(&line, &known).is_some());
        for place in 0..line.len() - 1 {
            for byte in (0..=u8::MAX).filter(|&byte| byte != b'\n') {
                let mut changed = line.clone();
                changed[place] = byte;
                if let Some(read) = frequent(&changed, &known) {
                    assert_eq!(Some(read), general(&changed), "{}", changed.escape_ascii());
                }
            }
            assert!(frequent(&line[..place], &known).is_none(), "cut off");
        }
    }
}
