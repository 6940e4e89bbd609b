//! The run loop: one plan against one target, written down as history.
//!
//! A run has two halves. First traffic and faults, in the order of time. Then everything is healed
//! and progress is *demanded*: open messages must be answered and the replicas must come level
//! within the plan's `settle`. A load that still has more to say or to hear by then is stopped, and
//! the replicas get that time anew, for none comes level while messages flow. Last, every replica's
//! log is read. Nothing is judged here.
//!
//! The loop is the same for real processes and for the simulation, and takes its time from the
//! target alone.

mod faults;
mod known;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use paxosctl_node::event::Event;
use paxosctl_node::ids::ServerId;

use crate::history::{self, ActionLine, Line, Phase, RunHeader, Step, micros};
use crate::plan::{Plan, Say};
use crate::report::RunResult;
use crate::schedule;
use crate::target::{Observation, Op, ReplicaLog, Target, TargetError, World};
pub use faults::rules;
use faults::{Faults, Firing};
use known::Known;

/// The longest wait between two looks at the stop switch.
const TICK: Duration = Duration::from_millis(100);

/// How long a firing waits for its target to mean something, as for a leader to be elected.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a waiting firing waits before it looks again.
const RETRY: Duration = Duration::from_millis(20);

/// How long the replicas must stay level before that is believed.
pub const QUIET: Duration = Duration::from_millis(200);

/// The longest time that loads may take to leave: they wait a while for what is open.
const LEAVING: Duration = Duration::from_secs(10);

/// The longest time that reading all logs may take.
const FINAL_READS: Duration = Duration::from_secs(30);

/// How a run ended. The history has been handed out in every case.
#[derive(Debug, Clone)]
pub enum RunOutcome {
    /// All phases were gone through.
    Complete,
    /// It was asked to stop; everything was healed first.
    Interrupted,
    /// The cluster could not be run any more: infrastructure, not a finding.
    CouldNotRun(TargetError),
}

/// What a person who watches a run wants to know.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    Phase {
        at: Duration,
        phase: Phase,
        /// When the phase is over as planned, or at the latest.
        until: Duration,
    },
    /// A step of a fault, with what was observed.
    Action(&'a ActionLine),
    /// A process ended unasked.
    Died {
        at: Duration,
        node: &'a str,
        status: &'a str,
    },
    Leader {
        at: Duration,
        node: &'a str,
    },
    /// Told again and again; `open` counts what was said and not yet acknowledged.
    Counts {
        at: Duration,
        said: u64,
        acked: u64,
        open: u64,
    },
}

/// Runs `plan` against `target`, which is ready.
///
/// Every line of the history goes to `sink` in the order in which things were observed; `stop` is
/// asked at least every 100 ms of the target's time, and when it says yes the run heals everything
/// and ends. A fault that cannot be carried out is recorded with its error and the run goes on.
pub fn run(
    plan: &Plan,
    seed: u64,
    target: &mut dyn Target,
    sink: &mut dyn FnMut(Line),
    progress: &mut dyn FnMut(Progress),
    stop: &dyn Fn() -> bool,
) -> RunOutcome {
    let mut run = Run {
        plan,
        seed,
        known: Known::new(plan),
        faults: Faults::default(),
        logs: BTreeSet::new(),
        target,
        sink,
        progress,
        stop,
    };
    match run.go() {
        Ok(()) => RunOutcome::Complete,
        Err(Ended::Stopped) => RunOutcome::Interrupted,
        Err(Ended::Failed(error)) => RunOutcome::CouldNotRun(error),
    }
}

/// The command that repeats a run.
pub fn command(plan: &Plan, seed: u64, world: World) -> String {
    let path = quoted(&plan.path.display().to_string());
    let sim = match world {
        World::Processes => "",
        World::Simulation => " --sim",
    };
    let mut command = format!("paxosctl run{sim} {path} --seed {seed}");
    if plan.time_scale != 1.0 {
        command = format!("{command} --time-scale {}", plan.time_scale);
    }
    command
}

/// The result of a run whose cluster could not be started or acted on.
pub fn could_not_run(plan: &Plan, seed: u64, world: World, reason: String) -> RunResult {
    RunResult {
        world,
        ..RunResult::could_not_run(&plan.name, seed, &command(plan, seed, world), reason)
    }
}

/// A word as a shell must be given it.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+=:,@%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Why a run ended before its last phase.
enum Ended {
    Stopped,
    Failed(TargetError),
}

struct Run<'a> {
    plan: &'a Plan,
    seed: u64,
    known: Known,
    faults: Faults,
    /// The servers whose logs were read.
    logs: BTreeSet<ServerId>,
    target: &'a mut dyn Target,
    sink: &'a mut dyn FnMut(Line),
    progress: &'a mut dyn FnMut(Progress),
    stop: &'a dyn Fn() -> bool,
}

/// What is due at some time. At the same time, what is said comes first, then what heals.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    /// Index in the plan's traffic.
    Traffic(usize),
    Heal(Firing),
    Break(Firing),
}

/// What is due, by its time; a task knows the time for which it was planned.
type Queue = BTreeMap<(Duration, Task), Duration>;

impl Run<'_> {
    fn go(&mut self) -> Result<(), Ended> {
        let header = RunHeader {
            version: history::VERSION,
            plan: self.plan.name.clone(),
            seed: self.seed,
            servers: schedule::servers(self.plan),
            clients: schedule::clients(self.plan),
            command: command(self.plan, self.seed, self.target.world()) + &self.target.options(),
            world: self.target.world(),
        };
        (self.sink)(Line::Run(header));
        let phases = self.phases();
        if let Err(Ended::Stopped) = phases {
            self.interrupt();
        }
        let at_us = micros(self.target.now());
        let interrupted = phases.is_err();
        (self.sink)(Line::End { at_us, interrupted });
        phases
    }

    fn phases(&mut self) -> Result<(), Ended> {
        self.traffic_and_faults()?;
        self.heal_all()?;
        let mut deadline = self.target.now() + self.plan.settle;
        self.drain(deadline)?;
        if self.stop_loads()? {
            deadline = self.target.now() + self.plan.settle;
        }
        self.settle(deadline)?;
        self.final_reads()
    }

    fn traffic_and_faults(&mut self) -> Result<(), Ended> {
        let timeline = schedule::timeline(self.plan);
        let traffic = self.plan.traffic.iter().enumerate();
        let mut queue: Queue = traffic
            .map(|(index, traffic)| ((traffic.at, Task::Traffic(index)), traffic.at))
            .collect();
        for step in &timeline.steps {
            // What heals is planned when its fault has fired.
            if step.step == Step::Break {
                let firing = Firing {
                    fault: step.fault,
                    number: step.firing,
                };
                queue.insert((step.at, Task::Break(firing)), step.at);
            }
        }
        self.phase(Phase::Run, timeline.ends_at);
        // What was observed while the cluster started: who leads, who joined where.
        let now = self.target.now();
        self.poll(now)?;
        loop {
            let now = self.target.now();
            let due = queue.first_key_value().map(|((at, _), _)| *at);
            match due {
                Some(at) if at <= now => {
                    if let Some(((_, task), planned)) = queue.pop_first() {
                        self.task(task, planned, &mut queue)?;
                    }
                }
                None if now >= timeline.ends_at => return Ok(()),
                _ => self.poll(due.unwrap_or(timeline.ends_at))?,
            }
            if (self.stop)() {
                return Err(Ended::Stopped);
            }
        }
    }

    fn task(&mut self, task: Task, planned: Duration, queue: &mut Queue) -> Result<(), Ended> {
        match task {
            Task::Traffic(index) => {
                self.submit(index);
                return Ok(());
            }
            Task::Heal(firing) => self.heal(firing),
            Task::Break(firing) => {
                let now = self.target.now();
                let Some(fired) = self.fire(firing, now < planned + PATIENCE) else {
                    queue.insert((now + RETRY, Task::Break(firing)), planned);
                    return Ok(());
                };
                // However late it fired, it lasts as long as the plan says.
                if let (true, Some(lasts)) = (fired, self.plan.faults[firing.fault].lasts) {
                    queue.insert((now + lasts, Task::Heal(firing)), now + lasts);
                }
            }
        }
        self.check_target()
    }

    fn submit(&mut self, index: usize) {
        let op = match &self.plan.traffic[index].what {
            Say::Say { client, text, .. } => Op::Say {
                client: client.clone(),
                text: text.clone(),
            },
            Say::Join { client } => Op::Join {
                client: client.clone(),
            },
            Say::Leave { client } => Op::Leave {
                client: client.clone(),
            },
            Say::Read { client } => Op::Read {
                client: client.clone(),
            },
            Say::Load { name, load } => {
                let mut load = load.clone();
                load.seed = schedule::derive_seed(self.seed, name, 0);
                Op::Load {
                    name: name.clone(),
                    load,
                }
            }
        };
        self.known.submitted(&op);
        self.target.submit(op);
    }

    /// Waits until everything that was said or asked is answered.
    fn drain(&mut self, deadline: Duration) -> Result<(), Ended> {
        self.phase(Phase::Drain, deadline);
        while self.known.is_open() && self.target.now() < deadline {
            self.wait(deadline)?;
        }
        Ok(())
    }

    /// Stops the loads that still wait for answers, and waits until they left: what is open then is
    /// unknown, and nothing more is acknowledged to them. Whether there was any.
    fn stop_loads(&mut self) -> Result<bool, Ended> {
        let loads = self.known.open_loads();
        let any = !loads.is_empty();
        for name in loads {
            self.target.submit(Op::EndLoad { name });
        }
        let until = self.target.now() + LEAVING;
        while !self.known.open_loads().is_empty() && self.target.now() < until {
            self.wait(until)?;
        }
        Ok(any)
    }

    /// Waits until all replicas that are up are level and stay so, and the clients have seen all.
    fn settle(&mut self, deadline: Duration) -> Result<(), Ended> {
        self.phase(Phase::Settle, deadline);
        let mut level_since: Option<(u64, Duration)> = None;
        loop {
            let now = self.target.now();
            level_since = match (self.known.level(), level_since) {
                (Some(slot), Some((before, since))) if slot == before => Some((slot, since)),
                (Some(slot), _) => Some((slot, now)),
                (None, _) => None,
            };
            if let Some((_, since)) = level_since
                && now >= since + QUIET
                && self.known.all_delivered()
            {
                self.phase_at(since, Phase::Converged, deadline);
                return Ok(());
            }
            if now >= deadline {
                if let Some((_, since)) = level_since {
                    self.phase_at(since, Phase::Converged, deadline);
                }
                return Ok(());
            }
            // Once the replicas were level long enough, only news from a client changes anything.
            let next = level_since
                .map(|(_, since)| since + QUIET)
                .filter(|&quiet| quiet > now)
                .unwrap_or(deadline);
            self.wait(next.min(deadline))?;
        }
    }

    fn final_reads(&mut self) -> Result<(), Ended> {
        let deadline = self.target.now() + FINAL_READS;
        self.phase(Phase::FinalReads, deadline);
        self.target.submit(Op::ReadLogs);
        let servers = usize::from(self.plan.cluster.servers);
        while self.logs.len() < servers && self.target.now() < deadline {
            self.wait(deadline)?;
        }
        Ok(())
    }

    /// Heals what can be healed and stops the loads, without asking whether to stop.
    fn interrupt(&mut self) {
        for name in self.known.running_loads() {
            self.target.submit(Op::EndLoad { name });
        }
        // A target that fails now has nothing left to heal.
        let _ = self.heal_all();
        let now = self.target.now();
        let observations = self.target.poll(now);
        self.observe(observations);
    }

    fn phase(&mut self, phase: Phase, until: Duration) {
        let at = self.target.now();
        self.phase_at(at, phase, until);
    }

    fn phase_at(&mut self, at: Duration, phase: Phase, until: Duration) {
        let at_us = micros(at);
        (self.sink)(Line::Phase { at_us, phase });
        (self.progress)(Progress::Phase { at, phase, until });
    }

    /// Polls, and ends the run when it is asked to stop.
    fn wait(&mut self, until: Duration) -> Result<(), Ended> {
        self.poll(until)?;
        if (self.stop)() {
            return Err(Ended::Stopped);
        }
        Ok(())
    }

    /// Observes until something was observed, `until`, or the next look at the stop switch.
    fn poll(&mut self, until: Duration) -> Result<(), Ended> {
        let now = self.target.now();
        let observations = self.target.poll(until.min(now + TICK));
        self.observe(observations);
        let (said, acked, open) = self.known.counts();
        let at = self.target.now();
        (self.progress)(Progress::Counts {
            at,
            said,
            acked,
            open,
        });
        self.check_target()
    }

    fn check_target(&self) -> Result<(), Ended> {
        match self.target.failure() {
            Some(error) => Err(Ended::Failed(error)),
            None => Ok(()),
        }
    }

    fn observe(&mut self, observations: Vec<Observation>) {
        for observation in observations {
            match observation {
                Observation::Node { node, event } => {
                    let leader = self.known.leader();
                    self.known.observe(&node, &event.event);
                    let at_us = event.at_us;
                    let new_leader = self.known.leader();
                    if let Some(leader) = new_leader.filter(|new| Some(new) != leader.as_ref()) {
                        (self.progress)(Progress::Leader {
                            at: Duration::from_micros(at_us),
                            node: &leader,
                        });
                    }
                    if let Event::DiskTrouble { .. } = event.event {
                        self.faults.struck(&node, at_us);
                    }
                    let what = event.event;
                    (self.sink)(Line::Node { at_us, node, what });
                }
                Observation::Died {
                    node,
                    status,
                    last_lines,
                } => {
                    self.known.ended(&node);
                    let at = self.target.now();
                    (self.progress)(Progress::Died {
                        at,
                        node: &node,
                        status: &status,
                    });
                    (self.sink)(Line::Died {
                        at_us: micros(at),
                        node,
                        status,
                        last_lines,
                    });
                }
                Observation::Fell { node, status, rule } => self.fell(node, status, &rule),
                Observation::Log { server, log } => self.log(server, log),
            }
        }
    }

    fn log(&mut self, server: ServerId, log: ReplicaLog) {
        // One answer a server: a second one would give each slot twice.
        if !self.logs.insert(server) {
            return;
        }
        let ReplicaLog {
            source,
            values,
            chosen,
        } = log;
        (self.sink)(Line::Log {
            server,
            source,
            chosen,
        });
        let mut slot = paxosctl_node::ids::Slot(0);
        for value in values {
            slot = slot.next();
            (self.sink)(Line::Slot {
                server,
                slot,
                value,
            });
        }
    }
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
