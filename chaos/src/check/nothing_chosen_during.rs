//! While a fault of the plan's choice lasts, nothing that is said becomes chosen at any server
//! (`expect: nothing_chosen_during`, P4).

use super::context::Context;
use super::findings::Findings;
use crate::history::NO_MESSAGE;
use crate::report::{CheckResult, Violation, count, moment};

pub(crate) fn check(context: &Context) -> Option<CheckResult> {
    let wanted = &context.plan.expect.nothing_chosen_during;
    if wanted.is_empty() {
        return None;
    }
    let mut findings = Findings::new(context, "nothing-chosen-during");
    let evidence = context.evidence;
    let mut tried = 0;
    for fault in wanted {
        let mut tried_here = 0;
        for firing in context.firings.iter().filter(|f| f.fault == fault) {
            let from_us = firing.in_force_us();
            let to_us = firing.healing_us().unwrap_or(u64::MAX);
            // What was under way when the fault took hold may still become chosen.
            let within = |said_us: u64| said_us > from_us && said_us < to_us;
            tried_here += evidence
                .messages
                .iter()
                .filter(|message| within(message.said_us))
                .count() as u64;
            for applied in evidence.chat() {
                if applied.message == NO_MESSAGE {
                    continue;
                }
                let message = &evidence.messages[applied.message as usize];
                if !within(message.said_us) {
                    continue;
                }
                let Some(chosen_us) = context.chosen_us(applied.slot).filter(|&us| us < to_us)
                else {
                    continue;
                };
                findings.violate(|| Violation {
                    message: format!(
                        "{} was said at {} and chosen in slot {} at {}, during {}",
                        context.name(message),
                        moment(message.said_us),
                        applied.slot,
                        moment(chosen_us),
                        firing.describe()
                    ),
                    slot: Some(applied.slot),
                    at_us: Some(chosen_us),
                    ..Violation::default()
                });
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
