//! `shrink`: a saved run that was violated is cut down to the least plan that still is.

use std::path::PathBuf;

use paxosctl_chaos::plan::Plan;
use paxosctl_chaos::report::RunResult;
use paxosctl_chaos::shrink::{Attempt, Budget, Ending, Repeated, Shrunk, reproduction, shrink};
use paxosctl_chaos::sim::{self, Plant, Setting};
use paxosctl_chaos::target::World;

use super::judge;
use super::own_runs::own_run;
use super::words::count;
use crate::cli::ShrinkArgs;
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::{note, print};
use crate::state::RunDir;

/// How a run that was cut down is saved in its directory.
const FILE: &str = "shrunk.yaml";

/// Simulated runs that one search makes, at most, and with how many seeds a plan is tried.
pub(super) const SIMULATED_RUNS: u32 = 3000;
const SEEDS: u32 = 4;

/// Runs of the end result, to say how often it fails.
const REPRODUCTION_RUNS: u32 = 5;

#[derive(Debug)]
pub struct ShrinkRequest {
    dir: RunDir,
    result: RunResult,
    plan: Plan,
    plant: Option<Plant>,
    runs: u32,
    tries: u32,
}

impl ShrinkRequest {
    /// # Errors
    /// It is no saved run, or none that was violated.
    pub(super) fn new(typed: ShrinkArgs) -> Result<ShrinkRequest, Failure> {
        let dir = RunDir::open(&typed.run_dir)?;
        let plan = judge::saved_plan(&dir)?;
        let result = saved_result(&dir)?;
        if first_violated(&result).is_none() {
            return Err(Failure::Usage(format!(
                "{} is not a violated run: {}; only what fails can be cut down",
                typed.run_dir.display(),
                result.verdict.word()
            )));
        }
        let plant = typed.plant.map(|name| name.parse()).transpose()?;
        let runs = typed.runs.unwrap_or(match result.world {
            World::Simulation => SIMULATED_RUNS,
            World::Processes => 60,
        });
        Ok(ShrinkRequest {
            dir,
            result,
            plan,
            plant,
            runs,
            tries: typed.tries,
        })
    }
}

/// # Errors
/// The plan cannot be saved, or no run can be made.
pub fn run(request: &ShrinkRequest) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let wanted = first_violated(&request.result).unwrap_or_default();
    let told = match request.result.world {
        World::Simulation => simulated(
            &request.dir,
            &request.plan,
            &request.result,
            request.plant,
            request.runs,
            &interrupt,
        )?,
        World::Processes => processes(request, &wanted, &interrupt)?,
    };
    print(&told)?;
    match interrupt.signal() {
        Some(signal) => Err(Failure::Interrupted { signal }),
        None => Ok(Outcome::Success),
    }
}

/// Cuts a simulated run down, saves what is left in its directory, and says so.
///
/// # Errors
/// It cannot be saved.
pub(super) fn simulated(
    dir: &RunDir,
    plan: &Plan,
    result: &RunResult,
    plant: Option<Plant>,
    runs: u32,
    interrupt: &Interrupt,
) -> Result<String, Failure> {
    let Some(wanted) = first_violated(result) else {
        return Ok(String::new());
    };
    let stop = || interrupt.is_set();
    let mut oracle = |plan: &Plan, seed: u64| {
        let setting = Setting {
            plant,
            ..Setting::default()
        };
        violates(&sim::judged(plan, seed, setting), &wanted)
    };
    let budget = Budget {
        runs,
        seeds: SEEDS,
        stop: &stop,
    };
    let shrunk = shrink(plan, result.seed, &budget, &mut oracle, &mut |_| {});
    let plant = plant.map_or_else(String::new, |plant| format!(" --plant {plant}"));
    save(dir, &shrunk, &wanted, &format!(" --sim{plant}"))
}

/// Cuts a run of processes down by repetition.
fn processes(
    request: &ShrinkRequest,
    wanted: &str,
    interrupt: &Interrupt,
) -> Result<String, Failure> {
    let stop = || interrupt.is_set();
    let mut failure = None;
    let mut once = |plan: &Plan, seed: u64| match own_run(&plan.source, seed, None) {
        Ok(result) => violates(&result, wanted),
        Err(error) => {
            failure.get_or_insert(error);
            false
        }
    };
    let mut oracle = Repeated::new(&mut once, request.tries);
    let budget = Budget {
        runs: request.runs,
        seeds: 1,
        stop: &stop,
    };
    let shrunk = shrink(
        &request.plan,
        request.result.seed,
        &budget,
        &mut oracle,
        &mut |attempt: &Attempt| {
            let fails = if attempt.fails {
                "still fails"
            } else {
                "passes"
            };
            note(&format!(
                "{} runs: {}: {fails}",
                attempt.tried, attempt.what
            ));
        },
    );
    let mut told = save(&request.dir, &shrunk, wanted, "")?;
    if shrunk.ending != Ending::NotReproduced {
        let made = reproduction(
            &shrunk.plan,
            shrunk.seed,
            REPRODUCTION_RUNS,
            &mut once,
            &stop,
        );
        told += &format!("what is left {made}\n");
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(told),
    }
}

/// Saves what is left, and says what that is.
fn save(dir: &RunDir, shrunk: &Shrunk, wanted: &str, options: &str) -> Result<String, Failure> {
    let runs = count(shrunk.tried as usize, "run");
    if shrunk.ending == Ending::NotReproduced {
        return Ok(format!(
            "\nnot cut down: {wanted} did not show itself again in {runs}\n"
        ));
    }
    let path = dir.path().join(FILE);
    dir.save(&path, &shrunk.plan.source)?;
    let least = match shrunk.ending {
        Ending::Minimal => "nothing more can be removed",
        Ending::OutOfRuns => "there may be more to remove: `--runs` allows more",
        Ending::Stopped | Ending::NotReproduced => "interrupted: there may be more to remove",
    };
    Ok(format!(
        "\ncut down to {}, {} and {}, still {wanted} (after {runs}; {least}):\n\n{}\nsaved as {path}\n\
         run it: paxosctl run{options} {path}\n",
        count(shrunk.plan.faults.len(), "fault"),
        count(shrunk.plan.traffic.len(), "traffic item"),
        count(usize::from(shrunk.plan.cluster.servers), "server"),
        indented(&shrunk.plan.source),
        path = path.display()
    ))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// The check that is violated, the first of them.
fn first_violated(result: &RunResult) -> Option<String> {
    result.violated().next().map(str::to_owned)
}

fn violates(result: &RunResult, property: &str) -> bool {
    result.violated().any(|violated| violated == property)
}

fn saved_result(dir: &RunDir) -> Result<RunResult, Failure> {
    let path: PathBuf = dir.result();
    let text =
        std::fs::read_to_string(&path).map_err(|error| Failure::file("read", &path, error))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::Usage(format!("{} is no result: {error}", path.display())))
}
