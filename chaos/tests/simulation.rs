//! Every plan in simulation: it holds, and the same seed makes the same history to the byte.

use std::fs;
use std::path::{Path, PathBuf};

use paxosctl_chaos::history::Writer;
use paxosctl_chaos::plan::{self, Plan};
use paxosctl_chaos::report::{RunResult, Verdict};
use paxosctl_chaos::schedule;
use paxosctl_chaos::sim::{self, Setting};

/// Every plan that is to be run.
fn plans() -> Vec<Plan> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plans");
    let mut paths: Vec<PathBuf> = [root.clone(), root.join("seed")]
        .iter()
        .flat_map(|dir| fs::read_dir(dir).expect("plans"))
        .map(|entry| entry.expect("a plan").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    paths.sort();
    assert!(paths.len() >= 24, "{paths:?}");
    let load = |path: &PathBuf| plan::load(path).unwrap_or_else(|error| panic!("{error}"));
    paths.iter().map(load).collect()
}

/// The history as it would be saved, and the judgement.
fn simulated(plan: &Plan, seed: u64) -> (Vec<u8>, RunResult) {
    let plan = schedule::drawn(plan, seed);
    let mut writer = Writer::new(Vec::new());
    let simulated = sim::run(
        &plan,
        seed,
        Setting::default(),
        &mut |line| writer.write(line).expect("memory takes it"),
        &mut |_| {},
        &|| false,
    );
    let simulated = simulated.unwrap_or_else(|error| panic!("{}: {error}", plan.name));
    let bytes = writer.finish().expect("memory takes it");
    (bytes, simulated.judge(&plan))
}

fn assert_passes(result: &RunResult) {
    assert_eq!(
        result.verdict,
        Verdict::Pass,
        "{}: {:#?}",
        result.command,
        result.reasons
    );
}

#[test]
fn every_plan_passes_and_the_same_seed_makes_the_same_history() {
    for plan in plans() {
        for seed in [1, 2] {
            let (first, result) = simulated(&plan, seed);
            assert_passes(&result);
            let (second, again) = simulated(&plan, seed);
            assert!(first == second, "{}, seed {seed}: not the same", plan.name);
            assert_eq!(result, again);
        }
    }
}

#[test]
fn other_seeds_make_other_histories() {
    let plan = &plans()[0];
    assert!(simulated(plan, 1).0 != simulated(plan, 2).0);
}

#[test]
fn whatever_is_drawn_nothing_is_violated() {
    for plan in plans() {
        if plan.random.is_empty() {
            continue;
        }
        for seed in 100..130 {
            let (_, result) = simulated(&plan, seed);
            // What is drawn may prove nothing; it must never prove anything wrong.
            if result.verdict != Verdict::Inconclusive {
                assert_passes(&result);
            }
        }
    }
}

fn parsed(text: &str) -> Plan {
    plan::parse(Path::new("here"), text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Its silence alone would tell after 300 ms at the earliest.
#[test]
fn a_killed_leader_is_replaced_before_its_silence_would_tell() {
    let plan = parsed(
        "
version: 1
name: killed-leaders
cluster: {servers: 3}
traffic:
  - {at: 500ms, for: 12s, load: {clients: 8, rate: 200/s}}
faults:
  - {at: 2s, every: 2s, times: 5, kill: leader, restart_after: 1s}
settle: 8s
expect: {acked: 100%, unavailable: {max: 250ms}}
",
    );
    for seed in 1..=8 {
        assert_passes(&simulated(&plan, seed).1);
    }
}

/// While the disks are slow, clients say half as much again as the servers have room for.
#[test]
fn what_servers_have_no_room_for_is_stored_when_they_have() {
    let plan = parsed(
        "
version: 1
name: overload
cluster: {servers: 3}
traffic:
  - {at: 1s, for: 1s, load: {clients: 600, bytes: 16, rate: 40000/s}}
faults:
  - {at: 800ms, for: 2s, slow_disk: {node: servers, by: 500ms}}
settle: 8s
expect: {acked: 100%}
",
    );
    assert_passes(&simulated(&plan, 1).1);
}

/// s2 dials s1, is paused, and finds an accepted connection when it goes on, of a process that is
/// gone. It must dial again: what it sends there is lost, and where s1 leads it learns nothing more.
#[test]
fn a_connection_to_a_process_that_was_killed_meanwhile_is_made_anew() {
    let text = "
version: 1
name: half-open
cluster: {servers: 3, clients: [ann]}
traffic:
  - {at: 200ms, for: 6s, load: {clients: 4, rate: 50/s}}
faults:
  - {at: 2s, kill: s2, restart_after: 500ms}
  - {at: 2501ms, for: 900ms, pause: s2}
  - {at: 2501ms, kill: s1, restart_after: 300ms}
  - {at: 3s, kill: s3, restart_after: 1s}
settle: 5s
";
    let plan = plan::parse(Path::new("half-open.yaml"), text).unwrap_or_else(|e| panic!("{e}"));
    for seed in 1..=40 {
        let result = simulated(&plan, seed).1;
        let accused: Vec<&str> = result.violated().collect();
        assert_eq!(accused, [""; 0], "seed {seed}: {:#?}", result.reasons);
    }
}
