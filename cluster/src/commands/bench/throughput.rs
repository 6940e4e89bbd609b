//! How many messages a second a cluster stores, and how long each takes.

use std::path::Path;
use std::time::Duration;

use super::cluster::System;
use super::compared;
use super::disk;
use super::row::{self, Round, Row, Shape};
use super::workplace::Workplace;
use crate::cli::ThroughputArgs;
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::{note, print};

/// What is said in this time after every client was answered once is not counted.
const WARM_UP: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Throughput {
    systems: Vec<System>,
    shapes: Vec<Shape>,
    seconds: Duration,
    rounds: u32,
    json: bool,
}

impl Throughput {
    pub(super) fn new(typed: ThroughputArgs) -> Result<Throughput, Failure> {
        let shape = |&clients: &u32| Shape {
            servers: typed.servers,
            clients,
            connections: typed.connections.min(clients),
            in_flight: typed.in_flight,
            bytes: typed.bytes,
        };
        let shapes: Vec<Shape> = typed.clients.iter().map(shape).collect();
        Ok(Throughput {
            systems: compared::systems(&typed.compare)?,
            shapes,
            seconds: Duration::from_secs(typed.seconds.into()),
            rounds: typed.rounds,
            json: typed.json,
        })
    }
}

pub(super) fn measure(request: &Throughput) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let mut workplace = Workplace::new()?;
    let mut all = Vec::new();
    for &shape in &request.shapes {
        let mut rounds: Vec<Option<Round>> = vec![None; request.systems.len()];
        for _ in 0..request.rounds {
            for (system, so_far) in request.systems.iter().zip(&mut rounds) {
                note(&format!("{}: {} clients", system.name(), shape.clients));
                let dir = workplace.fresh();
                let round = round(system, shape, request.seconds, &dir, &interrupt)?;
                workplace.clear(&dir)?;
                *so_far = Some(match so_far.take() {
                    None => round,
                    Some(earlier) => earlier.and(round),
                });
            }
        }
        let measured = request.systems.iter().zip(rounds.iter().flatten());
        let mut rows: Vec<Row> = measured
            .map(|(system, round)| Row::new(system.name(), shape, round))
            .collect();
        row::compare(&mut rows);
        if request.json {
            for row in &rows {
                print(&row::json(row))?;
            }
        }
        all.extend(rows);
    }
    if !request.json {
        print(&row::table(&all))?;
        print("\nprocessor seconds for a million messages\n")?;
        for system in &request.systems {
            print(&row::cpu_table(system.name(), &all))?;
        }
    }
    Ok(Outcome::Success)
}

/// One cluster, from its start to its end.
fn round(
    system: &System,
    shape: Shape,
    seconds: Duration,
    dir: &Path,
    interrupt: &Interrupt,
) -> Result<Round, Failure> {
    let cluster = system.start(shape.servers, dir, interrupt)?;
    let disk = disk::measure(dir)?;
    let load = cluster.talk(shape)?;
    load.await_all(interrupt)?;
    load.wait(WARM_UP, interrupt)?;
    let before = cluster.sample(&load)?;
    load.tally().begin();
    load.wait(seconds, interrupt)?;
    let measured = load.tally().end();
    let after = cluster.sample(&load)?;
    let said = load.end()?;
    cluster.hold(said, interrupt)?;
    cluster.end()?;
    Ok(Round {
        measured: measured.expect("it began"),
        fsyncs: after.syncs.saturating_sub(before.syncs),
        elections: after.elections.saturating_sub(before.elections),
        cpu_s: after.cpu_since(&before),
        disk,
    })
}
