//! What replicas say to each other.

use serde::{Deserialize, Serialize};

use crate::ids::{Ballot, Slot};
use crate::link::Kind;
use crate::value::{Command, Value};

/// A message between two replicas. Any of them may be lost, repeated, delayed and reordered.
///
/// Only [`Message::Commit`], [`Message::Learn`] and [`Message::Promise`] can teach a replica that
/// others know a slot to be chosen. A Promise never moves its chosen index: it tells a candidate
/// whom to ask, and the values come by Learn. So delaying Commit and Learn delays all that a replica
/// is taught; what it finds out for itself is what it proposes, when a majority has accepted it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// "Would you promise `ballot`?" Changes nothing at the receiver.
    PreVote { ballot: Ballot },
    PreVoteReply {
        /// The ballot asked about.
        ballot: Ballot,
        granted: bool,
        /// The highest ballot that the voter promised: the next try must be above it.
        promised: Ballot,
        /// The live leader that the voter hears (itself, if it leads), when there is one. A
        /// candidate that cannot hear that leader follows it through the voter.
        leader: Option<Ballot>,
    },

    /// Phase 1a for every slot from `from` on.
    Prepare { ballot: Ballot, from: Slot },
    /// Phase 1b. `accepted` holds every value that the acceptor accepted in slots that are both
    /// `>= from` and above `chosen`. Slots up to `chosen` are chosen: the candidate must learn
    /// them by catch-up, and never proposes in them.
    Promise {
        ballot: Ballot,
        chosen: Slot,
        accepted: Vec<(Slot, Ballot, Value)>,
    },

    /// Phase 2a.
    Accept {
        ballot: Ballot,
        slot: Slot,
        value: Value,
    },
    /// Phase 2b.
    Accepted { ballot: Ballot, slot: Slot },

    /// The answer to a Prepare, Accept or Heartbeat whose ballot is below a promise.
    Reject {
        /// The ballot that was refused.
        ballot: Ballot,
        promised: Ballot,
        /// Whether the sender hears a live leader in `promised`. If it does not, the refused leader
        /// may try a higher ballot at once; if it does, it must step down.
        follows: bool,
    },

    /// The leader is alive. `probe` grows with every round of heartbeats.
    Heartbeat { ballot: Ballot, probe: u64 },
    HeartbeatReply {
        ballot: Ballot,
        probe: u64,
        /// The sender's own chosen index.
        chosen: Slot,
    },

    /// All slots up to `chosen` are chosen. The receiver takes from its own accepted values only
    /// those that it accepted in `ballot`, and asks for the rest.
    Commit { ballot: Ballot, chosen: Slot },

    /// "Send me the chosen slots from `from` on."
    CatchUp { from: Slot },
    /// Chosen values of consecutive slots from `from` on, a bounded chunk: the answer to a CatchUp,
    /// or pushed by a leader that sees the receiver behind. `chosen` is the sender's chosen index:
    /// if the chunk ends below it, there is more.
    Learn {
        from: Slot,
        values: Vec<Value>,
        chosen: Slot,
    },

    /// Client messages on their way to the leader, in each client's order. A server that is not the
    /// leader passes them on while `hops` lasts.
    Forward { commands: Vec<Command>, hops: u8 },

    /// "At which slot may `origin` answer linearizable read `id`?" Passed on like a Forward.
    ReadIndex { origin: u16, id: u64, hops: u8 },
    /// The leader confirmed its leadership after the question: a prefix up to `slot` is fresh.
    /// Sent to `origin`, through the server that passed the question on.
    ReadIndexReply { origin: u16, id: u64, slot: Slot },

    /// The leader of `ballot` is stopping and asks the receiver to take over at once.
    HandOver { ballot: Ballot },
}

impl Message {
    /// The kind under which the link table knows it.
    pub fn kind(&self) -> Kind {
        match self {
            Message::PreVote { .. } | Message::Prepare { .. } => Kind::Prepare,
            Message::PreVoteReply { .. } | Message::Promise { .. } => Kind::Promise,
            Message::Accept { .. } => Kind::Accept,
            Message::Accepted { .. } | Message::Reject { .. } => Kind::Accepted,
            Message::Commit { .. } => Kind::Commit,
            Message::Heartbeat { .. }
            | Message::HeartbeatReply { .. }
            | Message::HandOver { .. } => Kind::Heartbeat,
            Message::CatchUp { .. } => Kind::CatchUp,
            Message::Learn { .. } => Kind::Learn,
            Message::Forward { .. }
            | Message::ReadIndex { .. }
            | Message::ReadIndexReply { .. } => Kind::Forward,
        }
    }
}
