//! What became of plans that ran as processes and in simulation, with the same expectations.

use std::collections::BTreeMap;

use super::model::{RunResult, Verdict};
use crate::target::World;

/// One plan in both worlds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldsRow {
    pub plan: String,
    /// `PASS, 3 of 3`
    pub processes: String,
    pub simulation: String,
    /// Whether every run of both had the same verdict.
    pub same: bool,
}

/// What the columns are.
pub const WORLDS_HEADER: [&str; 4] = ["plan", "processes", "simulation", "same verdict"];

/// The plans of which there are results in both worlds, in the order in which they first appear.
pub fn worlds(results: &[RunResult]) -> Vec<WorldsRow> {
    let mut plans: Vec<&str> = Vec::new();
    let mut verdicts: BTreeMap<(&str, World), Vec<Verdict>> = BTreeMap::new();
    for result in results {
        if !plans.contains(&result.plan.as_str()) {
            plans.push(&result.plan);
        }
        let known = verdicts.entry((&result.plan, result.world)).or_default();
        known.push(result.verdict);
    }
    plans
        .into_iter()
        .filter_map(|plan| {
            let processes = verdicts.get(&(plan, World::Processes))?;
            let simulation = verdicts.get(&(plan, World::Simulation))?;
            let mut all = processes.iter().chain(simulation);
            let first = all.next()?;
            Some(WorldsRow {
                plan: plan.to_owned(),
                processes: words(processes),
                simulation: words(simulation),
                same: all.all(|verdict| verdict == first),
            })
        })
        .collect()
}

impl WorldsRow {
    /// One text a column.
    pub fn cells(&self) -> [String; 4] {
        let same = if self.same { "yes" } else { "NO" };
        [
            self.plan.clone(),
            self.processes.clone(),
            self.simulation.clone(),
            same.to_owned(),
        ]
    }
}

/// The worst verdict first: `VIOLATED, 1 of 3; PASS, 2 of 3`.
fn words(verdicts: &[Verdict]) -> String {
    let order = [
        Verdict::Violated,
        Verdict::CouldNotRun,
        Verdict::Interrupted,
        Verdict::Inconclusive,
        Verdict::Pass,
    ];
    let all = verdicts.len();
    let parts: Vec<String> = order
        .into_iter()
        .map(|wanted| (wanted, verdicts.iter().filter(|v| **v == wanted).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(verdict, count)| format!("{}, {count} of {all}", verdict.word()))
        .collect();
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(plan: &str, world: World, verdict: Verdict) -> RunResult {
        let mut result = RunResult::could_not_run(plan, 1, "x", String::new());
        result.world = world;
        result.set_verdict(verdict);
        result
    }

    #[test]
    fn plans_that_ran_in_both_worlds_are_compared() {
        let results = [
            result("one", World::Simulation, Verdict::Pass),
            result("one", World::Processes, Verdict::Pass),
            result("two", World::Simulation, Verdict::Pass),
            result("two", World::Simulation, Verdict::Violated),
            result("two", World::Processes, Verdict::Pass),
            result("three", World::Processes, Verdict::Pass),
        ];
        let cells: Vec<[String; 4]> = worlds(&results).iter().map(WorldsRow::cells).collect();
        assert_eq!(
            cells,
            [
                ["one", "PASS, 1 of 1", "PASS, 1 of 1", "yes"],
                [
                    "two",
                    "PASS, 1 of 1",
                    "VIOLATED, 1 of 2; PASS, 1 of 2",
                    "NO"
                ],
            ]
        );
    }
}
