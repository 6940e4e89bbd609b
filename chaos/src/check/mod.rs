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

pub use disks::{DiskLog, disks};

pub(crate) use ack_latency::latencies;
pub(crate) use context::{Context, percentile};
pub(crate) use faults_bit::{hits as link_hits, problem as faults_problem};
pub(crate) use machine_bit::effects as machine_effects;
pub(crate) use recovery::of as recovery;

use crate::history::{Ending, Evidence, Phase};
use crate::plan::Plan;
use crate::report::{self, CheckResult, Outcome, RunResult, SCHEMA_VERSION, Verdict};

/// Judges a run by its history and its plan.
///
/// Safety is always judged. What demands progress is not judged in a run that somebody interrupted.
pub fn judge(evidence: &Evidence, plan: &Plan) -> RunResult {
    judge_observed(evidence, plan, &mut |_| {})
}

/// The same, and calls `done` with the name of each part of the work when that is done.
pub fn judge_observed(evidence: &Evidence, plan: &Plan, done: &mut dyn FnMut(&str)) -> RunResult {
    let context = Context::new(evidence, plan);
    done("what the checks share");
    let mut checks = Vec::new();
    let mut take = |result: Option<CheckResult>| {
        if let Some(result) = result {
            done(&result.property);
            checks.push(result);
        }
    };
    take(Some(agreement::check(&context)));
    take(Some(acked_present::check(&context)));
    take(Some(no_duplicates::check(&context)));
    take(Some(nothing_invented::check(&context)));
    take(Some(real_time_order::check(&context)));
    take(Some(client_order::check(&context)));
    take(Some(prefix::check(&context)));
    take(Some(pages::check(&context)));
    take(Some(reads::check(&context)));
    take(Some(sessions::check(&context)));
    take(Some(ack_majority::check(&context)));
    take(Some(chosen_majority::check(&context)));
    take(Some(ballots::check(&context)));
    take(Some(promises::check(&context)));
    take(Some(proposals::check(&context)));
    take(Some(one_value::check(&context)));
    take(Some(acceptances_kept::check(&context)));
    take(Some(chosen_index::check(&context)));
    take(failed_disk::check(&context));
    take(Some(voters::check(&context)));
    take(Some(nodes_alive::check(&context)));
    if evidence.ending == Ending::Complete {
        take(Some(convergence::check(&context)));
        take(seen_by::check(&context));
        take(learned::check(&context));
        take(acked_share::check(&context));
        take(unavailable::check(&context));
        for result in ack_latency::check(&context) {
            take(Some(result));
        }
        take(recovery::check(&context));
        take(no_ack_during::check(&context));
        take(nothing_chosen_during::check(&context));
        take(told_no_majority::check(&context));
        take(rerouted::check(&context));
        take(Some(faults_bit::check(&context)));
        take(Some(traffic::check(&context)));
    }
    let mut result = RunResult {
        schema_version: SCHEMA_VERSION,
        plan: evidence.header.plan.clone(),
        seed: evidence.header.seed,
        verdict: Verdict::Pass,
        exit_code: 0,
        reasons: Vec::new(),
        duration_us: evidence.end_us,
        servers: evidence.header.servers.len(),
        replicas: report::replicas(&context),
        faults: report::faults(&context),
        traffic: report::traffic(&context),
        windows: windows::windows(&context),
        clients: report::clients(&context),
        checks,
        run_dir: None,
        command: evidence.header.command.clone(),
        world: evidence.header.world,
    };
    done("the report's rows");
    conclude(&mut result, evidence);
    result
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
