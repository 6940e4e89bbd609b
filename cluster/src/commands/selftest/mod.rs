//! `selftest`: bugs are planted, and have to be noticed.

mod processes;
mod shown;

use std::convert::Infallible;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use paxosctl_chaos::selftest::{self, Hunt, Trial, trials};
use paxosctl_chaos::sim::Plant;

use super::run::series::in_order;
use crate::cli::SelftestArgs;
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::{note, print};

/// Between the first seeds of two searches for the same bug.
const SEEDS_APART: u64 = 100_000;

#[derive(Debug)]
pub struct SelftestRequest {
    trials: Vec<Trial>,
    hunts: u32,
    most_runs: u32,
    jobs: usize,
    processes: bool,
    list: bool,
    json: bool,
}

/// What came of all searches for one bug.
struct Row {
    trial: Trial,
    hunts: Vec<Hunt>,
    took_s: f64,
}

impl SelftestRequest {
    /// # Errors
    /// A name is that of no bug, or of one that this build or real processes cannot have.
    pub(super) fn new(typed: SelftestArgs) -> Result<SelftestRequest, Failure> {
        let usage = |error: String| Failure::Usage(error);
        let mut named: Vec<Plant> = Vec::new();
        for name in &typed.bugs {
            named.push(name.parse().map_err(|error| usage(format!("{error}")))?);
        }
        let mut chosen: Vec<Trial> = match typed.processes {
            true => processes::trials(),
            false => trials().collect(),
        };
        if let Some(missing) = named
            .iter()
            .find(|plant| !chosen.iter().any(|trial| trial.plant == **plant))
        {
            return Err(usage(format!(
                "{missing} does not show itself soon enough on real processes; leave out --processes"
            )));
        }
        chosen.retain(|trial| match named.is_empty() {
            true => typed.list || trial.plant.is_possible(),
            false => named.contains(&trial.plant),
        });
        if chosen.is_empty() {
            return Err(usage(
                "this build has no bugs in its nodes to plant: cargo run --release --features \
                 planted-bugs -- selftest --processes"
                    .into(),
            ));
        }
        let cores = || thread::available_parallelism().map_or(1, |cores| cores.get());
        Ok(SelftestRequest {
            trials: chosen,
            hunts: if typed.processes { 1 } else { typed.hunts },
            most_runs: if typed.processes {
                processes::MOST_RUNS.min(typed.runs)
            } else {
                typed.runs
            },
            jobs: typed.jobs.map_or_else(cores, |jobs| jobs as usize),
            processes: typed.processes,
            list: typed.list,
            json: typed.json,
        })
    }
}

/// Searches for every bug, then runs the same plans as often without any.
///
/// # Errors
/// The runs could not be made.
pub fn selftest(request: &SelftestRequest) -> Result<Outcome, Failure> {
    if request.list {
        print(&shown::list(&request.trials))?;
        return Ok(Outcome::Success);
    }
    let interrupt = Interrupt::install()?;
    let baseline = match request.processes {
        true => Baseline::default(),
        false => {
            // Whatever is found is worth nothing if the sound cluster is found guilty, too.
            let few = unbroken(request, request.trials.len().max(20), &interrupt);
            if !few.alarms.is_empty() {
                print(&shown::guilty(&few.alarms))?;
                return Ok(Outcome::Violated);
            }
            few
        }
    };
    let rows = search(request, &interrupt)?;
    let runs: u32 = rows
        .iter()
        .flat_map(|row| &row.hunts)
        .map(|hunt| hunt.runs)
        .sum();
    let sound = match request.processes {
        true => processes::unbroken(request, &interrupt)?,
        false => {
            let mut sound = unbroken(request, runs as usize, &interrupt);
            sound.alarms.extend(baseline.alarms);
            sound
        }
    };
    if let Some(signal) = interrupt.signal() {
        return Err(Failure::Interrupted { signal });
    }
    let text = match request.json {
        true => shown::json(&rows, &sound),
        false => shown::table(&rows, &sound),
    };
    print(&text)?;
    let all_caught = rows.iter().all(Row::is_caught);
    Ok(match all_caught && sound.alarms.is_empty() {
        true => Outcome::Success,
        false => Outcome::Violated,
    })
}

impl Row {
    /// Whether every search found it.
    fn is_caught(&self) -> bool {
        self.hunts.iter().all(|hunt| hunt.caught.is_some())
    }
}

fn search(request: &SelftestRequest, interrupt: &Interrupt) -> Result<Vec<Row>, Failure> {
    let mut rows: Vec<Row> = Vec::new();
    in_order(
        request.trials.len(),
        request.jobs,
        |index| {
            let trial = request.trials[index];
            let started = Instant::now();
            let mut hunts = Vec::new();
            for number in 0..u64::from(request.hunts) {
                if interrupt.is_set() {
                    break;
                }
                let first_seed = 1 + number * SEEDS_APART;
                hunts.push(match request.processes {
                    true => processes::hunt(trial, first_seed, request.most_runs)?,
                    false => selftest::hunt(trial, first_seed, request.most_runs),
                });
            }
            let took_s = started.elapsed().as_secs_f64();
            Ok(Row {
                trial,
                hunts,
                took_s,
            })
        },
        |row: &Result<Row, Failure>| row.is_ok() && !interrupt.is_set(),
        |row| {
            let row = row?;
            if !row.is_caught() && !interrupt.is_set() {
                note(&format!("{} was not noticed", row.trial.plant));
            }
            rows.push(row);
            Ok::<(), Failure>(())
        },
    )?;
    Ok(rows)
}

/// What the sound cluster was accused of.
#[derive(Debug, Default)]
struct Baseline {
    runs: usize,
    alarms: Vec<String>,
}

/// Runs the plans that were used, in turn, without any bug.
fn unbroken(request: &SelftestRequest, runs: usize, interrupt: &Interrupt) -> Baseline {
    let alarms = Mutex::new(Vec::new());
    let mut made = 0;
    let done = in_order(
        runs,
        request.jobs,
        |index| {
            let plan = request.trials[index % request.trials.len()].plan;
            selftest::alarms(plan, 1 + index as u64)
        },
        |_| !interrupt.is_set(),
        |found: Vec<String>| {
            made += 1;
            alarms.lock().expect("nobody panics").extend(found);
            Ok::<(), Infallible>(())
        },
    );
    let Ok(()) = done;
    Baseline {
        runs: made,
        alarms: alarms.into_inner().expect("nobody panics"),
    }
}
