//! The kinds of messages that a link rule can name.

use serde::{Deserialize, Serialize};

/// What a message is for, as far as links care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Phase 1a and the question before it (pre-vote).
    Prepare,
    /// Phase 1b and the answer to a pre-vote.
    Promise,
    /// Phase 2a.
    Accept,
    /// Phase 2b, and the refusal of a ballot.
    Accepted,
    /// A chosen index.
    Commit,
    /// The leader's sign of life, its answer, and the hand-over of leadership.
    Heartbeat,
    /// Chosen slots asked for and sent.
    CatchUp,
    /// Client messages and reads on their way to the leader.
    Forward,
    /// Between a client and its server.
    Client,
    /// To and from the balancer, and the first frame of every connection.
    Control,
}
