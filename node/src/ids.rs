//! The names of things: servers, clients, slots, ballots.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A server of the cluster, counted from 1. Written `s1`, `s2`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServerId(pub u16);

/// One client session, unique for the life of the cluster. A client process that restarts is a new
/// session. Together with a sequence number it makes a retry idempotent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub u64);

/// A position in the replicated log, from 1. `Slot(0)` is "before the first".
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Slot(pub u64);

/// A proposal number: totally ordered, and owned by one server, so that no two servers ever use the
/// same one ("The Part-Time Parliament", section 2.2, B1).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Ballot {
    // Field order is the order of comparison: round first, then the server.
    pub round: u64,
    /// The server that owns the ballot; 0 only in [`Ballot::ZERO`].
    pub server: u16,
}

/// A connection that a node accepted, as its host numbers them: ascending in the order of being
/// established, and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

impl Slot {
    /// The slot after this one.
    pub fn next(self) -> Slot {
        Slot(self.0 + 1)
    }
}

impl Ballot {
    /// Below every ballot that a server can own.
    pub const ZERO: Ballot = Ballot {
        round: 0,
        server: 0,
    };

    /// The ballot of `server` in `round`.
    pub fn new(round: u64, server: ServerId) -> Ballot {
        Ballot {
            round,
            server: server.0,
        }
    }

    /// The server that owns this ballot, none for [`Ballot::ZERO`].
    pub fn owner(self) -> Option<ServerId> {
        (self.server != 0).then_some(ServerId(self.server))
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

impl FromStr for ServerId {
    type Err = String;

    /// Reads `s1`, `s2`, …
    fn from_str(text: &str) -> Result<ServerId, String> {
        text.strip_prefix('s')
            .and_then(|digits| digits.parse().ok())
            .filter(|&number| number > 0)
            .map(ServerId)
            .ok_or_else(|| format!("`{text}` is not a server; servers are s1, s2, …"))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.s{}", self.round, self.server)
    }
}
