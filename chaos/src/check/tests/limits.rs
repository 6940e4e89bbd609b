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
    story.say("bob", "after");
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

/// s2 and s3 are down from 300 ms to 9.1 s, as far as was seen; ann's second message waits, and is
/// acknowledged at a time.
fn blackout(acked_us: u64) -> Story {
    let mut story = Story::new(3);
    story.say("ann", "one");
    story.say("ann", "two");
    let fault = story.kill(&["s2", "s3"]);
    story.say("ann", "three");
    story.now_us = 9_000_000;
    story.start(&fault, &["s2", "s3"]);
    story.plan.expect.nothing_chosen_during = vec![fault];
    let mut story = story.finish();
    acked_at(&mut story, 3, acked_us);
    story.edit(|_, at_us, event| match event {
        Event::Accepted(acceptance) if acceptance.slot.0 == 3 => *at_us = acked_us - 2,
        Event::Chosen { upto } if upto.0 == 3 => *at_us = acked_us - 1,
        Event::ChosenOnDisk { upto } if upto.0 == 3 => *at_us = acked_us - 1,
        Event::Recovered {
            chosen,
            formed: true,
            ..
        } => chosen.0 = 2,
        _ => {}
    });
    // In the order of time, as a server's records are.
    story.lines.sort_by_key(|line| match line {
        crate::history::Line::Node { at_us, .. } => *at_us,
        crate::history::Line::Action(action) => action.done_us,
        crate::history::Line::Run(_) => 0,
        crate::history::Line::Phase { at_us, .. } => *at_us,
        crate::history::Line::Log { .. } | crate::history::Line::Slot { .. } => u64::MAX - 1,
        _ => u64::MAX,
    });
    story
}

#[test]
fn a_silence_is_owed_or_excused_by_what_was_broken() {
    let result = blackout(9_705_000).judge();
    assert_passes(&result);
    let windows: Vec<(u64, u64, bool, &str)> = result
        .windows
        .iter()
        .map(|window| {
            (
                window.from_us,
                window.to_us,
                window.owed,
                window.why.as_str(),
            )
        })
        .collect();
    assert_eq!(
        windows,
        [
            (400_000, 9_105_000, false, "no majority was possible"),
            (9_105_000, 9_705_000, true, "a majority was possible"),
        ]
    );
    assert_eq!(result.windows[0].faults, ["f1 (kill s2,s3)"]);
    assert_eq!(result.traffic.longest_gap_us, Some(600_000));
    // Half a second is worth a line, and less is not.
    assert_eq!(blackout(9_605_000).judge().windows.len(), 2);
    assert_eq!(blackout(9_604_999).judge().windows.len(), 1);
}

#[test]
fn recovery_is_the_time_from_the_healing_to_the_next_acknowledgement() {
    let judge = |limit_us: u64| {
        let mut story = blackout(9_705_000);
        story.plan.expect.recovered_within = Some(Duration::from_micros(limit_us));
        story.judge()
    };
    let result = judge(600_000);
    assert_passes(&result);
    let row = &result.faults[0];
    assert_eq!(
        (row.healed_at_us, row.recovery_us),
        (Some(9_105_000), Some(600_000))
    );
    assert_eq!(row.level_us, Some(0), "nothing was chosen meanwhile");
    let result = judge(599_999);
    assert_violated(&result, &["recovered"]);
    assert_eq!(
        message(&result, "recovered"),
        "600 ms passed after f1 (kill s2,s3) was healed until something was acknowledged; the limit is 600 ms"
    );
}

#[test]
fn recovery_counts_from_when_somebody_waits() {
    let mut story = during(true);
    // Healed at 405 ms; bob speaks at 500 ms and is answered 4 ms later.
    story.plan.expect.no_ack_during.clear();
    story.plan.expect.recovered_within = Some(Duration::from_millis(4));
    story.edit(|_, _, event| {
        if let Event::Recovered {
            chosen,
            formed: true,
            ..
        } = event
        {
            chosen.0 = 1;
        }
    });
    let result = story.judge();
    assert_passes(&result);
    assert_eq!(result.faults[0].recovery_us, Some(4_000));
    // s3 learned what it had missed with bob's message.
    assert_eq!(result.faults[0].level_us, Some(99_000));
}

#[test]
fn nothing_said_during_a_fault_may_become_chosen() {
    assert_passes(&blackout(9_705_000).judge());
    // Chosen as the healing began, and a microsecond before.
    let judge = |chosen: u64| {
        let mut story = blackout(9_705_000);
        story.edit(|node, at_us, event| {
            let moved = match event {
                Event::Accepted(acceptance) => acceptance.slot.0 == 3,
                Event::Chosen { upto } => upto.0 == 3 && node == "s1",
                _ => false,
            };
            if moved {
                *at_us = chosen;
            }
        });
        story.judge()
    };
    assert_passes(&judge(9_100_000));
    let result = judge(9_099_999);
    assert_violated(&result, &["nothing-chosen-during"]);
    assert_eq!(
        message(&result, "nothing-chosen-during"),
        "ann's message 3 \"three\" was said at 0.400 s and chosen in slot 3 at 9.100 s, during f1 (kill s2,s3)"
    );

    let mut story = during(false);
    story.plan.expect.nothing_chosen_during = std::mem::take(&mut story.plan.expect.no_ack_during);
    story.edit(|_, at_us, event| {
        if matches!(event, Event::Say { seq: 2, .. }) {
            *at_us = 205_000;
        }
    });
    assert_inconclusive(&story.judge(), &["nothing-chosen-during"]);
}
