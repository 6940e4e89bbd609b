//! What a replica knows after a restart.

use crate::ids::{Ballot, ServerId, Slot};
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
    /// Forgets that `me` promised a ballot of its own; see [`planted`](crate::planted).
    pub(super) fn forget_own_ballot(&mut self, me: ServerId) {
        let accepted = self.accepted.iter().map(|(_, ballot, _)| *ballot).max();
        if self.promised.owner() == Some(me) && accepted < Some(self.promised) {
            let before = Ballot::new(self.promised.round - 1, me);
            self.promised = before.max(accepted.unwrap_or(Ballot::ZERO));
        }
    }

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
