//! What the log on disk is made of.

use serde::{Deserialize, Serialize};

use crate::ids::{Ballot, ServerId, Slot};
use crate::value::Value;

/// One fact that survives a crash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Record {
    /// No ballot below this one will be accepted again.
    Promised { ballot: Ballot },
    /// The value was accepted in the slot under the ballot.
    Accepted {
        slot: Slot,
        ballot: Ballot,
        value: Value,
    },
    /// The value was learned as chosen from a peer.
    Learned { slot: Slot, value: Value },
    /// Every slot up to this one is chosen, and the last value written for each is the chosen one.
    Chosen { upto: Slot },
    /// The incarnation of a member at the formation of the cluster.
    Member(Member),
    /// Every member confirmed that it remembers this server's incarnation: it may vote.
    Formed,
    /// The balancer admitted clients once: the cluster need not be complete again to serve.
    Opened,
    /// An earlier log of this server was damaged, and what it promised is lost: it must never vote.
    Lost,
}

/// A server as its peers know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    pub server: ServerId,
    /// Drawn at random when the server's directory was formatted.
    pub incarnation: u64,
}
