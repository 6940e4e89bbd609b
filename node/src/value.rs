//! What the log holds.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::ClientId;

/// One chat message under its session. `(client, seq)` names it for ever: a retry carries the same
/// pair, and is applied once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

    /// A CRC32C of everything that the value holds, by which lines of evidence name it. It does not
    /// depend on how values are encoded, so that whoever reads the evidence can work it out anew.
    pub fn digest(&self) -> u32 {
        match self {
            Value::Noop => NOOP_DIGEST,
            Value::Batch(commands) => digest(commands.iter().map(|command| {
                let Command {
                    client,
                    seq,
                    name,
                    at_ms,
                    text,
                } = command;
                (*client, *seq, name.as_str(), *at_ms, text.as_str())
            })),
        }
    }
}

/// [`Value::digest`] of a no-op.
pub const NOOP_DIGEST: u32 = 0;

/// [`Value::digest`] of a batch: for each message client, sequence number, time, and the lengths of
/// name and text (8 bytes each, little endian), then name and text.
pub fn digest<'a>(messages: impl Iterator<Item = (ClientId, u64, &'a str, u64, &'a str)>) -> u32 {
    // Not zero even for a batch of nothing.
    messages.fold(u32::MAX, |digest, (client, seq, name, at_ms, text)| {
        let mut fixed = [0; 40];
        let numbers = [client.0, seq, at_ms, name.len() as u64, text.len() as u64];
        for (place, number) in fixed.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let digest = crc32c::crc32c_append(digest, &fixed);
        let digest = crc32c::crc32c_append(digest, name.as_bytes());
        crc32c::crc32c_append(digest, text.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_everything_that_a_value_holds() {
        let command = Command {
            client: ClientId(1),
            seq: 2,
            name: "ann".to_string(),
            at_ms: 3,
            text: "hello".to_string(),
        };
        let mut values = vec![
            Value::Noop,
            Value::batch(Vec::new()),
            Value::batch(vec![command.clone()]),
            Value::batch(vec![command.clone(), command.clone()]),
        ];
        let changes: [fn(&mut Command); 6] = [
            |command| command.client = ClientId(2),
            |command| command.seq = 3,
            |command| command.name.push('a'),
            |command| command.at_ms = 4,
            |command| command.text.push('!'),
            // The same letters in the same order, parted elsewhere.
            |command| {
                command.name = "annh".to_string();
                command.text = "ello".to_string();
            },
        ];
        for change in changes {
            let mut changed = command.clone();
            change(&mut changed);
            values.push(Value::batch(vec![changed]));
        }
        let mut digests: Vec<u32> = values.iter().map(Value::digest).collect();
        assert_eq!(digests[0], NOOP_DIGEST);
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), values.len());
    }
}
