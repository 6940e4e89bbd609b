//! Faults-bit, traffic, convergence, nodes-alive.

use std::time::Duration;

use crate::check::support::*;
use crate::history::{ActionLine, Line, Phase, Step};
use crate::plan::{Nodes, Partition, RandomFaults, RandomKind, Verb};
use crate::report::{Outcome, Verdict};
use crate::target::{Action, Change};

/// s3 is killed and started again, with a message before, during and after.
fn killed() -> Story {
    let mut story = Story::new(3);
    story.say("ann", "before");
    let fault = story.kill(&["s3"]);
    story.say_to("ann", "during", &[0, 1]);
    let missed = story.logs[0][1].clone();
    story.start(&fault, &["s3"]);
    story.logs[2].push(missed);
    story.say("bob", "after");
    story.finish()
}

fn actions(story: &mut Story) -> impl Iterator<Item = &mut ActionLine> {
    story.lines.iter_mut().filter_map(|line| match line {
        Line::Action(action) => Some(action),
        _ => None,
    })
}

#[test]
fn a_fault_that_bit_is_shown_with_what_was_observed() {
    let result = killed().judge();
    assert_passes(&result);
    let row = &result.faults[0];
    assert_eq!(row.planned, "kill s3");
    assert_eq!(row.effect, "s3 ended: signal 9");
    assert_eq!(row.fired_at_us, 200_000);
    assert_eq!(row.healed_at_us, Some(405_000));
    assert!(row.bit);
    assert_eq!(result.replicas[2].restarts, 1);
    assert_eq!(result.replicas[2].worst_lag_slots, 2);
}

#[test]
fn a_firing_without_effect_is_inconclusive() {
    let nothing = vec![Change::Nothing {
        node: "s3".to_string(),
        reason: "was already down".to_string(),
    }];
    type Spoil = Box<dyn Fn(&mut ActionLine)>;
    let spoil: [(&str, Spoil); 4] = [
        (
            "nothing changed at s3: was already down",
            Box::new(move |line| line.changes = nothing.clone()),
        ),
        (
            "nothing was observed to be broken",
            Box::new(|line| line.changes.clear()),
        ),
        (
            "s3 was not observed to be broken",
            Box::new(|line| {
                line.changes = vec![Change::Exited {
                    node: "s2".to_string(),
                    status: "signal 9".to_string(),
                }];
            }),
        ),
        (
            "no such process",
            Box::new(|line| line.error = Some("no such process".to_string())),
        ),
    ];
    for (reason, spoil) in spoil {
        let mut story = killed();
        spoil(actions(&mut story).next().expect("an action"));
        let result = story.judge();
        assert_eq!(with(&result, Outcome::Inconclusive), ["faults-bit"]);
        assert_eq!(
            result
                .checks
                .iter()
                .find(|c| c.property == "faults-bit")
                .expect("judged")
                .evidence,
            format!("f1 (kill s3): {reason}")
        );
        assert!(!result.faults[0].bit);
    }
}

#[test]
fn a_firing_that_never_came_is_inconclusive() {
    let mut story = killed();
    story.plan.faults[0].times = 2;
    let result = story.judge();
    assert_inconclusive(&result, &["faults-bit"]);
    assert_eq!(result.verdict, Verdict::Inconclusive);
    assert_eq!(result.exit_code, 4);
    assert_eq!(
        result.reasons,
        ["faults-bit: f1, firing 2 of 2: it was never fired"]
    );
}

fn cut_off(hits: u64) -> Story {
    let mut story = Story::new(3);
    story.say("ann", "before");
    let fault = story.plan_fault(Verb::Partition(Partition::Groups(Vec::new())));
    story.cut(&fault, &["s3"], &["s1", "s2"]);
    story.say("ann", "during");
    story.hits(&fault, hits);
    story.cut(&fault, &[], &[]);
    story.say("ann", "after");
    story.finish()
}

#[test]
fn a_link_fault_bit_only_if_it_affected_a_message() {
    let result = cut_off(1).judge();
    assert_passes(&result);
    assert_eq!(result.faults[0].effect, "1 message hit");

    let result = cut_off(0).judge();
    assert_inconclusive(&result, &["faults-bit"]);
    assert_eq!(
        result.reasons,
        ["faults-bit: f1 (partition): its rules affected no message"]
    );
}

#[test]
fn traffic_is_demanded_during_each_fault() {
    let silent = |open: bool| {
        let mut story = Story::new(3);
        story.say("ann", "before");
        if open {
            story.say_in_vain("bob", "open all the time");
        }
        let fault = story.kill(&["s3"]);
        story.start(&fault, &["s3"]);
        story.say("ann", "after");
        story.finish().judge()
    };
    assert_passes(&silent(true));
    let result = silent(false);
    assert_inconclusive(&result, &["traffic"]);
    assert_eq!(
        result.reasons,
        ["traffic: nothing was said or open during f1 (kill s3), firing 1"]
    );
}

#[test]
fn traffic_during_a_fault_includes_what_is_said_in_its_last_moment() {
    let judge = |said: u64| {
        let mut story = Story::new(3);
        story.say("ann", "before");
        let fault = story.kill(&["s3"]);
        story.start(&fault, &["s3"]);
        story.say("bob", "edge");
        let mut story = story.finish();
        story.edit(|node, at_us, event| {
            if node == "bob" && matches!(event, paxosctl_node::event::Event::Say { .. }) {
                *at_us = said;
            }
        });
        story.judge()
    };
    assert_passes(&judge(305_000));
    assert_inconclusive(&judge(305_001), &["traffic"]);
}

#[test]
fn a_run_without_any_acknowledgement_proves_nothing() {
    let mut story = Story::new(3);
    story.say_in_vain("ann", "hello?");
    assert_inconclusive(&story.finish().judge(), &["traffic"]);
}

#[test]
fn convergence_is_measured_from_the_healing() {
    let judge = |limit: Duration| {
        let mut story = Story::new(3);
        story.say("ann", "one");
        story.plan.expect.converged_within = Some(limit);
        story.finish().judge()
    };
    assert_passes(&judge(Duration::from_millis(15)));
    let result = judge(Duration::from_millis(14));
    assert_violated(&result, &["convergence"]);
    assert_eq!(
        message(&result, "convergence"),
        "the replicas were level 15.0 ms after the healing began; the limit is 14.0 ms"
    );
}

#[test]
fn replicas_that_never_came_level_are_named() {
    let mut story = Story::new(3);
    story.say("ann", "one");
    story.say_to("ann", "two", &[0, 1]);
    let mut story = story.finish();
    story.remove(|line| {
        matches!(
            line,
            Line::Phase {
                phase: Phase::Converged,
                ..
            }
        )
    });
    let result = story.judge();
    assert_violated(&result, &["convergence"]);
    assert_eq!(
        message(&result, "convergence"),
        "the replicas were not level within 10.00 s of the healing: s3 has 1 slot, 1 behind s1"
    );
}

#[test]
fn a_server_that_stays_paused_was_not_healed() {
    let mut story = Story::new(3);
    story.say("ann", "one");
    let fault = story.plan_fault(Verb::Pause(Nodes::Named(vec!["s2".to_string()])));
    story.act(
        &fault,
        Step::Break,
        "pause s2",
        &["s2"],
        Action::Pause {
            nodes: vec!["s2".to_string()],
        },
        vec![Change::Paused {
            node: "s2".to_string(),
        }],
    );
    story.say("ann", "two");
    let result = story.finish().judge();
    assert_violated(&result, &["convergence"]);
    assert_eq!(
        message(&result, "convergence"),
        "s2 was not running again after the healing"
    );
    assert_eq!(result.replicas[1].state, "paused");
}

#[test]
fn a_process_that_ends_by_itself_is_a_violation_with_its_last_lines() {
    let mut story = killed();
    let died = Line::Died {
        at_us: 450_000,
        node: "s2".to_string(),
        status: "exit 101".to_string(),
        last_lines: vec![
            "thread 'main' panicked".to_string(),
            "\u{1b}[31mred".to_string(),
        ],
    };
    story.insert(died);
    let result = story.judge();
    assert_violated(&result, &["nodes-alive"]);
    assert_eq!(
        message(&result, "nodes-alive"),
        "s2 died: exit 101\n  thread 'main' panicked\n  \\u{1b}[31mred"
    );
    assert_eq!(result.reasons, ["nodes-alive: s2 died: exit 101"]);
    assert_eq!(result.replicas[1].state, "down");
}

/// A story with faults that `storm` drew, each bitten or in vain.
fn storm(bitten: &[bool]) -> Story {
    let mut story = Story::new(3);
    story.say("ann", "before");
    for &bites in bitten {
        let fault = if bites {
            let fault = story.kill(&["s3"]);
            story.say_to("ann", "during", &[0, 1]);
            let missed = story.logs[0].last().expect("said").clone();
            story.start(&fault, &["s3"]);
            story.logs[2].push(missed);
            fault
        } else {
            story.plan_fault(Verb::Kill(Nodes::Leader))
        };
        let last = story.plan.faults.last_mut().expect("planned");
        assert_eq!(last.id, fault);
        last.drawn_by = Some("storm".to_string());
    }
    story.say("ann", "after");
    story.finish()
}

#[test]
fn half_of_what_is_drawn_may_be_in_vain() {
    assert_passes(&storm(&[true, false]).judge());
    let result = storm(&[true, false, false]).judge();
    assert_inconclusive(&result, &["faults-bit"]);
    assert_eq!(
        result.reasons,
        [
            "faults-bit: 2 of 3 faults drawn by storm were in vain, the first: f2: it was never fired"
        ]
    );
}

#[test]
fn a_random_that_drew_nothing_is_inconclusive() {
    let mut story = Story::new(3);
    story.say("ann", "undisturbed");
    let mut story = story.finish();
    story.plan.random.push(RandomFaults {
        id: "storm".to_string(),
        line: 3,
        at: Duration::from_secs(1),
        lasts: Duration::from_secs(1),
        pick: vec![(RandomKind::Kill, 1)],
        every: (Duration::from_secs(1), Duration::from_secs(1)),
        each_lasts: (Duration::from_secs(1), Duration::from_secs(1)),
        spare_majority: true,
        swarm: false,
    });
    let result = story.judge();
    assert_inconclusive(&result, &["faults-bit"]);
    assert_eq!(
        result.reasons,
        [
            "faults-bit: nothing could be drawn by storm: at no time of it may a server fail beside what the other faults take"
        ]
    );
}

#[test]
fn traffic_is_demanded_before_and_after_each_fault() {
    // Two messages are acknowledged before the fault, one during it, and one after it.
    let judge = |change: fn(&mut Story)| {
        let mut story = Story::new(3);
        story.now_us = 1_000_000;
        story.say("ann", "one");
        story.say("ann", "two");
        let fault = story.kill(&["s3"]);
        story.say_to("ann", "three", &[0, 1]);
        let missed = story.logs[0][2].clone();
        story.start(&fault, &["s3"]);
        story.logs[2].push(missed);
        story.say("bob", "four");
        let mut story = story.finish();
        change(&mut story);
        story.judge()
    };
    assert_passes(&judge(|_| {}));
    fn acks_of(story: &mut Story, wanted: impl Fn(u64) -> bool, delay_us: u64) {
        story.edit(|_, at_us, event| {
            if matches!(event, paxosctl_node::event::Event::Acked { index, .. } if wanted(*index)) {
                *at_us += delay_us;
            }
        });
    }
    assert_passes(&judge(|story| set_least(story, 2, 1, 1)));
    for (change, reason) in [
        (
            (|story| set_least(story, 3, 1, 1)) as fn(&mut Story),
            "2 messages, and not 3, were acknowledged before f1 (kill s3), firing 1",
        ),
        (
            |story| set_least(story, 2, 2, 1),
            "1 message, and not 2, was said or open during f1 (kill s3), firing 1",
        ),
        (
            |story| set_least(story, 2, 1, 2),
            "1 message, and not 2, was acknowledged after f1 (kill s3), firing 1",
        ),
        // Without a word of the plan there must be one of each.
        (
            |story| acks_of(story, |index| index < 3, 205_000),
            "nothing was acknowledged before f1 (kill s3), firing 1",
        ),
    ] {
        let result = judge(change);
        assert_inconclusive(&result, &["traffic"]);
        assert_eq!(result.reasons, [format!("traffic: {reason}")]);
    }
    // A fault that is there from the first second on has no before.
    let mut story = Story::new(3);
    let fault = story.kill(&["s3"]);
    story.say_to("ann", "one", &[0, 1]);
    let missed = story.logs[0][0].clone();
    story.start(&fault, &["s3"]);
    story.logs[2].push(missed);
    story.say("bob", "two");
    let story = story.finish();
    assert_passes(&story.judge());
    let mut demanding = story;
    demanding.plan.expect.traffic.before = Some(1);
    assert_inconclusive(&demanding.judge(), &["traffic"]);
}

fn set_least(story: &mut Story, before: u64, during: u64, after: u64) {
    story.plan.expect.traffic = crate::plan::LeastTraffic {
        before: Some(before),
        during: Some(during),
        after: Some(after),
    };
}
