//! At least the plan's share of all messages was acknowledged by the end (`expect: acked`).

use super::context::Context;
use super::findings::Findings;
use crate::report::{CheckResult, share};

pub(crate) fn check(context: &Context) -> Option<CheckResult> {
    let wanted = context.plan.expect.acked?;
    let mut findings = Findings::new(context, "acked");
    let messages = &context.evidence.messages;
    let sent = messages.len() as u64;
    let acked = messages.iter().filter(|m| m.ack.is_some()).count() as u64;
    if sent == 0 {
        findings.undecided("nothing was said".to_string());
    } else if (acked as f64) < wanted * sent as f64 {
        let open = messages.iter().find(|message| message.ack.is_none());
        findings.say(None, || {
            let first = open.map_or_else(String::new, |message| {
                format!("; the first without is {}", context.name(message))
            });
            format!(
                "{acked} of {sent} messages were acknowledged ({}), and the plan demands {}%{first}",
                share(acked, sent),
                (wanted * 100_000.0).round() / 1000.0
            )
        });
    }
    Some(findings.finish(format!("{acked} of {sent} ({})", share(acked, sent))))
}
