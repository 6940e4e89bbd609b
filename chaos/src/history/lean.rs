//! The most frequent parts of a history, read without copies. What they mean is defined by
//! [`Event`] and [`paxosctl_node::value::Value`]; a test holds the two readings together.

use std::borrow::Cow;

use paxosctl_node::event::Event;
use paxosctl_node::ids::{ClientId, ServerId, Slot};
use paxosctl_node::value::{self, Command};
use serde::Deserialize;

/// A value of the log, borrowed from its line: most are compared with one that is known, and
/// dropped.
#[derive(Deserialize)]
pub(super) enum Value<'a> {
    Noop,
    #[serde(borrow)]
    Batch(Vec<BorrowedCommand<'a>>),
}

#[derive(Deserialize)]
pub(super) struct BorrowedCommand<'a> {
    client: ClientId,
    seq: u64,
    #[serde(borrow)]
    name: Cow<'a, str>,
    at_ms: u64,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

impl Value<'_> {
    pub fn is(&self, other: &value::Value) -> bool {
        match (self, other) {
            (Value::Noop, value::Value::Noop) => true,
            (Value::Batch(ours), value::Value::Batch(theirs)) => {
                ours.len() == theirs.len()
                    && ours.iter().zip(theirs.iter()).all(|(our, their)| {
                        our.client == their.client
                            && our.seq == their.seq
                            && our.at_ms == their.at_ms
                            && our.name == their.name
                            && our.text == their.text
                    })
            }
            _ => false,
        }
    }

    pub fn to_value(&self) -> value::Value {
        match self {
            Value::Noop => value::Value::Noop,
            Value::Batch(commands) => value::Value::batch(
                commands
                    .iter()
                    .map(|command| Command {
                        client: command.client,
                        seq: command.seq,
                        name: command.name.to_string(),
                        at_ms: command.at_ms,
                        text: command.text.to_string(),
                    })
                    .collect(),
            ),
        }
    }
}

/// Takes a node's line apart as the writer puts it together: time, node, and the JSON of the event.
/// `None` for any other spelling, which is then read the long way.
pub(super) fn node_line(bytes: &[u8]) -> Option<(u64, &str, &[u8])> {
    let rest = bytes.strip_prefix(br#"{"type":"node","at_us":"#)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let at_us = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    let rest = rest[digits..].strip_prefix(br#","node":""#)?;
    let length = rest
        .iter()
        .position(|&byte| byte == b'"' || byte == b'\\')?;
    let node = std::str::from_utf8(&rest[..length]).ok()?;
    let what = rest[length..].strip_prefix(br#"","what":"#)?;
    let what = what.strip_suffix(b"\n").unwrap_or(what);
    Some((at_us, node, what.strip_suffix(b"}")?))
}

/// Reads the frequent events by structs of their own, and the others as what they are.
pub(super) fn event(json: &[u8]) -> Result<Event, serde_json::Error> {
    let Some(tagged) = json.strip_prefix(br#"{"event":""#) else {
        return serde_json::from_slice(json);
    };
    let event = if tagged.starts_with(br#"delivered","#) {
        let Delivered {
            client,
            index,
            from,
            seq,
            digest,
        } = serde_json::from_slice(json)?;
        Event::Delivered {
            client,
            index,
            from,
            seq,
            digest,
        }
    } else if tagged.starts_with(br#"say","#) {
        let Say {
            client,
            name,
            seq,
            at_ms,
            text,
        } = serde_json::from_slice(json)?;
        Event::Say {
            client,
            name,
            seq,
            at_ms,
            text,
        }
    } else if tagged.starts_with(br#"acked","#) {
        let Acked {
            client,
            seq,
            index,
            slot,
            server,
        } = serde_json::from_slice(json)?;
        Event::Acked {
            client,
            seq,
            index,
            slot,
            server,
        }
    } else if tagged.starts_with(br#"accepted","#) {
        // The tag is one more key, which the struct ignores.
        Event::Accepted(serde_json::from_slice(json)?)
    } else if tagged.starts_with(br#"chosen","#) {
        let Chosen { upto } = serde_json::from_slice(json)?;
        Event::Chosen { upto }
    } else if tagged.starts_with(br#"chosen_on_disk","#) {
        let Chosen { upto } = serde_json::from_slice(json)?;
        Event::ChosenOnDisk { upto }
    } else {
        return serde_json::from_slice(json);
    };
    Ok(event)
}

#[derive(Deserialize)]
struct Delivered {
    client: ClientId,
    index: u64,
    from: ClientId,
    seq: u64,
    digest: u32,
}

#[derive(Deserialize)]
struct Say {
    client: ClientId,
    name: String,
    seq: u64,
    at_ms: u64,
    text: String,
}

#[derive(Deserialize)]
struct Acked {
    client: ClientId,
    seq: u64,
    index: u64,
    slot: Slot,
    server: ServerId,
}

#[derive(Deserialize)]
struct Chosen {
    upto: Slot,
}

#[cfg(test)]
mod tests {
    use paxosctl_node::event::Acceptance;
    use paxosctl_node::ids::Ballot;

    use super::*;

    #[test]
    fn the_lean_reading_of_an_event_is_the_plain_one() {
        let client = ClientId(u64::MAX);
        let ballot = Ballot::new(7, ServerId(3));
        let events = [
            Event::Delivered {
                client,
                index: 1,
                from: ClientId(2),
                seq: 3,
                digest: u32::MAX,
            },
            Event::Say {
                client,
                name: "a\"n\n".to_string(),
                seq: 1,
                at_ms: 2,
                text: "gr\u{fc}\u{df}e \\ 🎉".to_string(),
            },
            Event::Acked {
                client,
                seq: 1,
                index: 2,
                slot: Slot(3),
                server: ServerId(4),
            },
            Event::Accepted(Acceptance {
                ballot,
                slot: Slot(5),
                digest: 6,
            }),
            Event::Chosen { upto: Slot(6) },
            Event::ChosenOnDisk { upto: Slot(6) },
            Event::Promised { ballot },
            Event::Opened,
        ];
        for wanted in events {
            let json = serde_json::to_string(&wanted).expect("plain data");
            assert_eq!(event(json.as_bytes()).expect("readable"), wanted);
            assert_eq!(
                serde_json::from_str::<Event>(&json).expect("readable"),
                wanted
            );
        }
    }

    #[test]
    fn the_lean_reading_of_a_value_is_the_plain_one() {
        let command = |text: &str| Command {
            client: ClientId(1),
            seq: 2,
            name: "ann".to_string(),
            at_ms: 3,
            text: text.to_string(),
        };
        let values = [
            value::Value::Noop,
            value::Value::batch(Vec::new()),
            value::Value::batch(vec![command("one"), command("\"two\"\n")]),
            value::Value::batch(vec![command("one"), command("three")]),
        ];
        for (place, wanted) in values.iter().enumerate() {
            let json = serde_json::to_string(wanted).expect("plain data");
            let lean: Value = serde_json::from_str(&json).expect("readable");
            assert_eq!(&lean.to_value(), wanted);
            for (other_place, other) in values.iter().enumerate() {
                assert_eq!(lean.is(other), place == other_place);
            }
        }
    }
}
