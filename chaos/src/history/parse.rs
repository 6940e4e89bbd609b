//! The lines of one piece of a history, each for itself: what can be done for many pieces at once.

use std::io;

use paxosctl_node::event::{Event, NodeEvent};
use paxosctl_node::ids::{ServerId, Slot};
use paxosctl_node::value::Value;

use super::Line;
use super::lean::{self, Cursor};

/// What a piece of a history says.
#[derive(Default)]
pub(super) struct Parsed {
    /// One for each line.
    pub items: Vec<Item>,
    /// What [`Item::Node`] refers to.
    pub names: Vec<String>,
    /// Why there is nothing behind this piece, if it is not the end.
    pub failed: Option<io::Error>,
}

/// A line.
pub(super) enum Item {
    Blank,
    Node {
        at_us: u64,
        /// In [`Parsed::names`].
        node: u32,
        what: Event,
    },
    Slot {
        server: ServerId,
        slot: Slot,
        value: Found,
    },
    Other(Box<Line>),
    /// No line of a history. Nothing behind it was read.
    Damaged {
        error: serde_json::Error,
        /// Whether it is without its line feed, so the end of the file.
        cut_off: bool,
    },
}

/// The value of a slot.
pub(super) enum Found {
    /// The one that [`Known`] has for the slot.
    Known(u32),
    New(Value),
}

/// Values that were read before, in logs that other replicas share.
#[derive(Default)]
pub(super) struct Known {
    /// For slot 1, 2, …: the first value that was seen there, and its number.
    pub values: Vec<Option<(u32, Value)>>,
}

impl Known {
    pub(super) fn value(&self, slot: Slot) -> Option<&(u32, Value)> {
        let place = usize::try_from(slot.0).ok()?.checked_sub(1)?;
        self.values.get(place)?.as_ref()
    }
}

/// Takes whole lines; only the last may be without its line feed.
pub(super) fn parse(chunk: &[u8], known: &Known) -> Parsed {
    let mut parsed = Parsed {
        // Lines of nodes have somewhat more bytes.
        items: Vec::with_capacity(chunk.len() / 96),
        ..Parsed::default()
    };
    let mut rest = chunk;
    let mut last_node = 0;
    while !rest.is_empty() {
        if let Some((item, behind)) = frequent(rest, known, &mut parsed.names, &mut last_node) {
            parsed.items.push(item);
            rest = behind;
            continue;
        }
        let length = rest.iter().position(|&byte| byte == b'\n');
        let (line, behind) = rest.split_at(length.map_or(rest.len(), |length| length + 1));
        rest = behind;
        let item = general(line, &mut parsed.names, &mut last_node);
        let damaged = matches!(item, Item::Damaged { .. });
        parsed.items.push(item);
        if damaged {
            break;
        }
    }
    parsed
}

/// A line of a node's `events.jsonl`, without its line feed.
///
/// # Errors
/// It is none, or only the beginning of one.
pub fn node_event(line: &[u8]) -> Result<NodeEvent, serde_json::Error> {
    match lean::node_event(line) {
        Some(event) => Ok(event),
        None => serde_json::from_slice(line),
    }
}

/// Any line that the format allows.
fn general(line: &[u8], names: &mut Vec<String>, last_node: &mut u32) -> Item {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Item::Blank;
    }
    match serde_json::from_slice(line) {
        Ok(Line::Node { at_us, node, what }) => {
            let node = place(names, last_node, &node);
            Item::Node { at_us, node, what }
        }
        Ok(Line::Slot {
            server,
            slot,
            value,
        }) => Item::Slot {
            server,
            slot,
            value: Found::New(value),
        },
        Ok(line) => Item::Other(Box::new(line)),
        Err(error) => Item::Damaged {
            error,
            cut_off: !line.ends_with(b"\n"),
        },
    }
}

/// Nearly all lines of a long history are of few types, and spelt as the writer spells them.
/// `None` for any other.
pub(super) fn frequent<'a>(
    bytes: &'a [u8],
    known: &Known,
    names: &mut Vec<String>,
    last_node: &mut u32,
) -> Option<(Item, &'a [u8])> {
    let mut line = Cursor::new(bytes);
    if bytes.starts_with(br#"{"type":"node""#) {
        let (at_us, name) = lean::node(&mut line)?;
        let what = lean::event(&mut line)?;
        let node = place(names, last_node, name);
        return Some((Item::Node { at_us, node, what }, line.rest()));
    }
    let (server, slot) = lean::slot(&mut line)?;
    let behind_slot = line.rest();
    let mut found = None;
    if let Some((number, value)) = known.value(slot)
        && lean::is_value(&mut line, value)
    {
        found = Some(Found::Known(*number));
    }
    let value = match found {
        Some(found) => found,
        None => {
            line = Cursor::new(behind_slot);
            Found::New(lean::value(&mut line)?)
        }
    };
    let item = Item::Slot {
        server,
        slot,
        value,
    };
    Some((item, line.rest()))
}

/// The place of a name, which is nearly always the last or one of few.
fn place(names: &mut Vec<String>, last: &mut u32, name: &str) -> u32 {
    if names.get(*last as usize).is_none_or(|last| last != name) {
        let known = names.iter().position(|known| known == name);
        *last = known.unwrap_or_else(|| {
            names.push(name.to_string());
            names.len() - 1
        }) as u32;
    }
    *last
}
