//! The cluster that is measured: started as `up` starts one, and left to itself.

use std::path::Path;
use std::time::Duration;

use paxosctl_node::drive::{Crowd, run_crowd};
use paxosctl_node::ids::ServerId;
use paxosctl_node::wire::ServerStatus;

use super::cluster::{Cpu, Sample, cpu_of};
use super::load::{Load, Said};
use super::row::Shape;
use crate::clock::monotonic;
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::observer::Observer;
use crate::output::note;
use crate::ports::{Ports, Wishes};
use crate::randomness::random_u64;
use crate::real::{ClusterSpec, HandedOver, RealTarget};
use crate::runtime::{NodeSpec, Process, Runtime, tear_down};

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
