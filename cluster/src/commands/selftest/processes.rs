//! The selftest on real processes: this program runs itself, with a bug in its nodes.

use paxosctl_chaos::report::RunResult;
use paxosctl_chaos::selftest::{self, Hunt, PLANS, Trial};
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
    selftest::hunt_by(first_seed, most_runs, |seed| {
        run(trial.plan, seed, Some(trial.plant))
    })
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
        let alarms = selftest::accusations(&run(plan, 1, None)?);
        sound.runs += 1;
        sound.alarms.extend(alarms);
    }
    Ok(sound)
}

/// One run by this program itself.
fn run(plan: &str, seed: u64, plant: Option<Plant>) -> Result<RunResult, Failure> {
    let text = PLANS.iter().find(|(known, _)| *known == plan);
    let (_, text) = text.expect("the plan of a trial is one of these");
    own_run(text, seed, plant.map(|plant| (VARIABLE, plant.name())))
}
