//! What a replica asks of the world. Effects are data: a test compares them exactly.

use crate::ids::{Ballot, ServerId, Slot};
use crate::log::Record;
use crate::paxos::Message;
use crate::value::{Command, Value};

/// Everything that a replica wants done since the last call of `take_effects`, to be carried out in
/// the order of the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Effects {
    /// Leaderships that began, to be put on record before anything below leaves. One may be over
    /// again by now.
    pub led: Vec<Led>,
    /// May leave at once.
    pub send: Vec<(ServerId, Message)>,
    /// To be written to the log, in order. Once all of it is durable the host calls
    /// `Replica::persisted(persist_upto)`.
    pub persist: Vec<Record>,
    /// The number of records emitted so far in the replica's life, this batch included.
    pub persist_upto: u64,
    /// May leave only when everything in `persist`, of this and of all earlier effects, is durable.
    pub send_after_persist: Vec<(ServerId, Message)>,
    /// Newly chosen slots, consecutive, ascending, each exactly once.
    pub chosen: Vec<Chosen>,
    /// Peers that ask for chosen slots or that are known to lack them: the host reads them from the
    /// log and sends a `Learn`.
    pub serve: Vec<Serve>,
    /// Linearizable reads that may be answered once the slot is applied, which it is by now.
    pub reads: Vec<ReadReady>,
}

/// A completed phase 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Led {
    pub ballot: Ballot,
    /// Whose promises were counted, ascending.
    pub promised_by: Vec<ServerId>,
    /// All slots up to this one were known to be chosen; it proposes in those behind it.
    pub after: Slot,
}

/// A chosen slot and what it means to the sessions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Chosen {
    pub slot: Slot,
    pub value: Value,
    /// The messages of the value that take effect, in order; a repeat or a gap does not.
    pub applied: Vec<Applied>,
}

impl Chosen {
    /// The messages that take effect, each with its place in the chat.
    pub fn messages(&self) -> impl Iterator<Item = (u64, &Command)> {
        let commands = self.value.commands();
        let messages = self.applied.iter();
        messages.map(|applied| (applied.index, &commands[applied.position as usize]))
    }
}

/// A message that took its place in the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Applied {
    /// The place in the chat, counted from 1 without holes: what clients see.
    pub index: u64,
    /// The place among the messages of the value, from 0.
    pub position: u32,
}

/// "Send `to` a `Learn` with the chosen values from `from` on, as many as fit in one chunk."
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Serve {
    pub to: ServerId,
    pub from: Slot,
}

/// The read `id`, asked of this replica, sees everything acknowledged before it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReadReady {
    pub id: u64,
    pub slot: Slot,
}
