//! What a replica knows after a restart.

use crate::ids::{Ballot, Slot};
use crate::paxos::Sessions;
use crate::value::Value;

/// The durable state of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The highest ballot promised or accepted. An acceptance in a ballot is a promise of it too,
    /// so one record of either kind is enough.
    pub promised: Ballot,
    /// The last accepted value of each slot above `chosen`, ascending. Whether any of them is
    /// chosen is not known.
    pub accepted: Vec<(Slot, Ballot, Value)>,
    /// Every slot up to this one is chosen.
    pub chosen: Slot,
    /// Whether it may vote. A server that lost its disk may not: it has forgotten its promises.
    pub voting: bool,
    /// The result of applying every slot up to `chosen`.
    pub sessions: Sessions,
}

impl Recovered {
    /// The state of a server that never ran.
    pub fn empty() -> Recovered {
        Recovered {
            promised: Ballot::ZERO,
            accepted: Vec::new(),
            chosen: Slot(0),
            voting: true,
            sessions: Sessions::new(),
        }
    }
}
