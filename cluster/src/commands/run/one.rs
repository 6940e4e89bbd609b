//! One run, from start to teardown.

use std::sync::atomic::AtomicBool;

use paxosctl_chaos::history::Line;
use paxosctl_chaos::plan::Plan;
use paxosctl_chaos::report::Verdict;
use paxosctl_chaos::run::{self as run_loop, RunOutcome};
use paxosctl_chaos::target::World;

use super::super::judge::{self, Judged, Saved};
use super::super::up::{describe_running, refuse_if_up};
use super::super::words::count;
use super::{Keep, claim, run_name, save};
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::progress::Shown;
use crate::randomness::random_u64;
use crate::real::{ClusterSpec, RealTarget};
use crate::runtime::Runtime;
use crate::state::{Beginning, Clusters, RunDir, RunPlace};

/// A run, and what it needs.
pub(super) struct Run<'a> {
    /// As it was drawn.
    pub plan: &'a Plan,
    pub seed: u64,
    pub place: &'a RunPlace,
    pub clusters: &'a Clusters,
    pub keep: Keep,
    /// Whether the cluster of a failing run may still be kept.
    pub may_keep: &'a AtomicBool,
    pub interrupt: &'a Interrupt,
}

impl Run<'_> {
    /// Starts the cluster, runs the plan, judges it, and saves the result. The calling thread must
    /// live until the cluster is down or kept: nodes die with the thread that started them.
    ///
    /// # Errors
    /// The run could not be saved.
    pub fn carry_out(&self, shown: &mut Shown) -> Result<Judged, Failure> {
        let dir = save::begin(self.place, self.plan, self.seed)?;
        let judged = self.judged(&dir, shown)?;
        save::finish(&dir, judged)
    }

    fn judged(&self, dir: &RunDir, shown: &mut Shown) -> Result<Judged, Failure> {
        let (plan, seed) = (self.plan, self.seed);
        let cluster = random_u64()?;
        let spec = ClusterSpec::of_plan(&plan.cluster, dir.nodes(), cluster, seed);
        let runtime = Runtime::local().map_err(|error| Failure::Cluster(error.to_string()))?;
        shown.say(&format!(
            "plan `{}`, seed {seed}: starting a balancer, {} and {}",
            plan.name,
            count(spec.servers.into(), "server"),
            count(spec.clients.len(), "client")
        ));
        let mut target = match RealTarget::start(spec, runtime, self.interrupt.clone()) {
            Ok(target) => target,
            Err(error) => return Ok(self.could_not_run(&error.into())),
        };
        let outcome = self.record(dir, &mut target, shown);
        match outcome {
            Ok(RunOutcome::Complete) if self.keep != Keep::Never => {
                self.judge_alive(dir, target, cluster, shown)
            }
            outcome => {
                // Nothing of the cluster is needed for the verdict any more. What cannot be ended
                // is told, and does not keep the verdict from being given.
                tear_down(&mut target, shown);
                match outcome? {
                    RunOutcome::Complete | RunOutcome::Interrupted => judge::saved_run(dir, plan),
                    RunOutcome::CouldNotRun(error) => {
                        Ok(self.could_not_run(&Failure::Cluster(error.to_string())))
                    }
                }
            }
        }
    }

    /// Judges while the cluster still runs, and keeps it or ends it by the verdict. The servers'
    /// disks are judged only when no server writes them any more.
    fn judge_alive(
        &self,
        dir: &RunDir,
        mut target: RealTarget,
        cluster: u64,
        shown: &mut Shown,
    ) -> Result<Judged, Failure> {
        let plan = self.plan;
        let saved = Saved::read(dir, plan)?;
        let context = saved.context();
        let mut result = judge::judge(&context);
        let failed = result.verdict != Verdict::Pass;
        let wanted = match self.keep {
            Keep::Always => true,
            Keep::OnFail => failed && claim(self.may_keep),
            Keep::Never => false,
        };
        if wanted {
            match self.leave_running(target, cluster) {
                Ok(()) => {
                    let name = &plan.name;
                    shown.say(&format!(
                        "the cluster of {} is left running: `paxosctl ps {name}` shows it, \
                         `paxosctl chat --cluster {name}` joins it, `paxosctl down {name}` ends it",
                        run_name(self.plan, self.seed)
                    ));
                    return Ok(judge::with_timeline(&context, result));
                }
                // It was ended instead, and the verdict counts all the same.
                Err(failure) => shown.say(&format!("warning: the cluster is not kept: {failure}")),
            }
        } else {
            tear_down(&mut target, shown);
        }
        saved.judge_disks(&mut result);
        if self.keep == Keep::OnFail && !failed && result.verdict != Verdict::Pass {
            shown.say(
                "only the servers' disks show what is wrong, and those can be read when the \
                 servers have ended: this cluster is not kept",
            );
        }
        Ok(judge::with_timeline(&context, result))
    }

    /// Runs the plan against the cluster, and saves the history before anything is judged.
    fn record(
        &self,
        dir: &RunDir,
        target: &mut RealTarget,
        shown: &mut Shown,
    ) -> Result<RunOutcome, Failure> {
        save::history(dir, |sink| {
            run_loop::run(
                self.plan,
                self.seed,
                target,
                &mut |line: Line| sink(&line),
                &mut |progress| shown.show(progress),
                &|| self.interrupt.is_set(),
            )
        })
    }

    /// Lets the cluster live on, where `ps`, `chat` and `down` find it.
    ///
    /// # Errors
    /// The cluster was ended instead.
    fn leave_running(&self, target: RealTarget, cluster: u64) -> Result<(), Failure> {
        let plan = self.plan;
        let _lock = self.clusters.lock(&plan.name)?;
        refuse_if_up(self.clusters, &plan.name)?;
        let running = describe_running(&target, &plan.name, &plan.path, cluster, None);
        self.clusters.begin_record(&Beginning::now(&running))?;
        self.clusters.write(&running)?;
        target.release().map_err(|error| {
            let _ = self.clusters.remove(&plan.name);
            Failure::Cluster(error.to_string())
        })
    }

    fn could_not_run(&self, failure: &Failure) -> Judged {
        let plan = self.plan;
        let (seed, reason) = (self.seed, failure.to_string());
        let mut result = run_loop::could_not_run(plan, seed, World::Processes, reason);
        if let Failure::Interrupted { .. } = failure {
            result.set_verdict(Verdict::Interrupted);
        }
        Judged {
            result,
            timeline: None,
            sequence: None,
        }
    }
}

fn tear_down(target: &mut RealTarget, shown: &mut Shown) {
    if let Err(leftovers) = target.tear_down() {
        for leftover in leftovers {
            shown.say(&format!("warning: {leftover}"));
        }
    }
}
