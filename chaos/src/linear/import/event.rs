//! One line of a history: a call or a return.

use crate::linear::value::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

impl Kind {
    pub fn of(word: &str) -> Option<Kind> {
        match word {
            "invoke" => Some(Kind::Invoke),
            "ok" => Some(Kind::Ok),
            "fail" => Some(Kind::Fail),
            "info" => Some(Kind::Info),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Kind::Invoke => ":invoke",
            Kind::Ok => ":ok",
            Kind::Fail => ":fail",
            Kind::Info => ":info",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Event {
    pub line: u64,
    /// As written: `9`.
    pub process: String,
    pub kind: Kind,
    /// Without its colon.
    pub function: Box<str>,
    pub key: Option<Value>,
    pub value: Value,
    pub error: Option<Value>,
    /// The place in a log that an append's return names.
    pub position: Option<u64>,
}
