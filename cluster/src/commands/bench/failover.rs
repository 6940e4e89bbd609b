//! How long nothing is acknowledged when the leader is killed under load.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::cluster::{Cluster, System};
use super::compared;
use super::load::Load;
use super::row::{self, Shape, time};
use super::workplace::Workplace;
use crate::cli::FailoverArgs;
use crate::clock::monotonic;
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::{note, print, wide_columns};

/// How long the load goes on in peace before each kill.
const PEACE: Duration = Duration::from_secs(1);
/// What comes so long after a kill at the earliest is taken for the next leader's: what was under
/// way may still be acknowledged after it.
const AFTER: Duration = Duration::from_secs(1);
/// Acknowledgements flow when the last one is no older.
const FLOWING: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long it may take until there is a leader.
const LED_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Failover {
    systems: Vec<System>,
    shape: Shape,
    kills: u32,
    json: bool,
}

impl Failover {
    pub(super) fn new(typed: FailoverArgs) -> Result<Failover, Failure> {
        Ok(Failover {
            systems: compared::systems(&typed.compare)?,
            shape: Shape {
                servers: typed.servers,
                clients: typed.clients,
                connections: typed.clients,
                in_flight: 1,
                bytes: 64,
            },
            kills: typed.kills,
            json: typed.json,
        })
    }
}

/// What the kills of one system came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Gaps {
    system: &'static str,
    servers: u16,
    clients: u32,
    kills: u32,
    median_ms: f64,
    p90_ms: f64,
    max_ms: f64,
    /// Elections, at best as many as leaders were killed.
    elections: u64,
    gaps_ms: Vec<f64>,
}

pub(super) fn measure(request: &Failover) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let mut workplace = Workplace::new()?;
    let mut all = Vec::new();
    for system in &request.systems {
        let gaps = kill_again_and_again(request, system, &workplace.fresh(), &interrupt)?;
        if request.json {
            print(&row::json(&gaps))?;
        }
        all.push(gaps);
    }
    if !request.json {
        print(&table(&all))?;
    }
    Ok(Outcome::Success)
}

fn kill_again_and_again(
    request: &Failover,
    system: &System,
    dir: &Path,
    interrupt: &Interrupt,
) -> Result<Gaps, Failure> {
    let shape = request.shape;
    let mut cluster = system.start(shape.servers, dir, interrupt)?;
    let load = cluster.talk(shape)?;
    load.await_all(interrupt)?;
    load.tally().watch_pauses();
    let before = cluster.sample(&load)?;
    let mut gaps = Vec::new();
    for number in 1..=request.kills {
        load.wait(PEACE, interrupt)?;
        let leader = await_leader(&cluster, &load, interrupt)?;
        let killed_at = monotonic();
        cluster.kill(leader)?;
        await_flow(&load, killed_at, interrupt)?;
        let gap = load.tally().longest_pause_since(killed_at);
        let took = time(gap.as_secs_f64() * 1e6);
        note(&format!(
            "{}: kill {number} of {}: {took}",
            system.name(),
            request.kills
        ));
        gaps.push(gap);
        cluster.restore(leader, interrupt)?;
    }
    let after = cluster.sample(&load)?;
    let said = load.end()?;
    cluster.hold(said, interrupt)?;
    cluster.end()?;
    let elections = after.elections.saturating_sub(before.elections);
    Ok(Gaps::new(system.name(), shape, elections, gaps))
}

fn await_leader(cluster: &Cluster, load: &Load, interrupt: &Interrupt) -> Result<usize, Failure> {
    let deadline = monotonic() + LED_WITHIN;
    loop {
        if let Some(leader) = cluster.leader() {
            return Ok(leader);
        }
        if monotonic() >= deadline {
            return Err(Failure::Cluster(format!(
                "the servers agree on no leader for {} s",
                LED_WITHIN.as_secs()
            )));
        }
        load.wait(LOOK_EVERY, interrupt)?;
    }
}

/// Waits until acknowledgements flow again after a kill.
fn await_flow(load: &Load, killed_at: Duration, interrupt: &Interrupt) -> Result<(), Failure> {
    load.wait(AFTER, interrupt)?;
    let deadline = killed_at + LED_WITHIN;
    loop {
        let last = load.tally().last().unwrap_or_default();
        let now = monotonic();
        if last > killed_at && now.saturating_sub(last) < FLOWING {
            return Ok(());
        }
        if now >= deadline {
            return Err(Failure::Cluster(format!(
                "nothing is acknowledged {} s after the leader was killed",
                LED_WITHIN.as_secs()
            )));
        }
        load.wait(LOOK_EVERY, interrupt)?;
    }
}

impl Gaps {
    fn new(system: &'static str, shape: Shape, elections: u64, gaps: Vec<Duration>) -> Gaps {
        let gaps_ms: Vec<f64> = gaps.iter().map(|gap| gap.as_secs_f64() * 1e3).collect();
        Gaps {
            system,
            servers: shape.servers,
            clients: shape.clients,
            kills: u32::try_from(gaps_ms.len()).unwrap_or(u32::MAX),
            median_ms: row::share_of(&gaps_ms, 0.5),
            p90_ms: row::share_of(&gaps_ms, 0.9),
            max_ms: row::share_of(&gaps_ms, 1.0),
            elections,
            gaps_ms,
        }
    }
}

fn table(all: &[Gaps]) -> String {
    let header = [
        "SYSTEM",
        "KILLS",
        "MEDIAN",
        "P90",
        "MAX",
        "ELECTIONS",
        "EACH, MS",
    ];
    let ms = |ms: f64| time(ms * 1e3);
    let rows = all.iter().map(|gaps| {
        let each: Vec<String> = gaps.gaps_ms.iter().map(|ms| format!("{ms:.0}")).collect();
        vec![
            gaps.system.to_owned(),
            gaps.kills.to_string(),
            ms(gaps.median_ms),
            ms(gaps.p90_ms),
            ms(gaps.max_ms),
            gaps.elections.to_string(),
            each.join(" "),
        ]
    });
    wide_columns(&header, rows)
}
