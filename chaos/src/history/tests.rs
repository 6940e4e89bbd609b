//! Writing and reading: what is tolerated, and what is an error.

use std::io::Write as _;

use paxosctl_node::event::Event;
use paxosctl_node::ids::{ClientId, ServerId, Slot};

use super::read::read_in;
use super::*;
use crate::check::support::*;

fn chat() -> Story {
    let mut story = Story::new(3);
    story.say("ann", "one");
    story.say("bob", "two");
    story.finish()
}

fn error(bytes: &[u8]) -> (u64, String) {
    let error = read(bytes).expect_err("damage");
    (error.line(), error.to_string())
}

#[test]
fn a_history_is_read_back_whole() {
    let story = chat();
    let evidence = read(&story.bytes()[..]).expect("readable");
    assert_eq!(evidence.ending, Ending::Complete);
    assert_eq!(evidence.header.plan, "story");
    assert_eq!(evidence.messages.len(), 2);
    assert_eq!(&*evidence.messages[1].text, "two");
    assert_eq!(evidence.speaker(&evidence.messages[1]), "bob");
    let ack = evidence.messages[1].ack.expect("acknowledged");
    assert_eq!((ack.at_us, ack.index, ack.slot), (204_000, 2, 2));
    assert_eq!(evidence.sessions.len(), 2);
    let ann = evidence.session(ClientId(1)).expect("a session");
    assert_eq!(ann.joins[0].server, ServerId(1));
    assert_eq!(ann.deliveries.len(), 2);
    assert_eq!(evidence.replicas.len(), 3);
    assert_eq!(evidence.chats.len(), 1, "equal logs share one chat");
    assert_eq!(evidence.chat().len(), 2);
    assert_eq!(evidence.values.len(), 2, "equal values are kept once");
    assert_eq!(evidence.phase(Phase::Heal), Some(1_200_000));
    assert_eq!(evidence.end_us, 1_230_000);
}

#[test]
fn every_cut_of_the_file_is_read_as_far_as_it_goes() {
    let bytes = chat().bytes();
    let header = bytes.iter().position(|&byte| byte == b'\n').expect("lines");
    for end in header + 1..bytes.len() {
        let evidence = read(&bytes[..end]).unwrap_or_else(|error| panic!("cut at {end}: {error}"));
        // Only the line feed of the last line may be missing.
        let whole = end == bytes.len() - 1;
        assert_eq!(evidence.ending == Ending::Complete, whole, "cut at {end}");
    }
    assert!(matches!(read(&b""[..]), Err(HistoryError::Empty)));
    let (line, _) = error(&bytes[..header / 2]);
    assert_eq!(line, 1);
}

#[test]
fn damage_in_the_middle_is_named_by_its_line() {
    let text = String::from_utf8(chat().bytes()).expect("text");
    let mut lines: Vec<&str> = text.lines().collect();
    let promise = lines.iter().position(|line| line.contains(":\"promised\""));
    let place = promise.expect("there");
    let misspelt = lines[place].replacen(":\"promised\"", ":\"promizzed\"", 1);
    let sound = std::mem::replace(&mut lines[place], &misspelt);
    let (line, message) = error(lines.join("\n").as_bytes());
    assert_eq!(line, place as u64 + 1);
    assert!(
        message.contains(": not a line of a history: unknown variant `promizzed`"),
        "{message}"
    );

    lines[place] = sound;
    lines[2] = "{\"type\":\"node\",";
    let (line, message) = error(lines.join("\n").as_bytes());
    assert_eq!(line, 3);
    assert!(
        message.starts_with("line 3: not a line of a history: EOF"),
        "{message}"
    );

    let mut bytes = text.clone().into_bytes();
    let middle = bytes.len() / 2;
    bytes[middle] = 0xff;
    assert!(read(&bytes[..]).is_err());
}

#[test]
fn lines_out_of_place_are_errors() {
    let story = chat();
    let judge = |lines: &[Line]| {
        let mut writer = Writer::new(Vec::new());
        for line in lines {
            writer.write(line).expect("memory");
        }
        error(&writer.finish().expect("memory"))
    };
    let (line, message) = judge(&story.lines[1..]);
    assert_eq!(
        (line, message.as_str()),
        (
            1,
            "line 1: not a history: the first line must be the `run` line"
        )
    );

    let last = story.lines.len() as u64;
    let mut lines = story.lines.clone();
    lines.push(story.lines[1].clone());
    let (line, message) = judge(&lines);
    assert_eq!(line, last + 1);
    assert!(message.ends_with("a line after the `end` line"));

    let mut lines = story.lines.clone();
    lines.insert(1, story.lines[0].clone());
    assert_eq!(
        judge(&lines).1,
        "line 2: a second `run` line: two histories in one file"
    );

    let mut lines = story.lines.clone();
    if let Line::Run(header) = &mut lines[0] {
        header.version = 1;
    }
    assert_eq!(
        judge(&lines).1,
        "line 1: the history has format version 1, and this program reads version 2"
    );

    let stranger = Line::Log {
        server: ServerId(9),
        source: crate::target::LogSource::Served,
        chosen: Slot(0),
    };
    let lines = [story.lines[0].clone(), stranger];
    assert_eq!(
        judge(&lines).1,
        "line 2: a log of s9, which the `run` line does not name"
    );

    let absurd = Line::Slot {
        server: ServerId(1),
        slot: Slot(u64::MAX),
        value: paxosctl_node::value::Value::Noop,
    };
    let lines = [story.lines[0].clone(), absurd];
    assert!(judge(&lines).1.ends_with("is out of range"));
}

#[test]
fn an_acknowledgement_may_come_before_its_message_in_the_file() {
    let mut story = chat();
    let acked = |line: &Line| {
        matches!(
            line,
            Line::Node {
                what: Event::Acked { index: 2, .. },
                ..
            }
        )
    };
    let place = story.lines.iter().position(acked).expect("there");
    let line = story.lines.remove(place);
    story.lines.insert(1, line);
    assert_passes(&story.judge());
}

#[test]
fn other_spellings_of_the_same_lines_are_read_too() {
    let story = chat();
    let mut other = Vec::new();
    for line in &story.lines {
        // Through a map: keys in the order of the alphabet, so that no line begins as written.
        let value = serde_json::to_value(line).expect("plain data");
        writeln!(other, " {value}").expect("memory");
    }
    let evidence = read(&other[..]).expect("readable");
    let wanted = read(&story.bytes()[..]).expect("readable");
    assert_eq!(
        format!("{:?}", evidence.messages),
        format!("{:?}", wanted.messages)
    );
    assert_eq!(
        format!("{:?}", evidence.replicas),
        format!("{:?}", wanted.replicas)
    );
    assert_eq!(
        format!("{:?}", evidence.servers),
        format!("{:?}", wanted.servers)
    );
}

/// The story, longer than any piece, with blank lines and a line that is longer than a piece.
fn long_story() -> Vec<u8> {
    let mut story = Story::new(3);
    for number in 0..40 {
        story.say("ann", &format!("message {number} with \"quotes\""));
        story.say("bob", &"long ".repeat(number));
    }
    let mut bytes = Vec::new();
    for line in story
        .finish()
        .bytes()
        .split_inclusive(|&byte| byte == b'\n')
    {
        bytes.extend_from_slice(line);
        if line.len() % 5 == 0 {
            bytes.extend_from_slice(b"  \n");
        }
    }
    bytes
}

#[test]
fn what_is_read_does_not_depend_on_the_threads() {
    let bytes = long_story();
    let wanted = format!("{:?}", comparable(read_in(&bytes[..], bytes.len() + 1, 1)));
    for chunk_bytes in [1, 100, 777, 4096] {
        for threads in [1, 2, 3, 8] {
            let evidence = read_in(&bytes[..], chunk_bytes, threads);
            assert_eq!(
                format!("{:?}", comparable(evidence)),
                wanted,
                "{threads} threads, {chunk_bytes} bytes"
            );
        }
    }
}

/// All of the evidence whose order means something.
fn comparable(evidence: Result<Evidence, HistoryError>) -> impl std::fmt::Debug {
    let evidence = evidence.expect("readable");
    assert_eq!(evidence.ending, Ending::Complete);
    (
        (evidence.header, evidence.end_us, evidence.phases),
        (evidence.nodes, evidence.sessions, evidence.messages),
        (evidence.stray_acks, evidence.conflicting_acks),
        (evidence.values, evidence.replicas, evidence.chats),
        (evidence.ballots, evidence.servers, evidence.actions),
    )
}

#[test]
fn errors_name_their_line_whoever_reads_it() {
    let bytes = long_story();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    for place in [1, lines.len() / 3, lines.len() - 2] {
        let mut damaged = lines.clone();
        damaged[place] = b"{\"type\":\"node\",\"at_us\":1x}\n";
        // The first error counts, and what stands behind it does not.
        damaged.push(b"nor is this\n");
        let damaged = damaged.concat();
        let mut cut_off = lines[..=place].concat();
        cut_off.extend_from_slice(b"{\"type\":\"no");
        for (chunk_bytes, threads) in [(1 << 20, 1), (50, 1), (50, 2), (500, 3)] {
            let error = read_in(&damaged[..], chunk_bytes, threads).expect_err("damage");
            assert_eq!(error.line(), place as u64 + 1, "{error}");
            let evidence = read_in(&cut_off[..], chunk_bytes, threads).expect("readable");
            assert_eq!(evidence.ending, Ending::CutShort);

            let broken = Broken(&cut_off);
            let error = read_in(broken, chunk_bytes, threads).expect_err("a broken disk");
            assert_eq!(
                error.to_string(),
                format!("line {}: cannot be read: broken", place + 2)
            );
        }
    }
}

/// Fails where the bytes end.
struct Broken<'a>(&'a [u8]);

impl std::io::Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match std::io::Read::read(&mut self.0, buffer)? {
            0 => Err(std::io::Error::other("broken")),
            read => Ok(read),
        }
    }
}

#[test]
fn replicas_that_differ_are_read_as_they_are() {
    let text = String::from_utf8(long_story()).expect("text");
    let is_of = |line: &&str, server: u16| {
        line.starts_with(&format!("{{\"type\":\"slot\",\"server\":{server},"))
    };
    let other = |line: &str| match is_of(&line, 2) || is_of(&line, 3) {
        true => line.replacen("message 7 ", "message VII ", 1),
        false => line.to_string(),
    };
    let changed: Vec<String> = text.lines().map(other).collect();
    let changed = changed.join("\n");
    for (chunk_bytes, threads) in [(1 << 20, 1), (100, 1), (100, 4)] {
        let evidence = read_in(changed.as_bytes(), chunk_bytes, threads).expect("readable");
        let [first, second, third] = &evidence.replicas[..] else {
            panic!("three replicas");
        };
        let differ: Vec<usize> = (0..first.values.len())
            .filter(|&place| first.values[place] != second.values[place])
            .collect();
        assert_eq!(differ.len(), 1);
        assert_eq!(second.values, third.values);
        let value = &evidence.values[second.values[differ[0]] as usize];
        assert!(value.commands()[0].text.starts_with("message VII "));
    }
}
