//! While a fault of the plan's choice lasts, nothing that is said is acknowledged
//! (`expect: no_ack_during`, P4).

use super::context::Context;
use super::findings::Findings;
use crate::report::{CheckResult, Violation, count, moment};

pub(crate) fn check(context: &Context) -> Option<CheckResult> {
    let wanted = &context.plan.expect.no_ack_during;
    if wanted.is_empty() {
        return None;
    }
    let mut findings = Findings::new(context, "no-ack-during");
    let mut tried = 0;
    for fault in wanted {
        let mut tried_here = 0;
        for firing in context.firings.iter().filter(|f| f.fault == fault) {
            let from_us = firing.in_force_us();
            let to_us = firing.healing_us().unwrap_or(u64::MAX);
            for message in &context.evidence.messages {
                // What was under way when the fault took hold may still be answered.
                if message.said_us <= from_us || message.said_us >= to_us {
                    continue;
                }
                tried_here += 1;
                let Some(ack) = message.ack.filter(|ack| ack.at_us < to_us) else {
                    continue;
                };
                findings.violate(|| Violation {
                    message: format!(
                        "{} was said at {} and acknowledged at {}, during {}",
                        context.name(message),
                        moment(message.said_us),
                        moment(ack.at_us),
                        firing.describe()
                    ),
                    slot: Some(ack.slot),
                    servers: vec![ack.server.to_string()],
                    at_us: Some(ack.at_us),
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
