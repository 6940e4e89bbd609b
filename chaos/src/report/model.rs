//! One result of one run: what every rendering shows, and what `result.json` holds.
//!
//! Fields are only ever added within one schema version. Times are microseconds since the cluster
//! was ready, lengths of time are microseconds.

use serde::{Deserialize, Serialize};

use crate::target::World;

/// The version of the form of `result.json`. It grows when a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// What a JSON report of several runs holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunResults {
    /// As in each of the runs.
    pub schema_version: u32,
    /// In the order in which they ended.
    pub runs: Vec<RunResult>,
}

/// The judgement of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunResult {
    /// The version of the form. It grows when a field changes its meaning or goes; fields are only
    /// ever added within one version.
    pub schema_version: u32,
    /// The plan's name.
    pub plan: String,
    /// The seed that the run was resolved with.
    pub seed: u64,
    pub verdict: Verdict,
    /// What `paxosctl` exits with for this verdict.
    pub exit_code: u8,
    /// Why the verdict is what it is, one sentence each; empty when everything holds.
    pub reasons: Vec<String>,
    /// The time from "cluster ready" to the last line of the history.
    pub duration_us: u64,
    /// The number of servers of the plan.
    pub servers: usize,
    pub checks: Vec<CheckResult>,
    pub replicas: Vec<ReplicaRow>,
    /// Every firing of every fault, in the order in which they fired.
    pub faults: Vec<FaultRow>,
    pub traffic: TrafficSummary,
    /// The times of at least 500 ms in which messages were open and none was acknowledged.
    #[serde(default)]
    pub windows: Vec<WindowRow>,
    /// One row for each client process.
    pub clients: Vec<ClientRow>,
    /// Where history, result and node logs were saved, when they were.
    pub run_dir: Option<String>,
    /// The command that repeats the run.
    pub command: String,
    /// What the cluster was made of; its times are virtual in a simulation.
    #[serde(default)]
    pub world: World,
}

/// The judgement in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every check holds, and every fault bit.
    Pass,
    /// At least one check is violated.
    Violated,
    /// Nothing is violated, but the evidence does not carry a pass.
    Inconclusive,
    /// The cluster could not be run.
    CouldNotRun,
    /// Somebody stopped the run before its end.
    Interrupted,
}

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckResult {
    /// `agreement`, `acked-present`, …
    pub property: String,
    pub outcome: Outcome,
    /// What was looked at, in a few words, such as `412 slots × 3 replicas`; when the check is
    /// inconclusive, why.
    pub evidence: String,
    /// The first few violations.
    pub violations: Vec<Violation>,
    /// How many violations there are beyond those.
    pub more_violations: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Holds,
    Violated,
    Inconclusive,
    /// There was nothing for it to judge in this run.
    NotJudged,
}

/// One way in which a property does not hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Violation {
    pub property: String,
    /// What is wrong, for a person.
    pub message: String,
    /// The slot of the log concerned, when it is one.
    pub slot: Option<u64>,
    /// The servers concerned.
    pub servers: Vec<String>,
    /// What each of them holds there.
    pub values: Vec<HeldValue>,
    /// The first slot from which on the logs differ, for a disagreement.
    pub first_divergence: Option<u64>,
    /// When it happened, as far as the history tells.
    pub at_us: Option<u64>,
    /// The faults that were active then: `f1 (kill leader: s2)`.
    pub active_faults: Vec<String>,
    /// The command that runs it again.
    pub command: String,
}

/// What one server holds in a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeldValue {
    pub server: String,
    pub value: String,
}

/// One server at the end of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReplicaRow {
    pub server: String,
    /// `up`, `down`, `paused`, `not voting`, or `unreadable` when its log could not be read.
    pub state: String,
    /// The chosen slots of its log.
    pub slots: u64,
    /// The chat messages of its log, repeats not counted.
    pub messages: u64,
    /// FNV-1a, 64 bits, in hexadecimal, over the messages in their order: for each the client id
    /// and the sequence number (8 bytes each) and the CRC32C of the text (4 bytes), all little
    /// endian. Equal chats have equal digests. `None` when the log could not be read.
    pub digest: Option<String>,
    /// How often the process was started again.
    pub restarts: u64,
    /// The largest number of slots by which it knew fewer chosen slots than another server did at
    /// the same moment; down or not.
    pub worst_lag_slots: u64,
}

/// One firing of one fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FaultRow {
    /// `f1`, `f2`, … in the order of the plan.
    pub fault: String,
    /// Which firing, from 1.
    pub firing: u32,
    /// How many firings the plan has of this fault.
    pub firings: u32,
    /// As the plan says it.
    pub planned: String,
    pub fired_at_us: u64,
    /// The nodes or links that the target turned out to be.
    pub resolved: Vec<String>,
    /// What was observed to change.
    pub effect: String,
    /// When the healing was observed; `None` if it never was.
    pub healed_at_us: Option<u64>,
    /// From the healing, or from the first moment after it at which an acknowledgement was owed, to
    /// the next acknowledgement; `None` when none came or none was owed any more.
    #[serde(default)]
    pub recovery_us: Option<u64>,
    /// From the healing until every server that was up knew all slots that any server had known as
    /// chosen at the healing; `None` when that was not seen.
    #[serde(default)]
    pub level_us: Option<u64>,
    /// Whether the fault did what was planned.
    pub bit: bool,
    /// Why it is taken not to have bitten.
    pub problem: Option<String>,
}

/// A time in which messages were open and none was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WindowRow {
    pub from_us: u64,
    pub to_us: u64,
    /// Whether some open message was owed an acknowledgement: no more was broken than a cluster must
    /// survive, and its client could reach a server that serves.
    pub owed: bool,
    /// Why, or why not.
    pub why: String,
    /// The faults that were active meanwhile: `f1 (kill leader: s2)`.
    pub faults: Vec<String>,
}

/// What the clients sent and got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TrafficSummary {
    pub sent: u64,
    pub acked: u64,
    /// Messages without an acknowledgement. The log says what became of them:
    pub unknown: u64,
    /// of those, the ones that are in the log.
    pub unknown_in_log: u64,
    pub reads: u64,
    pub latency: Option<Latency>,
    /// The longest time without any acknowledgement while a message was open that was owed one.
    pub longest_gap_us: Option<u64>,
    /// When that gap began.
    pub longest_gap_at_us: Option<u64>,
}

/// Times from saying to acknowledgement: exact ranks of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Latency {
    pub p50_us: u64,
    pub p95_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
}

/// One client process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClientRow {
    pub client: String,
    /// The sessions of the process: one for a chat client's life, many for a load.
    pub sessions: u64,
    pub sent: u64,
    pub acked: u64,
    pub unknown: u64,
    /// Messages that were shown to it, over all its sessions.
    pub delivered: u64,
    /// The servers that it was joined at, one after the other, for a process with one session.
    pub journey: Vec<String>,
    pub reroutes: u64,
}

impl Verdict {
    /// What `paxosctl` exits with.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Pass => 0,
            Verdict::Violated => 1,
            Verdict::CouldNotRun => 3,
            Verdict::Inconclusive => 4,
            Verdict::Interrupted => 130,
        }
    }

    /// As the verdict line says it.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "PASS",
            Verdict::Violated => "VIOLATED",
            Verdict::Inconclusive => "INCONCLUSIVE",
            Verdict::CouldNotRun => "COULD NOT RUN",
            Verdict::Interrupted => "INTERRUPTED",
        }
    }
}

/// A world as one word of a table.
pub fn world_in_short(world: World) -> &'static str {
    match world {
        World::Processes => "processes",
        World::Simulation => "simulation",
    }
}

impl RunResult {
    /// The result without what makes it large: its verdict, its reasons and what it counted.
    pub fn without_details(mut self) -> RunResult {
        self.replicas.clear();
        self.faults.clear();
        self.windows.clear();
        self.clients.clear();
        self.checks.clear();
        self
    }

    /// Sets the verdict and what follows from it.
    pub fn set_verdict(&mut self, verdict: Verdict) {
        self.verdict = verdict;
        self.exit_code = verdict.exit_code();
    }

    /// The result of a run whose cluster could not be started or acted on.
    pub fn could_not_run(plan: &str, seed: u64, command: &str, reason: String) -> RunResult {
        RunResult {
            schema_version: SCHEMA_VERSION,
            plan: plan.to_string(),
            seed,
            verdict: Verdict::CouldNotRun,
            exit_code: Verdict::CouldNotRun.exit_code(),
            reasons: vec![reason],
            duration_us: 0,
            servers: 0,
            checks: Vec::new(),
            replicas: Vec::new(),
            faults: Vec::new(),
            traffic: TrafficSummary::default(),
            windows: Vec::new(),
            clients: Vec::new(),
            run_dir: None,
            command: command.to_string(),
            world: World::default(),
        }
    }

    /// The properties that are violated, in the order of the checks.
    pub fn violated(&self) -> impl Iterator<Item = &str> {
        let violated = |check: &&CheckResult| check.outcome == Outcome::Violated;
        let checks = self.checks.iter().filter(violated);
        checks.map(|check| check.property.as_str())
    }

    /// All violations of all checks, as far as they are kept.
    pub fn violations(&self) -> impl Iterator<Item = &Violation> {
        self.checks.iter().flat_map(|check| &check.violations)
    }
}
