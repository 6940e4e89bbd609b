//! `selftest`: bugs are planted, and have to be noticed.

mod processes;
mod shown;

use std::convert::Infallible;
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

/// Runs of the sound cluster before any bug is searched for, at least.
const FIRST_RUNS: usize = 20;

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
        let named = typed.bugs.iter().map(|name| name.parse());
        let named: Vec<Plant> = named.collect::<Result<_, _>>()?;
        let mut chosen: Vec<Trial> = match typed.processes {
            true => processes::trials(),
            false => trials().collect(),
        };
        if let Some(missing) = named
            .iter()
            .find(|plant| !chosen.iter().any(|trial| trial.plant == **plant))
        {
            return Err(Failure::Usage(format!(
                "{missing} does not show itself soon enough on real processes; leave out --processes"
            )));
        }
        chosen.retain(|trial| match named.is_empty() {
            true => typed.list || trial.plant.is_possible(),
            false => named.contains(&trial.plant),
        });
        if chosen.is_empty() {
            return Err(Failure::Usage(
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
    let mut sound = Baseline::default();
    if !request.processes {
        // Whatever is found is worth nothing if the sound cluster is found guilty, too.
        sound.grow(request, request.trials.len().max(FIRST_RUNS), &interrupt);
        if !sound.alarms.is_empty() {
            print(&shown::guilty(&sound.alarms))?;
            return Ok(Outcome::Violated);
        }
    }
    let rows = search(request, &interrupt)?;
    if request.processes {
        sound = processes::unbroken(request, &interrupt)?;
    } else {
        let runs = rows.iter().flat_map(|row| &row.hunts).map(|hunt| hunt.runs);
        sound.grow(request, runs.sum::<u32>() as usize, &interrupt);
    }
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

impl Baseline {
    /// Runs the plans that were used, in turn and without any bug, until there are so many runs.
    fn grow(&mut self, request: &SelftestRequest, runs: usize, interrupt: &Interrupt) {
        let before = self.runs;
        let done = in_order(
            runs.saturating_sub(before),
            request.jobs,
            |index| {
                let number = before + index;
                let plan = request.trials[number % request.trials.len()].plan;
                selftest::alarms(plan, 1 + number as u64)
            },
            |_| !interrupt.is_set(),
            |found: Vec<String>| {
                self.runs += 1;
                self.alarms.extend(found);
                Ok::<(), Infallible>(())
            },
        );
        let Ok(()) = done;
    }
}
