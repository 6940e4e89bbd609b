//! The clients that the plan names were told that messages could not be stored
//! (`expect: told_no_majority`, P4).

use super::context::Context;
use super::findings::Findings;
use crate::report::{CheckResult, clip};

pub(crate) fn check(context: &Context) -> Option<CheckResult> {
    let wanted = &context.plan.expect.told_no_majority;
    if wanted.is_empty() {
        return None;
    }
    let mut findings = Findings::new(context, "told-no-majority");
    for client in wanted {
        let told = context
            .evidence
            .sessions_of(client)
            .flat_map(|session| &session.told)
            .any(|told| !told.majority);
        if !told {
            findings.say(None, || {
                format!(
                    "{} was never told that there was no majority",
                    clip(client, 40)
                )
            });
        }
    }
    Some(findings.finish(clip(&wanted.join(", "), 60)))
}
