//! Values as histories write them, in EDN.

use std::fmt::{self, Display, Formatter, Write};

/// One EDN value. Vectors and lists are one, as a history means the same by both.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Text(Box<str>),
    /// Without its colon.
    Keyword(Box<str>),
    /// Anything else that is one word: symbols, and numbers that are no 64-bit integers.
    Symbol(Box<str>),
    List(Vec<Value>),
    Set(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

impl Value {
    pub fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    pub fn keyword(word: &str) -> Value {
        Value::Keyword(word.into())
    }

    /// Both parts of a list of two.
    pub fn pair(&self) -> Option<(&Value, &Value)> {
        match self {
            Value::List(items) => match items.as_slice() {
                [first, second] => Some((first, second)),
                _ => None,
            },
            _ => None,
        }
    }

    /// About how much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let inside = match self {
            Value::Nil | Value::Bool(_) | Value::Int(_) => 0,
            Value::Text(text) | Value::Keyword(text) | Value::Symbol(text) => text.len(),
            Value::List(items) | Value::Set(items) => items.iter().map(Value::bytes).sum(),
            Value::Map(entries) => entries
                .iter()
                .map(|(key, value)| key.bytes() + value.bytes())
                .sum(),
        };
        size_of::<Value>() + inside
    }
}

/// As EDN, on one line.
impl Display for Value {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        match self {
            Value::Nil => out.write_str("nil"),
            Value::Bool(truth) => write!(out, "{truth}"),
            Value::Int(number) => write!(out, "{number}"),
            Value::Text(text) => quoted(text, out),
            Value::Keyword(word) => write!(out, ":{word}"),
            Value::Symbol(word) => out.write_str(word),
            Value::List(items) => joined("[", items, "]", out),
            Value::Set(items) => joined("#{", items, "}", out),
            Value::Map(entries) => {
                out.write_char('{')?;
                for (place, (key, value)) in entries.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(out, "{comma}{key} {value}")?;
                }
                out.write_char('}')
            }
        }
    }
}

fn joined(open: &str, items: &[Value], close: &str, out: &mut Formatter) -> fmt::Result {
    out.write_str(open)?;
    for (place, item) in items.iter().enumerate() {
        let space = if place == 0 { "" } else { " " };
        write!(out, "{space}{item}")?;
    }
    out.write_str(close)
}

/// A string in quotes. Control characters are escaped, so that a terminal shows and does not obey
/// them.
pub fn quoted(text: &str, out: &mut impl Write) -> fmt::Result {
    out.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            // EDN has no other escape for them.
            other if other.is_control() => write!(out, "\\u{:04x}", other as u32)?,
            other => out.write_char(other)?,
        }
    }
    out.write_char('"')
}
