//! Faults that overlap, heal in any order, or find nothing to act on.

use paxosctl_node::link::{Distribution, Side, What};
use paxosctl_node::machine::Trouble;

use super::*;
use crate::schedule::Resolved;

#[test]
fn two_faults_on_one_node_heal_in_any_order() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, kill: s3, restart_after: 5s}, {at: 2s, kill: s3, restart_after: 1s},
          {at: 8s, for: 4s, pause: s2}, {at: 9s, for: 1s, pause: s2}]",
    );
    assert_eq!(
        actions(&plan, &mut Fake::new(&plan)),
        [
            "1s f1.1 break kill [s3] s3 signal 9",
            "2s f2.1 break kill [s3] s3 nothing: it is down",
            "3s f2.1 heal start [] s3 nothing: another fault holds it down",
            "6s f1.1 heal start [s3] s3 up",
            "8s f3.1 break pause [s2] s2 paused",
            "9s f4.1 break pause [s2] s2 paused",
            "10s f4.1 heal resume [] s2 nothing: another fault holds it paused",
            "12s f3.1 heal resume [s2] s2 resumed",
        ]
    );
}

#[test]
fn a_kill_ends_a_pause_and_a_dead_node_is_not_paused() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, for: 5s, pause: s3}, {at: 2s, kill: s3, restart_after: 6s},
          {at: 4s, for: 1s, pause: s3}]",
    );
    assert_eq!(
        actions(&plan, &mut Fake::new(&plan)),
        [
            "1s f1.1 break pause [s3] s3 paused",
            "2s f2.1 break kill [s3] s3 signal 9",
            "4s f3.1 break pause [s3] s3 nothing: it is down",
            "5s f3.1 heal resume []",
            "6s f1.1 heal resume []",
            "8s f2.1 heal start [s3] s3 up",
        ]
    );
}

#[test]
fn a_stop_wakes_what_is_paused_and_a_restart_takes_over_what_is_down() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, for: 9s, pause: s3}, {at: 2s, stop: s3, restart_after: 8s},
          {at: 3s, restart: \"s2,s3\"}, {at: 5s, kill: s1}, {at: 6s, restart: s1}]",
    );
    assert_eq!(
        actions(&plan, &mut Fake::new(&plan)),
        [
            "1s f1.1 break pause [s3] s3 paused",
            "2s f2.1 break resume [s3] s3 resumed",
            "2s f2.1 break stop [s3] s3 exit 0",
            "3s f3.1 break stop [s2] s2 exit 0",
            "3s f3.1 heal start [s2 s3] s2 up, s3 up",
            "5s f4.1 break kill [s1] s1 signal 9",
            "6s f5.1 break start [s1] s1 up",
            "10s f1.1 heal resume []",
            "10s f2.1 heal start []",
        ]
    );
}

#[test]
fn what_no_fault_heals_is_healed_at_the_end_in_order() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, kill: s1}, {at: 2s, pause: s2}, {at: 3s, partition: \"s2 | s3\"}]",
    );
    assert_eq!(
        actions(&plan, &mut Fake::new(&plan))[3..],
        [
            "20s heal.1 heal resume [s2] s2 resumed",
            "20s heal.1 heal links [0 rules]",
            "20s heal.1 heal start [s1] s1 up",
        ]
    );
}

#[test]
fn link_faults_at_work_are_in_force_together() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, for: 4s, partition: \"s1 | s2\"},
          {at: 2s, for: 1s, delay: {link: \"s2 -> s3\", by: 10ms, jitter: 2ms, kinds: [accept]}},
          {at: 4s, for: 2s, drop: {link: \"ann -> s1\", probability: 25%}}]",
    );
    let (lines, _) = run_fake(&plan, &mut Fake::new(&plan));
    let tables: Vec<(u64, Vec<String>, Vec<String>)> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Action(ActionLine {
                at_us,
                action: Action::Links { rules },
                resolved,
                ..
            }) => Some((at_us / 1_000_000, resolved.clone(), rules_text(rules))),
            _ => None,
        })
        .collect();
    let cut = [
        "f1 s1->s2 Send",
        "f1 s1->s2 Receive",
        "f1 s2->s1 Send",
        "f1 s2->s1 Receive",
    ];
    let delay = ["f2 s2->s3 Send"];
    let drop = ["f3 ann->s1 Send"];
    let table = |at: u64, links: &[&str], rules: &[&[&str]]| {
        let owned = |texts: &[&str]| texts.iter().map(|t| t.to_string()).collect::<Vec<_>>();
        (at, owned(links), owned(&rules.concat()))
    };
    assert_eq!(
        tables,
        [
            table(1, &["s1->s2", "s2->s1"], &[&cut]),
            table(2, &["s2->s3"], &[&cut, &delay]),
            table(3, &["s2->s3"], &[&cut]),
            table(4, &["ann->s1"], &[&cut, &drop]),
            table(5, &["s1->s2", "s2->s1"], &[&drop]),
            table(6, &["ann->s1"], &[]),
        ]
    );
    let rules = lines.iter().find_map(|line| match line {
        Line::Action(ActionLine {
            at_us: 2_000_000,
            action: Action::Links { rules },
            ..
        }) => Some(rules.clone()),
        _ => None,
    });
    let delay = rules.and_then(|rules| rules.last().cloned()).unwrap();
    assert_eq!(
        delay.what,
        What::Delay {
            by_us: 10_000,
            jitter_us: 2_000,
            distribution: Distribution::Uniform,
        }
    );
    assert_eq!(delay.kinds, [paxosctl_node::link::Kind::Accept]);
    assert_eq!(delay.on, Side::Send);
}

/// What a server's machine does to it is recorded with its firing; the fault holds the server down,
/// and heals the machine before it starts it.
#[test]
fn a_server_that_its_disk_ended_is_held_down_and_started_again() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, fail_fsync: s3, restart_after: 3s},
          {at: 5s, for: 4s, disk_full: {node: s2, after: 1KiB}},
          {at: 10s, for: 2s, slow_disk: {node: s1, by: 5ms}},
          {at: 14s, disk_full: s3}]",
    );
    let mut fake = Fake::new(&plan);
    let struck = |fake: &mut Fake, ms: u64, node: &str, rule: &str| {
        let at = Duration::from_millis(ms);
        let trouble = Event::DiskTrouble {
            generation: 1,
            rule: rule.to_owned(),
            hits: 1,
            what: "struck".to_owned(),
        };
        fake.tell(at, node, trouble);
        let fell = Observation::Fell {
            node: node.to_owned(),
            status: "exit 3".to_owned(),
            rule: rule.to_owned(),
        };
        fake.come(at + Duration::from_millis(10), fell);
    };
    struck(&mut fake, 1200, "s3", "f1");
    struck(&mut fake, 7000, "s2", "f2");
    // Struck in the last moment, and healed at once.
    struck(&mut fake, 20_100, "s3", "f4");
    fake.mute = true;
    assert_eq!(
        actions(&plan, &mut fake),
        [
            "1s f1.1 break machine [s3] s3 told",
            "1.2s f1.1 break fall [s3] s3 exit 3",
            // The rule struck once: there is nothing left to heal but the server.
            "4s f1.1 heal start [s3] s3 up",
            "5s f2.1 break machine [s2] s2 told",
            "7s f2.1 break fall [s2] s2 exit 3",
            "9s f2.1 heal machine [] s2 told later",
            "9s f2.1 heal start [s2] s2 up",
            "10s f3.1 break machine [s1] s1 told",
            "12s f3.1 heal machine [] s1 told",
            "14s f4.1 break machine [s3] s3 told",
            "20s heal.1 heal machine [] s3 told",
            "20.1s f4.1 break fall [s3] s3 exit 3",
            "20.11s f4.1 heal start [s3] s3 up",
        ]
    );
}

#[test]
fn a_disk_is_changed_only_under_a_server_that_is_down() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, flip_byte: s3, restart_after: 3s}, {at: 2s, wipe: s3, restart_after: 4s},
          {at: 7s, kill: s2}, {at: 8s, wipe: s2}]",
    );
    assert_eq!(
        actions(&plan, &mut Fake::new(&plan)),
        [
            "1s f1.1 break kill [s3] s3 signal 9",
            "1s f1.1 break damage [s3] s3 flipped",
            "2s f2.1 break damage [s3] s3 wiped",
            "4s f1.1 heal start [] s3 nothing: another fault holds it down",
            "6s f2.1 heal start [s3] s3 up",
            "7s f3.1 break kill [s2] s2 signal 9",
            "8s f4.1 break damage [s2] s2 wiped",
            "20s heal.1 heal start [s2] s2 up",
        ]
    );
}

#[test]
fn what_is_wrong_with_one_machine_is_in_force_together() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, for: 4s, clock: {node: s1, jump: -30s}}, {at: 2s, for: 1s, clock: {node: s1, rate: 2}}]",
    );
    let (lines, _) = run_fake(&plan, &mut Fake::new(&plan));
    let tables: Vec<Vec<Trouble>> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Action(ActionLine {
                action: Action::Machine { rules },
                ..
            }) => Some(rules.iter().map(|rule| rule.what).collect()),
            _ => None,
        })
        .collect();
    let jump = Trouble::Clock {
        jump_us: -30_000_000,
        rate_permille: 1000,
    };
    let fast = Trouble::Clock {
        jump_us: 0,
        rate_permille: 2000,
    };
    assert_eq!(tables, [vec![jump], vec![jump, fast], vec![jump], vec![]]);
}

#[test]
fn a_mode_becomes_rules_at_its_servers_and_ends() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, for: 2s, mode: {s1: \"p:10::c:30\", s3: d}}]",
    );
    let (lines, _) = run_fake(&plan, &mut Fake::new(&plan));
    let tables: Vec<(u64, Vec<String>, Vec<String>)> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Action(ActionLine {
                at_us,
                action: Action::Links { rules },
                resolved,
                ..
            }) => Some((at_us / 1_000_000, resolved.clone(), rules_text(rules))),
            _ => None,
        })
        .collect();
    let texts = |texts: &[&str]| texts.iter().map(|t| t.to_string()).collect::<Vec<_>>();
    assert_eq!(
        tables,
        [
            (
                1,
                texts(&["s1", "s3"]),
                texts(&[
                    "f1 *->s1 Receive",
                    "f1 *->s1 Receive",
                    "f1 *->s3 Receive",
                    "f1 s3->* Send",
                ])
            ),
            (3, texts(&["s1", "s3"]), Vec::new()),
        ]
    );
}

#[test]
fn a_side_that_the_plan_names_is_the_only_one() {
    let sides = |keys: &str| {
        let plan = plan_of(
            LAST_WORD,
            &format!("[{{at: 1s, for: 1s, drop: {{link: s1->s2{keys}}}}}]"),
        );
        let links = Resolved::Links(vec![("s1".to_owned(), "s2".to_owned())]);
        let rules = crate::run::rules("f1", &plan.faults[0].verb, &links);
        rules.iter().map(|rule| rule.on).collect::<Vec<_>>()
    };
    assert_eq!(sides(""), [Side::Send, Side::Receive]);
    assert_eq!(sides(", probability: 50%"), [Side::Send]);
    assert_eq!(sides(", side: receive"), [Side::Receive]);
    assert_eq!(sides(", side: send"), [Side::Send]);
}

fn rules_text(rules: &[paxosctl_node::link::Rule]) -> Vec<String> {
    rules
        .iter()
        .map(|rule| format!("{} {}->{} {:?}", rule.id, rule.from, rule.to, rule.on))
        .collect()
}

#[test]
fn a_firing_waits_for_a_leader_and_lasts_its_time_all_the_same() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, kill: leader, restart_after: 5s}, {at: 1100ms, for: 1s, pause: leader}]",
    );
    assert_eq!(
        actions(&plan, &mut Fake::new(&plan)),
        [
            "1s f1.1 break kill [s1] s1 signal 9",
            "1.3s f2.1 break pause [s2] s2 paused",
            "2.3s f2.1 heal resume [s2] s2 resumed",
            "6s f1.1 heal start [s1] s1 up",
        ]
    );
}

#[test]
fn a_target_that_never_means_anything_is_recorded() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, kill: servers, restart_after: 8s}, {at: 2s, for: 1s, pause: leader}]",
    );
    let mut fake = Fake::new(&plan);
    assert_eq!(
        actions(&plan, &mut fake)[1],
        "4s f2.1 break pause [] error: no leader is known now"
    );
}

#[test]
fn a_failed_action_is_recorded_and_the_run_goes_on() {
    let plan = plan_of(LAST_WORD, "[{at: 1s, kill: s1}, {at: 2s, kill: s2}]");
    let mut fake = Fake::new(&plan);
    fake.failing.insert(0);
    let (lines, outcome) = run_fake(&plan, &mut fake);
    assert!(matches!(outcome, RunOutcome::Complete));
    let history = history(&lines);
    assert!(history.contains(&"1s f1.1 break kill [s1] error: it did not work".to_owned()));
    assert!(history.contains(&"2s f2.1 break kill [s2] s2 signal 9".to_owned()));
    assert_eq!(history.last().map(String::as_str), Some("20.25s end"));
}
