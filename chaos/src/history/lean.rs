//! The most frequent lines of a history, read as the writer spells them and no other way.
//!
//! What is not spelt like that is for the general reading, which defines what lines mean: a
//! property test holds the two together, on sound lines and on damaged ones.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use paxosctl_node::event::{Acceptance, Event, NodeEvent};
use paxosctl_node::ids::{Ballot, ClientId, ServerId, Slot};
use paxosctl_node::value::{Command, Value};

/// A place in the bytes of a history. Every method that finds what it wants goes behind it; after
/// `None` the place is of no use.
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    /// What comes behind the place.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn skip(&mut self, literal: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal)?;
        Some(())
    }

    /// Like [`Cursor::skip`], and stays where it is if the literal is not there.
    fn try_skip(&mut self, literal: &[u8]) -> bool {
        self.skip(literal).is_some()
    }

    /// A number as JSON spells whole ones: no sign, no leading zero.
    fn number(&mut self) -> Option<u64> {
        // No number of so many digits is too large.
        const SURE: usize = 19;
        let mut number: u64 = 0;
        let mut length = 0;
        while let Some(digit) = self.rest.get(length).map(|byte| byte.wrapping_sub(b'0'))
            && digit <= 9
        {
            number = if length < SURE {
                number * 10 + u64::from(digit)
            } else {
                number.checked_mul(10)?.checked_add(u64::from(digit))?
            };
            length += 1;
        }
        if length == 0 || (length > 1 && self.rest[0] == b'0') {
            return None;
        }
        self.rest = &self.rest[length..];
        Some(number)
    }

    fn narrow<T: TryFrom<u64>>(&mut self) -> Option<T> {
        self.number()?.try_into().ok()
    }

    fn client(&mut self) -> Option<ClientId> {
        self.number().map(ClientId)
    }

    fn slot(&mut self) -> Option<Slot> {
        self.number().map(Slot)
    }

    /// The rest of a string whose first quote was read, with its last quote.
    fn text(&mut self) -> Option<Cow<'a, str>> {
        let length = plain_length(self.rest);
        let plain = &self.rest[..length];
        match self.rest.get(length)? {
            b'"' => {
                self.rest = &self.rest[length + 1..];
                std::str::from_utf8(plain).ok().map(Cow::Borrowed)
            }
            b'\\' => self.escaped(length).map(Cow::Owned),
            _ => None,
        }
    }

    /// The same for a string with escapes, the first of them at `first`.
    #[cold]
    fn escaped(&mut self, first: usize) -> Option<String> {
        let mut length = first;
        while *self.rest.get(length)? != b'"' {
            let escape = self.rest[length] == b'\\';
            length += if escape { 2 } else { 1 };
        }
        let mut quoted = Vec::with_capacity(length + 2);
        quoted.push(b'"');
        quoted.extend_from_slice(&self.rest[..=length]);
        self.rest = &self.rest[length + 1..];
        serde_json::from_slice(&quoted).ok()
    }
}

/// How many bytes come before the first that is not plain text in a JSON string: a quote, a
/// backslash, or a control character.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let mut length = 0;
    // Eight bytes at a time. A borrow can only make a byte above the first special one look
    // special, and that is not reached.
    while let Some(chunk) = bytes[length..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let is = |byte: u8| {
            let differs = word ^ (ONES * u64::from(byte));
            differs.wrapping_sub(ONES) & !differs
        };
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let special = (is(b'"') | is(b'\\') | control) & HIGH;
        if special != 0 {
            return length + special.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    let rest = &bytes[length..];
    length + rest.iter().position(special).unwrap_or(rest.len())
}

/// The beginning of a node's line: when, and which node.
pub(super) fn node<'a>(line: &mut Cursor<'a>) -> Option<(u64, &'a str)> {
    line.skip(br#"{"type":"node","at_us":"#)?;
    let at_us = line.number()?;
    line.skip(br#","node":""#)?;
    let Cow::Borrowed(node) = line.text()? else {
        return None;
    };
    Some((at_us, node))
}

/// The rest of a node's line, with its line feed, if it is one of the frequent events.
pub(super) fn event(line: &mut Cursor) -> Option<Event> {
    line.skip(br#","what":{"#)?;
    let event = frequent_event(line)?;
    line.skip(b"}}\n")?;
    Some(event)
}

/// A line of a node's `events.jsonl`, without its line feed.
pub(super) fn node_event(bytes: &[u8]) -> Option<NodeEvent> {
    let mut line = Cursor::new(bytes);
    line.skip(br#"{"at_us":"#)?;
    let at_us = line.number()?;
    line.skip(b",")?;
    let event = frequent_event(&mut line)?;
    line.skip(b"}")?;
    line.rest().is_empty().then_some(NodeEvent { at_us, event })
}

/// The tag and the fields of an event, without the braces around them.
fn frequent_event(line: &mut Cursor) -> Option<Event> {
    line.skip(br#""event":""#)?;
    Some(if line.try_skip(br#"delivered","client":"#) {
        let client = line.client()?;
        line.skip(br#","index":"#)?;
        let index = line.number()?;
        line.skip(br#","from":"#)?;
        let from = line.client()?;
        line.skip(br#","seq":"#)?;
        let seq = line.number()?;
        line.skip(br#","digest":"#)?;
        Event::Delivered {
            client,
            index,
            from,
            seq,
            digest: line.narrow()?,
        }
    } else if line.try_skip(br#"accepted","ballot":{"round":"#) {
        let round = line.number()?;
        line.skip(br#","server":"#)?;
        let server = line.narrow()?;
        line.skip(br#"},"slot":"#)?;
        let slot = line.slot()?;
        line.skip(br#","digest":"#)?;
        Event::Accepted(Acceptance {
            ballot: Ballot { round, server },
            slot,
            digest: line.narrow()?,
        })
    } else if line.try_skip(br#"chosen","upto":"#) {
        Event::Chosen { upto: line.slot()? }
    } else if line.try_skip(br#"chosen_on_disk","upto":"#) {
        Event::ChosenOnDisk { upto: line.slot()? }
    } else if line.try_skip(br#"acked","client":"#) {
        let client = line.client()?;
        line.skip(br#","seq":"#)?;
        let seq = line.number()?;
        line.skip(br#","index":"#)?;
        let index = line.number()?;
        line.skip(br#","slot":"#)?;
        let slot = line.slot()?;
        line.skip(br#","server":"#)?;
        Event::Acked {
            client,
            seq,
            index,
            slot,
            server: ServerId(line.narrow()?),
        }
    } else if line.try_skip(br#"say","client":"#) {
        let client = line.client()?;
        line.skip(br#","name":""#)?;
        let name = line.text()?;
        line.skip(br#","seq":"#)?;
        let seq = line.number()?;
        line.skip(br#","at_ms":"#)?;
        let at_ms = line.number()?;
        line.skip(br#","text":""#)?;
        Event::Say {
            client,
            name: name.into_owned(),
            seq,
            at_ms,
            text: line.text()?.into_owned(),
        }
    } else {
        return None;
    })
}

/// The beginning of a slot's line: whose log, and which slot.
pub(super) fn slot(line: &mut Cursor) -> Option<(ServerId, Slot)> {
    line.skip(br#"{"type":"slot","server":"#)?;
    let server = ServerId(line.narrow()?);
    line.skip(br#","slot":"#)?;
    let slot = line.slot()?;
    line.skip(br#","value":"#)?;
    Some((server, slot))
}

/// The rest of a slot's line, with its line feed.
pub(super) fn value(line: &mut Cursor) -> Option<Value> {
    if line.try_skip(b"\"Noop\"}\n") {
        return Some(Value::Noop);
    }
    line.skip(br#"{"Batch":["#)?;
    let mut commands = Vec::new();
    if !line.try_skip(b"]") {
        loop {
            let (client, seq, name, at_ms, text) = command(line)?;
            commands.push(Command {
                client,
                seq,
                name: name.into_owned(),
                at_ms,
                text: text.into_owned(),
            });
            if !line.try_skip(b",") {
                line.skip(b"]")?;
                break;
            }
        }
    }
    line.skip(b"}}\n")?;
    commands.shrink_to_fit();
    Some(Value::batch(commands))
}

/// Whether the rest of a slot's line, with its line feed, is this value: found out without making
/// it a second time.
pub(super) fn is_value(line: &mut Cursor, known: &Value) -> bool {
    match known {
        Value::Noop => line.try_skip(b"\"Noop\"}\n"),
        Value::Batch(commands) => is_batch(line, commands).is_some(),
    }
}

fn is_batch(line: &mut Cursor, known: &[Command]) -> Option<()> {
    line.skip(br#"{"Batch":["#)?;
    for (place, known) in known.iter().enumerate() {
        if place > 0 {
            line.skip(b",")?;
        }
        let (client, seq, name, at_ms, text) = command(line)?;
        let same = client == known.client
            && seq == known.seq
            && at_ms == known.at_ms
            && name == known.name
            && text == known.text;
        if !same {
            return None;
        }
    }
    line.skip(b"]}}\n")
}

type BorrowedCommand<'a> = (ClientId, u64, Cow<'a, str>, u64, Cow<'a, str>);

fn command<'a>(line: &mut Cursor<'a>) -> Option<BorrowedCommand<'a>> {
    line.skip(br#"{"client":"#)?;
    let client = line.client()?;
    line.skip(br#","seq":"#)?;
    let seq = line.number()?;
    line.skip(br#","name":""#)?;
    let name = line.text()?;
    line.skip(br#","at_ms":"#)?;
    let at_ms = line.number()?;
    line.skip(br#","text":""#)?;
    let text = line.text()?;
    line.skip(b"}")?;
    Some((client, seq, name, at_ms, text))
}
