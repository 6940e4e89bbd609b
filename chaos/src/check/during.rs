//! What becomes of messages that are said while a fault of the plan's choice lasts.

use super::context::Context;
use super::findings::Findings;
use crate::history::{Firing, Message};
use crate::report::{CheckResult, Violation, count};

/// Asks `happened` of every message, by its place in the evidence, that was said while one of the
/// `wanted` faults surely held, and whether it did before the healing began; what was under way when
/// the fault took hold is not asked for. What did happen is a violation, which `describe` tells. A
/// fault during which nothing was said proves nothing.
pub(crate) fn check<T>(
    context: &Context,
    property: &'static str,
    wanted: &[String],
    happened: impl Fn(usize, u64) -> Option<T>,
    describe: impl Fn(&Message, T, &Firing) -> Violation,
) -> Option<CheckResult> {
    if wanted.is_empty() {
        return None;
    }
    let mut findings = Findings::new(context, property);
    let mut tried = 0;
    for fault in wanted {
        let mut tried_here = 0;
        for firing in context.firings.iter().filter(|f| f.fault == fault) {
            let from_us = firing.in_force_us();
            let to_us = firing.healing_us().unwrap_or(u64::MAX);
            for (place, message) in context.evidence.messages.iter().enumerate() {
                if message.said_us <= from_us || message.said_us >= to_us {
                    continue;
                }
                tried_here += 1;
                if let Some(what) = happened(place, to_us) {
                    findings.violate(|| describe(message, what, firing));
                }
            }
        }
        if tried_here == 0 {
            findings.undecided(format!("nothing was said during {fault}"));
        }
        tried += tried_here;
    }
    Some(findings.finish(format!(
        "{} said during {}",
        count(tried, "message"),
        wanted.join(", ")
    )))
}
