//! A saved run becomes a result: its history is read back from the disk and judged.

use std::fs::{self, File};
use std::io::BufReader;

use paxosctl_chaos::check;
use paxosctl_chaos::history::{self, Evidence};
use paxosctl_chaos::plan::Plan;
use paxosctl_chaos::report::{RunResult, Timeline, Verdict};
use paxosctl_node::ids::ServerId;

use crate::exit::{Failure, Outcome};
use crate::real::log_on_disk;
use crate::state::RunDir;

/// A judgement, and what a report can show beside it.
#[derive(Debug)]
pub struct Judged {
    pub result: RunResult,
    /// None for a run that never began.
    pub timeline: Option<Timeline>,
}

/// Judges what is saved, never what is remembered. `disks` says whether the servers' logs on disk
/// are compared with the history too; no server may be running then.
///
/// # Errors
/// The history cannot be read.
pub fn saved_run(dir: &RunDir, plan: &Plan, disks: bool) -> Result<Judged, Failure> {
    let evidence = evidence(dir)?;
    let mut result = check::judge(&evidence, plan);
    if disks {
        // Without any node's directory only the history was kept; with some, all must be there.
        if dir.nodes().is_dir() {
            let logs: Vec<_> = (1..=plan.cluster.servers)
                .map(ServerId)
                .map(|server| {
                    let node = dir.nodes().join(server.to_string());
                    (server, log_on_disk(&node))
                })
                .collect();
            check::add(&mut result, check::disks(&evidence, &logs), &evidence);
        }
    }
    result.run_dir = Some(dir.path().display().to_string());
    Ok(Judged {
        timeline: Some(Timeline::new(&evidence, plan, &result)),
        result,
    })
}

/// What the run saved of itself.
///
/// # Errors
/// The history cannot be read.
pub fn evidence(dir: &RunDir) -> Result<Evidence, Failure> {
    let path = dir.history();
    let file = File::open(&path).map_err(|error| Failure::file("read", &path, error))?;
    history::read(BufReader::with_capacity(1 << 20, file))
        .map_err(|error| Failure::Cluster(format!("{} cannot be judged: {error}", path.display())))
}

/// The plan as the run saved it.
///
/// # Errors
/// It cannot be read.
pub fn saved_plan(dir: &RunDir) -> Result<Plan, Failure> {
    let path = dir.resolved_plan();
    let text = fs::read_to_string(&path).map_err(|error| Failure::file("read", &path, error))?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::Usage(format!(
            "{} is not a plan that a run saved: {error}",
            path.display()
        ))
    })
}

/// How a result counts.
pub fn outcome(result: &RunResult) -> Result<Outcome, Failure> {
    match result.verdict {
        Verdict::Pass => Ok(Outcome::Success),
        Verdict::Violated => Ok(Outcome::Violated),
        Verdict::Inconclusive => Ok(Outcome::Inconclusive),
        Verdict::CouldNotRun => Err(Failure::Cluster(result.reasons.join("; "))),
        Verdict::Interrupted => Err(Failure::Interrupted {
            signal: nix::libc::SIGINT,
        }),
    }
}
