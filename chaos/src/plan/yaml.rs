//! YAML text to a tree in which every scalar knows its place. The YAML crate is named here only.
//!
//! serde_yaml tells positions in errors alone. So the visitor of a scalar keeps the value that it
//! was shown and then refuses it; serde_yaml turns the refusal into an error with line and column;
//! the list or map around it reads that position and goes on, because a refused scalar counts as
//! consumed. One pass gives the exact place of every key and value, and the mistakes in a plan can
//! be told all at once instead of one a run.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::error::{Errors, FileId, Place};

/// A node of the tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Of a scalar, its own; of a list or map, that of its first scalar.
    pub place: Place,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// Nothing was written, or `~`.
    Empty,
    Text(Text),
    List(Vec<Node>),
    /// Keys are scalars; a key that comes twice is there twice.
    Map(Vec<(Node, Node)>),
}

/// Any scalar, as it was typed: numbers are not interpreted here.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Text {
    pub text: String,
    /// Where the text begins behind the node's column, when the two correspond one to one: 0 for a
    /// plain scalar, 1 for a quoted one without escapes.
    offset: Option<usize>,
}

impl Node {
    /// Whether it is a map of keys.
    pub fn is_map(&self) -> bool {
        matches!(self.content, Content::Map(_))
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(&text.text),
            _ => None,
        }
    }

    /// The place of `length` characters from `start` on of a scalar's text; the whole scalar when
    /// it is written with escapes or over several lines.
    pub fn part(&self, start: usize, length: usize) -> Place {
        match &self.content {
            Content::Text(Text {
                offset: Some(offset),
                ..
            }) => Place {
                column: self.place.column + offset + start,
                length: length.max(1),
                ..self.place
            },
            _ => self.place,
        }
    }

    /// What it is, for a message.
    pub fn describe(&self) -> String {
        match &self.content {
            Content::Empty => "nothing".to_owned(),
            Content::Text(text) => format!("`{}`", text.text),
            Content::List(_) => "a list".to_owned(),
            Content::Map(_) => "a map".to_owned(),
        }
    }
}

/// Reads a document. Text that is not YAML is recorded in `errors`, and the answer is none.
pub(super) fn read(text: &str, errors: &mut Errors) -> Option<Node> {
    let lines: Vec<&str> = text.lines().collect();
    let mut slot = None;
    let seed = NodeSeed {
        lines: &lines,
        slot: &mut slot,
    };
    match seed.deserialize(serde_yaml::Deserializer::from_str(text)) {
        Ok(()) => {}
        // The root itself is a scalar.
        Err(_) if matches!(slot, Some(Seen::Scalar(_))) => {}
        Err(error) => {
            add_syntax_error(&error, &lines, errors);
            return None;
        }
    }
    let start = Place {
        file: FileId::PLAN,
        line: 1,
        column: 1,
        length: 1,
    };
    let mut root = slot?.into_node(start);
    fill_places(&mut root, start);
    Some(root)
}

fn add_syntax_error(error: &serde_yaml::Error, lines: &[&str], errors: &mut Errors) {
    let (line, column) = error
        .location()
        .map_or((1, 1), |at| (at.line(), at.column()));
    // Past the end of the text: point at its end.
    let (line, column) = match lines.last() {
        Some(last) if line > lines.len() => (lines.len(), last.chars().count() + 1),
        _ => (line, column),
    };
    let place = Place {
        file: FileId::PLAN,
        line,
        column,
        length: 1,
    };
    let whole = error.to_string();
    // The place is told by the carets.
    let message = whole.split(" at line ").next().unwrap_or(&whole);
    let message = message.rsplit(": ").next().unwrap_or(message);
    let source = lines.get(line - 1).copied().unwrap_or_default();
    let help = if whole.contains("mapping values are not allowed") {
        "a text with `: ` in it needs quotes: say: \"like: this\""
    } else if source.trim_start_matches(' ').starts_with('\t') {
        "YAML takes no tabs for indentation; use spaces"
    } else if whole.contains("flow mapping") || whole.contains("flow sequence") {
        "is a `}`, a `]`, a comma or a closing quote missing here or on a line above?"
    } else if whole.contains("more than one document") {
        "a plan is one document; remove the `---` and what follows it"
    } else if whole.contains(TAGGED) {
        "plans use no YAML tags (`!name`); put the text in quotes"
    } else if whole.contains("repetition limit") {
        "`*name` repeats too much; write a part of it out, or leave it away"
    } else if whole.contains("unknown anchor") {
        "`*name` repeats what `&name` marked; put a text that begins with `*` in quotes"
    } else if source.contains('"') || source.contains('\'') {
        "check the quotes: each needs its closing one, and nothing may follow that"
    } else {
        "check the indentation and the `-` and `:` around here"
    };
    let message = match message {
        TAGGED => "a YAML tag".to_owned(),
        other => format!("this is not YAML: {other}"),
    };
    errors.add_help(place, message, help);
}

const TAGGED: &str = "tagged value";
const REFUSED: &str = "scalar";

/// What a visitor was shown, before the parser told its place.
enum Seen {
    Scalar(Scalar),
    Placed(Node),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

enum Scalar {
    Nothing,
    String(String),
    /// A number or truth value, in the parser's spelling.
    Other(String),
}

impl Seen {
    fn into_node(self, place: Place) -> Node {
        let content = match self {
            Seen::Placed(node) => return node,
            Seen::Scalar(Scalar::Nothing) => Content::Empty,
            Seen::Scalar(Scalar::String(text) | Scalar::Other(text)) => {
                Content::Text(Text { text, offset: None })
            }
            Seen::List(nodes) => Content::List(nodes),
            Seen::Map(entries) => Content::Map(entries),
        };
        Node { place, content }
    }
}

/// Puts what it reads into `slot`. Succeeds for lists and maps; fails for scalars, so that the
/// failure tells the place.
struct NodeSeed<'a> {
    lines: &'a [&'a str],
    slot: &'a mut Option<Seen>,
}

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl NodeSeed<'_> {
    fn refuse<E: serde::de::Error>(self, scalar: Scalar) -> Result<(), E> {
        *self.slot = Some(Seen::Scalar(scalar));
        Err(E::custom(REFUSED))
    }
}

impl<'de> Visitor<'de> for NodeSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.refuse(Scalar::String(text.to_owned()))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.refuse(Scalar::Other(value.to_string()))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.refuse(Scalar::Other(value.to_string()))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.refuse(Scalar::Other(value.to_string()))
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<(), E> {
        self.refuse(Scalar::Other(value.to_string()))
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<(), E> {
        self.refuse(Scalar::Other(value.to_string()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.refuse(Scalar::Other(value.to_string()))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.refuse(Scalar::Nothing)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.refuse(Scalar::Nothing)
    }

    fn visit_enum<A: serde::de::EnumAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom(TAGGED))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut nodes = Vec::new();
        loop {
            let mut slot = None;
            let seed = NodeSeed {
                lines: self.lines,
                slot: &mut slot,
            };
            match items.next_element_seed(seed) {
                Ok(None) => break,
                Ok(Some(())) => {}
                Err(error) => place_scalar(self.lines, &mut slot, error)?,
            }
            nodes.extend(slot.map(|seen| seen.into_node(UNKNOWN)));
        }
        *self.slot = Some(Seen::List(nodes));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut pairs = Vec::new();
        loop {
            let (mut key, mut value) = (None, None);
            let seed = NodeSeed {
                lines: self.lines,
                slot: &mut key,
            };
            match entries.next_key_seed(seed) {
                Ok(None) => break,
                Ok(Some(())) => {}
                Err(error) => place_scalar(self.lines, &mut key, error)?,
            }
            let seed = NodeSeed {
                lines: self.lines,
                slot: &mut value,
            };
            if let Err(error) = entries.next_value_seed(seed) {
                place_scalar(self.lines, &mut value, error)?;
            }
            if let (Some(key), Some(value)) = (key, value) {
                pairs.push((key.into_node(UNKNOWN), value.into_node(UNKNOWN)));
            }
        }
        *self.slot = Some(Seen::Map(pairs));
        Ok(())
    }
}

/// Stands in the tree until [`fill_places`] has passed.
const UNKNOWN: Place = Place {
    file: FileId::PLAN,
    line: 0,
    column: 0,
    length: 1,
};

/// Gives the refused scalar in `slot` the place that `error` tells. An error that is not a refusal
/// is handed back.
fn place_scalar<E: fmt::Display>(
    lines: &[&str],
    slot: &mut Option<Seen>,
    error: E,
) -> Result<(), E> {
    let scalar = match slot.take() {
        Some(Seen::Scalar(scalar)) => scalar,
        other => {
            *slot = other;
            return Err(error);
        }
    };
    let (line, column) = position(&error.to_string());
    *slot = Some(Seen::Placed(placed_node(lines, line, column, scalar)));
    Ok(())
}

/// The line and column at the end of a message of serde_yaml, which leaves out the very first
/// position.
fn position(message: &str) -> (usize, usize) {
    message
        .rsplit_once(" at line ")
        .and_then(|(_, position)| position.split_once(" column "))
        .and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)))
        .unwrap_or((1, 1))
}

/// Finds out how long the scalar at this position is, and how a part of it can be pointed at.
fn placed_node(lines: &[&str], line: usize, column: usize, scalar: Scalar) -> Node {
    let source = lines.get(line - 1).copied().unwrap_or_default();
    let mut column = column;
    let mut rest: &str = match source.char_indices().nth(column - 1) {
        Some((byte, _)) => &source[byte..],
        None => "",
    };
    // An anchor belongs to the scalar, but is not what is meant.
    if rest.starts_with('&') {
        let anchor = rest.find(' ').map_or(rest.len(), |space| {
            space + rest[space..].len() - rest[space..].trim_start().len()
        });
        column += rest[..anchor].chars().count();
        rest = &rest[anchor..];
    }
    let content = match scalar {
        Scalar::Nothing => Content::Empty,
        Scalar::String(text) => {
            let offset = text_offset(rest, &text);
            Content::Text(Text { text, offset })
        }
        // As it was typed: `007` or `1e3` can be a text too.
        Scalar::Other(parsed) => {
            let end = rest.find([' ', '\t', ',', ']', '}', ':', '#']);
            let typed = &rest[..end.unwrap_or(rest.len())];
            let text = if typed.is_empty() { &parsed } else { typed };
            Content::Text(Text {
                text: text.to_owned(),
                offset: Some(0),
            })
        }
    };
    let length = match &content {
        Content::Empty => usize::from(rest.starts_with('~')),
        Content::Text(Text {
            text,
            offset: Some(offset),
        }) => text.chars().count() + 2 * offset,
        // Escapes or several lines: what stands on the first line.
        _ => rest.trim_end().chars().count(),
    };
    let place = Place {
        file: FileId::PLAN,
        // A scalar of length 0 has no place of its own: it takes that of its key.
        line: if length == 0 { 0 } else { line },
        column,
        length,
    };
    Node { place, content }
}

fn text_offset(rest: &str, text: &str) -> Option<usize> {
    let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return rest.starts_with(text).then_some(0);
    };
    let inside = rest[1..].strip_prefix(text)?;
    (inside.starts_with(quote) && !text.contains([quote, '\\'])).then_some(1)
}

/// Gives lists and maps the place of their first scalar, and what has no place that of its key.
fn fill_places(node: &mut Node, fallback: Place) {
    match &mut node.content {
        Content::List(nodes) => {
            for child in nodes.iter_mut() {
                fill_places(child, fallback);
            }
            if let Some(first) = nodes.first() {
                node.place = first.place;
            }
        }
        Content::Map(entries) => {
            for (key, value) in entries.iter_mut() {
                fill_places(key, fallback);
                fill_places(value, key.place);
            }
            if let Some((key, _)) = entries.first() {
                node.place = key.place;
            }
        }
        Content::Empty | Content::Text(_) => {}
    }
    if node.place.line == 0 {
        node.place = fallback;
    }
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
