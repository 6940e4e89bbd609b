//! After a fault is healed, acknowledgements come again within the plan's limit
//! (`expect: recovered_within`, P4).

use super::context::Context;
use super::findings::Findings;
use crate::history::{Firing, micros};
use crate::report::{CheckResult, time};

/// How long a cluster took after a healing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// From the healing, or from the first moment after it at which an acknowledgement was owed, to
    /// the next acknowledgement. `None` when none came.
    pub first_ack_us: Option<u64>,
    /// When that was: `None` when nothing was owed any more.
    pub owed_from_us: Option<u64>,
    /// From the healing until every server that was up knew all that any server had known as chosen
    /// at the healing. `None` when that was not seen.
    pub level_us: Option<u64>,
}

/// What came after a firing was healed, if it was.
pub(crate) fn of(context: &Context, firing: &Firing) -> Option<Recovery> {
    let healed_us = firing.healed_us()?;
    let owed_from_us = context.gaps.owed_from(healed_us);
    let first_ack_us = owed_from_us.and_then(|from_us| {
        let acked_us = context.gaps.acked_from(from_us)?;
        Some(acked_us - from_us)
    });
    Some(Recovery {
        first_ack_us,
        owed_from_us,
        level_us: level_us(context, healed_us),
    })
}

fn level_us(context: &Context, healed_us: u64) -> Option<u64> {
    let front = &context.chosen_front;
    let known = front.partition_point(|&(at_us, _)| at_us <= healed_us);
    let target = known.checked_sub(1).map_or(0, |last| front[last].1);
    let servers = context.evidence.header.servers.iter();
    servers
        .zip(&context.evidence.servers)
        .filter(|(name, _)| !context.reach.lifetimes.maybe_out(name, healed_us))
        .map(|(_, server)| {
            let events = &server.events;
            let healed = events.partition_point(|event| event.at_us <= healed_us);
            let knows = |event: &crate::history::ServerEvent| server.chosen_by(event.what);
            let before = events[..healed].iter().rev().find_map(knows);
            if before.unwrap_or(0) >= target {
                return Some(0);
            }
            let level = events[healed..]
                .iter()
                .find(|event| knows(event).is_some_and(|upto| upto >= target))?;
            Some(level.at_us - healed_us)
        })
        .try_fold(0, |worst, took_us| Some(took_us?.max(worst)))
}

pub(crate) fn check(context: &Context) -> Option<CheckResult> {
    let limit_us = micros(context.plan.expect.recovered_within?);
    let mut findings = Findings::new(context, "recovered");
    let mut slowest_us = 0;
    for firing in &context.firings {
        let Some(recovery) = of(context, firing) else {
            findings.undecided(format!("{} was never healed", firing.describe()));
            continue;
        };
        let Some(owed_from_us) = recovery.owed_from_us else {
            // At the end of a run nothing needs to be open any more.
            if firing.heals_itself() {
                findings.undecided(format!(
                    "nothing was said or open after {} was healed",
                    firing.describe()
                ));
            }
            continue;
        };
        match recovery.first_ack_us {
            Some(took_us) if took_us <= limit_us => slowest_us = slowest_us.max(took_us),
            Some(took_us) => findings.say(Some(owed_from_us), || {
                format!(
                    "{} passed after {} was healed until something was acknowledged; the limit is {}",
                    time(took_us),
                    firing.describe(),
                    time(limit_us)
                )
            }),
            None => findings.say(Some(owed_from_us), || {
                format!(
                    "nothing was acknowledged any more after {} was healed",
                    firing.describe()
                )
            }),
        }
    }
    if context.firings.is_empty() {
        return Some(findings.not_judged("no faults fired"));
    }
    Some(findings.finish(format!("slowest {} ≤ {}", time(slowest_us), time(limit_us))))
}
