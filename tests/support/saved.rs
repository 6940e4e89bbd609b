//! A saved run that never was: as many operations as wanted, two faults, a change of leader,
//! answers that never came, and one disagreement.

use std::fs::{self, File};
use std::path::PathBuf;

use paxosctl_chaos::history::{ActionLine, Line, Phase, RunHeader, Step, VERSION, Writer};
use paxosctl_chaos::plan;
use paxosctl_chaos::target::{Action, Change, LogSource};
use paxosctl_node::event::{Acceptance, Event};
use paxosctl_node::ids::{Ballot, ClientId, ServerId, Slot};
use paxosctl_node::value::{Command, Value};
use paxosctl_node::wire::LinkCount;

use super::Place;

/// What a client could say to break out of a page.
pub const HOSTILE: &str = "</script><img src=x onerror=alert(1)><!--\u{1b}[31m";

/// Every so many operations, one is stored and never answered, and another is never stored.
const EVERY: u64 = 100;

/// What a run of so many operations shows.
pub struct Expected {
    pub ok: u64,
    pub unknown: u64,
    pub failed: u64,
}

pub fn expected(operations: u64) -> Expected {
    let (unknown, failed) = (operations / EVERY, operations / EVERY);
    Expected {
        ok: operations - unknown - failed,
        unknown,
        failed,
    }
}

const PLAN: &str = "\
version: 1
name: saved
cluster: {servers: 3, clients: [ann]}
traffic:
  - {at: 0s, for: 20s, load: {clients: 8, rate: 50/s, bytes: 32..64}}
  - {at: 19s, leave: ann}
faults:
  - {at: 8s, kill: leader, restart_after: 2s}
  - {at: 14s, for: 2s, partition: \"s3 | rest\", name: cut}
expect: {acked: 100%}
";

/// Saves a run of 20 seconds, or more for more than 20,000 operations, and returns its directory.
pub fn saved_run(place: &Place, name: &str, operations: u64) -> PathBuf {
    let plan = plan::load(&place.file(&format!("{name}.yaml"), PLAN)).expect("a sound plan");
    let json = serde_json::to_string(&plan).expect("a plan is JSON");
    let dir = place.path().join(name);
    place.file(&format!("{name}/plan.json"), &json);
    let file = File::create(dir.join("history.jsonl")).expect("a file");
    let mut lines = lines(operations);
    lines.sort_by_key(|(at_us, _)| *at_us);
    let mut writer = Writer::new(file);
    for (_, line) in &lines {
        writer.write(line).expect("written");
    }
    writer.finish().expect("written");
    assert!(
        fs::metadata(dir.join("history.jsonl"))
            .expect("a file")
            .len()
            > 0
    );
    dir
}

/// The moments of the run.
struct Times {
    end_us: u64,
    step_us: u64,
    killed_us: u64,
    led_us: u64,
    started_us: u64,
    cut_us: u64,
    joined_us: u64,
}

/// In any order, each with its time.
fn lines(operations: u64) -> Vec<(u64, Line)> {
    let end_us = 20_000_000.max(operations * 1_000);
    let times = Times {
        end_us,
        step_us: end_us * 9 / 10 / (operations + 1),
        killed_us: end_us * 4 / 10,
        led_us: end_us * 4 / 10 + 300_000,
        started_us: end_us / 2,
        cut_us: end_us * 7 / 10,
        joined_us: end_us * 8 / 10,
    };
    let run = Line::Run(RunHeader {
        version: VERSION,
        plan: "saved".to_string(),
        seed: 7,
        servers: vec!["s1".to_string(), "s2".to_string(), "s3".to_string()],
        clients: vec!["ann".to_string(), "load1".to_string()],
        command: "paxosctl run saved.yaml --seed 7".to_string(),
        world: Default::default(),
    });
    let mut lines = vec![(0, run)];
    for name in ["balancer", "s1", "s2", "s3", "ann", "load1", HOSTILE] {
        lines.push(node(0, name, Event::Started { pid: 1, links: 0 }));
    }
    let ballots = ballots();
    lines.push(phase(0, Phase::Run));
    for (at_us, ballot, by) in [(1, ballots[0], [1, 2]), (times.led_us, ballots[1], [2, 3])] {
        let promised_by = by.map(ServerId);
        for server in &promised_by {
            let promised = Event::Promised { ballot };
            lines.push(node(at_us, &server.to_string(), promised));
        }
        let leading = Event::Leading {
            ballot,
            promised_by: promised_by.to_vec(),
            after: Slot(0),
        };
        lines.push(node(at_us, &promised_by[0].to_string(), leading));
    }
    let values = traffic(&mut lines, operations, &times);
    faults(&mut lines, &times);
    logs(&mut lines, &times, values);
    lines
}

/// Of the first leader and of the second.
fn ballots() -> [Ballot; 2] {
    [Ballot::new(1, ServerId(1)), Ballot::new(2, ServerId(2))]
}

fn node(at_us: u64, node: &str, what: Event) -> (u64, Line) {
    let node = node.to_string();
    (at_us, Line::Node { at_us, node, what })
}

fn phase(at_us: u64, phase: Phase) -> (u64, Line) {
    (at_us, Line::Phase { at_us, phase })
}

/// Says everything, and returns what the slots hold.
fn traffic(lines: &mut Vec<(u64, Line)>, operations: u64, times: &Times) -> Vec<Value> {
    let per_slot = operations / 10_000 + 1;
    let mut seqs = [0; 8];
    let mut values = Vec::new();
    let mut batch = Vec::new();
    let mut chosen_us = 0;
    for number in 0..operations {
        let said_us = (number + 1) * times.step_us;
        // The whole of a slot waits for its last message, and all wait while nobody leads.
        let whole_us = (number / per_slot + 1) * per_slot * times.step_us;
        let leaderless = (times.killed_us..times.led_us).contains(&whole_us);
        let from_us = if leaderless { times.led_us } else { whole_us };
        let acked_us = from_us + 1_000 + number * 7_919 % 2_000;
        let text = if number == 3 { HOSTILE } else { "hello" };
        let say = |client, seq| Event::Say {
            client,
            name: "ann".to_string(),
            seq,
            at_ms: 0,
            text: text.to_string(),
        };
        if number % EVERY == 70 {
            // What is never stored has a session of its own: nothing can follow it.
            lines.push(node(said_us, "ann", say(ClientId(1_000 + number), 1)));
        } else {
            let session = (number % 8) as usize;
            seqs[session] += 1;
            let (client, seq) = (ClientId(session as u64 + 1), seqs[session]);
            lines.push(node(said_us, "load1", say(client, seq)));
            batch.push(Command {
                client,
                seq,
                name: "ann".to_string(),
                at_ms: 0,
                text: text.to_string(),
            });
            if number % EVERY != 50 {
                let server = ServerId(if said_us < times.killed_us { 1 } else { 2 });
                let acked = Event::Acked {
                    client,
                    seq,
                    index: 0,
                    slot: Slot(0),
                    server,
                };
                lines.push(node(acked_us, "load1", acked));
            }
        }
        if !batch.is_empty() && ((number + 1) % per_slot == 0 || number + 1 == operations) {
            values.push(Value::batch(std::mem::take(&mut batch)));
            let upto = Slot(values.len() as u64);
            let digest = values.last().map_or(0, Value::digest);
            let down = (times.killed_us..times.started_us).contains(&acked_us);
            let cut = (times.cut_us..times.joined_us).contains(&acked_us);
            let ballot = ballots()[usize::from(said_us >= times.killed_us)];
            // What waits for the next leader is chosen in its order.
            chosen_us = (from_us + 500).max(chosen_us + 1);
            for (name, out) in [("s1", down), ("s2", false), ("s3", cut)] {
                if !out {
                    let accepted = Event::Accepted(Acceptance {
                        ballot,
                        slot: upto,
                        digest,
                    });
                    lines.push(node(chosen_us - 400, name, accepted));
                    lines.push(node(chosen_us, name, Event::Chosen { upto }));
                }
            }
        }
    }
    if !batch.is_empty() {
        values.push(Value::batch(batch));
    }
    values
}

/// s1 is killed and comes again; s3 is cut off for a while.
fn faults(lines: &mut Vec<(u64, Line)>, times: &Times) {
    let s1 = || vec!["s1".to_string()];
    let killed = Change::Exited {
        node: "s1".to_string(),
        status: "signal 9".to_string(),
    };
    let started = Change::Started {
        node: "s1".to_string(),
        pid: 2,
    };
    let links = |generation| Change::Links {
        node: "s3".to_string(),
        generation,
    };
    let action = |at_us, fault: &str, step, planned: &str, action, change| {
        let line = Line::Action(ActionLine {
            at_us,
            done_us: at_us + 5_000,
            fault: fault.to_string(),
            firing: 1,
            step,
            planned: planned.to_string(),
            resolved: s1(),
            action,
            changes: vec![change],
            error: None,
        });
        (at_us, line)
    };
    let (kill, start) = (Action::Kill { nodes: s1() }, Action::Start { nodes: s1() });
    let no_links = || Action::Links { rules: Vec::new() };
    let cut = "partition s3 | rest";
    let counts = vec![LinkCount {
        rule: "cut".to_string(),
        hits: 37,
    }];
    let hits = Event::LinkCounts {
        generation: 1,
        counts,
    };
    lines.extend([
        action(
            times.killed_us,
            "f1",
            Step::Break,
            "kill leader",
            kill,
            killed,
        ),
        action(
            times.started_us,
            "f1",
            Step::Heal,
            "kill leader",
            start,
            started,
        ),
        action(times.cut_us, "cut", Step::Break, cut, no_links(), links(1)),
        action(
            times.joined_us,
            "cut",
            Step::Heal,
            cut,
            no_links(),
            links(2),
        ),
        node(times.joined_us, "s3", hits),
        node(
            times.started_us + 1,
            "s1",
            Event::Started { pid: 2, links: 0 },
        ),
    ]);
}

/// Reads the logs; in the third slot, s3 holds something else than the others.
fn logs(lines: &mut Vec<(u64, Line)>, times: &Times, values: Vec<Value>) {
    let (healed_us, end_us) = (times.end_us - 40_000, times.end_us);
    let phases = [Phase::Heal, Phase::Drain, Phase::Settle, Phase::Converged];
    lines.extend(phases.map(|next| phase(healed_us, next)));
    lines.push(phase(end_us - 1, Phase::FinalReads));
    for number in 1..=3 {
        let server = ServerId(number);
        let log = Line::Log {
            server,
            source: LogSource::Served,
            chosen: Slot(values.len() as u64),
        };
        lines.push((end_us, log));
        for (place, value) in values.iter().enumerate() {
            let other = number == 3 && place == 2;
            let value = if other {
                hostile_value()
            } else {
                value.clone()
            };
            let slot = Slot(place as u64 + 1);
            lines.push((
                end_us,
                Line::Slot {
                    server,
                    slot,
                    value,
                },
            ));
        }
    }
    let end = Line::End {
        at_us: end_us,
        interrupted: false,
    };
    lines.push((end_us, end));
}

fn hostile_value() -> Value {
    Value::batch(vec![Command {
        client: ClientId(1),
        seq: 3,
        name: HOSTILE.to_string(),
        at_ms: 0,
        text: HOSTILE.to_string(),
    }])
}
