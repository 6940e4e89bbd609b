//! Running plans until a bug is noticed, and running them without one.

use std::convert::Infallible;

use super::catalogue::{self, Trial};
use crate::report::{RunResult, Verdict};
use crate::schedule;
use crate::sim::{self, Setting};

/// How a bug was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caught {
    pub seed: u64,
    /// The checks that are violated.
    pub checks: Vec<String>,
    /// What the first of them says.
    pub message: String,
}

/// One search for a bug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunt {
    /// Runs that were made, the one included in which it was noticed.
    pub runs: u32,
    /// How long all of them lasted, in microseconds of the cluster's time.
    pub run_us: u64,
    pub caught: Option<Caught>,
}

/// Runs the plan of a bug with one seed after another, from `first_seed` on, until a check notices
/// it, at most `most_runs` times. Deterministic.
pub fn hunt(trial: Trial, first_seed: u64, most_runs: u32) -> Hunt {
    let written = catalogue::plan(trial.plan);
    let found = hunt_by(first_seed, most_runs, |seed| {
        let setting = Setting {
            plant: Some(trial.plant),
            ..Setting::default()
        };
        let plan = schedule::drawn(&written, seed);
        Ok::<RunResult, Infallible>(sim::judged(&plan, seed, setting))
    });
    let Ok(hunt) = found;
    hunt
}

/// The same, whatever makes the runs: `run` is given their seeds.
///
/// # Errors
/// The first of `run`.
pub fn hunt_by<E>(
    first_seed: u64,
    most_runs: u32,
    mut run: impl FnMut(u64) -> Result<RunResult, E>,
) -> Result<Hunt, E> {
    let mut hunt = Hunt {
        runs: 0,
        run_us: 0,
        caught: None,
    };
    for seed in (first_seed..).take(most_runs as usize) {
        let result = run(seed)?;
        hunt.runs += 1;
        hunt.run_us += result.duration_us;
        if result.verdict == Verdict::Violated {
            hunt.caught = Some(Caught {
                seed,
                checks: result.violated().map(str::to_owned).collect(),
                message: result.reasons.first().cloned().unwrap_or_default(),
            });
            break;
        }
    }
    Ok(hunt)
}

/// What a sound cluster is accused of when the plan runs with this seed: nothing, or every alarm is a
/// false one.
pub fn alarms(plan: &str, seed: u64) -> Vec<String> {
    let plan = schedule::drawn(&catalogue::plan(plan), seed);
    accusations(&sim::judged(&plan, seed, Setting::default()))
}

/// What a run says against a cluster. That it proves nothing is no accusation.
pub fn accusations(result: &RunResult) -> Vec<String> {
    match result.verdict {
        Verdict::Pass | Verdict::Inconclusive => Vec::new(),
        verdict => {
            let mut alarms = vec![format!("{} ({})", verdict.word(), result.command)];
            alarms.extend(result.reasons.iter().cloned());
            alarms
        }
    }
}
