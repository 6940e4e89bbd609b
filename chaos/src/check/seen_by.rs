//! A message of the plan with `seen_by` was shown to each of those clients within its time
//! (the plan's demand; without `within`, by the end of the run).

use super::context::Context;
use super::findings::Findings;
use super::said::said_lines;
use crate::history::micros;
use crate::plan::Say;
use crate::report::{CheckResult, Violation, clip, count, time};

pub(crate) fn check(context: &Context) -> Option<CheckResult> {
    let mut findings = Findings::new(context, "seen-by");
    let evidence = context.evidence;
    let demanded = |what: &Say| matches!(what, Say::Say { seen_by, .. } if !seen_by.is_empty());
    if !context.plan.traffic.iter().any(|t| demanded(&t.what)) {
        return None;
    }
    let mut demands = 0;
    let mut slowest_us = 0;
    for (traffic, message) in said_lines(context, &mut findings, demanded) {
        let Say::Say {
            seen_by, within, ..
        } = &traffic.what
        else {
            continue;
        };
        demands += seen_by.len() as u64;
        let from = evidence.sessions[message.session as usize].client;
        for viewer in seen_by {
            let seen_us = evidence
                .sessions_of(viewer)
                .flat_map(|session| &session.deliveries)
                .filter(|delivery| delivery.from == from && delivery.seq == message.seq)
                .map(|delivery| delivery.at_us)
                .min();
            let took_us = seen_us.map(|at_us| at_us.saturating_sub(message.said_us));
            let problem = match (took_us, within.map(micros)) {
                (Some(took_us), Some(limit_us)) if took_us > limit_us => format!(
                    "was shown to {} after {}; the limit is {}",
                    clip(viewer, 40),
                    time(took_us),
                    time(limit_us)
                ),
                (Some(took_us), _) => {
                    slowest_us = slowest_us.max(took_us);
                    continue;
                }
                (None, _) => format!("was never shown to {}", clip(viewer, 40)),
            };
            findings.violate(|| Violation {
                message: format!(
                    "{} {problem} (line {} of the plan)",
                    context.name(message),
                    traffic.line
                ),
                at_us: Some(message.said_us + within.map_or(0, micros)),
                ..Violation::default()
            });
        }
    }
    Some(findings.finish(format!(
        "{}, slowest {}",
        count(demands, "demand"),
        time(slowest_us)
    )))
}
