//! A plan that is written is read as the same plan.

use paxosctl_chaos::plan::written::{Notes, yaml, yaml_with};
use paxosctl_chaos::plan::{self, Plan};
use paxosctl_chaos::schedule::{drawn, dry_run};
use proptest::prelude::*;

mod support {
    pub mod plans;
    pub mod random_plans;
    pub mod read;
}
use support::plans::{difference, files};
use support::random_plans::plans;
use support::read::read;

fn assert_same_when_read(plan: &Plan) {
    let text = yaml(plan);
    let again = read(&text);
    assert_eq!(difference(&again, plan), None, "{text}");
    assert_eq!(yaml(&again), text);
}

#[test]
fn every_plan_is_read_again_as_it_was() {
    for folder in ["plans", "plans/seed", "chaos/src/selftest/plans"] {
        for path in files(folder) {
            let plan = plan::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
            assert_same_when_read(&plan);
            for seed in 0..8 {
                assert_same_when_read(&drawn(&plan, seed));
            }
        }
    }
}

/// They hit the same nodes at the same times, though what else stands in the plan is gone.
#[test]
fn drawn_faults_do_the_same_as_ordinary_ones() {
    for path in files("plans") {
        let plan = plan::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
        for seed in 0..4 {
            let plan = drawn(&plan, seed);
            let again = read(&yaml(&plan));
            assert!(again.faults.iter().all(|fault| fault.drawn_by.is_none()));
            let rows = |plan: &Plan| -> Vec<String> {
                let rows = dry_run(plan, seed).into_iter();
                rows.map(|row| format!("{:?} {} {} {}", row.at, row.subject, row.action, row.on))
                    .collect()
            };
            assert_eq!(rows(&again), rows(&plan));
        }
    }
}

#[test]
fn a_plan_is_written_as_people_write_it() {
    let text = "\
# A storm, and what it left.
version: 1
name: storm
seed: 7
cluster:
  servers: 3
  first_leader: s2
  clients: [ann, bob, cy]
traffic:
  - {at: 500ms, for: 8s, load: {clients: 4, rate: 50/s, bytes: 16..128}}
  - {at: 1s, every: 2s, times: 3, as: ann, say: \"is it \\\"on\\\"?\", seen_by: all, within: 2s}
  - {at: 2s, as: bob, say: \"yes\", learned: [{by: \"s1,s2\", within: 1s}]}
  - {at: 9s, read: cy}
faults:
  - {at: 1s, every: 3s, times: 2, kill: leader, restart_after: 1.5s}
  - {at: 2s, for: 4s, name: cut, partition: \"leader | rest\"}   # the one that hurts
  - {at: 2.25s, for: 100ms, name: storm.3, pause: random(1)}
  - at: 3s
    for: 2s
    delay: {link: \"s1<->s2\", by: 20ms, jitter: 5ms, distribution: normal, kinds: [accept, commit], probability: 50%}
  - {at: 6s, for: 2s, random: {every: 1s..2s, lasts: 1s, spare: none}}
settle: 5s
expect:
  acked: 100%
  unavailable: {max: 3s}
  no_ack_during: [cut]
";
    let notes = Notes {
        head: vec!["A storm,\nand what it left.".into()],
        faults: [("cut".to_owned(), "the one that\nhurts".to_owned())].into(),
    };
    assert_eq!(yaml_with(&read(text), &notes), text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn plans_at_random_are_read_again_as_they_were(plan in plans(), seed in 0u64..1000) {
        let text = yaml(&plan);
        let again = read(&text);
        prop_assert_eq!(difference(&again, &plan), None, "{}", text);
        let drawn = drawn(&plan, seed);
        let text = yaml(&drawn);
        prop_assert_eq!(difference(&read(&text), &drawn), None, "{}", text);
    }
}
