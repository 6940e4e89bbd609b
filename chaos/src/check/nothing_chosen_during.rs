//! While a fault of the plan's choice lasts, nothing that is said becomes chosen at any server
//! (`expect: nothing_chosen_during`, P4).

use super::context::Context;
use super::during;
use crate::report::{CheckResult, Violation, moment};

pub(crate) fn check(context: &Context) -> Option<CheckResult> {
    // Slot and time of the choice of a message that is in the log.
    let chosen_before = |place: usize, to_us| {
        let index = context.index_of[place] as usize;
        let slot = context.evidence.chat().get(index.checked_sub(1)?)?.slot;
        let chosen_us = context.chosen_us(slot).filter(|&us| us < to_us)?;
        Some((slot, chosen_us))
    };
    let wanted = &context.plan.expect.nothing_chosen_during;
    during::check(
        context,
        "nothing-chosen-during",
        wanted,
        chosen_before,
        |message, (slot, chosen_us), firing| Violation {
            message: format!(
                "{} was said at {} and chosen in slot {slot} at {}, during {}",
                context.name(message),
                moment(message.said_us),
                moment(chosen_us),
                firing.describe()
            ),
            slot: Some(slot),
            at_us: Some(chosen_us),
            ..Violation::default()
        },
    )
}
