//! The cluster that is measured: started as `up` starts one, and left to itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use paxosctl_node::drive::{Crowd, Look, look_in, run_crowd};
use paxosctl_node::ids::ServerId;
use paxosctl_node::wire::ServerStatus;

use super::cluster::{Cpu, Sample, cpu_of, kill};
use super::load::{Load, Said};
use super::row::Shape;
use crate::clock::monotonic;
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::observer::Observer;
use crate::output::note;
use crate::ports::{Ports, Wishes};
use crate::randomness::random_u64;
use crate::real::{BALANCER, ClusterSpec, HandedOver, RealTarget};
use crate::runtime::{Memory, NodeSpec, Process, Runtime, tear_down};

/// How long a server may take to say how it is. Under full load that is not at once.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the servers may take to have all that was acknowledged.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running cluster. Dropping it ends every process.
#[derive(Debug)]
pub struct Nodes {
    cluster: u64,
    runtime: Runtime,
    nodes: Vec<(NodeSpec, Process)>,
    ports: Ports,
}

/// What a node has of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Has {
    pub memory: Memory,
    /// Open files and connections.
    pub descriptors: usize,
}

/// What each node has of it, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage(BTreeMap<String, Has>);

impl Usage {
    pub fn nodes(&self) -> impl Iterator<Item = (&str, Has)> {
        self.0.iter().map(|(node, has)| (node.as_str(), *has))
    }

    pub fn of(&self, node: &str) -> Option<Has> {
        self.0.get(node).copied()
    }

    pub fn each<T>(&self, what: impl Fn(Has) -> T) -> BTreeMap<String, T> {
        self.nodes()
            .map(|(node, has)| (node.to_owned(), what(has)))
            .collect()
    }
}

/// How many descriptors a process has open; 0 if it is gone.
fn descriptors_of(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

impl Nodes {
    /// A new cluster in `dir`, once it admits clients.
    ///
    /// # Errors
    /// It did not come up.
    pub fn start(servers: u16, dir: &Path, interrupt: &Interrupt) -> Result<Nodes, Failure> {
        let spec = ClusterSpec {
            servers,
            first_leader: None,
            clients: Vec::new(),
            wishes: Wishes::default(),
            dir: dir.to_owned(),
            cluster: random_u64()?,
            seed: random_u64()?,
        };
        let cluster = spec.cluster;
        let runtime = Runtime::local().map_err(|error| Failure::Cluster(error.to_string()))?;
        let target = RealTarget::start(spec, runtime.clone(), interrupt.clone())?;
        // Reading what the nodes report would take from the processors what is measured.
        let HandedOver { nodes, ports } = target.hand_over();
        Ok(Nodes {
            cluster,
            runtime,
            nodes,
            ports,
        })
    }

    /// The real clients, each with a session of its own.
    ///
    /// # Errors
    /// The load could not be started.
    pub fn talk(&self, shape: Shape) -> Result<Load, Failure> {
        let crowd = Crowd {
            cluster: self.cluster,
            balancer: self.ports.balancer,
            clients: shape.clients,
            connections: shape.connections,
            in_flight: shape.in_flight,
            bytes: shape.bytes,
            seed: random_u64()?,
        };
        Load::start(shape.clients, move |ears| {
            run_crowd(&crowd, &ears.stop, ears.answered).map_err(|error| error.to_string())
        })
    }

    /// How each server is.
    ///
    /// # Errors
    /// One does not say.
    pub fn statuses(&self) -> Result<Vec<ServerStatus>, Failure> {
        let servers = (1..).map(ServerId).zip(&self.ports.servers);
        servers
            .map(|(server, &address)| {
                Observer::connect(address, self.cluster, PATIENCE)
                    .and_then(|mut observer| observer.status())
                    .map_err(|error| {
                        Failure::Cluster(format!("{server} does not say how it is: {error}"))
                    })
            })
            .collect()
    }

    /// # Errors
    /// A server does not say how it is.
    pub fn sample(&self) -> Result<Sample, Failure> {
        let statuses = self.statuses()?;
        let rounds = statuses.iter().map(|status| status.promised.round);
        let cpu = self.nodes.iter().map(|(spec, process)| Cpu {
            node: spec.name.clone(),
            used: cpu_of(process),
        });
        Ok(Sample {
            syncs: statuses.iter().map(|status| status.syncs).sum(),
            elections: rounds.max().unwrap_or(0),
            cpu: cpu.collect(),
        })
    }

    /// Waits until all servers have the same log, with everything that was acknowledged in it and
    /// nothing twice.
    ///
    /// # Errors
    /// They do not.
    pub fn hold(&self, said: Said, interrupt: &Interrupt) -> Result<(), Failure> {
        let Said { acks, open } = said;
        let deadline = monotonic() + SETTLED_WITHIN;
        loop {
            interrupt.check()?;
            let statuses = self.statuses()?;
            let alike = statuses
                .windows(2)
                .all(|two| (two[0].chosen, two[0].messages) == (two[1].chosen, two[1].messages));
            let messages = statuses.iter().map(|status| status.messages).min();
            let messages = messages.unwrap_or(0);
            if alike && (acks..=acks + open).contains(&messages) {
                return Ok(());
            }
            if monotonic() >= deadline {
                let each: Vec<String> = statuses
                    .iter()
                    .map(|status| {
                        format!(
                            "{} has {} messages in {} slots",
                            status.server, status.messages, status.chosen.0
                        )
                    })
                    .collect();
                return Err(Failure::Cluster(format!(
                    "{acks} messages were acknowledged and {open} are unknown, but {}",
                    each.join(", ")
                )));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Which node is the leader that all servers follow, if they agree.
    pub fn leader(&self) -> Option<usize> {
        let statuses = self.statuses().ok()?;
        let leaders: BTreeSet<_> = statuses.iter().map(|status| status.leader).collect();
        let leader = leaders
            .first()
            .copied()
            .flatten()
            .filter(|_| leaders.len() == 1)?;
        self.place(ServerId(leader.server))
    }

    /// Which node a server is.
    pub fn place(&self, server: ServerId) -> Option<usize> {
        let name = server.to_string();
        self.nodes.iter().position(|(spec, _)| spec.name == name)
    }

    /// How a server is, if it says so soon.
    pub fn status(&self, server: ServerId, patience: Duration) -> Option<ServerStatus> {
        let address = *self
            .ports
            .servers
            .get(usize::from(server.0).checked_sub(1)?)?;
        let mut observer = Observer::connect(address, self.cluster, patience).ok()?;
        observer.status().ok()
    }

    /// How many nodes there are, the balancer among them.
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// # Errors
    /// The system refused.
    pub fn signal(&mut self, node: usize, signal: Signal) -> Result<(), Failure> {
        let sent = self.nodes[node].1.signal(signal);
        sent.map_err(|error| Failure::Cluster(error.to_string()))
    }

    /// What each node has of the system.
    pub fn usage(&self) -> Usage {
        let nodes = self.nodes.iter();
        Usage(
            nodes
                .map(|(spec, process)| {
                    let has = Has {
                        memory: Memory::of(process.pid()).unwrap_or_default(),
                        descriptors: descriptors_of(process.pid()),
                    };
                    (spec.name.clone(), has)
                })
                .collect(),
        )
    }

    /// The servers, each with what it has of the memory.
    pub fn memory(&self) -> BTreeMap<String, Memory> {
        let mut memory = self.usage().each(|has| has.memory);
        memory.remove(BALANCER);
        memory
    }

    /// How long a client that comes new takes to read the last messages, and then the first.
    ///
    /// # Errors
    /// They do not come.
    pub fn look_in(&self, count: u32) -> Result<Look, Failure> {
        let look = look_in(self.cluster, self.ports.balancer, count, random_u64()?);
        look.map_err(|error| Failure::Cluster(error.to_string()))?
            .ok_or_else(|| Failure::Cluster("a new client does not see the chat".into()))
    }

    /// Kills a node.
    ///
    /// # Errors
    /// It did not end.
    pub fn kill(&mut self, node: usize) -> Result<(), Failure> {
        kill(&mut self.nodes[node].1)
    }

    /// Starts a node again over what it left on its disk.
    ///
    /// # Errors
    /// The system refused.
    pub fn start_again(&mut self, node: usize) -> Result<(), Failure> {
        let (spec, process) = &mut self.nodes[node];
        *process =
            (self.runtime.start(spec)).map_err(|error| Failure::Cluster(error.to_string()))?;
        Ok(())
    }

    /// Waits until every server answers and has what some server had when this was called.
    ///
    /// # Errors
    /// One does not come so far, or we were interrupted.
    pub fn await_caught_up(&self, interrupt: &Interrupt) -> Result<(), Failure> {
        let deadline = monotonic() + SETTLED_WITHIN;
        let mut wanted = None;
        loop {
            interrupt.check()?;
            match self.statuses() {
                Ok(statuses) => {
                    let chosen = || statuses.iter().map(|status| status.chosen);
                    let wanted = *wanted.get_or_insert_with(|| chosen().max());
                    if statuses.iter().all(|status| status.voting) && chosen().min() >= wanted {
                        return Ok(());
                    }
                }
                Err(error) if monotonic() >= deadline => return Err(error),
                Err(_) => {}
            }
            if monotonic() >= deadline {
                return Err(Failure::Cluster(format!(
                    "a server did not catch up within {} s",
                    SETTLED_WITHIN.as_secs()
                )));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Ends every process.
    ///
    /// # Errors
    /// Something is still there.
    pub fn end(mut self) -> Result<(), Failure> {
        self.tear_down()
    }

    fn tear_down(&mut self) -> Result<(), Failure> {
        let mut processes: Vec<Process> =
            self.nodes.drain(..).map(|(_, process)| process).collect();
        tear_down(&mut processes).map_err(|leftovers| {
            let lines: Vec<String> = leftovers.iter().map(ToString::to_string).collect();
            Failure::Cluster(lines.join("\n"))
        })
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        if let Err(error) = self.tear_down() {
            note(&format!("warning: {error}"));
        }
    }
}
