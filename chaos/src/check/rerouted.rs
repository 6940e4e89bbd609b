//! The clients that the plan names lost their server at least once and were joined again
//! (`expect: rerouted`, P5).

use super::context::Context;
use super::findings::Findings;
use crate::report::{CheckResult, clip};

pub(crate) fn check(context: &Context) -> Option<CheckResult> {
    let wanted = &context.plan.expect.rerouted;
    if wanted.is_empty() {
        return None;
    }
    let mut findings = Findings::new(context, "rerouted");
    for client in wanted {
        let mut lost = false;
        let mut joined = false;
        for session in context.evidence.sessions_of(client) {
            for reroute in &session.reroutes {
                lost = true;
                joined |= session.joins.iter().any(|join| join.at_us >= reroute.at_us);
            }
        }
        if !joined {
            let what = if lost {
                "lost its server and was never joined again"
            } else {
                "was never rerouted"
            };
            findings.say(None, || format!("{} {what}", clip(client, 40)));
        }
    }
    Some(findings.finish(clip(&wanted.join(", "), 60)))
}
