//! What the clusters that are measured have in common.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::etcd::{self, Etcd};
use super::load::{Load, Said};
use super::nodes::Nodes;
use super::row::Shape;
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::runtime::{ProcStat, Process};

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
    /// How often a leader was elected.
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

/// What a process used of the processors so far; nothing if it is gone.
pub fn cpu_of(process: &Process) -> Duration {
    ProcStat::read(process.pid()).map_or(Duration::ZERO, |stat| stat.cpu)
}
