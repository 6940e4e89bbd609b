//! Acked, unavailable, ack-latency, no-ack-during.

use std::time::Duration;

use paxosctl_node::event::Event;

use crate::check::support::*;

fn acked_at(story: &mut Story, wanted: u64, at: u64) {
    story.edit(|_, at_us, event| {
        if matches!(event, Event::Acked { index, .. } if *index == wanted) {
            *at_us = at;
        }
    });
}

#[test]
fn the_acked_share_is_compared_exactly() {
    let judge = |share: f64| {
        let mut story = Story::new(3);
        story.say("ann", "one");
        story.say("ann", "two");
        story.say("ann", "three");
        story.say_in_vain("bob", "four");
        story.plan.expect.acked = Some(share);
        story.finish().judge()
    };
    assert_passes(&judge(0.75));
    let result = judge(1.0);
    assert_violated(&result, &["acked"]);
    assert_eq!(
        message(&result, "acked"),
        "3 of 4 messages were acknowledged (75.00%), and the plan demands 100%; the first without is bob's message 1 \"four\""
    );
}

#[test]
fn the_longest_gap_is_counted_while_a_message_is_open() {
    let judge = |acked_us: u64| {
        let mut story = Story::new(3);
        story.say("ann", "one");
        story.plan.expect.unavailable_max = Some(Duration::from_millis(500));
        story.now_us += 5_000_000;
        story.say("ann", "two");
        let mut story = story.finish();
        acked_at(&mut story, 2, acked_us);
        story.judge()
    };
    // Five silent seconds with nothing open are no gap.
    let result = judge(5_700_000);
    assert_passes(&result);
    assert_eq!(result.traffic.longest_gap_us, Some(500_000));
    assert_eq!(result.traffic.longest_gap_at_us, Some(5_200_000));
    let result = judge(5_700_001);
    assert_violated(&result, &["unavailable"]);
    assert_eq!(
        message(&result, "unavailable"),
        "nothing was acknowledged for 500 ms from 5.200 s on, with messages open and a majority possible; the limit is 500 ms"
    );
}

#[test]
fn another_acknowledgement_ends_a_gap() {
    let mut story = Story::new(3);
    story.plan.expect.unavailable_max = Some(Duration::from_millis(300));
    story.say("ann", "slow");
    story.say("bob", "quick");
    let mut story = story.finish();
    acked_at(&mut story, 1, 500_000);
    let result = story.judge();
    assert_passes(&result);
    // From bob's acknowledgement at 204 ms to ann's at 500 ms.
    assert_eq!(result.traffic.longest_gap_us, Some(296_000));
}

#[test]
fn time_without_a_majority_is_not_owed_and_service_after_it_is() {
    let judge = |acked_us: u64| {
        let mut story = Story::new(3);
        story.plan.expect.unavailable_max = Some(Duration::from_millis(300));
        story.say("ann", "one");
        let fault = story.kill(&["s2", "s3"]);
        // Said at 300 ms, answered when the servers are back.
        story.say("ann", "two");
        story.now_us = 9_000_000;
        story.start(&fault, &["s2", "s3"]);
        let mut story = story.finish();
        acked_at(&mut story, 2, acked_us);
        story.judge()
    };
    // The start was observed at 9.105 s; from then on the clock runs.
    let result = judge(9_405_000);
    assert_passes(&result);
    assert_eq!(result.traffic.longest_gap_us, Some(300_000));
    assert_eq!(result.traffic.longest_gap_at_us, Some(9_105_000));
    assert_violated(&judge(9_405_001), &["unavailable"]);
}

#[test]
fn a_client_that_is_cut_off_is_owed_nothing() {
    let judge = |left: &[&str], right: &[&str]| {
        let mut story = Story::new(3);
        story.plan.expect.unavailable_max = Some(Duration::from_millis(300));
        story.say("ann", "one");
        let fault = story.plan_fault(crate::plan::Verb::Partition(
            crate::plan::Partition::Groups(Vec::new()),
        ));
        story.cut(&fault, left, right);
        story.say("ann", "two");
        story.hits(&fault, 1);
        story.now_us = 5_000_000;
        story.cut(&fault, &[], &[]);
        let mut story = story.finish();
        acked_at(&mut story, 2, 5_200_000);
        story.judge()
    };
    // Cut off from all servers; together with the leader; or where the balancer cannot reach it.
    assert_passes(&judge(&["ann"], &["s1", "s2", "s3"]));
    assert_passes(&judge(&["ann", "s1"], &["s2", "s3"]));
    // It can go to s2 and s3, so it is owed service.
    assert_violated(&judge(&["s1"], &["s2", "s3"]), &["unavailable"]);
    assert_violated(&judge(&["ann"], &["s1"]), &["unavailable"]);
    // Its server s1 is cut off, and so is the balancer, which alone could send it elsewhere.
    assert_passes(&judge(&["s1", "balancer"], &["s2", "s3", "ann"]));
}

#[test]
fn a_message_that_is_never_answered_is_open_to_the_end() {
    let mut story = Story::new(3);
    story.plan.expect.unavailable_max = Some(Duration::from_millis(900));
    story.say("ann", "one");
    story.say_in_vain("ann", "two");
    let result = story.finish().judge();
    assert_violated(&result, &["unavailable"]);
}

#[test]
fn latency_percentiles_are_exact() {
    let judge = |p50: u64, max: u64| {
        let mut story = Story::new(3);
        for number in 0..4 {
            story.say("ann", &format!("message {number}"));
        }
        story.plan.expect.ack_latency.p50 = Some(Duration::from_micros(p50));
        story.plan.expect.ack_latency.max = Some(Duration::from_micros(max));
        let mut story = story.finish();
        // 4 ms, 5 ms, 6 ms and 50 ms.
        acked_at(&mut story, 2, 205_000);
        acked_at(&mut story, 3, 306_000);
        acked_at(&mut story, 4, 450_000);
        story.judge()
    };
    assert_passes(&judge(5_000, 50_000));
    let result = judge(4_999, 50_000);
    assert_violated(&result, &["ack-latency-p50"]);
    let result = judge(5_000, 49_000);
    assert_violated(&result, &["ack-latency-max"]);
    assert_eq!(
        message(&result, "ack-latency-max"),
        "50.0 ms; the limit is 49.0 ms"
    );
    let latency = result.traffic.latency.expect("acknowledged");
    assert_eq!(
        (latency.p50_us, latency.p95_us, latency.max_us),
        (5_000, 50_000, 50_000)
    );
}

/// s3 is down from 205 ms until 400 ms or later; a message is said at 300 ms.
fn during(answered: bool) -> Story {
    let mut story = Story::new(3);
    story.say("ann", "one");
    let fault = story.kill(&["s3"]);
    story.plan.expect.no_ack_during = vec![fault.clone()];
    if answered {
        story.say_to("ann", "during", &[0, 1]);
        let missed = story.logs[0][1].clone();
        story.logs[2].push(missed);
    } else {
        story.say_in_vain("ann", "during");
    }
    story.start(&fault, &["s3"]);
    story.finish()
}

#[test]
fn no_ack_during_a_fault_means_none_for_what_was_said_in_it() {
    assert_passes(&during(false).judge());
    let result = during(true).judge();
    assert_violated(&result, &["no-ack-during"]);
    assert_eq!(
        message(&result, "no-ack-during"),
        "ann's message 2 \"during\" was said at 0.300 s and acknowledged at 0.304 s, during f1 (kill s3)"
    );
    // Answered as the healing began.
    let mut story = during(true);
    acked_at(&mut story, 2, 400_000);
    assert_passes(&story.judge());
}

#[test]
fn no_ack_during_a_fault_in_which_nothing_was_said_proves_nothing() {
    let mut story = during(false);
    story.edit(|_, at_us, event| {
        if matches!(event, Event::Say { seq: 2, .. }) {
            *at_us = 205_000;
        }
    });
    assert_inconclusive(&story.judge(), &["no-ack-during"]);
}
