//! What happened in a simulated run, step by step: the messages between nodes and the nodes' own lines.
//!
//! The simulation notes everything; `window` picks what matters around a violation, `text` and
//! `diagram` show it.

mod diagram;
#[cfg(test)]
mod tests;
mod text;
mod window;
pub(crate) mod words;

pub use diagram::diagram;
pub use text::text;
pub use window::{Sequence, sequence};

use paxosctl_node::event::Event;
use serde::{Deserialize, Serialize};

/// One step of a trace. Times are microseconds since the cluster was ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceStep {
    pub at_us: u64,
    pub what: TraceWhat,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceWhat {
    /// A message left `from`, or did not.
    Sent {
        from: String,
        to: String,
        message: String,
        /// Whether it only says that somebody is alive.
        quiet: bool,
        fate: Fate,
    },
    /// Something was done to the cluster.
    Action { words: String },
    /// A node's own line.
    Event { node: String, event: Event },
    /// A process ended.
    Ended { node: String, status: String },
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    Arrives {
        at_us: u64,
    },
    /// By the network.
    Lost,
    /// By the sender's link table.
    DroppedLeaving,
    /// By the receiver's link table.
    DroppedArriving,
}
