//! One simulated run.

use std::fs::{self, File};
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use paxosctl_chaos::history::{Line, Writer};
use paxosctl_chaos::report::{Verdict, json};
use paxosctl_chaos::run::{self as run_loop, RunOutcome};
use paxosctl_chaos::sim::{self, Plant, Setting, Simulated};
use paxosctl_chaos::target::World;
use paxosctl_chaos::trace::sequence;

use super::super::judge::{self, Judged};
use super::super::reporting::page;
use super::super::timeline;
use super::PlannedRun;
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::state::{RunDir, RunPlace};

/// Runs of a series that are saved although nobody asked for it, because they are not a pass.
const MOST_SAVED: usize = 20;

/// Which runs are saved.
pub(super) struct Saves<'a> {
    pub place: &'a RunPlace,
    /// Not only those that are not a pass.
    pub all: bool,
    /// Whether their messages and events are noted.
    pub trace: bool,
    pub plant: Option<Plant>,
    /// How many are saved for that.
    pub failed: AtomicUsize,
    /// How long simulating and judging took, in microseconds, over all threads.
    pub took_us: AtomicU64,
}

impl Saves<'_> {
    fn setting(&self, trace: bool) -> Setting {
        Setting {
            trace,
            plant: self.plant,
        }
    }
}

/// Simulates the run and judges it.
///
/// # Errors
/// It could not be saved.
pub(super) fn carry_out(
    planned: &PlannedRun,
    saves: &Saves,
    interrupt: &Interrupt,
) -> Result<Judged, Failure> {
    let started = Instant::now();
    let judged = judged(planned, saves, interrupt);
    let took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    saves.took_us.fetch_add(took_us, Ordering::Relaxed);
    judged
}

fn judged(planned: &PlannedRun, saves: &Saves, interrupt: &Interrupt) -> Result<Judged, Failure> {
    if saves.all {
        return saved(planned, saves, interrupt);
    }
    let plan = planned.plan.as_ref();
    let judged = match simulate(planned, saves.setting(false), interrupt, &mut |_| {}) {
        Ok(simulated) => Judged {
            result: simulated.judge(plan),
            timeline: None,
            sequence: None,
        },
        Err(error) => could_not_run(planned, &error),
    };
    let is_worth_it = judged.result.verdict != Verdict::Pass
        && judged.result.verdict != Verdict::Interrupted
        && saves.failed.fetch_add(1, Ordering::Relaxed) < MOST_SAVED;
    match is_worth_it {
        // The same seed makes the same run.
        true => saved(planned, saves, interrupt),
        false => Ok(judged),
    }
}

fn simulate(
    planned: &PlannedRun,
    setting: Setting,
    interrupt: &Interrupt,
    sink: &mut dyn FnMut(&Line),
) -> Result<Simulated, String> {
    let stop = || interrupt.is_set();
    let simulated = sim::run(
        &planned.plan,
        planned.seed,
        setting,
        sink,
        &mut |_| {},
        &stop,
    )
    .map_err(|error| error.to_string())?;
    match &simulated.outcome {
        RunOutcome::CouldNotRun(error) => Err(error.to_string()),
        RunOutcome::Complete | RunOutcome::Interrupted => Ok(simulated),
    }
}

/// The run, and in its directory all that a run of processes leaves there.
fn saved(planned: &PlannedRun, saves: &Saves, interrupt: &Interrupt) -> Result<Judged, Failure> {
    let (plan, seed) = (planned.plan.as_ref(), planned.seed);
    let dir = RunDir::create(saves.place, &plan.name, seed)?;
    dir.save(&dir.plan(), &plan.source)?;
    let resolved = serde_json::to_string_pretty(plan).expect("a plan is JSON");
    dir.save(&dir.resolved_plan(), &resolved)?;
    dir.save(&dir.schedule(), &timeline::shown(plan, seed))?;

    let path = dir.history();
    let failed = |error: io::Error| Failure::file("write", &path, error);
    let mut writer = Writer::new(File::create_new(&path).map_err(failed)?);
    let mut broken: Option<io::Error> = None;
    let simulated = simulate(
        planned,
        saves.setting(saves.trace),
        interrupt,
        &mut |line| {
            if broken.is_none() {
                broken = writer.write(line).err();
            }
        },
    );
    match broken {
        Some(error) => Err(error),
        None => writer.finish().map(drop),
    }
    .map_err(failed)?;
    let mut judged = match simulated {
        Ok(simulated) => {
            save_disks(&dir, &simulated)?;
            let mut judged = judge::saved_run(&dir, plan)?;
            judged.sequence = sequence(&simulated.target.into_trace(), &judged.result);
            judged
        }
        Err(error) => could_not_run(planned, &error),
    };
    judged.result.run_dir = Some(dir.path().display().to_string());
    dir.save(&dir.result(), &json(&judged.result))?;
    dir.save(&dir.page(), &page(&judged))?;
    Ok(judged)
}

/// The servers' logs, where those of processes are.
fn save_disks(dir: &RunDir, simulated: &Simulated) -> Result<(), Failure> {
    for (name, bytes) in simulated.target.files() {
        let path = dir.nodes().join(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&path, bytes))
            .map_err(|error| Failure::file("write", &path, error))?;
    }
    Ok(())
}

fn could_not_run(planned: &PlannedRun, reason: &str) -> Judged {
    let (plan, seed) = (planned.plan.as_ref(), planned.seed);
    Judged {
        result: run_loop::could_not_run(plan, seed, World::Simulation, reason.to_owned()),
        timeline: None,
        sequence: None,
    }
}
