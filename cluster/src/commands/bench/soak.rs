//! A long time of full load while nodes are killed and paused at random: is everything still there,
//! and does no node grow?

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use paxosctl_node::drive::RealDisk;
use paxosctl_node::ids::Slot;
use paxosctl_node::log::{Log, LogError, ReadLog};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::load::Load;
use super::nodes::{Nodes, Usage};
use super::row::{self, Shape, time};
use super::workplace::Workplace;
use crate::cli::SoakArgs;
use crate::clock::monotonic;
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::{note, print};
use crate::randomness::random_u64;

/// Between the end of one fault and the next.
const PEACE: std::ops::Range<u64> = 500..3000;
/// How long a fault lasts, in milliseconds.
const FAULT: std::ops::Range<u64> = 200..2500;
/// How often it is said how things are.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// What a node may have gained between the first and the last look.
const MORE_BYTES: u64 = 100 << 20;
const MORE_DESCRIPTORS: usize = 32;
/// How much of each log is compared at a time.
const CHUNK_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub struct Soak {
    shape: Shape,
    lasts: Duration,
    seed: Option<u64>,
    json: bool,
}

impl Soak {
    pub(super) fn new(typed: &SoakArgs) -> Soak {
        Soak {
            shape: Shape {
                servers: typed.servers,
                clients: typed.clients,
                connections: 1,
                in_flight: 1,
                bytes: 64,
            },
            lasts: Duration::from_secs(u64::from(typed.minutes) * 60),
            seed: typed.seed,
            json: typed.json,
        }
    }
}

/// What came of some time.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Span {
    seconds: f64,
    acks_per_s: f64,
    longest_gap_ms: f64,
    kills: u64,
    pauses: u64,
    resident: BTreeMap<String, u64>,
    descriptors: BTreeMap<String, usize>,
}

/// What came of all of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Total {
    seed: u64,
    acknowledged: u64,
    unknown: u64,
    kills: u64,
    pauses: u64,
    longest_gap_ms: f64,
    /// The slots that all servers have on disk, alike.
    slots: u64,
}

/// What was done to nodes.
#[derive(Debug, Clone, Copy, Default)]
struct Done {
    kills: u64,
    pauses: u64,
}

pub(super) fn measure(request: &Soak) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let seed = request.seed.map_or_else(random_u64, Ok)?;
    let mut workplace = Workplace::new()?;
    let dir = workplace.fresh();
    let mut nodes = Nodes::start(request.shape.servers, &dir, &interrupt)?;
    let load = nodes.talk(request.shape)?;
    load.await_all(&interrupt)?;
    load.tally().watch_pauses();
    let began = monotonic();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut done = Done::default();
    let mut spans = Spans::new(&load, request.json);
    let mut first: Option<Usage> = None;
    while monotonic() - began < request.lasts {
        fault(&mut nodes, &load, &mut random, &mut done, &interrupt)?;
        let usage = nodes.usage();
        spans.tell(&load, done, &usage)?;
        first.get_or_insert(usage);
    }
    let gap = load.tally().longest_pause_since(began);
    let said = load.end()?;
    nodes.hold(said, &interrupt)?;
    let grown = first.map_or_else(Vec::new, |first| growth(&first, &nodes.usage()));
    nodes.end()?;
    note("comparing the servers' logs on their disks");
    let slots = compare(&dir, request.shape.servers)?;
    let total = Total {
        seed,
        acknowledged: said.acks,
        unknown: said.open,
        kills: done.kills,
        pauses: done.pauses,
        longest_gap_ms: gap.as_secs_f64() * 1e3,
        slots,
    };
    print(&match request.json {
        true => row::json(&total),
        false => words(&total),
    })?;
    for what in &grown {
        note(what);
    }
    Ok(match grown.is_empty() {
        true => Outcome::Success,
        false => Outcome::Violated,
    })
}

/// One node is killed or paused for a while, and all is well again.
fn fault(
    nodes: &mut Nodes,
    load: &Load,
    random: &mut ChaCha8Rng,
    done: &mut Done,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mut draw = |range: std::ops::Range<u64>| Duration::from_millis(random.random_range(range));
    let (peace, lasts) = (draw(PEACE), draw(FAULT));
    // Every second one hits the leader, where there is one.
    let leader = nodes.leader().filter(|_| random.random_bool(0.5));
    let node = leader.unwrap_or_else(|| random.random_range(0..nodes.count()));
    load.wait(peace, interrupt)?;
    if random.random_bool(0.7) {
        done.kills += 1;
        nodes.kill(node)?;
        load.wait(lasts, interrupt)?;
        nodes.start_again(node)?;
    } else {
        done.pauses += 1;
        nodes.signal(node, Signal::SIGSTOP)?;
        // Whatever comes, it must go on.
        let waited = load.wait(lasts, interrupt);
        nodes.signal(node, Signal::SIGCONT)?;
        waited?;
    }
    nodes.await_caught_up(interrupt)
}

/// Tells now and then how things are.
struct Spans {
    json: bool,
    since: Duration,
    acks: u64,
}

impl Spans {
    fn new(load: &Load, json: bool) -> Spans {
        Spans {
            json,
            since: monotonic(),
            acks: load.tally().acks,
        }
    }

    fn tell(&mut self, load: &Load, done: Done, usage: &Usage) -> Result<(), Failure> {
        let now = monotonic();
        let elapsed = now - self.since;
        if elapsed < TELL_EVERY {
            return Ok(());
        }
        let seconds = elapsed.as_secs_f64();
        let (acks, gap) = {
            let tally = load.tally();
            (tally.acks, tally.longest_pause_since(self.since))
        };
        let span = Span {
            seconds,
            acks_per_s: (acks - self.acks) as f64 / seconds,
            longest_gap_ms: gap.as_secs_f64() * 1e3,
            kills: done.kills,
            pauses: done.pauses,
            resident: usage.each(|has| has.memory.resident),
            descriptors: usage.each(|has| has.descriptors),
        };
        (self.since, self.acks) = (now, acks);
        print(&match self.json {
            true => row::json(&span),
            false => span.words(),
        })
    }
}

impl Span {
    fn words(&self) -> String {
        let nodes = self.resident.iter().map(|(node, resident)| {
            let descriptors = self.descriptors.get(node).copied().unwrap_or_default();
            format!("{node} {} MiB, {descriptors} descriptors", resident >> 20)
        });
        format!(
            "{:.0} s: {:.0}/s, longest gap {}, {} kills and {} pauses so far; {}\n",
            self.seconds,
            self.acks_per_s,
            time(self.longest_gap_ms * 1e3),
            self.kills,
            self.pauses,
            Vec::from_iter(nodes).join("; ")
        )
    }
}

fn words(total: &Total) -> String {
    format!(
        "{} messages were acknowledged ({} unknown) through {} kills and {} pauses, longest gap {}; \
         every server has all of them, once, and the same in all of its {} slots on disk (seed {})\n",
        total.acknowledged,
        total.unknown,
        total.kills,
        total.pauses,
        time(total.longest_gap_ms * 1e3),
        total.slots,
        total.seed
    )
}

/// Which nodes have much more than they had.
fn growth(first: &Usage, last: &Usage) -> Vec<String> {
    let mut grown = Vec::new();
    for (node, now) in last.nodes() {
        let Some(before) = first.of(node) else {
            continue;
        };
        let (was, is) = (before.memory.resident, now.memory.resident);
        if is > was + MORE_BYTES {
            grown.push(format!(
                "{node} grew from {} MiB to {} MiB",
                was >> 20,
                is >> 20
            ));
        }
        if now.descriptors > before.descriptors + MORE_DESCRIPTORS {
            grown.push(format!(
                "{node} had {} open descriptors, and has {}",
                before.descriptors, now.descriptors
            ));
        }
    }
    grown
}

/// Compares what the servers have on their disks, slot by slot, and returns how many they have.
fn compare(dir: &Path, servers: u16) -> Result<u64, Failure> {
    let logs = (1..=servers)
        .map(|server| read(&dir.join(format!("s{server}"))))
        .collect::<Result<Vec<ReadLog>, Failure>>()?;
    let chosen = |log: &ReadLog| log.history.chosen();
    // What was chosen last need not be on record at all of them.
    let shortest = logs.iter().map(chosen).min().unwrap_or(Slot(0));
    let (first, others) = logs.split_first().expect("a cluster has servers");
    let mut slot = Slot(1);
    while slot <= shortest {
        let values = first.history.read(slot, CHUNK_BYTES).map_err(unreadable)?;
        for (other, name) in others.iter().zip(2..) {
            let theirs = other.history.read(slot, CHUNK_BYTES).map_err(unreadable)?;
            let differs = values.iter().zip(&theirs).position(|(a, b)| a != b);
            if let Some(place) = differs.filter(|&place| slot.0 + place as u64 <= shortest.0) {
                return Err(Failure::Cluster(format!(
                    "s1 and s{name} hold different values in slot {}",
                    slot.0 + place as u64
                )));
            }
        }
        slot = Slot(slot.0 + values.len() as u64);
    }
    Ok(shortest.0)
}

fn read(dir: &Path) -> Result<ReadLog, Failure> {
    let disk = RealDisk::read_only(&dir.join("log"))
        .map_err(|error| Failure::Cluster(error.to_string()))?;
    Log::read_only(Arc::new(disk))
        .map_err(unreadable)?
        .ok_or_else(|| Failure::Cluster(format!("{} holds no log", dir.display())))
}

fn unreadable(error: LogError) -> Failure {
    Failure::Cluster(error.to_string())
}
