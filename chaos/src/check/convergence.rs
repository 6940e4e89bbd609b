//! After everything was healed, all replicas reach the same chosen index within the plan's limit,
//! and their final logs are equally long (P4). Where a load had to be stopped, because it was not
//! done in that time, the limit counts from when it had left. It is not owed where so many disks were changed that
//! no majority may vote any more.

use super::context::Context;
use super::findings::Findings;
use crate::history::{Phase, Replica, State, micros};
use crate::report::{CheckResult, Violation, count, time};
use crate::run::QUIET;

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "convergence");
    let evidence = context.evidence;
    let limit = context
        .plan
        .expect
        .converged_within
        .unwrap_or(context.plan.settle);
    let Some(calm_us) = context.calm_us() else {
        findings.undecided("the run never came to healing".to_string());
        return findings.finish(String::new());
    };
    // What the others hold they can learn from a leader only.
    let voters = context.reach.voters_left();
    if voters < evidence.majority() {
        return findings.not_judged(&format!(
            "{} of {} left that may vote",
            count(voters as u64, "server"),
            evidence.header.servers.len()
        ));
    }
    let converged_us = evidence
        .phase(Phase::Converged)
        .map(|at_us| at_us.saturating_sub(calm_us));
    match converged_us {
        Some(took_us) if took_us > micros(limit) => {
            findings.say(Some(calm_us + took_us), || {
                format!(
                    "the replicas were level {} after the healing began; the limit is {}",
                    time(took_us),
                    time(micros(limit))
                )
            });
        }
        Some(_) => {}
        // Acknowledged to clients that are not stopped, as long as there was any time left.
        None if flows_to_the_end(context) => findings.undecided(
            "messages were still being acknowledged when the logs were read".to_string(),
        ),
        None => findings.violate(|| Violation {
            message: format!(
                "the replicas were not level within {} of the healing{}",
                time(micros(limit)),
                lagging(context).map_or_else(String::new, |lag| format!(": {lag}"))
            ),
            at_us: Some(evidence.end_us),
            ..Violation::default()
        }),
    }
    if converged_us.is_some()
        && let Some(lag) = lagging(context)
    {
        findings.say(Some(evidence.end_us), || {
            format!("the final logs are not equally long: {lag}")
        });
    }
    for replica in &evidence.replicas {
        if context.reach.lifetimes.at_end(&replica.name) != State::Up
            && !evidence
                .deaths
                .iter()
                .any(|death| death.node == replica.name)
        {
            findings.say(Some(evidence.end_us), || {
                format!("{} was not running again after the healing", replica.name)
            });
        }
    }
    let live = context.live().count() as u64;
    let after = converged_us.map_or_else(String::new, |took_us| {
        format!(" level {} after healing", time(took_us))
    });
    findings.finish(format!("{}{after}", count(live, "replica")))
}

/// Whether replicas could not come to rest, because there was no rest.
fn flows_to_the_end(context: &Context) -> bool {
    let last_ack_us = context.gaps.acks.last().copied().unwrap_or_default();
    context.is_after_reads(last_ack_us + micros(QUIET))
}

/// The first live replica that is behind the longest one, and how far.
fn lagging(context: &Context) -> Option<String> {
    let live: Vec<&Replica> = context.live().collect();
    // The first of the longest, so that the text does not depend on who comes last.
    let longest = live.iter().rev().max_by_key(|replica| replica.chosen)?;
    let behind = live
        .iter()
        .find(|replica| replica.chosen < longest.chosen)?;
    Some(format!(
        "{} has {}, {} behind {}",
        behind.name,
        count(behind.chosen, "slot"),
        longest.chosen - behind.chosen,
        longest.name
    ))
}
