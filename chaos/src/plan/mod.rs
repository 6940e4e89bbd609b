//! A plan: what to run, what to say, what to break, what to expect.
//!
//! These types are what a plan means, after the YAML was read and lowered.

use std::path::PathBuf;
use std::time::Duration;

use paxosctl_node::ids::ServerId;
use paxosctl_node::link::Kind;
use serde::{Deserialize, Serialize};

/// A checked plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The file it came from.
    pub path: PathBuf,
    /// The text of the file, kept with the run.
    pub source: String,
    pub name: String,
    pub seed: Option<u64>,
    pub cluster: Cluster,
    pub traffic: Vec<Traffic>,
    pub faults: Vec<Fault>,
    /// The longest time that the cluster may take, after all is healed, to answer everything that
    /// is open and to bring all replicas level.
    pub settle: Duration,
    pub expect: Expect,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// s1 … sN.
    pub servers: u16,
    pub first_leader: Option<ServerId>,
    /// Clients that join before the run begins, in this order.
    pub clients: Vec<String>,
    /// Fixed ports, when the plan names them: the balancer's and the first server's (s2 has the
    /// next one, and so on).
    pub balancer_port: Option<u16>,
    pub server_port: Option<u16>,
}

/// One line of traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    pub at: Duration,
    /// Line in the plan file, from 1.
    pub line: usize,
    pub what: Say,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Say {
    Say {
        client: String,
        text: String,
        /// Who must see it within the time given; empty for no demand.
        seen_by: Vec<String>,
        within: Option<Duration>,
    },
    Join {
        client: String,
    },
    Leave {
        client: String,
    },
    Read {
        client: String,
    },
    /// `name` is the node name of the load's process: `load1`, `load2`, …
    Load {
        name: String,
        load: Load,
    },
}

/// A stream of messages from many sessions in one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    pub clients: u32,
    /// Messages a second over all sessions; `None` is a closed loop: each session says its next
    /// message when the last was acknowledged.
    pub rate: Option<f64>,
    /// Text length in bytes, both ends included.
    pub bytes: (u32, u32),
    /// How long.
    pub lasts: Duration,
    pub seed: u64,
}

/// One planned disturbance. It fires at `at`, then `times - 1` more times every `every`.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// `f1`, `f2`, … in the order of the plan.
    pub id: String,
    pub line: usize,
    pub at: Duration,
    pub every: Option<Duration>,
    pub times: u32,
    /// How long a pause or a link fault lasts; for a kill or a stop, the time until the restart.
    /// `None`: until all is healed.
    pub lasts: Option<Duration>,
    pub verb: Verb,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    Kill(Nodes),
    Stop(Nodes),
    /// Stops and starts at once, or starts what is down.
    Restart(Nodes),
    Pause(Nodes),
    Delay {
        links: Vec<Link>,
        by: Duration,
        jitter: Duration,
        kinds: Vec<Kind>,
        probability: f64,
    },
    Drop {
        links: Vec<Link>,
        kinds: Vec<Kind>,
        probability: f64,
    },
    Partition(Partition),
}

/// Which nodes; resolved when the fault fires.
#[derive(Debug, Clone, PartialEq)]
pub enum Nodes {
    Named(Vec<String>),
    Leader,
    /// One follower, by the run's seed.
    Follower,
    Followers,
    Servers,
    Balancer,
    /// So many different servers, by the run's seed.
    Random(u16),
    /// The server that this client talks to: `server-of(ann)`.
    ServerOf(String),
    /// Every server, the balancer and every client.
    All,
}

/// One direction between two sets of nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    pub from: Nodes,
    pub to: Nodes,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Partition {
    /// Each group is cut from every other; nodes that are in none are not touched.
    Groups(Vec<Vec<Member>>),
    /// What the left side sends does not reach the right side.
    OneWay { from: Vec<Member>, to: Vec<Member> },
}

/// A member of a partition group.
#[derive(Debug, Clone, PartialEq)]
pub enum Member {
    Nodes(Nodes),
    /// Every node that the other groups do not name.
    Rest,
}

/// What must hold beside safety, which is always judged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expect {
    pub converged_within: Option<Duration>,
    /// The least share of messages that must be acknowledged by the end, from 0 to 1.
    pub acked: Option<f64>,
    /// The longest time without any acknowledgement while messages are open.
    pub unavailable_max: Option<Duration>,
    pub ack_latency: AckLatency,
    /// The ids of faults during which no message that was sent may be acknowledged.
    pub no_ack_during: Vec<String>,
    /// Clients that must have been told that there is no majority.
    pub told_no_majority: Vec<String>,
    /// Clients that must have been rerouted at least once.
    pub rerouted: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AckLatency {
    pub p50: Option<Duration>,
    pub p95: Option<Duration>,
    pub p99: Option<Duration>,
    pub max: Option<Duration>,
}
