//! There was traffic to judge: before, during and after every firing of every fault; otherwise the
//! run proves nothing about it, and is inconclusive (`expect: traffic`, P6).
//!
//! Before it something was acknowledged, else nobody knows that the cluster worked; during it
//! something was said or open; after it something was acknowledged. A fault that fires in the first
//! second is there from the start, so nothing need come before it; and nothing need come after one
//! that is healed only by the end of the run, because then no more is said, or from when on no
//! majority may vote any more. What comes after a step of a moment, as a restart, is what it may
//! have harmed, so that counts as during.

use super::context::Context;
use super::findings::Findings;
use crate::history::Firing;
use crate::plan::Verb;
use crate::report::{CheckResult, count};

/// A fault that fires earlier is there from the start.
const FROM_THE_START_US: u64 = 1_000_000;

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "traffic");
    let evidence = context.evidence;
    let acks = &context.gaps.acks;
    if acks.is_empty() {
        findings.undecided("no message was acknowledged".to_string());
    }
    let mut said: Vec<u64> = evidence.messages.iter().map(|m| m.said_us).collect();
    said.sort_unstable();
    let wanted = context.plan.expect.traffic;
    let never_again_us = never_again_us(context);
    for firing in &context.firings {
        let from_us = firing.begun_us();
        let healed_us = firing.healed_us().unwrap_or(u64::MAX);
        let momentary =
            firing.healing_us() == Some(firing.in_force_us())
                || context.plan.faults.iter().any(|fault| {
                    fault.id == firing.fault && matches!(fault.verb, Verb::Restart(_))
                });
        let to_us = if momentary { u64::MAX } else { healed_us };

        let before = acks.partition_point(|&at_us| at_us < from_us) as u64;
        let during = (said.partition_point(|&at_us| at_us <= to_us) as u64).saturating_sub(before);
        let after = (acks.len() - acks.partition_point(|&at_us| at_us <= healed_us)) as u64;
        let least_before = wanted
            .before
            .unwrap_or(u64::from(from_us >= FROM_THE_START_US));
        let owed_after = firing.heals_itself() && healed_us < never_again_us;
        let least_after = wanted.after.unwrap_or(u64::from(owed_after));
        for (number, least, what) in [
            (before, least_before, "acknowledged before"),
            (during, wanted.during.unwrap_or(1), "said or open during"),
            (after, least_after, "acknowledged after"),
        ] {
            if number < least && !(acks.is_empty() && least == 1) {
                findings.undecided(lacking(firing, number, least, what));
            }
        }
    }
    let mut text = count(acks.len() as u64, "acknowledgement");
    if !context.firings.is_empty() {
        let firings = count(context.firings.len() as u64, "firing");
        text.push_str(&format!("; traffic around each of {firings}"));
    }
    findings.finish(text)
}

/// From when on no majority was possible until the end; never, if it was.
fn never_again_us(context: &Context) -> u64 {
    match context.reach.maybe_no_majority().last() {
        Some(&(from_us, u64::MAX)) => from_us,
        _ => u64::MAX,
    }
}

fn lacking(firing: &Firing, number: u64, least: u64, what: &str) -> String {
    let number = match number {
        0 => "nothing was".to_string(),
        1 => format!("1 message, and not {least}, was"),
        number => format!("{number} messages, and not {least}, were"),
    };
    format!(
        "{number} {what} {}, firing {}",
        firing.describe(),
        firing.number
    )
}
