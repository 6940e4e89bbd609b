//! The fault budget: how many servers may fail at a time so that a majority is left.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Resolved, View, clients, firing_rng, resolve, servers};
use crate::plan::{LinkEffect, Plan, Verb};

/// What comes back needs some time until it counts again.
const RECOVERY: Duration = Duration::from_secs(1);

/// What is spent when. Of 2f+1 servers f may be broken at a time.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    /// From when to when so many servers may be out.
    spent: Vec<(Duration, Duration, usize)>,
}

impl Budget {
    /// With what the plan's faults take, at the worst.
    pub fn of(plan: &Plan, seed: u64) -> Budget {
        let mut budget = Budget {
            most: usize::from(plan.cluster.servers.saturating_sub(1) / 2),
            spent: Vec::new(),
        };
        let view = View {
            servers: servers(plan),
            clients: clients(plan),
            leader: servers(plan).first().cloned(),
            ..View::default()
        };
        for fault in &plan.faults {
            for number in 1..=fault.times {
                let mut rng = firing_rng(seed, &fault.id, number);
                let cost = match resolve(&fault.verb, &view, &mut rng) {
                    Ok(resolved) => cost(&fault.verb, &resolved, &view),
                    // Some client's server, or one of its own choice: one at the most.
                    Err(_) => 1,
                };
                let from = fault.firing(number);
                let to = match (&fault.verb, fault.lasts) {
                    (Verb::Restart(_), _) => from,
                    // It comes back, and does not vote.
                    (Verb::Damage(_), _) => Duration::MAX,
                    (_, Some(lasts)) => from + lasts,
                    (_, None) => Duration::MAX,
                };
                budget.spend(from, to, cost);
            }
        }
        budget
    }

    /// How many more servers may fail from one moment to another.
    pub fn room(&self, from: Duration, to: Duration) -> usize {
        let to = to.saturating_add(RECOVERY);
        // The most is spent at the beginning of the time, or where something begins within it.
        let begins = self.spent.iter().map(|(begins, ..)| *begins);
        let worst = begins
            .filter(|begins| (from..=to).contains(begins))
            .chain([from])
            .map(|at| self.spent_at(at))
            .max();
        self.most.saturating_sub(worst.unwrap_or(0))
    }

    /// How many servers may be out at this moment.
    pub fn spent_at(&self, at: Duration) -> usize {
        let out = self.spent.iter();
        out.filter(|(begins, ends, _)| *begins <= at && at <= *ends)
            .map(|(.., cost)| cost)
            .sum()
    }

    pub fn spend(&mut self, from: Duration, to: Duration, cost: usize) {
        if cost > 0 {
            self.spent.push((from, to.saturating_add(RECOVERY), cost));
        }
    }
}

/// How many servers a fault takes from the largest group that can still be served.
fn cost(verb: &Verb, resolved: &Resolved, view: &View) -> usize {
    let is_server = |name: &String| view.servers.contains(name);
    match (verb, resolved) {
        // Slow or dead, no majority should need it.
        (_, Resolved::Modes(modes)) => modes.len(),
        // A server with a slow disk or a wrong clock counts as broken: it may cost an election.
        (_, Resolved::Nodes(nodes)) => nodes.iter().filter(|node| is_server(node)).count(),
        (Verb::Links(fault), _) if fault.probability < 1.0 || !fault.kinds.is_empty() => 0,
        (Verb::Links(fault), _) if fault.effect != LinkEffect::Drop => 0,
        (_, Resolved::Links(cut)) => {
            let cut: BTreeSet<&(String, String)> = cut.iter().collect();
            let open = |a: &String, b: &String| {
                a == b
                    || !cut.contains(&(a.clone(), b.clone()))
                        && !cut.contains(&(b.clone(), a.clone()))
            };
            let group = |hub: &String| view.servers.iter().filter(|other| open(hub, other)).count();
            let largest = view.servers.iter().map(group).max().unwrap_or(0);
            let some_cut = cut.iter().any(|(a, b)| is_server(a) && is_server(b));
            if some_cut && largest == view.servers.len() {
                // One server holds the rest together; whoever fails beside may be that one.
                return (view.servers.len() - 1) / 2;
            }
            view.servers.len() - largest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn budget(servers: u16, faults: &str) -> Budget {
        let text = format!(
            "version: 1\ncluster: {{servers: {servers}, clients: [ann]}}\ntraffic:\n  - {{at: 99s, as: ann, say: hi}}\nfaults:\n{faults}\n"
        );
        let plan = crate::plan::parse(std::path::Path::new("test.yaml"), &text).expect("a plan");
        Budget::of(&plan, 1)
    }

    #[test]
    fn overlapping_faults_add_up() {
        let budget = budget(
            5,
            "  - {at: 10s, kill: leader, restart_after: 5s}\n  - {at: 12s, for: 10s, pause: random(1)}",
        );
        assert_eq!(budget.room(seconds(0), seconds(5)), 2);
        assert_eq!(budget.room(seconds(8), seconds(10)), 1);
        assert_eq!(budget.room(seconds(13), seconds(14)), 0);
        assert_eq!(budget.room(seconds(17), seconds(18)), 1);
        assert_eq!(budget.room(seconds(0), seconds(90)), 0);
        assert_eq!(budget.room(seconds(24), seconds(90)), 2);
    }

    #[test]
    fn a_cut_costs_what_the_largest_side_lacks() {
        let cost = |partition: &str| {
            let line = format!("  - {{at: 1s, for: 5s, partition: \"{partition}\"}}");
            2 - budget(5, &line).room(seconds(2), seconds(3))
        };
        assert_eq!(cost("s1 | rest"), 1);
        assert_eq!(cost("halves"), 2);
        assert_eq!(cost("s1 -> rest"), 1);
        assert_eq!(cost("chain"), 2);
        assert_eq!(cost("bridge"), 2);
        assert_eq!(cost("ann | balancer"), 0);
    }

    #[test]
    fn what_never_heals_is_spent_for_good_and_what_loses_some_costs_nothing() {
        let never = budget(3, "  - {at: 5s, kill: s1}");
        assert_eq!(never.room(seconds(0), seconds(2)), 1);
        assert_eq!(never.room(seconds(50), seconds(60)), 0);
        let lossy = budget(
            3,
            "  - {at: 5s, for: 9s, drop: {link: \"s1 <-> s2\", probability: 50%}}",
        );
        assert_eq!(lossy.room(seconds(6), seconds(7)), 1);
    }
}
