//! When servers learn what the plan demands of a message.

use std::time::Duration;

use paxosctl_node::event::Event;
use paxosctl_node::ids::Slot;

use crate::check::support::*;
use crate::history::Line;
use crate::plan::{Learned, Say};
use crate::report::Outcome;

/// Two messages; the second, in slot 2, is said at 0.2 s and chosen at s1, s2 and s3 after 2, 3 and
/// 4 ms. The run goes on for a second.
fn chat() -> Story {
    let mut story = Story::new(3);
    story.say("ann", "one");
    story.say("bob", "two");
    story
}

fn demand(story: &mut Story, by: &[&str], after_us: Option<u64>, within_us: Option<u64>) {
    if let Say::Say { learned, .. } = &mut story.plan.traffic[1].what {
        learned.push(Learned {
            by: by.iter().map(|name| name.to_string()).collect(),
            after: after_us.map(Duration::from_micros),
            within: within_us.map(Duration::from_micros),
        });
    }
}

/// s1 learns slot 2 only at this time.
fn learns_at(story: &mut Story, learned_us: u64) {
    story.edit(move |node, at_us, event| {
        if node == "s1" && matches!(event, Event::Chosen { upto: Slot(2) }) {
            *at_us = learned_us;
        }
    });
}

#[test]
fn the_latest_time_is_judged_to_the_microsecond() {
    let mut story = chat().finish();
    demand(&mut story, &["s1", "s2", "s3"], None, Some(4_000));
    let result = story.judge();
    assert_passes(&result);
    let check = result
        .checks
        .iter()
        .find(|check| check.property == "learned");
    let evidence = check.map(|check| check.evidence.as_str());
    assert_eq!(evidence, Some("3 demands, slowest 4.0 ms"));

    let mut story = chat().finish();
    demand(&mut story, &["s1", "s2", "s3"], None, Some(3_999));
    let result = story.judge();
    assert_violated(&result, &["learned"]);
    assert_eq!(
        message(&result, "learned"),
        "s3 had it after 4.0 ms; the limit is 4.0 ms: bob's message 1 \"two\" (line 2 of the plan)"
    );
}

#[test]
fn the_earliest_time_is_judged_to_the_microsecond() {
    let mut story = chat().finish();
    learns_at(&mut story, 200_000 + 300_000);
    demand(&mut story, &["s1"], Some(300_000), Some(330_000));
    assert_passes(&story.judge());
    learns_at(&mut story, 200_000 + 299_999);
    let result = story.judge();
    assert_violated(&result, &["learned"]);
    let told = message(&result, "learned");
    assert!(
        told.starts_with("s1 had it after 300 ms, and should not before 300 ms: bob's"),
        "{told}"
    );
}

#[test]
fn a_higher_chosen_index_tells_it_too() {
    let mut story = chat();
    story.say("ann", "three");
    let mut story = story.finish();
    story.remove(|line| {
        matches!(line, Line::Node { node, what: Event::Chosen { upto: Slot(2) }, .. } if node == "s1")
    });
    // Slot 3 is chosen at s1 at 0.302 s, 102 ms after bob spoke.
    demand(&mut story, &["s1"], Some(102_000), Some(102_001));
    assert_passes(&story.judge());
    demand(&mut story, &["s1"], Some(102_001), None);
    assert_violated(&story.judge(), &["learned"]);
}

#[test]
fn what_a_server_recovers_it_had_when_it_started() {
    let mut story = chat();
    let fault = story.kill(&["s1"]);
    story.start(&fault, &["s1"]);
    let mut story = story.finish();
    story.remove(|line| {
        matches!(line, Line::Node { node, what: Event::Chosen { upto: Slot(2) }, .. } if node == "s1")
    });
    // It was killed at 0.3 s and recovered slot 2 at 0.402 s.
    demand(&mut story, &["s1"], Some(202_000), Some(202_001));
    let learned = |story: &Story| {
        let result = story.judge();
        let check = result
            .checks
            .iter()
            .find(|check| check.property == "learned");
        check.map(|check| check.outcome)
    };
    assert_eq!(learned(&story), Some(Outcome::Holds));
    demand(&mut story, &["s1"], None, Some(201_999));
    assert_eq!(learned(&story), Some(Outcome::Violated));
}

#[test]
fn never_is_too_late_unless_the_run_ended_before() {
    let judge = |after_us, within_us| {
        let mut story = chat().finish();
        story.remove(|line| {
            matches!(line, Line::Node { node, what: Event::Chosen { upto: Slot(2) }, .. } if node == "s1")
        });
        demand(&mut story, &["s1"], after_us, within_us);
        let result = story.judge();
        let check = result
            .checks
            .into_iter()
            .find(|check| check.property == "learned");
        check.expect("judged").outcome
    };
    assert_eq!(judge(None, Some(500_000)), Outcome::Violated);
    assert_eq!(judge(None, Some(60_000_000)), Outcome::Inconclusive);
    assert_eq!(judge(Some(500_000), None), Outcome::Holds);
    assert_eq!(judge(Some(60_000_000), None), Outcome::Inconclusive);
}

#[test]
fn a_message_in_no_log_was_learned_by_nobody() {
    let judge = |within_us| {
        let mut story = Story::new(3);
        story.say("ann", "one");
        story.say_in_vain("bob", "two");
        let mut story = story.finish();
        demand(&mut story, &["s1"], Some(1), within_us);
        let result = story.judge();
        let check = result
            .checks
            .into_iter()
            .find(|check| check.property == "learned");
        check.expect("judged").outcome
    };
    assert_eq!(judge(Some(500_000)), Outcome::Violated);
    assert_eq!(judge(None), Outcome::Inconclusive);
}
