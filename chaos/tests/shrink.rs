//! What is left of plans that fail, by oracles whose reasons are known.

use std::cell::Cell;

use paxosctl_chaos::fnv::fnv1a;
use paxosctl_chaos::plan::{Fault, Plan, Say, Verb};
use paxosctl_chaos::shrink::{
    Attempt, Budget, Ending, Oracle, Repeated, Reproduction, Shrunk, reproduction, shrink,
};
use proptest::prelude::*;

mod support {
    pub mod random_plans;
    pub mod read;
    pub mod smaller;
}
use support::random_plans::plans;
use support::read::read;
use support::smaller::smaller;

const SEED: u64 = 7;

fn budget() -> Budget<'static> {
    Budget {
        runs: 100_000,
        seeds: 1,
        stop: &|| false,
    }
}

fn cut_down(plan: &Plan, oracle: &mut dyn Oracle) -> Shrunk {
    shrink(plan, SEED, &budget(), oracle, &mut |_| {})
}

/// What is left of the faults of a plan, where the run fails as long as `fails`; without the seed and
/// with as little traffic as there can be.
fn left_of(faults: &str, fails: impl Fn(&[Fault]) -> bool) -> Vec<String> {
    let plan = read(&format!(
        "version: 1\ncluster: {{servers: 5, clients: [ann, bob]}}\ntraffic: [{{at: 60s, as: ann, say: x}}]\nfaults:\n{faults}"
    ));
    let five = |plan: &Plan| plan.cluster.servers == 5 && plan.cluster.clients.len() == 2;
    let shrunk = cut_down(&plan, &mut |plan: &Plan, _: u64| {
        five(plan) && fails(&plan.faults)
    });
    assert_eq!(shrunk.ending, Ending::Minimal);
    let lines = shrunk.plan.source.lines();
    let lines = lines.skip_while(|line| *line != "faults:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("  - "));
    lines
        .map(|line| line.trim_start_matches("  - ").to_owned())
        .collect()
}

fn is_kill(fault: &Fault) -> bool {
    matches!(fault.verb, Verb::Kill(_))
}

const STORM: &str = "
version: 1
name: storm
cluster: {servers: 5, first_leader: s3, clients: [ann, bob, cy]}
traffic:
  - {at: 500ms, for: 30s, load: {clients: 8, rate: 120.5/s, arrivals: poisson, bytes: 16..512}}
  - {at: 1s, every: 1s, times: 28, as: ann, say: still there?}
  - {at: 2s, as: bob, say: hello, seen_by: all, within: 2s}
  - {at: 3s, join: dee}
  - {at: 4s, as: dee, say: hello}
  - {at: 29.5s, as: cy, say: done, seen_by: all}
faults:
  - {at: 1.5s, for: 2s, pause: follower}
  - {at: 2.345s, every: 4s, times: 3, kill: \"leader,s2\", restart_after: 1.5s}
  - {at: 6s, for: 2s, name: cut, partition: \"s2,leader | rest\"}
  - {at: 15s, for: 3.3s, partition: \"s4,s1,ann | s2,s3 | s5\"}
  - {at: 16s, for: 3s, delay: {link: \"leader <-> rest\", by: 20ms, jitter: 3ms}}
  - {at: 20s, for: 8s, name: more, random: {every: 300ms..900ms}}
settle: 20s
expect: {acked: 100%, converged_within: 5s, no_ack_during: [cut], rerouted: [bob]}
";

/// There is a kill, and later a partition that names s1; there are three servers.
fn is_cut_after_kill(plan: &Plan, _seed: u64) -> bool {
    let kills = plan.faults.iter().filter(|fault| is_kill(fault));
    let Some(first) = kills.map(|fault| fault.at).min() else {
        return false;
    };
    let cuts = plan.faults.iter().filter(|fault| {
        matches!(fault.verb, Verb::Partition(_)) && fault.verb.to_string().contains("s1")
    });
    plan.cluster.servers >= 3 && cuts.into_iter().any(|fault| fault.at > first)
}

#[test]
fn a_kill_and_a_later_cut_are_all_that_is_left_of_a_storm() {
    let shrunk = cut_down(&read(STORM), &mut is_cut_after_kill);
    assert_eq!(
        shrunk.plan.source,
        "\
version: 1
name: storm
seed: 7
cluster:
  servers: 3
  clients: [ann]
traffic:
  - {at: 100ms, as: ann, say: \"still there?\"}
faults:
  - {at: 0s, kill: s1}
  - {at: 100ms, partition: \"s1 | rest\"}
settle: 5s
"
    );
    assert_eq!(shrunk.ending, Ending::Minimal);
    assert_eq!(shrunk.log.len() as u32, shrunk.kept);
    assert_eq!(
        shrunk.log[0],
        "without 8 faults, more.4 to more.11: still fails"
    );
    assert!(shrunk.tried < 120, "{}", shrunk.tried);
    assert_eq!(read(&shrunk.plan.source).faults, shrunk.plan.faults);
    let again = cut_down(&shrunk.plan, &mut is_cut_after_kill);
    assert_eq!((again.ending, again.kept), (Ending::Minimal, 0));
    assert_eq!(again.plan, shrunk.plan);
}

#[test]
fn the_same_is_tried_again_in_the_same_order() {
    let tried = || {
        let mut tried = Vec::new();
        let mut progress = |attempt: &Attempt| tried.push((attempt.what.to_owned(), attempt.fails));
        let plan = read(STORM);
        shrink(
            &plan,
            SEED,
            &budget(),
            &mut is_cut_after_kill,
            &mut progress,
        );
        tried
    };
    assert_eq!(tried(), tried());
}

#[test]
fn it_stops_when_it_is_to_and_what_it_has_still_fails() {
    let plan = read(STORM);
    for runs in [1, 2, 10, 30] {
        let asked = Cell::new(0);
        let mut oracle = |plan: &Plan, seed: u64| {
            asked.set(asked.get() + 1);
            is_cut_after_kill(plan, seed)
        };
        let limited = Budget { runs, ..budget() };
        let shrunk = shrink(&plan, SEED, &limited, &mut oracle, &mut |_| {});
        assert_eq!((shrunk.tried, asked.get()), (runs, runs));
        assert_eq!(shrunk.ending, Ending::OutOfRuns);
        assert!(is_cut_after_kill(&shrunk.plan, shrunk.seed));

        asked.set(0);
        let stopped = Budget {
            stop: &|| asked.get() >= runs,
            ..budget()
        };
        let shrunk = shrink(&plan, SEED, &stopped, &mut oracle, &mut |_| {});
        assert_eq!((shrunk.tried, shrunk.ending), (runs, Ending::Stopped));
    }
}

#[test]
fn what_does_not_fail_again_stays_as_it_was() {
    let plan = read(STORM);
    let shrunk = cut_down(&plan, &mut |_: &Plan, _: u64| false);
    assert_eq!(shrunk.ending, Ending::NotReproduced);
    assert_eq!((shrunk.tried, shrunk.kept), (1, 0));
    assert!(shrunk.plan.faults.len() > plan.faults.len());
}

#[test]
fn with_less_in_it_a_plan_may_need_another_seed() {
    let plan = read(STORM);
    let mut oracle = |plan: &Plan, seed: u64| {
        plan.faults.iter().any(is_kill) && seed == if plan.faults.len() > 5 { SEED } else { 3 }
    };
    let shrunk = cut_down(&plan, &mut oracle);
    assert_eq!((shrunk.plan.faults.len(), shrunk.seed), (6, SEED));
    let more = Budget {
        seeds: 4,
        ..budget()
    };
    let shrunk = shrink(&plan, SEED, &more, &mut oracle, &mut |_| {});
    assert_eq!((shrunk.plan.faults.len(), shrunk.seed), (1, 3));
    assert_eq!(shrunk.plan.seed, Some(3));
}

#[test]
fn an_oracle_that_knows_what_was_hit_is_believed_first() {
    /// What was tried.
    struct Knows(Vec<String>);
    impl Oracle for Knows {
        fn fails(&mut self, plan: &Plan, _seed: u64) -> bool {
            let fails = plan.cluster.servers == 3 && plan.faults.len() == 1;
            if fails {
                self.0.push(plan.faults[0].verb.to_string());
            }
            fails
        }
        fn hit(&self, fault: &str) -> Vec<String> {
            assert_eq!(fault, "f1");
            vec!["s2".to_owned()]
        }
    }
    let plan = read(
        "version: 1\ncluster: {servers: 3, clients: [ann]}\ntraffic: [{at: 0s, as: ann, say: x}]\nfaults: [{at: 0s, kill: leader}]\n",
    );
    let mut knows = Knows(Vec::new());
    cut_down(&plan, &mut knows);
    knows.0.dedup();
    assert_eq!(knows.0, ["kill leader", "kill s2"]);
}

#[test]
fn targets_become_as_simple_as_the_failure_allows() {
    let with = |faults: &str, part: &str| -> Vec<String> {
        left_of(&format!("  - {{at: 0s, {faults}}}\n"), |faults| {
            faults
                .iter()
                .any(|fault| fault.verb.to_string().contains(part))
        })
    };
    for (fault, part, left) in [
        ("kill: leader", "kill", "{at: 0s, kill: s1}"),
        ("kill: servers", "kill", "{at: 0s, kill: s1}"),
        ("kill: [leader, s3, balancer]", "s3", "{at: 0s, kill: s3}"),
        ("pause: \"s1,s2,s4\"", "s4", "{at: 0s, pause: s4}"),
        (
            "every: 3s, times: 7, restart: random(3)",
            "restart",
            "{at: 0s, restart: s1}",
        ),
        (
            "partition: \"s1,s2 | s3,bob | s4 | s5\"",
            "bob",
            "{at: 0s, partition: \"bob | s5\"}",
        ),
        (
            "partition: \"leader,s2 -> rest\"",
            "->",
            "{at: 0s, partition: \"s1 -> rest\"}",
        ),
        (
            "for: 3s, partition: halves",
            "partition",
            "{at: 0s, partition: \"s1 | rest\"}",
        ),
        ("isolate: leader", "isolate", "{at: 0s, isolate: s1}"),
        (
            "for: 2s, delay: {link: \"leader <-> rest\", by: 23ms, jitter: 9ms, distribution: pareto, probability: 3%, side: receive, kinds: [commit, learn]}",
            "commit",
            "{at: 0s, delay: {link: \"s1->s2\", by: 20ms, kinds: commit}}",
        ),
        (
            "duplicate: {link: s1<->s2, copies: 4}",
            "duplicate",
            "{at: 0s, duplicate: {link: \"s1->s2\"}}",
        ),
        (
            "slow_disk: {node: followers, by: 30ms, jitter: 20ms, probability: 20%}",
            "±",
            "{at: 0s, slow_disk: {node: s2, by: 30ms, jitter: 20ms}}",
        ),
        (
            "disk_full: {node: s2, after: 1MiB}",
            "full",
            "{at: 0s, disk_full: s2}",
        ),
        (
            "mode: {\"s1,s3\": d, s2: s:1}",
            "s3",
            "{at: 0s, mode: {s3: \"d:0\"}}",
        ),
        (
            "torn_write: random(1), restart_after: 3s",
            "torn",
            "{at: 0s, torn_write: s1}",
        ),
        ("wipe: \"follower,leader\"", "wipe", "{at: 0s, wipe: s2}"),
    ] {
        assert_eq!(with(fault, part), [left], "{fault}");
    }
}

#[test]
fn a_shape_becomes_the_groups_that_it_was() {
    // The seed draws them; that they are two of three and two is what a bridge is.
    let groups = |fault: &Fault| -> Vec<usize> {
        let words = fault.verb.to_string();
        match words.strip_prefix("partition ") {
            Some(groups) if groups.contains('|') => {
                let sizes = groups.split('|').map(|group| group.split(',').count());
                sizes.collect()
            }
            _ => Vec::new(),
        }
    };
    for (shape, sizes) in [("bridge", [2, 2]), ("halves", [3, 2])] {
        let left = left_of(&format!("  - {{at: 0s, partition: {shape}}}\n"), |faults| {
            faults.iter().any(|fault| {
                fault.verb.to_string() == format!("partition {shape}") || groups(fault) == sizes
            })
        });
        assert!(left[0].contains(" | "), "{left:?}");
    }
}

#[test]
fn times_become_short_and_round() {
    let left = left_of(
        "  - {at: 7.345s, for: 8.917s, pause: s1}\n  - {at: 12.021s, for: 5.3s, isolate: s2}\n",
        |faults| match faults {
            [one, other] => {
                let ends = |fault: &Fault| Some(fault.at + fault.lasts?);
                ends(one) > Some(other.at)
                    && ends(other) > ends(one)
                    && other.at.as_millis() >= one.at.as_millis() + 1234
            }
            _ => false,
        },
    );
    assert_eq!(
        left,
        [
            "{at: 0s, for: 1.32s, pause: s1}",
            "{at: 1.3s, for: 100ms, partition: \"s1 | rest\"}"
        ]
    );
}

#[test]
fn loads_become_small() {
    let plan = read(
        "version: 1\ncluster: {servers: 3, clients: [ann, bob]}\ntraffic:
  - {at: 1s, for: 9s, load: {clients: 3}}
  - {at: 2s, for: 20s, load: {clients: 90, rate: 300/s, arrivals: poisson, burst: {of: 50, every: 2s}, bytes: 1KiB..2KiB, mix: {send: 2, read: 5}}}
  - {at: 3s, for: 9s, load: {clients: 3}}
faults: [{at: 5s, pause: load2}]\n",
    );
    let load = |plan: &Plan| {
        plan.traffic.iter().find_map(|traffic| match &traffic.what {
            Say::Load { load, .. } if load.mix.read > 0 => Some(load.clone()),
            _ => None,
        })
    };
    let mut oracle = |plan: &Plan, _: u64| {
        load(plan)
            .is_some_and(|load| load.clients >= 13 && load.rate > Some(41.0) && load.bytes.1 > 70)
            && plan
                .faults
                .iter()
                .any(|fault| fault.verb.to_string().contains("load"))
    };
    let shrunk = cut_down(&plan, &mut oracle);
    let lines: Vec<&str> = shrunk.plan.source.lines().collect();
    assert_eq!(
        lines[3..],
        [
            "cluster:",
            "  servers: 1",
            "traffic:",
            "  - {at: 0s, for: 100ms, load: {clients: 13, rate: 42/s, bytes: 1KiB, mix: {send: 2, read: 5}}}",
            "faults:",
            "  - {at: 0s, pause: load1}",
            "settle: 5s",
        ]
    );
}

#[test]
fn servers_that_are_named_take_the_places_of_others() {
    let plan = read(
        "version: 1\ncluster: {servers: 7, clients: [ann]}\ntraffic: [{at: 2s, as: ann, say: x, learned: [{by: \"s6,s7\", within: 1s}]}]\nfaults: [{at: 0s, partition: \"s7,s6 | s1\"}, {at: 1s, kill: s4}]\n",
    );
    let mut oracle = |plan: &Plan, _: u64| {
        plan.cluster.servers >= 5
            && plan.faults.len() == 2
            && plan.faults[0].verb.to_string().split(',').count() == 2
    };
    let shrunk = cut_down(&plan, &mut oracle);
    let words: Vec<String> = shrunk
        .plan
        .faults
        .iter()
        .map(|fault| fault.verb.to_string())
        .collect();
    assert_eq!(words, ["partition s3,s2 | s1", "kill s4"]);
    assert_eq!(shrunk.plan.cluster.servers, 5);
}

/// Fails with kills, but only now and then.
struct NowAndThen(u32);

impl Oracle for NowAndThen {
    fn fails(&mut self, plan: &Plan, _seed: u64) -> bool {
        self.0 += 1;
        plan.faults.iter().any(is_kill) && self.0.is_multiple_of(3)
    }
}

#[test]
fn what_fails_now_and_then_is_tried_more_often() {
    let plan = read(STORM);
    let mut oracle = NowAndThen(0);
    let mut repeated = Repeated::new(&mut oracle, 3);
    let limited = Budget {
        runs: 2000,
        ..budget()
    };
    let shrunk = shrink(&plan, SEED, &limited, &mut repeated, &mut |_| {});
    assert_eq!(shrunk.ending, Ending::Minimal);
    assert_eq!(shrunk.plan.faults.len(), 1);
    assert_eq!(oracle.0, shrunk.tried);

    let mut oracle = NowAndThen(0);
    let again = reproduction(&shrunk.plan, SEED, 20, &mut oracle, &|| false);
    assert_eq!(
        again,
        Reproduction {
            failed: 6,
            runs: 20
        }
    );
    assert_eq!(
        again.to_string(),
        "fails in 6 of 20 runs: 30.0% (95% interval 14.5% to 51.9%)"
    );
    let never = reproduction(&shrunk.plan, SEED, 20, &mut oracle, &|| true);
    assert_eq!(never.to_string(), "was not run again");
}

/// Reasons to fail, by what they ask for: monotone ones and others.
fn reason(which: u64, plan: &Plan) -> bool {
    let kinds = plan.faults.iter().map(|fault| {
        let words = fault.verb.to_string();
        fnv1a(words.split(' ').next().unwrap_or_default().bytes()) % 4
    });
    let kinds: Vec<u64> = kinds.collect();
    let says = plan
        .traffic
        .iter()
        .filter(|traffic| matches!(traffic.what, Say::Say { .. }));
    match which % 4 {
        0 => kinds.contains(&(which / 4 % 4)) && kinds.contains(&(which / 16 % 4)),
        1 => kinds.len() as u64 >= which / 4 % 4 && says.count() as u64 >= which / 16 % 4,
        2 => kinds.len() % 3 == 1 || plan.traffic.len() % 3 == 2,
        // Whatever: a third of all plans.
        _ => fnv1a(format!("{which} {}", plan.source).bytes()).is_multiple_of(3),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn nothing_more_can_be_removed(plan in plans(), which in any::<u64>()) {
        let mut is_first = true;
        let mut oracle = |plan: &Plan, _: u64| std::mem::take(&mut is_first) || reason(which, plan);
        let shrunk = cut_down(&plan, &mut oracle);
        prop_assert_eq!(shrunk.ending, Ending::Minimal);
        prop_assert!(shrunk.kept == 0 || reason(which, &shrunk.plan));
        for (what, smaller) in smaller(&shrunk.plan) {
            prop_assert!(!reason(which, &smaller), "{} {}", what, shrunk.plan.source);
        }
    }
}
