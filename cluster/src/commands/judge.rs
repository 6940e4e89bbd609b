//! A saved run becomes a result: its history is read back from the disk and judged.

use std::fs::File;
use std::io::BufReader;

use paxosctl_chaos::check;
use paxosctl_chaos::history;
use paxosctl_chaos::plan::Plan;
use paxosctl_chaos::report::{RunResult, Verdict};
use paxosctl_node::ids::ServerId;

use crate::exit::{Failure, Outcome};
use crate::real::log_on_disk;
use crate::state::RunDir;

/// Judges what is saved, never what is remembered. `disks` says whether the servers' logs on disk
/// are compared with the history too; no server may be running then.
///
/// # Errors
/// The history cannot be read.
pub fn saved_run(dir: &RunDir, plan: &Plan, disks: bool) -> Result<RunResult, Failure> {
    let path = dir.history();
    let file = File::open(&path).map_err(|error| Failure::file("read", &path, error))?;
    let evidence = history::read(BufReader::with_capacity(1 << 20, file)).map_err(|error| {
        Failure::Cluster(format!("{} cannot be judged: {error}", path.display()))
    })?;
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
    Ok(result)
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
