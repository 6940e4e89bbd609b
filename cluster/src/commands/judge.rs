//! A saved run becomes a result: its history is read back from the disk and judged.

use std::fs::{self, File};
use std::panic::resume_unwind;
use std::thread;

use paxosctl_chaos::check::{self, Context};
use paxosctl_chaos::history::{self, Evidence};
use paxosctl_chaos::plan::Plan;
use paxosctl_chaos::report::{RunResult, Timeline, Verdict};
use paxosctl_chaos::trace::Sequence;
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
    /// What led to the first violation, in a simulated run that was traced.
    pub sequence: Option<Sequence>,
}

/// A saved run, read back.
pub struct Saved<'a> {
    dir: &'a RunDir,
    plan: &'a Plan,
    evidence: Evidence,
}

impl<'a> Saved<'a> {
    /// # Errors
    /// The history cannot be read.
    pub fn read(dir: &'a RunDir, plan: &'a Plan) -> Result<Saved<'a>, Failure> {
        let path = dir.history();
        let file = File::open(&path).map_err(|error| Failure::file("read", &path, error))?;
        let evidence = history::read(file).map_err(|error| {
            Failure::Cluster(format!("{} cannot be judged: {error}", path.display()))
        })?;
        Ok(Saved {
            dir,
            plan,
            evidence,
        })
    }

    /// What judging the run and showing it share.
    pub fn context(&self) -> Context<'_> {
        Context::new(&self.evidence, self.plan)
    }

    /// Adds whether the servers' logs on disk are what the history says. No server may be running.
    pub fn judge_disks(&self, result: &mut RunResult) {
        // Without any node's directory only the history was kept; with some, all must be there.
        if !self.dir.nodes().is_dir() {
            return;
        }
        let read = |server: ServerId| {
            let node = self.dir.nodes().join(server.to_string());
            (server, log_on_disk(&node))
        };
        let logs: Vec<_> = thread::scope(|scope| {
            let servers = (1..=self.plan.cluster.servers).map(ServerId);
            let reading: Vec<_> = servers
                .map(|server| scope.spawn(move || read(server)))
                .collect();
            let read = reading.into_iter().map(|log| log.join());
            read.map(|log| log.unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        check::add(result, check::disks(&self.evidence, &logs), &self.evidence);
    }

    /// Gives the memory back, which nobody need wait for: a long history has millions of parts.
    pub fn let_go(self) {
        let evidence = self.evidence;
        // Without a thread it is given back here and now.
        let _ = thread::Builder::new().spawn(move || drop(evidence));
    }
}

/// Puts what a report can show beside what a run was judged to be.
pub fn with_timeline(context: &Context, result: RunResult) -> Judged {
    Judged {
        timeline: Some(Timeline::new(context, &result)),
        sequence: None,
        result,
    }
}

/// What the history says.
pub fn judge(context: &Context) -> RunResult {
    check::judge_observed(context, &mut |_, _| {})
}

/// Judges what is saved, never what is remembered, the servers' disks included; no server may be
/// running.
///
/// # Errors
/// The history cannot be read.
pub fn saved_run(dir: &RunDir, plan: &Plan) -> Result<Judged, Failure> {
    let saved = Saved::read(dir, plan)?;
    let context = saved.context();
    let mut result = judge(&context);
    saved.judge_disks(&mut result);
    let judged = with_timeline(&context, result);
    drop(context);
    saved.let_go();
    Ok(judged)
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
