//! The selftest on real processes: this program runs itself, with a bug in its nodes.

use paxosctl_chaos::report::{Outcome, RunResult, Verdict};
use paxosctl_chaos::selftest::{Caught, Hunt, PLANS, Trial};
use paxosctl_chaos::sim::Plant;
use paxosctl_node::planted::Bug;

use super::super::own_runs::own_run;
use super::{Baseline, SelftestRequest};
use crate::exit::Failure;
use crate::interrupt::Interrupt;

/// What the nodes look at when they start.
const VARIABLE: &str = "PAXOSCTL_PLANTED_BUG";

/// Runs that a bug gets, at most: each takes real time.
pub(super) const MOST_RUNS: u32 = 4;

/// Bugs that show themselves in nearly every run.
const SOON: [(Bug, &str); 12] = [
    (Bug::PromiseNotPersisted, "storm"),
    (Bug::AckBeforeFsync, "storm"),
    (Bug::QuorumOfHalf, "storm"),
    (Bug::AcceptedValuesIgnored, "storm"),
    (Bug::NoOpOverChosen, "storm"),
    (Bug::AcksWithoutMajority, "storm"),
    (Bug::GapApplied, "storm"),
    (Bug::SessionTableLost, "storm"),
    (Bug::ReapplyAfterRestart, "storm"),
    (Bug::RerouteSkips, "storm"),
    (Bug::RerouteRepeats, "storm"),
    (Bug::UnconfirmedReads, "clocks"),
];

pub(super) fn trials() -> Vec<Trial> {
    let soon = SOON.iter().map(|&(bug, plan)| Trial {
        plant: Plant::Inside(bug),
        plan,
    });
    soon.collect()
}

/// Runs the bug's plan until a check notices it.
///
/// # Errors
/// The program cannot be run.
pub(super) fn hunt(trial: Trial, first_seed: u64, most_runs: u32) -> Result<Hunt, Failure> {
    let mut hunt = Hunt {
        runs: 0,
        simulated_us: 0,
        caught: None,
    };
    for seed in (first_seed..).take(most_runs as usize) {
        let result = run(trial.plan, seed, Some(trial.plant))?;
        hunt.runs += 1;
        if result.verdict == Verdict::Violated {
            let violated = result
                .checks
                .iter()
                .filter(|check| check.outcome == Outcome::Violated);
            hunt.caught = Some(Caught {
                seed,
                checks: violated.map(|check| check.property.clone()).collect(),
                message: result.reasons.first().cloned().unwrap_or_default(),
            });
            break;
        }
    }
    Ok(hunt)
}

/// The plans that were used, without a bug.
///
/// # Errors
/// As [`hunt`].
pub(super) fn unbroken(
    request: &SelftestRequest,
    interrupt: &Interrupt,
) -> Result<Baseline, Failure> {
    let mut sound = Baseline::default();
    let mut plans: Vec<&str> = request.trials.iter().map(|trial| trial.plan).collect();
    plans.dedup();
    for plan in plans {
        if interrupt.is_set() {
            break;
        }
        let result = run(plan, 1, None)?;
        sound.runs += 1;
        if !matches!(result.verdict, Verdict::Pass | Verdict::Inconclusive) {
            sound
                .alarms
                .push(format!("{plan}: {}", result.verdict.word()));
            sound.alarms.extend(result.reasons);
        }
    }
    Ok(sound)
}

/// One run by this program itself.
fn run(plan: &str, seed: u64, plant: Option<Plant>) -> Result<RunResult, Failure> {
    let text = PLANS.iter().find(|(known, _)| *known == plan);
    let (_, text) = text.expect("the plan of a trial is one of these");
    own_run(text, seed, plant.map(|plant| (VARIABLE, plant.name())))
}
