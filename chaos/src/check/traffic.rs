//! There was traffic to judge: before, during and after every firing of every fault; otherwise the
//! run proves nothing about it, and is inconclusive (`expect: traffic`, P6).
//!
//! Before it something was acknowledged, else nobody knows that the cluster worked; during it
//! something was said or open; after it something was acknowledged. A fault that fires in the first
//! second is there from the start, so nothing need come before it; and nothing need come after one
//! that is healed only by the end of the run, because then no more is said.

use super::context::Context;
use super::findings::Findings;
use crate::history::Firing;
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
    for firing in &context.firings {
        let from_us = firing.begun_us();
        let healed_us = firing.healed_us().unwrap_or(u64::MAX);
        let momentary = firing.healing_us() == Some(firing.in_force_us());
        // What comes after a momentary step is what it may have harmed.
        let to_us = if momentary { u64::MAX } else { healed_us };

        let before = acks.partition_point(|&at_us| at_us < from_us) as u64;
        let during = (said.partition_point(|&at_us| at_us <= to_us) as u64).saturating_sub(before);
        let after = (acks.len() - acks.partition_point(|&at_us| at_us <= healed_us)) as u64;
        let least_before = wanted
            .before
            .unwrap_or(u64::from(from_us >= FROM_THE_START_US));
        // Where no majority may vote any more, nothing can come after it.
        let comes_back =
            firing.heals_itself() && context.reach.voters_left() >= evidence.majority();
        let least_after = wanted.after.unwrap_or(u64::from(comes_back));
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
        text.push_str(&format!(
            "; traffic before, during and after each of {firings}"
        ));
    }
    findings.finish(text)
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
