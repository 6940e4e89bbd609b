//! `run`: starts clusters, breaks them, judges them, reports.

mod counted;
mod one;
mod save;
pub(super) mod series;
mod simulated;
mod summary;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use paxosctl_chaos::plan::{self, Plan};
use paxosctl_chaos::report::{RunResult, Verdict};
use paxosctl_chaos::schedule;
use paxosctl_chaos::sim::Plant;
use paxosctl_chaos::target::World;
use paxosctl_chaos::trace::text;

use super::judge::{self, Judged};
use super::reporting::Reports;
use super::shrink;
use super::timeline;
use super::up::refuse_if_up;
use crate::cli::{ProgressKind, RunArgs};
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::{note, print};
use crate::progress::Board;
use crate::randomness::random_u64;
use crate::state::{Clusters, RunDir, RunPlace, home};
use counted::Counted;
use simulated::Saves;

/// Simulated runs of a series whose tables are shown.
const MOST_TOLD: usize = 5;

/// One or more runs.
#[derive(Debug)]
pub struct RunRequest {
    pub runs: Vec<PlannedRun>,
    pub place: RunPlace,
    /// How many runs go on at the same time.
    pub jobs: usize,
    /// Start no further run after the first that is not a pass.
    pub fail_fast: bool,
    pub keep: Keep,
    /// Only show the timelines.
    pub dry_run: bool,
    pub reports: Reports,
    pub progress: ProgressKind,
    /// Whether the messages and events before a violation are shown.
    pub trace: bool,
    /// Whether the first simulated run that is violated is cut down.
    pub shrink: bool,
    /// A bug of all simulated clusters.
    pub plant: Option<Plant>,
    pub clusters: Clusters,
}

/// Whether a cluster is left running after its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    Never,
    Always,
    /// That of the first run that is not a pass.
    OnFail,
}

#[derive(Debug)]
pub struct PlannedRun {
    /// As it was written: what it leaves to chance is drawn when its turn comes.
    pub written: Arc<Plan>,
    pub seed: u64,
    pub world: World,
}

impl RunRequest {
    /// Reads all plans before anything is started, and tells all mistakes of all of them at once.
    pub(super) fn new(typed: RunArgs, clusters: Clusters) -> Result<RunRequest, Failure> {
        let plant = typed.plant.map(|name| name.parse()).transpose()?;
        let worlds: &[World] = match (typed.sim, typed.both) {
            (true, _) => &[World::Simulation],
            (_, true) => &[World::Simulation, World::Processes],
            (false, false) => &[World::Processes],
        };
        let mut runs = Vec::new();
        let mut problems = Vec::new();
        for path in &typed.plans {
            match plan::load(path) {
                Ok(written) => {
                    let written = Arc::new(written.scaled(typed.time_scale));
                    let first = match typed.seed.or(written.seed) {
                        Some(seed) => seed,
                        // Short enough to be typed again.
                        None => random_u64()? % 1_000_000,
                    };
                    for &world in worlds {
                        runs.extend((0..u64::from(typed.runs)).map(|index| {
                            let seed = first.wrapping_add(index);
                            let written = written.clone();
                            PlannedRun {
                                written,
                                seed,
                                world,
                            }
                        }));
                    }
                }
                Err(errors) => problems.push(errors.to_string()),
            }
        }
        if !problems.is_empty() {
            return Err(Failure::Usage(problems.join("\n")));
        }
        let several = runs.len() > 1;
        if several && typed.keep {
            return Err(Failure::Usage(
                "--keep leaves one cluster running, and these are several runs; --keep-on-fail \
                 leaves that of the first which is not a pass"
                    .into(),
            ));
        }
        if typed.trace && !typed.sim && !typed.both {
            return Err(Failure::Usage(
                "--trace is for simulated runs, which it can note whole: add --sim".into(),
            ));
        }
        if typed.sim && (typed.keep || typed.keep_on_fail) {
            return Err(Failure::Usage(
                "a simulated cluster lives in its run only and cannot be kept; its run directory \
                 holds the history and every server's log"
                    .into(),
            ));
        }
        let jobs = match typed.jobs {
            Some(jobs) => jobs as usize,
            None if typed.sim => thread::available_parallelism().map_or(1, |cores| cores.get()),
            None => 1,
        };
        let jobs = jobs.min(runs.len());
        if jobs > 1 && !typed.sim {
            refuse_shared_ports(&runs)?;
        }
        let place = match typed.out {
            None => RunPlace::Home(home()),
            Some(dir) if several => RunPlace::Below(dir),
            Some(dir) => RunPlace::Out(dir),
        };
        Ok(RunRequest {
            runs,
            place,
            jobs,
            fail_fast: typed.fail_fast,
            keep: match (typed.keep, typed.keep_on_fail) {
                (true, _) => Keep::Always,
                (false, true) => Keep::OnFail,
                (false, false) => Keep::Never,
            },
            dry_run: typed.dry_run,
            reports: Reports::new(typed.reports, several)?,
            progress: typed.progress,
            trace: typed.trace,
            shrink: !typed.no_shrink,
            plant,
            clusters,
        })
    }
}

impl RunRequest {
    /// What helps to understand why a simulated run is not a pass: what led to it if that was
    /// traced, and, if `shrinks`, the least plan that is still violated.
    fn explained(
        &self,
        plan: &Plan,
        judged: &Judged,
        shrinks: bool,
        interrupt: &Interrupt,
    ) -> Result<String, Failure> {
        let mut words = match &judged.sequence {
            Some(sequence) => format!("\n{}", text(sequence)),
            None => String::new(),
        };
        let result = &judged.result;
        if shrinks && let Some(dir) = &result.run_dir {
            let dir = RunDir::open(Path::new(dir))?;
            let runs = shrink::SIMULATED_RUNS;
            words += &shrink::simulated(&dir, plan, result, self.plant, runs, interrupt)?;
        }
        Ok(words)
    }
}

/// # Errors
/// Two runs that may go on at the same time name the same port.
fn refuse_shared_ports(runs: &[PlannedRun]) -> Result<(), Failure> {
    let mut named: BTreeMap<u16, &PlannedRun> = BTreeMap::new();
    for run in runs {
        let cluster = &run.written.cluster;
        let servers = cluster
            .server_port
            .into_iter()
            .flat_map(|first| (0..cluster.servers).map(move |place| first.saturating_add(place)));
        for port in cluster.balancer_port.into_iter().chain(servers) {
            if let Some(other) = named.insert(port, run) {
                return Err(Failure::Usage(format!(
                    "{} and {} both name port {port}, so they cannot run at the same time; leave \
                     out --jobs, or leave `ports` out of the plan",
                    other.name(),
                    run.name()
                )));
            }
        }
    }
    Ok(())
}

impl PlannedRun {
    fn name(&self) -> String {
        run_name(&self.written, self.seed)
    }

    /// The plan with what this run's seed draws.
    fn drawn(&self) -> Plan {
        schedule::drawn(&self.written, self.seed)
    }
}

/// `churn-s42`.
fn run_name(plan: &Plan, seed: u64) -> String {
    format!("{}-s{seed}", plan.name)
}

/// Carries the runs out, `jobs` at a time. Each is reported whole, in the order of the command line;
/// several end with a summary.
pub fn run(request: &RunRequest) -> Result<Outcome, Failure> {
    if request.dry_run {
        for planned in &request.runs {
            print(&timeline::shown(&planned.drawn(), planned.seed))?;
        }
        return Ok(Outcome::Success);
    }
    let count = |world| request.runs.iter().filter(|run| run.world == world).count();
    let simulated = count(World::Simulation);
    if request.keep != Keep::Never {
        for planned in &request.runs {
            refuse_if_up(&request.clusters, &planned.written.name)?;
        }
    }
    let interrupt = Interrupt::install()?;
    let names: Vec<String> = request.runs.iter().map(PlannedRun::name).collect();
    let board = Board::new(
        request.progress,
        if request.jobs > 1 { &names } else { &[] },
    );
    let counted = Counted::new(request.progress, simulated);
    let saves = Saves {
        place: &request.place,
        all: request.runs.len() == 1
            || matches!(request.place, RunPlace::Below(_))
            || request.reports.show_charts(),
        trace: request.trace,
        plant: request.plant,
        failed: AtomicUsize::new(0),
        took_us: AtomicU64::new(0),
    };
    let may_keep = AtomicBool::new(request.keep == Keep::OnFail);
    let mut results: Vec<RunResult> = Vec::new();
    let mut told = 0;
    let mut may_shrink = request.shrink;
    let done = series::in_order(
        request.runs.len(),
        request.jobs,
        |index| {
            let planned = &request.runs[index];
            let (plan, seed) = (planned.drawn(), planned.seed);
            if planned.world == World::Simulation {
                let done = simulated::carry_out(&plan, seed, &saves, &interrupt);
                counted.one_more(done.as_ref().ok());
                return (index, plan, done);
            }
            counted.finish();
            let mut shown = board.run(index);
            let run = one::Run {
                plan: &plan,
                seed,
                place: &request.place,
                clusters: &request.clusters,
                keep: request.keep,
                may_keep: &may_keep,
                interrupt: &interrupt,
            };
            let done = run.carry_out(&mut shown);
            shown.finish();
            (index, plan, done)
        },
        |(_, _, done)| {
            let failed = match done {
                Ok(judged) => request.fail_fast && judged.result.verdict != Verdict::Pass,
                Err(_) => true,
            };
            !failed && !interrupt.is_set()
        },
        |(index, plan, done)| {
            let judged = done?;
            let planned = &request.runs[index];
            // Of thousands, only those are worth a page of tables that are not as they should be.
            let is_quiet = planned.world == World::Simulation
                && request.runs.len() > 1
                && (judged.result.verdict == Verdict::Pass || told == MOST_TOLD);
            let reported = match is_quiet {
                true => request.reports.keep(&judged),
                false => {
                    told += usize::from(planned.world == World::Simulation);
                    let show = || request.reports.show_judged(&judged, &plan);
                    counted.aside(|| board.aside(show)).and_then(|()| {
                        let shrinks = may_shrink
                            && planned.world == World::Simulation
                            && judged.result.verdict == Verdict::Violated;
                        may_shrink &= !shrinks;
                        let explained = request.explained(&plan, &judged, shrinks, &interrupt)?;
                        counted.aside(|| board.aside(|| print(&explained)))
                    })
                }
            };
            results.push(match is_quiet {
                true => judged.result.without_details(),
                false => judged.result,
            });
            reported
        },
    );
    counted.finish();
    let finished = request.reports.finish();
    let not_run = request.runs.len() - results.len();
    if request.runs.len() > 1 {
        let mut lines = summary::table(&results) + &summary::rates(&results);
        if simulated > 0 {
            lines += &summary::both_worlds(&results);
            lines += &summary::speed(&results, saves.took_us.load(Ordering::Relaxed));
        }
        request.reports.show_summary(&lines);
        if not_run > 0 {
            note(&format!("{not_run} of {} runs were not made", names.len()));
        }
    }
    done?;
    finished?;
    match results.as_slice() {
        [only] if names.len() == 1 => only_ending(only, &interrupt),
        all => summary::ending(all, not_run, interrupt.signal()),
    }
}

fn only_ending(result: &RunResult, interrupt: &Interrupt) -> Result<Outcome, Failure> {
    match (result.verdict, interrupt.signal()) {
        (Verdict::Interrupted, Some(signal)) => Err(Failure::Interrupted { signal }),
        _ => judge::outcome(result),
    }
}

/// Whether this run is the one to keep: the first that asks.
fn claim(may_keep: &AtomicBool) -> bool {
    may_keep.swap(false, Ordering::SeqCst)
}
