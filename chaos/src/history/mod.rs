//! All that happened in a run, saved as JSON lines before anything is judged.

mod apply;
mod build;
mod by_client;
mod chunks;
mod evidence;
pub mod export;
mod firings;
mod lean;
mod lifetimes;
mod parse;
mod reach;
mod read;
mod sessions;
#[cfg(test)]
mod tests;
mod write;

pub use build::Builder;
pub(crate) use by_client::ByClient;
pub use evidence::{
    Accepted, Ack, Applied, ClockSet, Death, Delivery, DiskStrike, Ending, Evidence, HOLE, Join,
    Leadership, MachineRecord, Message, NO_MESSAGE, Node, Page, Read, Recovery, Replica, Reroute,
    Server, ServerEvent, Session, StrayAck, Told, What,
};
pub use firings::Firing;
pub use lifetimes::{Lifetimes, Span, State};
pub use parse::node_event;
pub use reach::Reach;
pub use read::{HistoryError, read};
pub use write::Writer;

use std::time::Duration;

use paxosctl_node::event::Event;
use paxosctl_node::ids::{ServerId, Slot};
use paxosctl_node::value::Value;
use serde::{Deserialize, Serialize};

use crate::target::{Action, Change, LogSource, World};

/// One line of `history.jsonl`. Times are microseconds since the cluster was ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    Run(RunHeader),
    /// A node's own report.
    Node {
        at_us: u64,
        node: String,
        what: Event,
    },
    /// A process that ended unasked.
    Died {
        at_us: u64,
        node: String,
        status: String,
        last_lines: Vec<String>,
    },
    /// A step of a fault, and what it was observed to do.
    Action(ActionLine),
    /// A phase begins.
    Phase { at_us: u64, phase: Phase },
    /// One replica's log: how it was read, and how far it goes.
    Log {
        server: ServerId,
        source: LogSource,
        chosen: Slot,
    },
    /// One chosen slot of one replica's log, in order after its Log line.
    Slot {
        server: ServerId,
        slot: Slot,
        value: Value,
    },
    /// The last line; without it the history is cut short.
    End { at_us: u64, interrupted: bool },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// Of this format.
    pub version: u32,
    pub plan: String,
    pub seed: u64,
    pub servers: Vec<String>,
    /// Every client that the plan names, those that join later and loads too.
    pub clients: Vec<String>,
    /// The command that repeats this run.
    pub command: String,
    #[serde(default)]
    pub world: World,
}

/// What was done for a fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionLine {
    /// When it was begun, and when its effect was observed.
    pub at_us: u64,
    pub done_us: u64,
    /// The fault that it serves: `f1`; `heal` for the healing at the end.
    pub fault: String,
    /// Which firing of the fault, from 1.
    pub firing: u32,
    pub step: Step,
    /// As the plan says it: `kill leader`.
    pub planned: String,
    /// The nodes that the target resolved to, or for a link fault the links: `s1->s2`.
    pub resolved: Vec<String>,
    pub action: Action,
    pub changes: Vec<Change>,
    /// Why it could not be carried out, when it could not.
    pub error: Option<String>,
}

/// Whether a step breaks or heals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Break,
    Heal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Traffic and faults.
    Run,
    /// Everything is being healed.
    Heal,
    /// Open messages are waited for.
    Drain,
    /// Replicas come level.
    Settle,
    /// All replicas were seen level.
    Converged,
    /// The logs are read.
    FinalReads,
}

/// The version of the format that this program writes and reads.
pub const VERSION: u32 = 2;

/// The `fault` of the actions that heal everything at the end.
pub const HEAL: &str = "heal";

/// Microseconds of a duration, saturating.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
