//! A plan run in simulation, from start to verdict, in memory.

use paxosctl_node::planted;

use super::{Plant, Setting, SimTarget};
use crate::check;
use crate::history::{Builder, Evidence, Line};
use crate::plan::Plan;
use crate::report::RunResult;
use crate::run::{self, Progress, RunOutcome};
use crate::target::{TargetError, World};

/// A simulated run that was gone through.
pub struct Simulated {
    pub outcome: RunOutcome,
    pub evidence: Evidence,
    pub target: SimTarget,
}

/// Runs `plan`, whose `random` faults are drawn, in simulation. Every line of its history goes to
/// `sink`, too; `stop` is asked again and again.
///
/// # Errors
/// The cluster did not get ready.
pub fn run(
    plan: &Plan,
    seed: u64,
    setting: Setting,
    sink: &mut dyn FnMut(&Line),
    progress: &mut dyn FnMut(Progress),
    stop: &dyn Fn() -> bool,
) -> Result<Simulated, TargetError> {
    let bug = setting.plant.and_then(Plant::bug);
    let _planted = planted::plant(bug).map_err(|error| TargetError(error.to_string()))?;
    let mut target = SimTarget::start(plan, seed, &setting)?;
    let mut builder = Builder::default();
    let mut wrong = None;
    let mut take = |line: Line| {
        sink(&line);
        if wrong.is_none() {
            wrong = builder.add(line).err();
        }
    };
    let outcome = run::run(plan, seed, &mut target, &mut take, progress, stop);
    let cannot_be = |wrong: &str| {
        TargetError(format!(
            "the simulation made a history that cannot be: {wrong}"
        ))
    };
    match (builder.finish(), wrong) {
        (_, Some(wrong)) => Err(cannot_be(&wrong)),
        (None, None) => Err(cannot_be("it is empty")),
        (Some(evidence), None) => Ok(Simulated {
            outcome,
            evidence,
            target,
        }),
    }
}

impl Simulated {
    /// Judges the run, the servers' disks included.
    pub fn judge(&self, plan: &Plan) -> RunResult {
        let mut result = check::judge(&self.evidence, plan);
        let disks = check::disks(&self.evidence, &self.target.disks());
        check::add(&mut result, disks, &self.evidence);
        result
    }
}

/// Runs `plan` in simulation and judges it; nothing is saved.
pub fn judged(plan: &Plan, seed: u64, setting: Setting) -> RunResult {
    match run(plan, seed, setting, &mut |_| {}, &mut |_| {}, &|| false) {
        Ok(simulated) => simulated.judge(plan),
        Err(error) => run::could_not_run(plan, seed, World::Simulation, error.to_string()),
    }
}
