//! What the clusters that are measured have in common.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::etcd::{self, Etcd};
use super::load::{Load, Said};
use super::nodes::Nodes;
use super::row::Shape;
use crate::clock::monotonic;
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::runtime::{ProcStat, Process, State};

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum System {
    Paxosctl,
    Etcd(etcd::Program),
}

/// A running one. Dropping it ends every process.
#[derive(Debug)]
pub enum Cluster {
    Paxosctl(Nodes),
    Etcd(Etcd),
}

/// What a node used of the processors.
#[derive(Debug, Clone, PartialEq)]
pub struct Cpu {
    pub node: String,
    pub used: Duration,
}

/// What is counted from the beginning.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Syncs of all servers' logs.
    pub syncs: u64,
    /// How often somebody stood for election, or a leader was seen to change.
    pub elections: u64,
    pub cpu: Vec<Cpu>,
}

impl System {
    pub fn name(&self) -> &'static str {
        match self {
            System::Paxosctl => "paxosctl",
            System::Etcd(_) => "etcd",
        }
    }

    /// Starts a new cluster in `dir`, and returns when it serves.
    ///
    /// # Errors
    /// It did not come up.
    pub fn start(
        &self,
        servers: u16,
        dir: &Path,
        interrupt: &Interrupt,
    ) -> Result<Cluster, Failure> {
        Ok(match self {
            System::Paxosctl => Cluster::Paxosctl(Nodes::start(servers, dir, interrupt)?),
            System::Etcd(program) => Cluster::Etcd(Etcd::start(program, servers, dir, interrupt)?),
        })
    }
}

impl Cluster {
    /// Lets clients talk to it.
    ///
    /// # Errors
    /// The load could not be started.
    pub fn talk(&self, shape: Shape) -> Result<Load, Failure> {
        match self {
            Cluster::Paxosctl(nodes) => nodes.talk(shape),
            Cluster::Etcd(etcd) => etcd.talk(shape),
        }
    }

    /// # Errors
    /// A server does not say how it is.
    pub fn sample(&self, load: &Load) -> Result<Sample, Failure> {
        let mut sample = match self {
            Cluster::Paxosctl(nodes) => nodes.sample(),
            Cluster::Etcd(etcd) => etcd.sample(),
        }?;
        sample.cpu.push(Cpu {
            node: "load".into(),
            used: load.cpu(),
        });
        Ok(sample)
    }

    /// Waits until the servers agree, and checks that they hold what was acknowledged and nothing
    /// twice.
    ///
    /// # Errors
    /// They do not.
    pub fn hold(&self, said: Said, interrupt: &Interrupt) -> Result<(), Failure> {
        match self {
            Cluster::Paxosctl(nodes) => nodes.hold(said, interrupt),
            Cluster::Etcd(etcd) => etcd.hold(said),
        }
    }

    /// Which of its nodes leads, if they agree.
    pub fn leader(&self) -> Option<usize> {
        match self {
            Cluster::Paxosctl(nodes) => nodes.leader(),
            Cluster::Etcd(etcd) => etcd.leader(),
        }
    }

    /// Kills a node.
    ///
    /// # Errors
    /// It did not end.
    pub fn kill(&mut self, node: usize) -> Result<(), Failure> {
        match self {
            Cluster::Paxosctl(nodes) => nodes.kill(node),
            Cluster::Etcd(etcd) => etcd.kill(node),
        }
    }

    /// Starts a node again, and waits until it has what the others had then.
    ///
    /// # Errors
    /// It did not come back.
    pub fn restore(&mut self, node: usize, interrupt: &Interrupt) -> Result<(), Failure> {
        match self {
            Cluster::Paxosctl(nodes) => {
                nodes.start_again(node)?;
                nodes.await_caught_up(interrupt)
            }
            Cluster::Etcd(etcd) => {
                etcd.start_again(node)?;
                etcd.await_caught_up(interrupt)
            }
        }
    }

    /// Ends every process.
    ///
    /// # Errors
    /// Something is still there.
    pub fn end(self) -> Result<(), Failure> {
        match self {
            Cluster::Paxosctl(nodes) => nodes.end(),
            Cluster::Etcd(etcd) => etcd.end(),
        }
    }
}

impl Sample {
    /// Processor seconds since an earlier one, by node.
    pub fn cpu_since(&self, before: &Sample) -> BTreeMap<String, f64> {
        let pairs = self.cpu.iter().zip(&before.cpu);
        pairs
            .map(|(after, before)| {
                let used = after.used.saturating_sub(before.used);
                (after.node.clone(), used.as_secs_f64())
            })
            .collect()
    }
}

/// How long the kernel may take to end a killed process.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// Kills a process, and waits until it is gone.
///
/// # Errors
/// It did not end.
pub fn kill(process: &mut Process) -> Result<(), Failure> {
    (process.signal(Signal::SIGKILL)).map_err(|error| Failure::Cluster(error.to_string()))?;
    let deadline = monotonic() + KILLED_WITHIN;
    match process.wait_for(deadline, |state| matches!(state, State::Ended(_))) {
        State::Ended(_) => Ok(()),
        _ => Err(Failure::Cluster(format!(
            "{} cannot be killed",
            process.name()
        ))),
    }
}

/// What a process used of the processors so far; nothing if it is gone.
pub fn cpu_of(process: &Process) -> Duration {
    ProcStat::read(process.pid()).map_or(Duration::ZERO, |stat| stat.cpu)
}
