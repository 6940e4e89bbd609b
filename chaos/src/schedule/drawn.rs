//! Random faults become faults of the plan, drawn by the seed.
//!
//! All is drawn before the run begins, so that the timeline is known, a run can be repeated from its
//! seed, and one more fault in a plan does not change what another `random` draws.

use std::time::Duration;

use paxosctl_node::link::Distribution;
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::budget::Budget;
use super::firing_rng;
use crate::plan::{
    Damage, DamageFault, Fault, Link, LinkEffect, LinkFault, MachineFault, MachineTrouble, Member,
    Nodes, Partition, Place, Plan, RandomFaults, RandomKind, Shape, Verb,
};

/// The plan with every random fault drawn. Drawing again changes nothing. What came to no fault at
/// all stays, for the verdict to know.
pub fn drawn(plan: &Plan, seed: u64) -> Plan {
    let mut drawn = plan.clone();
    for random in std::mem::take(&mut drawn.random) {
        let faults = Draw::new(&drawn, &random, seed).faults();
        if faults.is_empty() {
            drawn.random.push(random);
        }
        drawn.faults.extend(faults);
    }
    drawn
}

const DISTRIBUTIONS: [Distribution; 4] = [
    Distribution::Uniform,
    Distribution::Normal,
    Distribution::Exponential,
    Distribution::Pareto,
];

/// What a kind of fault came to: what to do, and how many servers it takes from the majority.
struct Drawn {
    verb: Verb,
    cost: usize,
}

struct Draw<'a> {
    random: &'a RandomFaults,
    servers: usize,
    rng: ChaCha8Rng,
    budget: Budget,
    /// The kinds that this run draws from.
    kinds: Vec<(RandomKind, u32)>,
    /// When the last fault of each kind is over. Two of a kind at a time could hide each other: a
    /// message that is lost twice counts once.
    busy: Vec<(RandomKind, Duration)>,
}

impl<'a> Draw<'a> {
    fn new(plan: &Plan, random: &'a RandomFaults, seed: u64) -> Draw<'a> {
        let mut rng = firing_rng(seed, &random.id, 0);
        let kinds = if random.swarm {
            subset(&random.pick, &mut rng)
        } else {
            random.pick.clone()
        };
        Draw {
            random,
            servers: usize::from(plan.cluster.servers),
            rng,
            budget: Budget::of(plan, seed),
            kinds,
            busy: Vec::new(),
        }
    }

    fn faults(mut self) -> Vec<Fault> {
        let end = self.random.at + self.random.lasts;
        let mut at = self.random.at;
        let mut faults = Vec::new();
        while at + self.random.each_lasts.0 <= end {
            let lasts = self.between(self.random.each_lasts).min(end - at);
            if let Some(verb) = self.one(at, lasts) {
                let heals_by_itself = matches!(verb, Verb::Restart(_));
                faults.push(Fault {
                    id: format!("{}.{}", self.random.id, faults.len() + 1),
                    line: self.random.line,
                    at,
                    every: None,
                    times: 1,
                    lasts: (!heals_by_itself).then_some(lasts),
                    verb,
                    drawn_by: Some(self.random.id.clone()),
                });
            }
            at += self.between(self.random.every);
        }
        faults
    }

    /// A fault that fits into the budget, of a kind drawn by weight; `None` if none fits.
    fn one(&mut self, at: Duration, lasts: Duration) -> Option<Verb> {
        let mut left = self.kinds.clone();
        left.retain(|(kind, _)| !self.is_busy(*kind, at));
        while let Ok((kind, _)) = left.choose_weighted(&mut self.rng, |(_, weight)| *weight) {
            let kind = *kind;
            let until = match kind.is_for_good() {
                true => Duration::MAX,
                false => at + lasts,
            };
            let room = if self.random.spare_majority || kind.is_for_good() {
                self.budget.room(at, until)
            } else {
                self.servers
            };
            if let Some(Drawn { verb, cost }) = self.of_kind(kind, room) {
                self.budget.spend(at, until, cost);
                self.busy.push((kind, at + lasts));
                return Some(verb);
            }
            left.retain(|(other, _)| *other != kind);
        }
        None
    }

    /// Cuts hide each other, and so do two faults of one kind; only processes can be hit together.
    fn is_busy(&self, kind: RandomKind, at: Duration) -> bool {
        let cuts = |kind| matches!(kind, RandomKind::Partition | RandomKind::Isolate);
        let processes = matches!(
            kind,
            RandomKind::Kill | RandomKind::Stop | RandomKind::Restart | RandomKind::Pause
        );
        self.busy.iter().any(|&(other, until)| {
            until >= at && !processes && (other == kind || cuts(other) && cuts(kind))
        })
    }

    /// `room` is how many servers may still be taken from the majority.
    fn of_kind(&mut self, kind: RandomKind, room: usize) -> Option<Drawn> {
        match kind {
            RandomKind::Kill => self.on_servers(room, Verb::Kill),
            RandomKind::Stop => self.on_servers(room, Verb::Stop),
            RandomKind::Restart => self.on_servers(room.min(1), Verb::Restart),
            RandomKind::Pause => self.on_servers(room, Verb::Pause),
            RandomKind::Isolate => self.isolate(room),
            RandomKind::Partition => self.partition(room),
            RandomKind::Delay => {
                let by = self.between((Duration::from_millis(5), Duration::from_millis(60)));
                let jitter = self.between((Duration::ZERO, by));
                let distribution = match *DISTRIBUTIONS.choose(&mut self.rng)? {
                    _ if jitter.is_zero() => Distribution::Uniform,
                    distribution => distribution,
                };
                let effect = LinkEffect::Delay {
                    by,
                    jitter,
                    distribution,
                };
                Some(on_links(effect, 1.0))
            }
            RandomKind::Drop => {
                let share = self.percent(5, 30);
                Some(on_links(LinkEffect::Drop, share))
            }
            RandomKind::Duplicate => {
                let copies = self.rng.random_range(2..=4);
                let share = self.percent(10, 60);
                Some(on_links(LinkEffect::Duplicate { copies }, share))
            }
            RandomKind::Reorder => {
                let within = self.between((Duration::from_millis(5), Duration::from_millis(50)));
                let share = self.percent(10, 60);
                Some(on_links(LinkEffect::Reorder { within }, share))
            }
            RandomKind::SlowDisk => {
                let by = self.between((Duration::from_millis(1), Duration::from_millis(40)));
                let what = MachineTrouble::SlowDisk {
                    by,
                    jitter: self.between((Duration::ZERO, by)),
                    probability: self.percent(20, 100),
                };
                self.on_machine(room, what)
            }
            RandomKind::FailFsync => self.on_machine(room, MachineTrouble::FailFsync),
            RandomKind::DiskFull => {
                let after_bytes = self.rng.random_range(0..=32) << 10;
                self.on_machine(room, MachineTrouble::DiskFull { after_bytes })
            }
            RandomKind::TornWrite => self.on_machine(room, MachineTrouble::TornWrite),
            RandomKind::Clock => {
                let what = self.clock();
                self.on_machine(room, what)
            }
            RandomKind::FlipByte => {
                let place = Place::Anywhere;
                self.on_disk(room, Damage::FlipByte { place })
            }
            RandomKind::Wipe => self.on_disk(room, Damage::Wipe),
        }
    }

    /// Mostly one server: the leader, a follower, or any.
    fn on_servers(&mut self, room: usize, verb: fn(Nodes) -> Verb) -> Option<Drawn> {
        let (nodes, cost) = self.some_servers(room)?;
        Some(Drawn {
            verb: verb(nodes),
            cost,
        })
    }

    fn on_machine(&mut self, room: usize, what: MachineTrouble) -> Option<Drawn> {
        let (servers, cost) = self.some_servers(room.min(1))?;
        Some(Drawn {
            verb: Verb::Machine(MachineFault { servers, what }),
            cost,
        })
    }

    fn on_disk(&mut self, room: usize, damage: Damage) -> Option<Drawn> {
        let (servers, cost) = self.some_servers(room.min(1))?;
        Some(Drawn {
            verb: Verb::Damage(DamageFault { servers, damage }),
            cost,
        })
    }

    fn clock(&mut self) -> MachineTrouble {
        if self.rng.random() {
            let by = self.between((Duration::from_secs(1), Duration::from_secs(60)));
            MachineTrouble::ClockJump {
                by,
                back: self.rng.random(),
            }
        } else if self.rng.random() {
            MachineTrouble::ClockRate {
                permille: self.rng.random_range(300..=900),
            }
        } else {
            MachineTrouble::ClockRate {
                permille: self.rng.random_range(1100..=3000),
            }
        }
    }

    fn percent(&mut self, least: u32, most: u32) -> f64 {
        f64::from(self.rng.random_range(least..=most)) / 100.0
    }

    fn some_servers(&mut self, room: usize) -> Option<(Nodes, usize)> {
        let most = room.min(self.servers);
        if most == 0 {
            return None;
        }
        Some(match self.rng.random_range(0..6) {
            0 | 1 => (Nodes::Leader, 1),
            2 if self.servers > 1 => (Nodes::Follower, 1),
            3 if most > 1 => {
                let count = self.rng.random_range(2..=most);
                (Nodes::Random(count as u16), count)
            }
            _ => (Nodes::Random(1), 1),
        })
    }

    fn isolate(&mut self, room: usize) -> Option<Drawn> {
        let (nodes, cost) = self.some_servers(room.min(1))?;
        (self.servers > 1).then_some(Drawn {
            verb: Verb::Partition(Partition::Shape(Shape::Isolate(nodes))),
            cost,
        })
    }

    fn partition(&mut self, room: usize) -> Option<Drawn> {
        let servers = self.servers;
        let leader = || vec![Member::Nodes(Nodes::Leader)];
        let rest = || vec![Member::Rest];
        let mut choices = Vec::new();
        if servers > 1 {
            choices.push((Partition::Groups(vec![leader(), rest()]), 1));
            choices.push((
                Partition::OneWay {
                    from: leader(),
                    to: rest(),
                },
                1,
            ));
            choices.push((
                Partition::OneWay {
                    from: rest(),
                    to: leader(),
                },
                1,
            ));
            choices.push((Partition::Shape(Shape::Halves), servers / 2));
        }
        if servers > 2 {
            // They leave nobody to spare: whoever fails beside them may be the one in the middle.
            let whole = (servers - 1) / 2;
            choices.push((Partition::Shape(Shape::Bridge(None)), whole));
            choices.push((Partition::Shape(Shape::MajoritiesRing), whole));
            // In a longer chain nobody reaches a majority.
            let cost = if servers <= 5 { whole } else { servers };
            choices.push((Partition::Shape(Shape::Chain(Vec::new())), cost));
        }
        choices.retain(|(_, cost)| *cost <= room);
        let (partition, cost) = choices.choose(&mut self.rng)?.clone();
        Some(Drawn {
            verb: Verb::Partition(partition),
            cost,
        })
    }

    fn between(&mut self, (least, most): (Duration, Duration)) -> Duration {
        let micros = self
            .rng
            .random_range(least.as_micros() as u64..=most.as_micros() as u64);
        // As short to read as it can be said.
        let whole = Duration::from_millis(micros / 1000);
        if whole >= least { whole } else { least }
    }
}

/// Between all servers, so that some messages are hit whichever of them are up.
fn on_links(effect: LinkEffect, probability: f64) -> Drawn {
    Drawn {
        verb: Verb::Links(LinkFault {
            links: vec![Link {
                from: Nodes::Servers,
                to: Nodes::Servers,
            }],
            kinds: Vec::new(),
            probability,
            side: None,
            effect,
        }),
        cost: 0,
    }
}

/// Each kind with even odds, and at least one.
fn subset(pick: &[(RandomKind, u32)], rng: &mut ChaCha8Rng) -> Vec<(RandomKind, u32)> {
    loop {
        let kept: Vec<(RandomKind, u32)> = pick
            .iter()
            .copied()
            .filter(|_| rng.random::<bool>())
            .collect();
        if !kept.is_empty() || pick.is_empty() {
            return kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn plan(servers: u16, random: &str, more: &str) -> Plan {
        let text = format!(
            "version: 1\ncluster: {{servers: {servers}, clients: [ann]}}\ntraffic:\n  - {{at: 200s, as: ann, say: hi}}\nfaults:\n  - {{at: 10s, for: 100s, name: storm, random: {random}}}\n{more}"
        );
        crate::plan::parse(std::path::Path::new("test.yaml"), &text)
            .unwrap_or_else(|errors| panic!("{errors}"))
    }

    const ALL: &str = "{every: 500ms..2s, lasts: 1s..3s}";

    #[test]
    fn the_same_seed_draws_the_same_and_another_something_else() {
        let plan = plan(5, ALL, "");
        assert_eq!(drawn(&plan, 1), drawn(&plan, 1));
        assert_ne!(drawn(&plan, 1).faults, drawn(&plan, 2).faults);
        let once = drawn(&plan, 1);
        assert_eq!(drawn(&once, 9), once);
    }

    #[test]
    fn drawn_faults_stay_within_their_time_and_bounds() {
        for seed in 0..50 {
            let faults = drawn(&plan(5, ALL, ""), seed).faults;
            assert!(faults.len() > 20, "{}", faults.len());
            for (number, fault) in faults.iter().enumerate() {
                assert_eq!(fault.id, format!("storm.{}", number + 1));
                assert!(fault.at >= Duration::from_secs(10));
                let lasts = fault.lasts.unwrap_or_default();
                assert!(fault.at + lasts <= Duration::from_secs(110));
                assert!(lasts <= Duration::from_secs(3));
            }
        }
    }

    #[test]
    fn a_majority_is_spared_at_every_moment() {
        let other = "  - {at: 50s, kill: s1, restart_after: 20s}\n";
        for (servers, seed) in [3, 4, 5, 7]
            .into_iter()
            .flat_map(|n| (0..40).map(move |s| (n, s)))
        {
            let plan = plan(servers, ALL, other);
            let drawn = drawn(&plan, seed);
            // Judged by the budget of what was drawn alone, moment by moment.
            let budget = Budget::of(&drawn, seed);
            for at in (0..1300).map(|tenths| Duration::from_millis(tenths * 100)) {
                let worst = budget.spent_at(at);
                let most = usize::from((servers - 1) / 2);
                assert!(
                    worst <= most,
                    "{servers} servers, seed {seed}, {at:?}: {worst}"
                );
            }
        }
    }

    #[test]
    fn with_nothing_spared_more_than_a_minority_fails_at_times() {
        let plan = plan(
            3,
            "{pick: [kill, pause], every: 500ms, lasts: 3s, spare: none}",
            "",
        );
        let worst = (0..20).map(|seed| {
            let budget = Budget::of(&drawn(&plan, seed), seed);
            (0..1100)
                .map(|tenths| budget.spent_at(Duration::from_millis(tenths * 100)))
                .max()
                .unwrap_or(0)
        });
        assert!(worst.max() > Some(1));
    }

    #[test]
    fn what_came_to_no_fault_stays() {
        let one_down = "  - {at: 9s, kill: s1}\n";
        let plan = plan(3, "{pick: [kill, pause], every: 1s, lasts: 1s}", one_down);
        for seed in 0..10 {
            let once = drawn(&plan, seed);
            assert_eq!(once.random, plan.random);
            assert_eq!(once.faults.len(), 1);
            assert_eq!(drawn(&once, seed), once);
        }
    }

    fn kinds(plan: &Plan) -> BTreeSet<String> {
        plan.faults
            .iter()
            .map(|fault| {
                let words = fault.verb.to_string();
                words.split(' ').next().unwrap_or_default().to_owned()
            })
            .collect()
    }

    #[test]
    fn a_swarm_draws_from_other_kinds_in_each_run() {
        let plan = plan(
            5,
            "{pick: [kill, pause, delay, drop], every: 1s, lasts: 500ms, swarm: true}",
            "",
        );
        let subsets: BTreeSet<_> = (0..40).map(|seed| kinds(&drawn(&plan, seed))).collect();
        assert!(subsets.len() > 8, "{subsets:?}");
        assert!(subsets.iter().all(|subset| !subset.is_empty()));
    }

    #[test]
    fn a_heavier_kind_is_drawn_more_often() {
        let plan = plan(
            5,
            "{pick: [kill, pause], weights: {kill: 9}, every: 1s, lasts: 100ms}",
            "",
        );
        let faults = drawn(&plan, 3).faults;
        let kills = faults
            .iter()
            .filter(|f| matches!(f.verb, Verb::Kill(_)))
            .count();
        assert!(kills * 10 > faults.len() * 8, "{kills} of {}", faults.len());
    }
}
