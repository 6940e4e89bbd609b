//! What a replica is told when it starts.

use std::time::Duration;

use crate::ids::ServerId;

/// Who the replica is, and how it behaves.
#[derive(Debug, Clone)]
pub struct Config {
    pub me: ServerId,
    /// The members are s1 … sN.
    pub servers: u16,
    /// The server that stands first in a cluster in which nothing was ever promised.
    pub first_leader: Option<ServerId>,
    /// Feeds the election timeouts and nothing else.
    pub seed: u64,
    pub timing: Timing,
    pub limits: Limits,
}

/// How long the replica waits. Only progress depends on these values, never safety.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Between two heartbeats of a leader, and between two requests of a candidate.
    pub heartbeat: Duration,
    /// A follower whose leader was silent for a random time between these two stands for election.
    /// Until the first has passed it counts the leader as alive and refuses pre-votes.
    pub election_min: Duration,
    /// A leader that no majority answered for this long steps down.
    pub election_max: Duration,
    /// A follower whose connection to its leader ended stands after a random time between these
    /// two, unless it hears the leader again: long enough for a leader that lives to connect anew,
    /// and for one of several followers to be first.
    pub suspicion_min: Duration,
    pub suspicion_max: Duration,
    /// After which an unanswered Accept or CatchUp is sent again, and a chosen index that nothing
    /// else has carried to the disk is written by itself.
    pub retransmit: Duration,
    /// How long a leader may let messages gather for one batch while earlier batches are not chosen
    /// yet. It costs less than each message is worth on its own, and nothing when there is little
    /// to do: the first batch waits for nothing.
    pub gather: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            heartbeat: Duration::from_millis(40),
            election_min: Duration::from_millis(300),
            election_max: Duration::from_millis(600),
            suspicion_min: Duration::from_millis(10),
            suspicion_max: Duration::from_millis(30),
            retransmit: Duration::from_millis(100),
            gather: Duration::from_millis(1),
        }
    }
}

/// How much the replica holds. A Promise carries at most [`Limits::open_slots`] values of
/// `batch_bytes` each (8 MiB by default), which is the largest message between replicas.
#[derive(Debug, Clone)]
pub struct Limits {
    /// A batch is closed before it exceeds this; a single larger message is a batch of its own.
    pub batch_bytes: usize,
    /// The most messages in one batch.
    pub batch_messages: usize,
    /// The most slots that a leader has proposed and not yet seen chosen.
    pub window_slots: u64,
    /// The most messages that wait for a slot at the leader; more are dropped, and their clients
    /// retry.
    pub queue_messages: usize,
    /// While records of so many bytes wait for the disk, nothing more is accepted, learned or
    /// proposed: a disk that stands still for a while must not cost the memory of what is said
    /// meanwhile.
    pub unwritten_bytes: usize,
}

impl Limits {
    /// How far above its chosen index an acceptor accepts. Wider than the leader's window, because
    /// a follower learns a little later than the leader what is chosen.
    pub fn open_slots(&self) -> u64 {
        4 * self.window_slots
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            batch_bytes: 32 * 1024,
            batch_messages: 1024,
            window_slots: 64,
            queue_messages: 16 * 1024,
            unwritten_bytes: 64 << 20,
        }
    }
}
