//! Hand-over: a leader that is about to stop passes its place on, so that nobody waits for a
//! timeout (Ongaro, "Consensus: Bridging Theory and Practice", section 3.10).

use std::time::Duration;

use super::Message;
use super::replica::{NEVER, Replica, Role};
use crate::ids::{Ballot, ServerId};

/// A hand-over under way. It ends when the successor's Prepare comes, or is given up.
#[derive(Debug, Clone, Hash)]
pub(super) struct HandingOver {
    /// What is in flight is given this long to be chosen first.
    drain_until: Duration,
    ask_at: Duration,
    give_up_at: Duration,
}

impl Replica {
    /// Asks the peer that knows most to lead instead. From then on new messages are dropped; what
    /// is in flight is given a moment to be chosen first. Returns whether a hand-over is under way:
    /// it has succeeded once the replica no longer leads, and is given up after a while.
    pub fn hand_over(&mut self, now: Duration) -> bool {
        self.advance_clock(now);
        let timing = &self.config.timing;
        let Role::Leading(leading) = &self.role else {
            return false;
        };
        if leading.handing_over.is_some() {
            return true;
        }
        if self.best_successor(leading).is_none() {
            return false;
        }
        let handing_over = HandingOver {
            drain_until: self.now + timing.retransmit,
            ask_at: self.now,
            give_up_at: self.now + timing.election_min,
        };
        if let Role::Leading(leading) = &mut self.role {
            leading.handing_over = Some(handing_over);
        }
        self.tick_hand_over();
        true
    }

    /// Whether a hand-over is under way: neither has it succeeded nor was it given up.
    pub fn is_handing_over(&self) -> bool {
        match &self.role {
            Role::Leading(leading) => leading.handing_over.is_some(),
            _ => false,
        }
    }

    /// Stands without pre-votes: the leader itself wants to be replaced.
    pub(super) fn on_hand_over(&mut self, from: ServerId, ballot: Ballot) {
        let may = self.voting
            && ballot.owner() == Some(from)
            && ballot >= self.acceptor.promised
            && self.hears_directly(ballot);
        if may {
            self.stand();
        }
    }

    pub(super) fn tick_hand_over(&mut self) {
        let retransmit = self.config.timing.retransmit;
        if self.now < self.hand_over_due() {
            return;
        }
        let Role::Leading(leading) = &self.role else {
            return;
        };
        let ballot = leading.ballot;
        let successor = self.best_successor(leading);
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        match (&mut leading.handing_over, successor) {
            (Some(handing_over), Some(successor)) if self.now < handing_over.give_up_at => {
                handing_over.ask_at = self.now + retransmit;
                self.outbox.send(successor, Message::HandOver { ballot });
            }
            _ => leading.handing_over = None,
        }
    }

    pub(super) fn hand_over_due(&self) -> Duration {
        let Role::Leading(leading) = &self.role else {
            return NEVER;
        };
        let Some(handing_over) = &leading.handing_over else {
            return NEVER;
        };
        let drained = leading.in_flight.is_empty() && self.queue.is_empty();
        let start = if drained {
            Duration::ZERO
        } else {
            handing_over.drain_until
        };
        handing_over.ask_at.max(start).min(handing_over.give_up_at)
    }
}
