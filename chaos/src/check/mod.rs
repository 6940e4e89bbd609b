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
    let context = Context::new(evidence, plan);
    let mut checks = vec![
        agreement::check(&context),
        acked_present::check(&context),
        no_duplicates::check(&context),
        nothing_invented::check(&context),
        real_time_order::check(&context),
        client_order::check(&context),
        prefix::check(&context),
        pages::check(&context),
        reads::check(&context),
        sessions::check(&context),
        ack_majority::check(&context),
        chosen_majority::check(&context),
        ballots::check(&context),
        promises::check(&context),
        proposals::check(&context),
        one_value::check(&context),
        acceptances_kept::check(&context),
        chosen_index::check(&context),
        voters::check(&context),
        nodes_alive::check(&context),
    ];
    if evidence.ending == Ending::Complete {
        checks.push(convergence::check(&context));
        checks.extend(seen_by::check(&context));
        checks.extend(learned::check(&context));
        checks.extend(acked_share::check(&context));
        checks.extend(unavailable::check(&context));
        checks.extend(ack_latency::check(&context));
        checks.extend(recovery::check(&context));
        checks.extend(no_ack_during::check(&context));
        checks.extend(nothing_chosen_during::check(&context));
        checks.extend(told_no_majority::check(&context));
        checks.extend(rerouted::check(&context));
        checks.push(faults_bit::check(&context));
        checks.push(traffic::check(&context));
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
    };
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
