//! Chosen is only what a majority accepted: by the time when the first server reports a slot as
//! chosen, a majority had the value that the log holds there on disk, accepted in one ballot
//! ("Paxos Made Simple", section 2.2; P1, P2).

use super::context::Context;
use super::findings::Findings;
use crate::report::{CheckResult, Violation, count, moment};

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "chosen-majority");
    let evidence = context.evidence;
    if context.is_cut_short() {
        return findings.not_judged("the history is cut short");
    }
    let log = context.log_digests.len() as u64;
    let reported = context.chosen_front.last().map_or(0, |&(_, upto)| upto);
    let last = log.max(u64::from(reported));
    if last == 0 {
        return findings.not_judged("nothing was chosen");
    }
    if !context.acceptances.any() {
        findings.undecided("no server recorded any acceptance".to_string());
        return findings.finish(String::new());
    }
    let mut front = context.chosen_front.iter().peekable();
    for slot in 1..=last {
        while front
            .peek()
            .is_some_and(|&&(_, upto)| u64::from(upto) < slot)
        {
            front.next();
        }
        let at_us = front.peek().map_or(u64::MAX, |&&(at_us, _)| at_us);
        let held = context.chosen_digest(slot as u32);
        let right = |digest: u32| held.is_none_or(|held| held == digest);
        if context
            .acceptances
            .majority_by(slot, at_us, right)
            .is_some()
        {
            continue;
        }
        findings.violate(|| {
            let when = if at_us == u64::MAX {
                String::new()
            } else {
                format!(" when it was reported as chosen, at {}", moment(at_us))
            };
            let other = context.acceptances.majority_by(slot, at_us, |_| true);
            let problem = match (other, held) {
                (Some(other), Some(held)) => format!(
                    "a majority had accepted another value (digest {other:08x}) than the log holds (digest {held:08x})"
                ),
                _ => format!(
                    "it was accepted by {}; {} of {} servers are a majority",
                    context.acceptances.describe(evidence, slot, at_us),
                    evidence.majority(),
                    evidence.servers.len()
                ),
            };
            Violation {
                message: format!("slot {slot} is chosen, but{when} {problem}"),
                slot: Some(slot),
                at_us: (at_us != u64::MAX).then_some(at_us),
                ..Violation::default()
            }
        });
    }
    findings.finish(count(last, "slot"))
}
