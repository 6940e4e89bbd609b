//! The balancer as a state machine: servers register with it and report how they are, clients ask
//! it for a server. It keeps nothing on disk: after a restart it learns everything again from the
//! servers' reports.
//!
//! [`Balancer`] decides who is admitted and what is answered, [`members`] who is live under which
//! id, [`occupancy`] how many clients each server has.

mod balance;
mod members;
mod occupancy;

use std::time::Duration;

pub use balance::Balancer;

use crate::event::Event;
use crate::ids::ConnId;
use crate::wire::BalancerAnswer;

/// What a balancer is told when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The number of servers of the plan, s1 … sN; at least 1.
    pub servers: u16,
    pub timing: Timing,
}

/// How long things last. Servers report every 100 ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// A server is live while its last report is younger than this.
    pub live_for: Duration,
    /// A server whose connection is open keeps its id for so long after its last report.
    pub holds_id_for: Duration,
    /// A client counts at the server that it was sent to for so long; then the servers' own
    /// reports alone count again.
    pub routed_counts_for: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            live_for: Duration::from_millis(700),
            holds_id_for: Duration::from_secs(1),
            routed_counts_for: Duration::from_secs(2),
        }
    }
}

/// What a balancer asks of its host, to be carried out in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// To be sent on the connection, and dropped if it is closed by now.
    pub answers: Vec<(ConnId, BalancerAnswer)>,
    /// To be written to the node's events.
    pub events: Vec<Event>,
}

#[cfg(test)]
mod tests;
