//! One simulated run.

use std::fs;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use paxosctl_chaos::history::Line;
use paxosctl_chaos::plan::Plan;
use paxosctl_chaos::report::Verdict;
use paxosctl_chaos::run::{self as run_loop, RunOutcome};
use paxosctl_chaos::sim::{self, Plant, Setting, Simulated};
use paxosctl_chaos::target::World;
use paxosctl_chaos::trace::sequence;

use super::super::judge::{self, Judged};
use super::save;
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
    plan: &Plan,
    seed: u64,
    saves: &Saves,
    interrupt: &Interrupt,
) -> Result<Judged, Failure> {
    let started = Instant::now();
    let judged = judged(plan, seed, saves, interrupt);
    let took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    saves.took_us.fetch_add(took_us, Ordering::Relaxed);
    judged
}

fn judged(plan: &Plan, seed: u64, saves: &Saves, interrupt: &Interrupt) -> Result<Judged, Failure> {
    if saves.all {
        return saved(plan, seed, saves, interrupt);
    }
    let judged = match simulate(plan, seed, saves.setting(false), interrupt, &mut |_| {}) {
        Ok(simulated) => Judged {
            result: simulated.judge(plan),
            timeline: None,
            sequence: None,
        },
        Err(error) => could_not_run(plan, seed, error),
    };
    let is_worth_it = judged.result.verdict != Verdict::Pass
        && judged.result.verdict != Verdict::Interrupted
        && saves.failed.fetch_add(1, Ordering::Relaxed) < MOST_SAVED;
    match is_worth_it {
        // The same seed makes the same run.
        true => saved(plan, seed, saves, interrupt),
        false => Ok(judged),
    }
}

fn simulate(
    plan: &Plan,
    seed: u64,
    setting: Setting,
    interrupt: &Interrupt,
    sink: &mut dyn FnMut(&Line),
) -> Result<Simulated, String> {
    let stop = || interrupt.is_set();
    let simulated = sim::run(plan, seed, setting, sink, &mut |_| {}, &stop)
        .map_err(|error| error.to_string())?;
    match &simulated.outcome {
        RunOutcome::CouldNotRun(error) => Err(error.to_string()),
        RunOutcome::Complete | RunOutcome::Interrupted => Ok(simulated),
    }
}

/// The run, and in its directory all that a run of processes leaves there.
fn saved(plan: &Plan, seed: u64, saves: &Saves, interrupt: &Interrupt) -> Result<Judged, Failure> {
    let dir = save::begin(saves.place, plan, seed)?;
    let setting = saves.setting(saves.trace);
    let simulated = save::history(&dir, |sink| simulate(plan, seed, setting, interrupt, sink))?;
    let judged = match simulated {
        Ok(simulated) => {
            save_disks(&dir, &simulated)?;
            let mut judged = judge::saved_run(&dir, plan)?;
            judged.sequence = sequence(&simulated.target.into_trace(), &judged.result);
            judged
        }
        Err(error) => could_not_run(plan, seed, error),
    };
    save::finish(&dir, judged)
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

fn could_not_run(plan: &Plan, seed: u64, reason: String) -> Judged {
    Judged {
        result: run_loop::could_not_run(plan, seed, World::Simulation, reason),
        timeline: None,
        sequence: None,
    }
}
