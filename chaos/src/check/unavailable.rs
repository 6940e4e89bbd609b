//! While an acknowledgement is owed, none is missing for longer than the plan's limit
//! (`expect: unavailable.max`, P4).

use super::context::Context;
use super::findings::Findings;
use crate::history::micros;
use crate::report::{CheckResult, moment, time};

pub(crate) fn check(context: &Context) -> Option<CheckResult> {
    let limit_us = micros(context.plan.expect.unavailable_max?);
    let mut findings = Findings::new(context, "unavailable");
    let Some(gap) = context.gaps.longest else {
        findings.undecided("no message was ever open".to_string());
        return Some(findings.finish(String::new()));
    };
    let measured = format!(
        "longest gap {} at {}",
        time(gap.length_us()),
        moment(gap.from_us)
    );
    if gap.length_us() > limit_us {
        findings.say(Some(gap.from_us), || {
            format!(
                "nothing was acknowledged for {} from {} on, with messages open and a majority possible; the limit is {}",
                time(gap.length_us()),
                moment(gap.from_us),
                time(limit_us)
            )
        });
    }
    Some(findings.finish(measured))
}
