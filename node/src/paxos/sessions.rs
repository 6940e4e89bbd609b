//! The session table: what makes a retried message take effect once.
//!
//! It is a pure function of the chosen values, so every replica that applied the same slots holds
//! the same table (Ongaro, "Consensus: Bridging Theory and Practice", section 6.3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ClientId, Slot};
use crate::paxos::Applied;
use crate::planted::{self, Bug};
use crate::value::{Command, Value};

/// Every session that ever had a message applied, and the length of the chat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sessions {
    sessions: BTreeMap<ClientId, Session>,
    messages: u64,
    /// The last text of each client, kept for [`Bug::DedupByText`] only.
    #[serde(skip)]
    texts: BTreeMap<ClientId, String>,
}

/// The last message of a session that took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Session {
    seq: u64,
    index: u64,
    slot: Slot,
}

/// What became of a client's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// Its last message: it stands at `index` of the chat, in `slot` of the log.
    At { index: u64, slot: Slot },
    /// It took effect, and so did a later one of the client. Its place is not kept: a client that
    /// sends a message has seen its earlier ones acknowledged or sends them again with it, and
    /// needs no place for them.
    Earlier,
    /// It took no effect so far.
    No,
}

impl Sessions {
    pub fn new() -> Sessions {
        Sessions::default()
    }

    /// The only sequence number of this client that would take effect now.
    pub fn next_seq(&self, client: ClientId) -> u64 {
        self.sessions
            .get(&client)
            .map_or(1, |session| session.seq + 1)
    }

    /// What became of message `seq` of `client`.
    pub fn stored(&self, client: ClientId, seq: u64) -> Stored {
        match self.sessions.get(&client) {
            Some(last) if seq == last.seq => Stored::At {
                index: last.index,
                slot: last.slot,
            },
            Some(last) if seq < last.seq => Stored::Earlier,
            _ => Stored::No,
        }
    }

    /// The number of messages in the chat: the index of the last one.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Forgets all clients: a mistake, for [`Bug::SessionTableLost`].
    pub(crate) fn forget_clients(&mut self) {
        self.sessions.clear();
    }

    /// Applies the value that was chosen in `slot` and returns the messages that take effect.
    ///
    /// A message takes effect if its number is the next of its client. A lower one is a repeat. A
    /// higher one is a gap: its predecessor was lost with a deposed leader, and were it applied now,
    /// the predecessor could only come after it or never.
    ///
    /// The caller applies each slot once, in order.
    pub fn apply(&mut self, slot: Slot, value: &Value) -> Vec<Applied> {
        let mut applied = Vec::with_capacity(value.commands().len());
        for (position, command) in (0..).zip(value.commands()) {
            let known = self.sessions.get_mut(&command.client);
            if command.seq != known.as_ref().map_or(1, |last| last.seq + 1) {
                continue;
            }
            let repeats = planted::is(Bug::DedupByText) && repeats_text(&mut self.texts, command);
            self.messages += u64::from(!repeats);
            let index = self.messages;
            let last = Session {
                seq: command.seq,
                index,
                slot,
            };
            match known {
                Some(known) => *known = last,
                None => drop(self.sessions.insert(command.client, last)),
            }
            if !repeats {
                applied.push(Applied { index, position });
            }
        }
        applied
    }
}

/// Whether the client said the same before; notes what it says now.
fn repeats_text(texts: &mut BTreeMap<ClientId, String>, command: &Command) -> bool {
    let before = texts.insert(command.client, command.text.clone());
    before.is_some_and(|text| text == command.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: ClientId = ClientId(1);
    const BOB: ClientId = ClientId(2);

    fn say(client: ClientId, seq: u64) -> Command {
        Command {
            client,
            seq,
            name: "x".to_owned(),
            at_ms: 0,
            text: format!("{client} {seq}"),
        }
    }

    fn apply(sessions: &mut Sessions, slot: u64, commands: &[(ClientId, u64)]) -> Vec<(u64, u64)> {
        let batch = commands.iter().map(|&(client, seq)| say(client, seq));
        sessions
            .apply(Slot(slot), &Value::batch(batch.collect()))
            .iter()
            .map(|applied| (applied.index, commands[applied.position as usize].1))
            .collect()
    }

    #[test]
    fn counts_messages_over_batches_and_clients() {
        let mut sessions = Sessions::new();
        let first = apply(&mut sessions, 1, &[(ANN, 1), (BOB, 1), (ANN, 2)]);
        assert_eq!(first, [(1, 1), (2, 1), (3, 2)]);
        assert!(sessions.apply(Slot(2), &Value::Noop).is_empty());
        assert_eq!(apply(&mut sessions, 3, &[(ANN, 3)]), [(4, 3)]);
        assert_eq!(sessions.messages(), 4);
        assert_eq!(sessions.next_seq(ANN), 4);
        assert_eq!(sessions.next_seq(BOB), 2);
    }

    #[test]
    fn a_repeat_takes_no_effect_in_the_same_batch_or_a_later_one() {
        let mut sessions = Sessions::new();
        assert_eq!(apply(&mut sessions, 1, &[(ANN, 1), (ANN, 1)]), [(1, 1)]);
        assert_eq!(apply(&mut sessions, 2, &[(ANN, 1), (ANN, 2)]), [(2, 2)]);
        assert_eq!(sessions.messages(), 2);
    }

    #[test]
    fn a_gap_takes_no_effect_and_does_not_move_the_session() {
        let mut sessions = Sessions::new();
        assert_eq!(apply(&mut sessions, 1, &[(ANN, 2), (ANN, 0)]), []);
        assert_eq!(sessions.next_seq(ANN), 1);
        assert_eq!(
            apply(&mut sessions, 2, &[(ANN, 1), (ANN, 3), (ANN, 2)]),
            [(1, 1), (2, 2)]
        );
    }

    #[test]
    fn the_place_of_the_last_message_is_kept() {
        let mut sessions = Sessions::new();
        apply(&mut sessions, 4, &[(BOB, 1), (ANN, 1)]);
        apply(&mut sessions, 7, &[(ANN, 2)]);
        let at = |index, slot| Stored::At {
            index,
            slot: Slot(slot),
        };
        assert_eq!(sessions.stored(ANN, 2), at(3, 7));
        assert_eq!(sessions.stored(BOB, 1), at(1, 4));
        assert_eq!(sessions.stored(ANN, 1), Stored::Earlier);
        assert_eq!(sessions.stored(ANN, 3), Stored::No);
        assert_eq!(sessions.stored(ClientId(9), 1), Stored::No);
    }

    #[test]
    fn a_checkpoint_restores_the_same_table() {
        let mut sessions = Sessions::new();
        apply(&mut sessions, 1, &[(ANN, 1), (BOB, 1), (ANN, 2)]);
        let bytes = postcard::to_stdvec(&sessions).unwrap();
        assert_eq!(postcard::from_bytes::<Sessions>(&bytes).unwrap(), sessions);
    }
}
