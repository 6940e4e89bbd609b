//! While a fault of the plan's choice lasts, nothing that is said is acknowledged
//! (`expect: no_ack_during`, P4).

use super::context::Context;
use super::during;
use crate::report::{CheckResult, Violation, moment};

pub(crate) fn check(context: &Context) -> Option<CheckResult> {
    let ack_before = |place: usize, to_us| {
        let ack = context.evidence.messages[place].ack;
        ack.filter(|ack| ack.at_us < to_us)
    };
    let wanted = &context.plan.expect.no_ack_during;
    during::check(
        context,
        "no-ack-during",
        wanted,
        ack_before,
        |message, ack, firing| Violation {
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
        },
    )
}
