//! Less time: gaps in which nothing begins or ends, and how long loads and faults last.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Candidate, Search};
use crate::history::micros;
use crate::plan::{
    Fault, LinkEffect, MachineFault, MachineTrouble, Plan, Say, Verb, show_duration,
};

/// Times are tried in steps of it, and nothing that lasts gets shorter.
const STEP: Duration = Duration::from_millis(100);
/// With less, a sound cluster might not come level, which would be another failure.
const LEAST_SETTLE: Duration = Duration::from_secs(5);
/// What times are rounded down to, the roundest first.
const ROUND: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_millis(500),
    STEP,
    Duration::from_millis(10),
];

impl Search<'_> {
    pub(super) fn less_time(&mut self) {
        self.shorter_loads();
        self.shorter_faults();
        self.no_gaps();
        self.earlier_faults();
        self.least_time(self.best.settle, LEAST_SETTLE, &|plan, settle| {
            let plan = Plan {
                settle,
                ..plan.clone()
            };
            ("settle".to_owned(), plan)
        });
    }

    /// `with` is the plan with a time, and what that is the time of.
    fn least_time(
        &mut self,
        now: Duration,
        least: Duration,
        with: &dyn Fn(&Plan, Duration) -> Candidate,
    ) {
        self.least(micros(now), micros(least), micros(STEP), &|plan, us| {
            let time = Duration::from_micros(us);
            let (of, plan) = with(plan, time);
            (format!("with {of} {}", show_duration(time)), plan)
        });
    }

    fn shorter_loads(&mut self) {
        for index in 0..self.best.traffic.len() {
            let Say::Load { name, load } = &self.best.traffic[index].what else {
                continue;
            };
            let (name, now) = (name.clone(), load.lasts);
            self.least_time(now, STEP, &|plan, lasts| {
                let mut plan = plan.clone();
                if let Say::Load { load, .. } = &mut plan.traffic[index].what {
                    load.lasts = lasts;
                }
                (format!("{name} for"), plan)
            });
        }
    }

    /// A fault without an end is shorter to tell, and healed when the traffic is over.
    fn shorter_faults(&mut self) {
        for index in 0..self.best.faults.len() {
            let with = |plan: &Plan, change: &dyn Fn(&mut Fault)| {
                let mut plan = plan.clone();
                change(&mut plan.faults[index]);
                plan
            };
            let Fault {
                id, lasts, every, ..
            } = self.best.faults[index].clone();
            if let Some(lasts) = lasts {
                let endless = with(&self.best, &|fault| fault.lasts = None);
                if !self.attempt(&format!("{id} until the end"), endless) {
                    self.least_time(lasts, STEP, &|plan, lasts| {
                        let plan = with(plan, &|fault| fault.lasts = Some(lasts));
                        (format!("{id} for"), plan)
                    });
                }
            }
            if let Some(every) = every {
                self.least_time(every, STEP, &|plan, every| {
                    let plan = with(plan, &|fault| fault.every = Some(every));
                    (format!("{id} every"), plan)
                });
            }
        }
    }

    /// Takes time out of the plan wherever nothing begins or ends, from its end on.
    fn no_gaps(&mut self) {
        let mut gap = moments(&self.best).len();
        while gap > 0 {
            let moments = moments(&self.best);
            gap = gap.min(moments.len()) - 1;
            let before = match gap {
                0 => Duration::ZERO,
                gap => moments[gap - 1],
            };
            let now = moments[gap] - before;
            self.least_time(now, Duration::ZERO, &|plan, left| {
                let of = format!("between {} and what follows", show_duration(before));
                (of, without_time(plan, before, now - left))
            });
        }
    }

    fn earlier_faults(&mut self) {
        for index in 0..self.best.faults.len() {
            let Fault { id, at, .. } = self.best.faults[index].clone();
            self.least_time(at, Duration::ZERO, &|plan, at| {
                let mut plan = plan.clone();
                plan.faults[index].at = at;
                (format!("{id} at"), plan)
            });
        }
    }

    pub(super) fn rounder_times(&mut self) {
        for round in ROUND {
            let mut plan = self.best.clone();
            times(&mut plan)
                .into_iter()
                .for_each(|time| down(time, round));
            let what = format!("with times rounded down to {}", show_duration(round));
            if self.attempt(&what, plan) {
                break;
            }
        }
        for index in 0..times(&mut self.best.clone()).len() {
            for round in ROUND {
                let mut plan = self.best.clone();
                let Some(time) = times(&mut plan).into_iter().nth(index) else {
                    continue;
                };
                let before = *time;
                down(time, round);
                let what = format!(
                    "with {} instead of {}",
                    show_duration(*time),
                    show_duration(before)
                );
                if self.attempt(&what, plan) {
                    break;
                }
            }
        }
    }
}

/// When something begins or ends, each moment once; not the beginning of the run.
fn moments(plan: &Plan) -> Vec<Duration> {
    let traffic = plan.traffic.iter();
    let traffic = traffic.flat_map(|traffic| [traffic.at, traffic.ends()]);
    let faults = plan.faults.iter().flat_map(|fault| {
        let last = fault.last_firing();
        [fault.at, last, last + fault.lasts.unwrap_or_default()]
    });
    let moments: BTreeSet<Duration> = traffic.chain(faults).collect();
    moments
        .into_iter()
        .filter(|moment| !moment.is_zero())
        .collect()
}

/// The plan with so much time taken out behind a moment: what lies later comes earlier, and what
/// lasts through it gets shorter.
fn without_time(plan: &Plan, from: Duration, by: Duration) -> Plan {
    let moved = |at: Duration| match at <= from {
        true => at,
        false => at.saturating_sub(by).max(from),
    };
    let between = |at: Duration, lasts: Duration| moved(at + lasts) - moved(at);
    let mut plan = plan.clone();
    for traffic in &mut plan.traffic {
        if let Say::Load { load, .. } = &mut traffic.what {
            load.lasts = between(traffic.at, load.lasts);
        }
        traffic.at = moved(traffic.at);
    }
    for fault in &mut plan.faults {
        if fault.times == 1 {
            fault.lasts = fault.lasts.map(|lasts| between(fault.at, lasts));
        }
        fault.at = moved(fault.at);
    }
    plan
}

/// All times of what happens, and how much later.
fn times(plan: &mut Plan) -> Vec<&mut Duration> {
    let mut times: Vec<&mut Duration> = vec![&mut plan.settle];
    for traffic in &mut plan.traffic {
        times.push(&mut traffic.at);
        if let Say::Load { load, .. } = &mut traffic.what {
            times.push(&mut load.lasts);
        }
    }
    for fault in &mut plan.faults {
        times.push(&mut fault.at);
        times.extend(&mut fault.lasts);
        times.extend(&mut fault.every);
        match &mut fault.verb {
            Verb::Links(fault) => match &mut fault.effect {
                LinkEffect::Delay { by, jitter, .. } => times.extend([by, jitter]),
                LinkEffect::Reorder { within } => times.push(within),
                LinkEffect::Drop | LinkEffect::Duplicate { .. } => {}
            },
            Verb::Machine(MachineFault {
                what: MachineTrouble::SlowDisk { by, jitter, .. },
                ..
            }) => times.extend([by, jitter]),
            _ => {}
        }
    }
    times
}

/// Rounds down, but not to nothing.
fn down(time: &mut Duration, to: Duration) {
    let rounded = *time - Duration::from_micros(micros(*time) % micros(to));
    if !rounded.is_zero() {
        *time = rounded;
    }
}
