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
    /// The question for chosen slots.
    CatchUp,
    /// Chosen slots, asked for or pushed.
    Learn,
    /// Client messages and reads on their way to the leader.
    Forward,
    /// What a client wants of the cluster, to say something or a linearizable read, and the answer.
    Request,
    /// A page of the chat or of the log, asked of one server, and the answer.
    LogRead,
    /// All else between a client and its server: joining, leaving, deliveries, signs of life.
    Session,
    /// To and from the balancer, and the first frame of every connection.
    Control,
}

impl Kind {
    pub const ALL: [Kind; 13] = [
        Kind::Prepare,
        Kind::Promise,
        Kind::Accept,
        Kind::Accepted,
        Kind::Commit,
        Kind::Heartbeat,
        Kind::CatchUp,
        Kind::Learn,
        Kind::Forward,
        Kind::Request,
        Kind::LogRead,
        Kind::Session,
        Kind::Control,
    ];

    /// Every kind but [`Kind::Control`]: what a server is there for. Without control messages no
    /// connection is made and no server is registered.
    pub fn all_service() -> Vec<Kind> {
        let service = Kind::ALL.into_iter();
        service.filter(|kind| *kind != Kind::Control).collect()
    }
}
