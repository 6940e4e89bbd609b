//! There was traffic to judge: something was acknowledged, and something was said or open during
//! each fault; otherwise the run proves nothing about it, and is inconclusive (P6).

use super::context::Context;
use super::findings::Findings;
use crate::report::{CheckResult, count};

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "traffic");
    let evidence = context.evidence;
    let acked = evidence.messages.iter().filter(|m| m.ack.is_some()).count() as u64;
    if acked == 0 {
        findings.undecided("no message was acknowledged".to_string());
    }
    // Messages by when they were said, with the latest end of all up to each: then "was any open
    // in this window" is one look.
    let mut open: Vec<(u64, u64)> = evidence
        .messages
        .iter()
        .map(|message| {
            (
                message.said_us,
                message.ack.map_or(u64::MAX, |ack| ack.at_us),
            )
        })
        .collect();
    open.sort_unstable();
    let mut latest = 0;
    for (_, closed_us) in &mut open {
        latest = latest.max(*closed_us);
        *closed_us = latest;
    }
    for firing in &context.firings {
        let from_us = firing.begun_us();
        let mut to_us = firing.healed_us().unwrap_or(u64::MAX);
        if firing.healing_us() == Some(firing.in_force_us()) {
            // A momentary step: what comes after it is what it may have harmed.
            to_us = u64::MAX;
        }
        let before_end = open.partition_point(|&(said_us, _)| said_us <= to_us);
        let any = before_end
            .checked_sub(1)
            .is_some_and(|last| open[last].1 >= from_us);
        if !any {
            findings.undecided(format!(
                "nothing was said or open during {}, firing {}",
                firing.describe(),
                firing.number
            ));
        }
    }
    let mut text = count(acked, "acknowledgement");
    if !context.firings.is_empty() {
        let firings = count(context.firings.len() as u64, "firing");
        text.push_str(&format!("; traffic during each of {firings}"));
    }
    findings.finish(text)
}
