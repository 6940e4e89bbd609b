//! A history of operations on registers, keys or logs.

use super::value::Value;

/// What the operations of a history mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// `read`, `write`; at first nil.
    Register,
    /// `read`, `write`, `cas`; at first nil.
    CasRegister,
    /// `get`, `put`, `append` on strings; a key is at first the empty string.
    KeyValue,
    /// `append`, `read` of the whole log or of its length; at first empty.
    Log,
}

impl ModelKind {
    /// As it is named on the command line.
    pub fn word(self) -> &'static str {
        match self {
            ModelKind::Register => "register",
            ModelKind::CasRegister => "cas-register",
            ModelKind::KeyValue => "kv",
            ModelKind::Log => "log",
        }
    }
}

/// What was asked, and what was answered where that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Also `get`: what was read.
    Read(Value),
    /// Also `put`.
    Write(Value),
    /// From, to: it compared, and exchanged.
    Cas(Value, Value),
    /// From, to: it compared, and found another value.
    FailedCas(Value, Value),
    /// What, and in a log the place that the answer names, from 1.
    Append(Value, Option<u64>),
}

/// An operation that happened, or may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// In [`History::processes`].
    pub process: u32,
    /// In [`History::keys`].
    pub key: u32,
    pub call: Call,
    /// The lines of the file that it comes from; 0 where there is no file.
    pub called_line: u64,
    pub returned_line: Option<u64>,
    /// Its places in the order of all calls and returns.
    pub called: u64,
    /// `None`: unknown. It may take effect at any time after its call, or never.
    pub returned: Option<u64>,
}

/// Operations, in the order of their calls. What surely did not happen is left out, and so are
/// reads that were not answered, which say nothing.
#[derive(Debug)]
pub struct History {
    pub model: ModelKind,
    pub processes: Vec<String>,
    /// `None` where operations name no key.
    pub keys: Vec<Option<Value>>,
    pub operations: Vec<Operation>,
}

impl History {
    /// About how much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let values: usize = self
            .operations
            .iter()
            .map(|operation| match &operation.call {
                Call::Read(value) | Call::Write(value) | Call::Append(value, _) => value.bytes(),
                Call::Cas(from, to) | Call::FailedCas(from, to) => from.bytes() + to.bytes(),
            })
            .sum();
        values + self.operations.len() * size_of::<Operation>()
    }
}
