//! What the log holds.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::ClientId;

/// One chat message under its session. `(client, seq)` names it for ever: a retry carries the same
/// pair, and is applied once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub client: ClientId,
    /// Counted from 1 for each client, without holes.
    pub seq: u64,
    /// The name that the speaker goes by.
    pub name: String,
    /// The speaker's wall clock when it was typed, milliseconds since the Unix epoch. For people
    /// only: nothing is ordered or decided by it.
    pub at_ms: u64,
    pub text: String,
}

impl Command {
    /// Longer texts are refused where they are typed: a batch must fit a frame.
    pub const MAX_TEXT_BYTES: usize = 64 * 1024;
    /// Names are for people to read.
    pub const MAX_NAME_BYTES: usize = 64;

    /// Whether a server may take it. A client checks this before it sends.
    pub fn is_sound(&self) -> bool {
        self.seq > 0
            && self.text.len() <= Self::MAX_TEXT_BYTES
            && self.name.len() <= Self::MAX_NAME_BYTES
    }
}

/// What one slot of the log holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// Proposed by a new leader in a hole.
    Noop,
    /// One or more messages, in order. Shared, because a value goes to every peer and to the disk.
    Batch(Arc<Vec<Command>>),
}

impl Value {
    pub fn batch(commands: Vec<Command>) -> Value {
        Value::Batch(Arc::new(commands))
    }

    /// The messages of the value; none for a no-op.
    pub fn commands(&self) -> &[Command] {
        match self {
            Value::Noop => &[],
            Value::Batch(commands) => commands,
        }
    }
}
