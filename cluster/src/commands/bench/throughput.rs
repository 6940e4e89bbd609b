//! How many messages a second a cluster stores, and how long each takes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use paxosctl_node::drive::{Crowd, run_crowd};

use super::disk;
use super::load::Load;
use super::nodes::{Cpu, Nodes};
use super::row::{self, Round, Row, Shape};
use super::workplace::Workplace;
use crate::cli::Measured as Typed;
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::{note, print};
use crate::randomness::random_u64;

/// What is said in this time after every client was answered once is not counted.
const WARM_UP: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Throughput {
    shapes: Vec<Shape>,
    seconds: Duration,
    json: bool,
}

impl Throughput {
    pub(super) fn new(typed: Typed) -> Result<Throughput, Failure> {
        let shape = |&clients: &u32| Shape {
            servers: typed.servers,
            clients,
            connections: typed.connections.unwrap_or(clients).min(clients),
            in_flight: typed.in_flight,
            bytes: typed.bytes,
        };
        Ok(Throughput {
            shapes: typed.clients.iter().map(shape).collect(),
            seconds: Duration::from_secs(typed.seconds.into()),
            json: typed.json,
        })
    }
}

pub(super) fn measure(request: &Throughput) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let mut workplace = Workplace::new()?;
    let mut rows = Vec::new();
    for &shape in &request.shapes {
        note(&format!("{} clients: paxosctl", shape.clients));
        let round = round(shape, request.seconds, &workplace.fresh(), &interrupt)?;
        let row = Row::new("paxosctl", shape, &round);
        if request.json {
            print(&row::json(&row))?;
        }
        rows.push(row);
    }
    if !request.json {
        print(&row::table(&rows))?;
        print("\n")?;
        print(&row::cpu_table(&rows))?;
    }
    Ok(Outcome::Success)
}

/// One cluster, from its start to its end.
fn round(
    shape: Shape,
    seconds: Duration,
    dir: &Path,
    interrupt: &Interrupt,
) -> Result<Round, Failure> {
    let nodes = Nodes::start(shape.servers, dir, interrupt)?;
    let disk = disk::measure(dir)?;
    let load = talk_to(&nodes, shape)?;
    load.await_all(interrupt)?;
    load.wait(WARM_UP, interrupt)?;
    let before = Sample::of(&nodes, &load)?;
    load.tally().begin();
    load.wait(seconds, interrupt)?;
    let measured = load.tally().end();
    let after = Sample::of(&nodes, &load)?;
    let said = load.end()?;
    nodes.hold(said.acks, said.open, interrupt)?;
    nodes.end()?;
    Ok(Round {
        measured: measured.expect("it began"),
        fsyncs: after.syncs.saturating_sub(before.syncs),
        elections: after.ballot.saturating_sub(before.ballot),
        cpu_s: after.cpu_since(&before),
        disk,
    })
}

/// The real clients, each with a session of its own.
pub(super) fn talk_to(nodes: &Nodes, shape: Shape) -> Result<Load, Failure> {
    let crowd = Crowd {
        cluster: nodes.cluster(),
        balancer: nodes.balancer(),
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

/// What is counted from the beginning.
struct Sample {
    syncs: u64,
    ballot: u64,
    cpu: Vec<Cpu>,
}

impl Sample {
    fn of(nodes: &Nodes, load: &Load) -> Result<Sample, Failure> {
        let statuses = nodes.statuses()?;
        let mut cpu = nodes.cpu();
        cpu.push(Cpu {
            node: "load".into(),
            used: load.cpu(),
        });
        Ok(Sample {
            syncs: statuses.iter().map(|status| status.syncs).sum(),
            ballot: (statuses.iter())
                .map(|status| status.promised.round)
                .max()
                .unwrap_or(0),
            cpu,
        })
    }

    /// Seconds by node.
    fn cpu_since(&self, before: &Sample) -> BTreeMap<String, f64> {
        let pairs = self.cpu.iter().zip(&before.cpu);
        pairs
            .map(|(after, before)| {
                let used = after.used.saturating_sub(before.used);
                (after.node.clone(), used.as_secs_f64())
            })
            .collect()
    }
}
