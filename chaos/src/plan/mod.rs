//! A plan: what to run, what to say, what to break, what to expect.
//!
//! The types here are what a plan means. A text becomes a [`Plan`] in three steps: `yaml` reads it
//! into a tree in which every scalar knows its place; `raw` sorts the tree by what was typed, with
//! one optional field for each key, and refuses unknown keys; `lower` finds out what it means. All
//! three put what is wrong into one list, so that all of it is told at once.
//!
//! The format is in [`EXAMPLE`], which `paxosctl plan example` prints. What a target, a link and a
//! group can be stands in `targets.rs`, shapes in `shapes.rs`, next to the code that reads them; the
//! letters of a mode in [`paxosctl_node::link::Mode`]'s module.

mod display;
mod doubts;
mod error;
mod lower;
mod machine;
mod mode_text;
mod random;
mod raw;
mod scale;
mod script;
mod shapes;
mod targets;
mod words;
pub mod written;
mod yaml;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use doubts::{Doubt, doubts};
pub use error::{PlanError, PlanErrors};
pub use machine::{Damage, DamageFault, MachineFault, MachineTrouble, Place};
pub use random::RandomKind;
pub use scale::{LARGEST_SCALE, SMALLEST_SCALE};
pub(crate) use words::show_duration;

pub use paxosctl_node::client::{Arrivals, Burst, Mix};
use paxosctl_node::ids::ServerId;
use paxosctl_node::link::{Distribution, Kind, Mode, Side};
use serde::{Deserialize, Serialize};

/// Everything that a plan can say, in one commented example that is a plan itself.
///
/// ```yaml
#[doc = include_str!("example.yaml")]
/// ```
pub const EXAMPLE: &str = include_str!("example.yaml");

/// Reads and checks the plan at `path`, and the scripts that it names.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load(path: &Path) -> Result<Plan, PlanErrors> {
    let bytes = read_bounded(path)
        .map_err(|error| PlanErrors::unreadable(path, &error.to_string(), "is the path right?"))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..good]
            .iter()
            .filter(|b| **b == b'\n')
            .count();
        let reason = format!("line {line} is not UTF-8");
        PlanErrors::unreadable(path, &reason, "save the file as UTF-8 text")
    })?;
    parse(path, &text)
}

/// A plan is written by hand: what is larger is no plan, and may have no end.
const MOST_BYTES: u64 = 16 << 20;

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if read as u64 > MOST_BYTES {
        let reason = format!("it is larger than {} MiB", MOST_BYTES >> 20);
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            reason,
        ));
    }
    Ok(bytes)
}

/// Checks a plan's text. `path` names it in messages, and its scripts are looked for beside it.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn parse(path: &Path, text: &str) -> Result<Plan, PlanErrors> {
    lower::plan(path, text)
}

/// Checks one fault as an item of `faults` in a plan with so many servers and these clients, for
/// faults that are typed one by one. Errors have no file.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn parse_fault(text: &str, servers: u16, clients: &[String]) -> Result<Fault, PlanErrors> {
    let names = targets::Names {
        servers,
        clients: clients.to_vec(),
    };
    lower::fault(text, names)
}

/// Whether a plan can have a client of this name.
pub fn can_name_client(name: &str) -> bool {
    lower::can_name_client(name)
}

/// A checked plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Faults to be drawn by the run's seed; `schedule::drawn` puts them among the others.
    #[serde(default)]
    pub random: Vec<RandomFaults>,
    /// The longest time that the cluster may take, after all is healed, to answer everything that
    /// is open and to bring all replicas level.
    pub settle: Duration,
    pub expect: Expect,
    /// By what the times of the plan were multiplied; see [`Plan::scaled`].
    #[serde(default = "scale::unscaled")]
    pub time_scale: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    pub at: Duration,
    /// Line in the plan file, from 1; for a line of a script, that of the `script` key.
    pub line: usize,
    pub what: Say,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Say {
    Say {
        client: String,
        text: String,
        /// Who must see it within the time given; empty for no demand.
        seen_by: Vec<String>,
        within: Option<Duration>,
        /// When servers must have it in their logs.
        #[serde(default)]
        learned: Vec<Learned>,
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

/// When some servers have a message in their logs; times count from when it was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// By name.
    pub by: Vec<String>,
    /// Not before.
    pub after: Option<Duration>,
    /// At the latest.
    pub within: Option<Duration>,
}

/// A stream of operations from many sessions in one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    pub clients: u32,
    /// Operations a second over all sessions; `None`, and no burst either, is a closed loop: each
    /// session does its next operation when the last was answered.
    pub rate: Option<f64>,
    #[serde(default)]
    pub arrivals: Arrivals,
    #[serde(default)]
    pub burst: Option<Burst>,
    #[serde(default)]
    pub mix: Mix,
    /// Text length in bytes, both ends included.
    pub bytes: (u32, u32),
    /// How long.
    pub lasts: Duration,
    /// 0 in a plan; the run loop derives it from the run's seed.
    pub seed: u64,
}

/// One planned disturbance. It fires at `at`, then `times - 1` more times every `every`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// The name that the plan gives it; else `f1`, `f2`, … by its place in the plan.
    pub id: String,
    pub line: usize,
    pub at: Duration,
    pub every: Option<Duration>,
    pub times: u32,
    /// How long a pause or a link fault lasts; for what ends a process, the time until the restart.
    /// `None`: until all is healed.
    pub lasts: Option<Duration>,
    pub verb: Verb,
    /// The id of the `random` that drew it.
    #[serde(default)]
    pub drawn_by: Option<String>,
}

impl Traffic {
    /// When it is over: a load lasts, all else is done at once.
    pub fn ends(&self) -> Duration {
        match &self.what {
            Say::Load { load, .. } => self.at + load.lasts,
            _ => self.at,
        }
    }
}

impl Fault {
    /// When it fires for the `number`th time, counted from 1.
    pub fn firing(&self, number: u32) -> Duration {
        self.at + self.every.unwrap_or_default() * number.saturating_sub(1)
    }

    /// When it fires for the last time.
    pub fn last_firing(&self) -> Duration {
        self.firing(self.times)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Verb {
    Kill(Nodes),
    Stop(Nodes),
    /// Stops and starts at once, or starts what is down.
    Restart(Nodes),
    Pause(Nodes),
    Links(LinkFault),
    Partition(Partition),
    /// The original system's test modes, each of some servers.
    Mode(Vec<ServerMode>),
    /// Something is wrong with a disk or a clock.
    Machine(MachineFault),
    /// The servers are killed, and their disks changed while they are down.
    Damage(DamageFault),
}

/// Servers and their mode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerMode {
    pub servers: Nodes,
    #[serde(with = "mode_text")]
    pub mode: Mode,
}

/// What happens to messages on some links.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkFault {
    pub links: Vec<Link>,
    /// Empty for all.
    pub kinds: Vec<Kind>,
    /// The share of messages that are affected, from 0 to 1.
    pub probability: f64,
    /// Where it acts. If that is not said, a cut acts at both ends, so that it holds at once and
    /// also while one of the two cannot be reached; all else acts once, at the sender.
    #[serde(default)]
    pub side: Option<Side>,
    pub effect: LinkEffect,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LinkEffect {
    Drop,
    Delay {
        by: Duration,
        jitter: Duration,
        #[serde(default)]
        distribution: Distribution,
    },
    /// So many in all of each message.
    Duplicate {
        copies: u32,
    },
    Reorder {
        within: Duration,
    },
}

/// A time in which faults are drawn, one after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RandomFaults {
    /// The drawn faults are called by it: `f3.1`, `f3.2`, …
    pub id: String,
    pub line: usize,
    pub at: Duration,
    /// All that is drawn is healed by the end of it.
    pub lasts: Duration,
    /// What may be drawn, with weights above 0.
    pub pick: Vec<(RandomKind, u32)>,
    /// From one fault to the next, both ends included.
    pub every: (Duration, Duration),
    /// How long each of them lasts, both ends included.
    pub each_lasts: (Duration, Duration),
    /// Whether a majority of the servers is always left whole, and connected.
    pub spare_majority: bool,
    /// Whether each run draws from a subset of the kinds, itself drawn by the seed (Groce et al.,
    /// "Swarm Testing", ISSTA 2012).
    pub swarm: bool,
}

impl RandomFaults {
    /// How long each fault lasts where a plan does not say, by how far they are apart.
    fn usual_length((least, most): (Duration, Duration)) -> (Duration, Duration) {
        // Whole microseconds: that is what a history counts in.
        let half = Duration::from_micros((least.as_micros() as u64 / 2).max(1));
        (half, most)
    }
}

/// Which nodes; resolved when the fault fires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Nodes {
    Named(Vec<String>),
    /// The server that leads.
    Leader,
    /// One follower, by the run's seed.
    Follower,
    Followers,
    Servers,
    /// Every client that has joined, loads included.
    Clients,
    Balancer,
    /// So many different servers, by the run's seed.
    Random(u16),
    /// The server that this client talks to: `server-of(ann)`.
    ServerOf(String),
    /// One side of a link: every server that the other side does not mean.
    Rest,
    /// Every server, the balancer and every client.
    All,
    /// Each of these; a node that several of them mean is meant once.
    Several(Vec<Nodes>),
}

/// One direction between two sets of nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub from: Nodes,
    pub to: Nodes,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Partition {
    /// Each group is cut from every other; nodes that are in none are not touched.
    Groups(Vec<Vec<Member>>),
    /// What the left side sends does not reach the right side.
    OneWay {
        from: Vec<Member>,
        to: Vec<Member>,
    },
    Shape(Shape),
}

/// A partition by the name of its shape. What is not said is drawn by the run's seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    /// Two groups of servers, as equal as can be.
    Halves,
    /// Two groups of servers that only this one server still reaches, both.
    Bridge(Option<Nodes>),
    /// The servers in a line, each reaching its neighbours only; empty: drawn.
    Chain(Vec<String>),
    /// Each server sees a majority, and no two the same one.
    MajoritiesRing,
    /// Each of these nodes is cut from every other node.
    Isolate(Nodes),
}

/// A member of a partition group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Member {
    Nodes(Nodes),
    /// Every server that no group names. The balancer and clients are cut only when named.
    Rest,
}

/// What must hold beside safety, which is always judged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// The longest time from a healing to the next acknowledgement.
    #[serde(default)]
    pub recovered_within: Option<Duration>,
    #[serde(default)]
    pub traffic: LeastTraffic,
    /// The ids of faults during which nothing that was said may become chosen.
    #[serde(default)]
    pub nothing_chosen_during: Vec<String>,
}

/// The least traffic around each firing of each fault; with less the run is inconclusive. `None`
/// leaves it to the check, which wants 1 where there can be any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LeastTraffic {
    /// Messages acknowledged before it fired.
    pub before: Option<u64>,
    /// Messages said while it lasted, or open in it.
    pub during: Option<u64>,
    /// Messages acknowledged after it was healed.
    pub after: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct AckLatency {
    pub p50: Option<Duration>,
    pub p95: Option<Duration>,
    pub p99: Option<Duration>,
    pub max: Option<Duration>,
}
