//! After everything was healed, all replicas reach the same chosen index within the plan's limit,
//! and their final logs are equally long (P4). It is not owed where so many disks were changed that
//! no majority may vote any more.

use super::context::Context;
use super::findings::Findings;
use crate::history::{Phase, Replica, State, micros};
use crate::report::{CheckResult, Violation, count, time};

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "convergence");
    let evidence = context.evidence;
    let limit = context
        .plan
        .expect
        .converged_within
        .unwrap_or(context.plan.settle);
    let Some(healed_us) = evidence.phase(Phase::Heal) else {
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
        .map(|at_us| at_us.saturating_sub(healed_us));
    match converged_us {
        Some(took_us) if took_us > micros(limit) => {
            findings.say(Some(healed_us + took_us), || {
                format!(
                    "the replicas were level {} after the healing began; the limit is {}",
                    time(took_us),
                    time(micros(limit))
                )
            });
        }
        Some(_) => {}
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
