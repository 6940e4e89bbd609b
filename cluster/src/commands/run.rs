//! `run`: starts a cluster, breaks it, judges it, reports.

use std::fs::File;
use std::io;
use std::sync::Arc;

use paxosctl_chaos::history::{Line, Writer};
use paxosctl_chaos::plan::{self, Plan};
use paxosctl_chaos::report::{RunResult, Verdict};
use paxosctl_chaos::run::{self as run_loop, RunOutcome};

use super::judge::{self, Judged};
use super::reporting::{Reports, summary};
use super::timeline;
use super::up::{describe_running, refuse_if_up};
use crate::cli::{ProgressKind, RunArgs};
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::{note, print};
use crate::progress::Shown;
use crate::randomness::random_u64;
use crate::real::{ClusterSpec, RealTarget};
use crate::runtime::Runtime;
use crate::state::{Clusters, RunDir, RunPlace, home};

/// One or more runs, one after the other.
#[derive(Debug)]
pub struct RunRequest {
    pub runs: Vec<PlannedRun>,
    pub place: RunPlace,
    /// Leave the cluster running.
    pub keep: bool,
    /// Only show the timelines.
    pub dry_run: bool,
    pub reports: Reports,
    pub progress: ProgressKind,
    pub clusters: Clusters,
}

#[derive(Debug)]
pub struct PlannedRun {
    pub plan: Arc<Plan>,
    pub seed: u64,
}

impl RunRequest {
    /// Reads all plans before anything is started, and tells all mistakes of all of them at once.
    pub(super) fn new(typed: RunArgs, clusters: Clusters) -> Result<RunRequest, Failure> {
        let mut runs = Vec::new();
        let mut problems = Vec::new();
        for path in &typed.plans {
            match plan::load(path) {
                Ok(plan) => {
                    let first = match typed.seed.or(plan.seed) {
                        Some(seed) => seed,
                        // Short enough to be typed again.
                        None => random_u64()? % 1_000_000,
                    };
                    let plan = Arc::new(plan);
                    runs.extend((0..u64::from(typed.runs)).map(|index| PlannedRun {
                        plan: plan.clone(),
                        seed: first.wrapping_add(index),
                    }));
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
                "--keep leaves one cluster running, and these are several runs".into(),
            ));
        }
        let place = match typed.out {
            None => RunPlace::Home(home()),
            Some(dir) if several => RunPlace::Below(dir),
            Some(dir) => RunPlace::Out(dir),
        };
        Ok(RunRequest {
            runs,
            place,
            keep: typed.keep,
            dry_run: typed.dry_run,
            reports: Reports::new(typed.reports, several)?,
            progress: typed.progress,
            clusters,
        })
    }
}

pub fn run(request: &RunRequest) -> Result<Outcome, Failure> {
    if request.dry_run {
        for planned in &request.runs {
            print(&timeline::shown(&planned.plan, planned.seed))?;
        }
        return Ok(Outcome::Success);
    }
    let interrupt = Interrupt::install()?;
    let mut worst: Result<Outcome, Failure> = Ok(Outcome::Success);
    let mut results = Vec::new();
    for planned in &request.runs {
        let (result, ending) = match one_run(request, planned, &interrupt) {
            Ok(done) => done,
            Err(failure) => {
                // What ended before is reported all the same.
                request.reports.finish()?;
                return Err(failure);
            }
        };
        results.push(result);
        // A cluster that did not come up ends the series: the next would not either.
        worst = match (worst, ending) {
            (Ok(so_far), Ok(outcome)) => Ok(so_far.and(outcome)),
            (_, Err(failure)) | (Err(failure), _) => Err(failure),
        };
        if worst.is_err() {
            break;
        }
    }
    request.reports.finish()?;
    if request.runs.len() > 1 {
        // Whoever reads the exit code must get it, even when nobody reads the summary.
        let _ = print(&summary(&results));
    }
    worst
}

/// One run from start to teardown. Everything that can be known of it is saved and reported before
/// this returns; the second part of what it returns is how it counts.
fn one_run(
    request: &RunRequest,
    planned: &PlannedRun,
    interrupt: &Interrupt,
) -> Result<(RunResult, Result<Outcome, Failure>), Failure> {
    let (plan, seed) = (planned.plan.as_ref(), planned.seed);
    if request.keep {
        refuse_if_up(&request.clusters, &plan.name)?;
    }
    let dir = RunDir::create(&request.place, &plan.name, seed)?;
    dir.save(&dir.plan(), &plan.source)?;
    let resolved = serde_json::to_string_pretty(plan).expect("a plan is JSON");
    dir.save(&dir.resolved_plan(), &resolved)?;
    dir.save(&dir.schedule(), &timeline::shown(plan, seed))?;

    let cluster = random_u64()?;
    let spec = ClusterSpec::of_plan(&plan.cluster, dir.nodes(), cluster, seed);
    let runtime = Runtime::local().map_err(|error| Failure::Cluster(error.to_string()))?;
    let mut shown = Shown::new(request.progress);
    shown.say(&format!(
        "plan `{}`, seed {seed}: starting a balancer, {} servers and {} clients",
        plan.name,
        spec.servers,
        spec.clients.len()
    ));
    let mut target = match RealTarget::start(spec, runtime, interrupt.clone()) {
        Ok(target) => target,
        Err(error) => {
            shown.finish();
            let failure = Failure::from(error);
            let judged = could_not_run(planned, &dir, &failure);
            request.reports.deliver(&judged, plan, &dir)?;
            return Ok((judged.result, Err(failure)));
        }
    };
    let outcome = record(planned, &dir, &mut target, &mut shown, interrupt);
    shown.finish();
    // Nothing of the cluster is needed for the verdict any more. What cannot be ended is told, and
    // does not keep the verdict from being given.
    if request.keep && matches!(outcome, Ok(RunOutcome::Complete)) {
        keep(request, planned, target, cluster)?;
    } else if let Err(leftovers) = target.tear_down() {
        for leftover in leftovers {
            note(&format!("warning: {leftover}"));
        }
    }
    let failure = match outcome? {
        RunOutcome::Complete => None,
        RunOutcome::Interrupted => Some(Failure::Interrupted {
            signal: interrupt.signal().unwrap_or(nix::libc::SIGINT),
        }),
        RunOutcome::CouldNotRun(error) => Some(Failure::Cluster(error.to_string())),
    };
    if let Some(failure @ Failure::Cluster(_)) = failure {
        let judged = could_not_run(planned, &dir, &failure);
        request.reports.deliver(&judged, plan, &dir)?;
        return Ok((judged.result, Err(failure)));
    }
    let judged = judge::saved_run(&dir, plan, !request.keep)?;
    request.reports.deliver(&judged, plan, &dir)?;
    let ending = match failure {
        Some(failure) => Err(failure),
        None => judge::outcome(&judged.result),
    };
    Ok((judged.result, ending))
}

/// Runs the plan against the cluster, and saves the history before anything is judged.
fn record(
    planned: &PlannedRun,
    dir: &RunDir,
    target: &mut RealTarget,
    shown: &mut Shown,
    interrupt: &Interrupt,
) -> Result<RunOutcome, Failure> {
    let path = dir.history();
    let failed = |error: io::Error| Failure::file("write", &path, error);
    let mut writer = Writer::new(File::create_new(&path).map_err(failed)?);
    let mut broken: Option<io::Error> = None;
    let outcome = run_loop::run(
        &planned.plan,
        planned.seed,
        target,
        &mut |line: &Line| {
            if broken.is_none() {
                broken = writer.write(line).err();
            }
        },
        &mut |progress| shown.show(progress),
        &|| interrupt.is_set(),
    );
    let saved = match broken {
        Some(error) => Err(error),
        None => writer.finish().and_then(|file| file.sync_all()),
    };
    saved.map_err(failed)?;
    Ok(outcome)
}

/// Lets the cluster live on, where `ps`, `chat` and `down` find it.
fn keep(
    request: &RunRequest,
    planned: &PlannedRun,
    target: RealTarget,
    cluster: u64,
) -> Result<(), Failure> {
    let name = &planned.plan.name;
    let _lock = request.clusters.lock(name)?;
    let running = describe_running(&target, name, &planned.plan.path, cluster, None);
    request.clusters.write(&running)?;
    if let Err(error) = target.release() {
        request.clusters.remove(name)?;
        return Err(Failure::Cluster(error.to_string()));
    }
    note(&format!(
        "the cluster is left running: `paxosctl ps {name}`, `paxosctl down {name}`"
    ));
    Ok(())
}

fn could_not_run(planned: &PlannedRun, dir: &RunDir, failure: &Failure) -> Judged {
    let command = run_loop::command(&planned.plan, planned.seed);
    let mut result = RunResult::could_not_run(
        &planned.plan.name,
        planned.seed,
        &command,
        failure.to_string(),
    );
    if let Failure::Interrupted { .. } = failure {
        result.set_verdict(Verdict::Interrupted);
    }
    result.run_dir = Some(dir.path().display().to_string());
    Judged {
        result,
        timeline: None,
    }
}
