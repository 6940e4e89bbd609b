//! The times in which nothing was acknowledged though messages were open, against the fault budget:
//! an acknowledgement was owed, or more was broken than a cluster must survive.

use super::context::Context;
use super::gaps::Gap;
use crate::report::WindowRow;

/// Windows that are shown; a run with more has worse troubles.
const SHOWN: usize = 1_000;

pub(crate) fn windows(context: &Context) -> Vec<WindowRow> {
    let kept = context.gaps.kept.iter().take(SHOWN);
    kept.map(|&(gap, owed)| row(context, gap, owed)).collect()
}

fn row(context: &Context, gap: Gap, owed: bool) -> WindowRow {
    let nowhere = context
        .gaps
        .nowhere
        .iter()
        .any(|&(from_us, to_us)| from_us < gap.to_us && to_us > gap.from_us);
    let why = match (owed, nowhere) {
        (true, _) => "a majority was possible",
        (false, true) => "no majority was possible",
        (false, false) => "who waited could reach no server that serves",
    };
    WindowRow {
        from_us: gap.from_us,
        to_us: gap.to_us,
        owed,
        why: why.to_string(),
        faults: context
            .firings
            .iter()
            .filter(|firing| {
                firing.begun_us() <= gap.to_us
                    && firing
                        .healed_us()
                        .is_none_or(|healed| healed >= gap.from_us)
            })
            .map(|firing| firing.describe())
            .collect(),
    }
}
