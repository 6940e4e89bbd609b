//! A plan in quicker or slower motion.

use std::time::Duration;

use paxosctl_node::link::LONGEST_DELAY;
use paxosctl_node::machine::LONGEST_SYNC;

use super::{Fault, Learned, LinkEffect, MachineTrouble, Plan, RandomFaults, Say, Traffic, Verb};

/// The bounds of a time scale.
pub const SMALLEST_SCALE: f64 = 0.01;
pub const LARGEST_SCALE: f64 = 100.0;

/// A plan as it was written.
pub(super) fn unscaled() -> f64 {
    1.0
}

impl Plan {
    /// The plan with its times multiplied: when all is said and breaks, how long faults and loads
    /// last and how often bursts come, by how much
    /// links and modes put messages off and disks hold syncs up, and the demands that go with a
    /// message (`seen_by`, `learned`).
    ///
    /// What measures the cluster itself stays: `settle`, all of `expect`, and a load's rate. What
    /// lasted some time still lasts some, if only a microsecond, and no delay exceeds what a link
    /// can do.
    pub fn scaled(&self, factor: f64) -> Plan {
        assert!(
            (SMALLEST_SCALE..=LARGEST_SCALE).contains(&factor),
            "a time scale of {factor}"
        );
        let scale = Scale(factor);
        Plan {
            traffic: self
                .traffic
                .iter()
                .map(|item| scale.traffic(item))
                .collect(),
            faults: self.faults.iter().map(|fault| scale.fault(fault)).collect(),
            random: self
                .random
                .iter()
                .map(|random| scale.random(random))
                .collect(),
            time_scale: self.time_scale * factor,
            ..self.clone()
        }
    }
}

struct Scale(f64);

impl Scale {
    /// In whole microseconds, and never to nothing.
    fn time(&self, time: Duration) -> Duration {
        if time.is_zero() {
            return time;
        }
        let micros = (time.as_micros() as f64 * self.0).round() as u64;
        Duration::from_micros(micros.max(1))
    }

    fn range(&self, (least, most): (Duration, Duration)) -> (Duration, Duration) {
        (self.time(least), self.time(most))
    }

    fn traffic(&self, item: &Traffic) -> Traffic {
        let mut scaled = item.clone();
        scaled.at = self.time(item.at);
        match &mut scaled.what {
            Say::Say {
                within, learned, ..
            } => {
                *within = within.map(|within| self.time(within));
                for demand in learned {
                    self.learned(demand);
                }
            }
            Say::Load { load, .. } => {
                load.lasts = self.time(load.lasts);
                if let Some(burst) = &mut load.burst {
                    let every = self.time(Duration::from_millis(burst.every_ms));
                    burst.every_ms = (every.as_millis() as u64).max(1);
                }
            }
            Say::Join { .. } | Say::Leave { .. } | Say::Read { .. } => {}
        }
        scaled
    }

    fn learned(&self, demand: &mut Learned) {
        demand.after = demand.after.map(|after| self.time(after));
        demand.within = demand.within.map(|within| self.time(within));
        if let (Some(after), Some(within)) = (demand.after, &mut demand.within) {
            *within = (*within).max(after + Duration::from_micros(1));
        }
    }

    fn fault(&self, fault: &Fault) -> Fault {
        let lasts = fault.lasts.map(|lasts| self.time(lasts));
        let every = fault.every.map(|every| {
            // A firing still ends before the next.
            let least = lasts.map_or(Duration::ZERO, |lasts| lasts + Duration::from_micros(1));
            self.time(every).max(least)
        });
        Fault {
            at: self.time(fault.at),
            every,
            lasts,
            verb: self.verb(&fault.verb),
            ..fault.clone()
        }
    }

    fn verb(&self, verb: &Verb) -> Verb {
        let mut scaled = verb.clone();
        match &mut scaled {
            Verb::Links(fault) => match &mut fault.effect {
                LinkEffect::Delay {
                    by,
                    jitter,
                    distribution,
                } => {
                    let longest_us = |by: &Duration, jitter: &Duration| {
                        distribution.longest_us(by.as_micros() as u64, jitter.as_micros() as u64)
                    };
                    let most_us = LONGEST_DELAY.as_micros() as f64;
                    // The longest delay that can be drawn grows with both.
                    let fits = most_us / longest_us(by, jitter) as f64;
                    let scale = Scale(self.0.min(fits));
                    (*by, *jitter) = (scale.time(*by), scale.time(*jitter));
                }
                LinkEffect::Reorder { within } => *within = self.time(*within).min(LONGEST_DELAY),
                LinkEffect::Drop | LinkEffect::Duplicate { .. } => {}
            },
            Verb::Mode(modes) => {
                for mode in modes {
                    mode.mode = mode.mode.scaled(self.0);
                }
            }
            Verb::Machine(fault) => {
                // A clock's jump stays: the timers that it puts out do not scale either.
                if let MachineTrouble::SlowDisk { by, jitter, .. } = &mut fault.what {
                    let fits = LONGEST_SYNC.as_secs_f64() / (*by + *jitter).as_secs_f64();
                    let scale = Scale(self.0.min(fits));
                    (*by, *jitter) = (scale.time(*by), scale.time(*jitter));
                }
            }
            _ => {}
        }
        scaled
    }

    fn random(&self, random: &RandomFaults) -> RandomFaults {
        RandomFaults {
            at: self.time(random.at),
            lasts: self.time(random.lasts),
            every: self.range(random.every),
            each_lasts: self.range(random.each_lasts),
            ..random.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan;

    const PLAN: &str = r#"
version: 1
cluster: {servers: 3, clients: [ann, bob]}
traffic:
  - {at: 0s, as: ann, say: a}
  - {at: 10s, as: ann, say: b, seen_by: all, within: 2s, learned: [{by: s1, after: 30s, within: 33s}]}
  - {at: 20s, for: 30s, load: {clients: 2, rate: 20/s, burst: {of: 5, every: 5s}}}
faults:
  - {at: 5s, every: 4s, times: 3, kill: leader, restart_after: 2s}
  - {at: 5s, for: 9s, delay: {link: s1<->s2, by: 100ms, jitter: 30ms, distribution: pareto}}
  - {at: 6s, for: 9s, reorder: {link: s1<->s2, within: 50ms}}
  - {at: 7s, for: 9s, mode: {s1: "p:10::a:20::d"}}
  - {at: 8s, for: 20s, random: {pick: [kill], every: 2s..4s, lasts: 1s..2s}}
settle: 7s
expect: {converged_within: 3s, unavailable: {max: 5s}, ack_latency: {p99: 1s}}
"#;

    fn parsed(text: &str) -> Plan {
        plan::parse(Path::new("test.yaml"), text).unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[test]
    fn times_are_multiplied_and_what_measures_the_cluster_is_not() {
        let scaled_text = r#"
version: 1
cluster: {servers: 3, clients: [ann, bob]}
traffic:
  - {at: 0s, as: ann, say: a}
  - {at: 1s, as: ann, say: b, seen_by: all, within: 200ms, learned: [{by: s1, after: 3s, within: 3300ms}]}
  - {at: 2s, for: 3s, load: {clients: 2, rate: 20/s, burst: {of: 5, every: 500ms}}}
faults:
  - {at: 500ms, every: 400ms, times: 3, kill: leader, restart_after: 200ms}
  - {at: 500ms, for: 900ms, delay: {link: s1<->s2, by: 10ms, jitter: 3ms, distribution: pareto}}
  - {at: 600ms, for: 900ms, reorder: {link: s1<->s2, within: 5ms}}
  - {at: 700ms, for: 900ms, mode: {s1: "p:1::a:2::d"}}
  - {at: 800ms, for: 2s, random: {pick: [kill], every: 200ms..400ms, lasts: 100ms..200ms}}
settle: 7s
expect: {converged_within: 3s, unavailable: {max: 5s}, ack_latency: {p99: 1s}}
"#;
        let expected = Plan {
            source: PLAN.to_owned(),
            time_scale: 0.1,
            ..parsed(scaled_text)
        };
        assert_eq!(parsed(PLAN).scaled(0.1), expected);
        assert_eq!(parsed(PLAN).scaled(1.0), parsed(PLAN));
    }

    #[test]
    fn times_that_collapse_leave_a_sound_plan() {
        let plan = parsed(
            "version: 1\ncluster: {servers: 3, clients: [ann]}\ntraffic:\n  \
             - {at: 9us, as: ann, say: a, learned: [{by: s1, after: 2us, within: 3us}]}\nfaults:\n  \
             - {at: 1us, every: 3us, times: 2, for: 2us, mode: {s1: \"a:0.000002\"}}\n  \
             - {at: 1us, for: 1us, delay: {link: s1->s2, by: 2us, jitter: 2us}}\n",
        )
        .scaled(SMALLEST_SCALE);
        let us = Duration::from_micros;
        let Say::Say { learned, .. } = &plan.traffic[0].what else {
            panic!("somebody speaks");
        };
        assert_eq!(
            (learned[0].after, learned[0].within),
            (Some(us(1)), Some(us(2)))
        );
        let fault = &plan.faults[0];
        assert_eq!((fault.lasts, fault.every), (Some(us(1)), Some(us(2))));
        assert_eq!(fault.verb.to_string(), "mode s1 a:0.000001");
        assert_eq!(plan.faults[1].verb.to_string(), "delay s1->s2 by 1us ± 1us");
        assert!(crate::schedule::dry_run(&plan, 1).len() >= 4);
    }

    #[test]
    fn no_delay_grows_beyond_what_a_link_can_do() {
        let plan = parsed(
            "version: 1\ncluster: {servers: 3, clients: [ann]}\ntraffic:\n  \
             - {at: 1h, as: ann, say: a}\nfaults:\n  \
             - {at: 1s, for: 1h, delay: {link: s1->s2, by: 50m, jitter: 5m}}\n  \
             - {at: 1s, for: 1h, reorder: {link: s1->s2, within: 59m}}\n  \
             - {at: 1s, for: 1h, mode: {s1: \"a:60\"}}\n",
        )
        .scaled(LARGEST_SCALE);
        let Verb::Links(delay) = &plan.faults[0].verb else {
            panic!("a delay");
        };
        let LinkEffect::Delay { by, jitter, .. } = delay.effect else {
            panic!("a delay");
        };
        assert!(by + jitter <= LONGEST_DELAY && by + jitter > LONGEST_DELAY * 99 / 100);
        assert_eq!(
            plan.faults[1].verb.to_string(),
            "reorder s1->s2 within 3600s"
        );
        assert_eq!(plan.faults[2].verb.to_string(), "mode s1 a:3600");
    }
}
