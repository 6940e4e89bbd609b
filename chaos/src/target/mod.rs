//! The cluster under test, seen from the run loop, and what both of its implementations need.

mod ending;
mod flip;
mod machines;
mod on_disk;

use std::time::Duration;

use paxosctl_node::event::NodeEvent;
use paxosctl_node::ids::{ServerId, Slot};
use paxosctl_node::link::Rule;
use paxosctl_node::machine::MachineRule;
use paxosctl_node::value::Value;
use serde::{Deserialize, Serialize};

use crate::plan::{Damage, Load};
pub use ending::Ending;
pub use flip::{Flip, flip, written_bytes};
pub use machines::Machines;
pub use on_disk::read_disk;

/// A running cluster. Implemented by real processes and by the simulation.
///
/// All times are counted from the moment when the cluster was ready.
pub trait Target {
    /// What the cluster is made of.
    fn world(&self) -> World {
        World::Processes
    }

    /// What has to be added to the command that repeats a run, such as ` --plant lying-disk`.
    fn options(&self) -> String {
        String::new()
    }

    /// The time since the run began.
    fn now(&self) -> Duration;

    /// Carries out `action` and returns what was observed to change, as soon as it was observed or
    /// a deadline of the target's own passed. An action that changed nothing is not an error: the
    /// effect says so, and the run becomes inconclusive.
    fn apply(&mut self, action: &Action) -> Result<Effect, TargetError>;

    /// Hands an operation to a client. What comes of it arrives by [`Target::poll`].
    fn submit(&mut self, op: Op);

    /// Waits until `until` or until something was observed, whichever is first, and returns all
    /// that was observed so far and not yet returned.
    fn poll(&mut self, until: Duration) -> Vec<Observation>;

    /// Why the cluster cannot be run any more, once that is so. The run ends then, without a
    /// verdict.
    fn failure(&self) -> Option<TargetError> {
        None
    }
}

/// What a cluster under test is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum World {
    /// Real processes, in real time.
    #[default]
    Processes,
    /// The same state machines in virtual time.
    Simulation,
}

/// One resolved step of a fault. Nodes are named as link rules name them: `s1`, `balancer`, `ann`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// SIGKILL.
    Kill { nodes: Vec<String> },
    /// SIGTERM: drain, hand leadership over, exit 0.
    Stop { nodes: Vec<String> },
    /// Starts nodes that are down, over the disk that they left.
    Start { nodes: Vec<String> },
    /// SIGSTOP.
    Pause { nodes: Vec<String> },
    /// SIGCONT.
    Resume { nodes: Vec<String> },
    /// Replaces the rules in force on every node.
    Links { rules: Vec<Rule> },
    /// Replaces the rules in force on every server's machine. Only servers of which something
    /// changes are touched, and say so.
    Machine { rules: Vec<MachineRule> },
    /// Changes the disks of servers that are down. `seed` decides where.
    Damage {
        nodes: Vec<String>,
        damage: Damage,
        seed: u64,
    },
    /// Nothing was done: what is wrong with their machines ended these servers, as planned.
    Fall { nodes: Vec<String> },
}

impl Action {
    /// The nodes that it is for; `None` where it concerns tables of all nodes.
    pub fn nodes(&self) -> Option<&[String]> {
        match self {
            Action::Kill { nodes }
            | Action::Stop { nodes }
            | Action::Start { nodes }
            | Action::Pause { nodes }
            | Action::Resume { nodes }
            | Action::Damage { nodes, .. }
            | Action::Fall { nodes } => Some(nodes),
            Action::Links { .. } | Action::Machine { .. } => None,
        }
    }

    /// Whether it is for nodes, and there is none.
    pub fn is_of_no_node(&self) -> bool {
        self.nodes().is_some_and(<[String]>::is_empty)
    }
}

/// What was observed to change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    pub changes: Vec<Change>,
}

/// One observed change of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// The process ended; `status` as a person reads it: `signal 9`, `exit 0`.
    Exited { node: String, status: String },
    /// The process runs and said that it is ready.
    Started { node: String, pid: u32 },
    /// The process is in the stopped state.
    Paused { node: String },
    /// The process is no longer in the stopped state.
    Resumed { node: String },
    /// The node reported that this generation of the link table is in force.
    Links { node: String, generation: u64 },
    /// The node is down or paused and takes the table when it comes back.
    LinksLater { node: String, generation: u64 },
    /// The server reported that this generation of its machine's table is in force.
    Machine { node: String, generation: u64 },
    /// The server is down or paused and takes the table when it comes back.
    MachineLater { node: String, generation: u64 },
    /// A byte of the server's log was changed.
    Flipped {
        node: String,
        /// In the log's directory.
        file: String,
        offset: u64,
        from: u8,
        to: u8,
    },
    /// The server's log, of so many bytes, was removed.
    Wiped { node: String, bytes: u64 },
    /// Nothing was observed to change, and why.
    Nothing { node: String, reason: String },
}

impl Change {
    /// Nothing was observed to change.
    pub fn nothing(node: &str, reason: &str) -> Change {
        Change::Nothing {
            node: node.to_owned(),
            reason: reason.to_owned(),
        }
    }

    /// There is no such node.
    pub fn never_started(node: &str) -> Change {
        Change::nothing(node, "it was never started")
    }
}

/// Something that a client does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// A new client process joins the chat.
    Join {
        client: String,
    },
    /// The client's process ends in an orderly way.
    Leave {
        client: String,
    },
    Say {
        client: String,
        text: String,
    },
    /// A linearizable read of the chat's length.
    Read {
        client: String,
    },
    /// Starts a load; `name` is its node name.
    Load {
        name: String,
        load: Load,
    },
    /// Stops the load before its time.
    EndLoad {
        name: String,
    },
    /// Reads every replica's log, a dead one's from its disk; each arrives as
    /// [`Observation::Log`].
    ReadLogs,
}

/// Something that was observed.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// A node's own line. `event.at_us` is counted from the start of the run by now, and saturates
    /// at 0 for what came before.
    Node { node: String, event: NodeEvent },
    /// A process ended that nobody asked to end.
    Died {
        node: String,
        status: String,
        last_lines: Vec<String>,
    },
    /// A server was ended by what is wrong with its machine, and had said so: `rule` is the id of
    /// the rule.
    Fell {
        node: String,
        status: String,
        rule: String,
    },
    /// The answer to [`Op::ReadLogs`] for one server.
    Log { server: ServerId, log: ReplicaLog },
}

/// The chosen prefix of one replica's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicaLog {
    pub source: LogSource,
    /// Slots 1, 2, …, up to the replica's chosen index.
    pub values: Vec<Value>,
    pub chosen: Slot,
}

/// Where a replica's log was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogSource {
    /// The live server served it.
    Served,
    /// The server is down; read from its disk.
    Disk,
    /// It could not be read: `reason`.
    Unreadable { reason: String },
}

/// The cluster could not be acted on: infrastructure, not a finding. From [`Target::apply`] it
/// concerns that action alone; the run goes on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct TargetError(pub String);
