//! Properties, each judged from the history alone.

mod acceptances;
mod acceptances_kept;
mod ack_latency;
mod ack_majority;
mod acked_present;
mod acked_share;
mod agreement;
mod ballots;
mod chosen_index;
mod chosen_majority;
mod client_order;
mod context;
mod convergence;
mod disks;
mod during;
mod failed_disk;
mod faults_bit;
mod findings;
mod gaps;
mod held;
mod learned;
mod machine_bit;
mod no_ack_during;
mod no_duplicates;
mod nodes_alive;
mod nothing_chosen_during;
mod nothing_invented;
mod one_value;
mod pages;
mod prefix;
mod promises;
mod proposals;
mod reads;
mod real_time_order;
mod recovery;
mod rerouted;
mod said;
mod seen_by;
mod sessions;
#[cfg(test)]
pub(crate) mod support;
#[cfg(test)]
mod tests;
mod told_no_majority;
mod traffic;
mod unavailable;
mod voters;
mod windows;

pub use context::Context;
pub use disks::{DiskLog, disks};

pub(crate) use ack_latency::latencies;
pub(crate) use context::percentile;
pub(crate) use faults_bit::{hits as link_hits, problem as faults_problem};
pub(crate) use machine_bit::effects as machine_effects;
pub(crate) use recovery::of as recovery;

use std::time::{Duration, Instant};

use crate::history::{Ending, Evidence, Phase};
use crate::parallel::{available_threads, in_order};
use crate::plan::Plan;
use crate::report::{self, CheckResult, Outcome, RunResult, SCHEMA_VERSION, Verdict};

/// A check, which may have nothing to say, or judge several things.
type Check = fn(&Context) -> Vec<CheckResult>;

/// Safety is always judged.
const SAFETY: [Check; 21] = [
    |context| vec![agreement::check(context)],
    |context| vec![acked_present::check(context)],
    |context| vec![no_duplicates::check(context)],
    |context| vec![nothing_invented::check(context)],
    |context| vec![real_time_order::check(context)],
    |context| vec![client_order::check(context)],
    |context| vec![prefix::check(context)],
    |context| vec![pages::check(context)],
    |context| vec![reads::check(context)],
    |context| vec![sessions::check(context)],
    |context| vec![ack_majority::check(context)],
    |context| vec![chosen_majority::check(context)],
    |context| vec![ballots::check(context)],
    |context| vec![promises::check(context)],
    |context| vec![proposals::check(context)],
    |context| vec![one_value::check(context)],
    |context| vec![acceptances_kept::check(context)],
    |context| vec![chosen_index::check(context)],
    |context| Vec::from_iter(failed_disk::check(context)),
    |context| vec![voters::check(context)],
    |context| vec![nodes_alive::check(context)],
];

/// What demands progress is not judged in a run that somebody interrupted.
const PROGRESS: [Check; 12] = [
    |context| vec![convergence::check(context)],
    |context| Vec::from_iter(seen_by::check(context)),
    |context| Vec::from_iter(learned::check(context)),
    |context| Vec::from_iter(acked_share::check(context)),
    |context| Vec::from_iter(unavailable::check(context)),
    |context| Vec::from_iter(ack_latency::check(context)),
    |context| Vec::from_iter(recovery::check(context)),
    |context| Vec::from_iter(no_ack_during::check(context)),
    |context| Vec::from_iter(nothing_chosen_during::check(context)),
    |context| Vec::from_iter(told_no_majority::check(context)),
    |context| Vec::from_iter(rerouted::check(context)),
    |context| vec![faults_bit::check(context), traffic::check(context)],
];

/// Judges a run by its history and its plan.
pub fn judge(evidence: &Evidence, plan: &Plan) -> RunResult {
    judge_observed(&Context::new(evidence, plan), &mut |_, _| {})
}

/// The same, and calls `took` with the name of each part of the work and how long it took. Parts of
/// the judging of a long run are done at the same time.
pub fn judge_observed(context: &Context, took: &mut dyn FnMut(&str, Duration)) -> RunResult {
    let evidence = context.evidence;
    let mut work = SAFETY.to_vec();
    if evidence.ending == Ending::Complete {
        work.extend(PROGRESS);
    }
    // The rows are the longest part, so they come first.
    let mut parts = in_order(threads_for(evidence), work.len() + 1, |part| {
        let begun = Instant::now();
        let done = match part.checked_sub(1) {
            None => Done::Rows(Box::new(rows(context))),
            Some(check) => Done::Checks(work[check](context)),
        };
        (done, begun.elapsed())
    })
    .into_iter();
    let Some((Done::Rows(mut result), rows_took)) = parts.next() else {
        unreachable!("the rows are the first part");
    };
    for (done, check_took) in parts {
        let Done::Checks(results) = done else {
            unreachable!("only the first part makes rows");
        };
        if let Some(first) = results.first() {
            took(&first.property, check_took);
        }
        result.checks.extend(results);
    }
    took("the report's rows", rows_took);
    conclude(&mut result, evidence);
    *result
}

/// What a part of the judging comes to.
enum Done {
    Checks(Vec<CheckResult>),
    Rows(Box<RunResult>),
}

/// A short history is judged sooner than a thread starts.
pub(crate) fn threads_for(evidence: &Evidence) -> usize {
    match evidence.messages.len() {
        0..20_000 => 1,
        _ => available_threads(),
    }
}

/// The result without its checks.
fn rows(context: &Context) -> RunResult {
    let evidence = context.evidence;
    RunResult {
        schema_version: SCHEMA_VERSION,
        plan: evidence.header.plan.clone(),
        seed: evidence.header.seed,
        verdict: Verdict::Pass,
        exit_code: 0,
        reasons: Vec::new(),
        duration_us: evidence.end_us,
        servers: evidence.header.servers.len(),
        replicas: report::replicas(context),
        faults: report::faults(context),
        traffic: report::traffic(context),
        windows: windows::windows(context),
        clients: report::clients(context),
        checks: Vec::new(),
        run_dir: None,
        command: evidence.header.command.clone(),
        world: evidence.header.world,
    }
}

/// Adds one more check to a result that was judged before, and draws the verdict anew.
pub fn add(result: &mut RunResult, check: CheckResult, evidence: &Evidence) {
    result.checks.push(check);
    conclude(result, evidence);
}

/// A violation outweighs all else that the history can say, except that a run which was stopped
/// says so first; and what is merely not proved is never a pass.
fn conclude(result: &mut RunResult, evidence: &Evidence) {
    let mut reasons = Vec::new();
    let any = |wanted: Outcome| result.checks.iter().any(|check| check.outcome == wanted);
    let verdict = if evidence.ending == Ending::Interrupted {
        reasons.push("the run was stopped before its end".to_string());
        Verdict::Interrupted
    } else if any(Outcome::Violated) {
        Verdict::Violated
    } else if evidence.ending == Ending::CutShort {
        reasons.push("the history is cut short: the run was killed".to_string());
        Verdict::Inconclusive
    } else if evidence.phase(Phase::Run).is_none() {
        reasons.push("the cluster was never ready: nothing was run".to_string());
        Verdict::CouldNotRun
    } else if any(Outcome::Inconclusive) {
        Verdict::Inconclusive
    } else {
        Verdict::Pass
    };
    for check in &result.checks {
        match check.outcome {
            Outcome::Violated => {
                let first = check.violations.first();
                let message = first.map_or("violated", |violation| violation.message.as_str());
                let first_line = message.lines().next().unwrap_or_default();
                reasons.push(format!("{}: {first_line}", check.property));
            }
            Outcome::Inconclusive => {
                reasons.push(format!("{}: {}", check.property, check.evidence));
            }
            Outcome::Holds | Outcome::NotJudged => {}
        }
    }
    result.reasons = reasons;
    result.set_verdict(verdict);
}
