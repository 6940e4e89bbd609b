//! Running plans until a bug is noticed, and running them without one.

use super::catalogue::{self, Trial};
use crate::report::{Outcome, Verdict};
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
    /// Simulated time, in microseconds.
    pub simulated_us: u64,
    pub caught: Option<Caught>,
}

/// Runs the plan of a bug with one seed after another, from `first_seed` on, until a check notices
/// it, at most `most_runs` times. Deterministic.
pub fn hunt(trial: Trial, first_seed: u64, most_runs: u32) -> Hunt {
    let written = catalogue::plan(trial.plan);
    let mut hunt = Hunt {
        runs: 0,
        simulated_us: 0,
        caught: None,
    };
    for seed in (first_seed..).take(most_runs as usize) {
        let plan = schedule::drawn(&written, seed);
        let setting = Setting {
            plant: Some(trial.plant),
            ..Setting::default()
        };
        let result = sim::judged(&plan, seed, setting);
        hunt.runs += 1;
        hunt.simulated_us += result.duration_us;
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
    hunt
}

/// What a sound cluster is accused of when the plan runs with this seed: nothing, or every alarm is a
/// false one. That a run proves nothing is no alarm.
pub fn alarms(plan: &str, seed: u64) -> Vec<String> {
    let plan = schedule::drawn(&catalogue::plan(plan), seed);
    let result = sim::judged(&plan, seed, Setting::default());
    match result.verdict {
        Verdict::Pass | Verdict::Inconclusive => Vec::new(),
        verdict => {
            let mut alarms = vec![format!("{} ({})", verdict.word(), result.command)];
            alarms.extend(result.reasons);
            alarms
        }
    }
}
