//! Real-time-order and client-order.

use paxosctl_node::event::Event;
use paxosctl_node::ids::Slot;
use paxosctl_node::value::Value;

use crate::check::support::*;
use crate::history::Line;

fn chat() -> Story {
    let mut story = Story::new(3);
    story.say("ann", "one");
    story.say("bob", "two");
    story.say("ann", "three");
    story
}

#[test]
fn real_time_order_is_judged_between_clients() {
    // Two messages said one after the other, stored the other way round.
    let swapped = |overlap: bool| {
        let mut story = Story::new(3);
        let first = story.say("ann", "one");
        story.say("bob", "two");
        for log in &mut story.logs {
            log.swap(0, 1);
        }
        let mut story = story.finish();
        story.edit(|_, at_us, event| match event {
            Event::Acked {
                client,
                index,
                slot,
                ..
            } => {
                *index = 3 - client.0;
                *slot = Slot(3 - client.0);
            }
            Event::Delivered { index, from, .. } => *index = 3 - from.0,
            // bob speaks in the same microsecond in which ann's acknowledgement arrives, or later.
            Event::Say { client, .. } if client.0 == 2 => {
                *at_us = first.acked_us + u64::from(!overlap);
            }
            // Slot 1 holds what was said last, so nothing was chosen before that.
            Event::Chosen { upto: Slot(1) } => *at_us = 205_000,
            _ => {}
        });
        // Shown in the order of the log.
        story.lines.sort_by_key(|line| match line {
            Line::Node {
                what: Event::Delivered { index, .. },
                ..
            } => *index,
            _ => 0,
        });
        let end = story
            .lines
            .iter()
            .position(|line| matches!(line, Line::End { .. }));
        let end = story.lines.remove(end.expect("an end"));
        story.lines.push(end);
        story.edit(|_, at_us, event| {
            if let Event::Acked { client, .. } = event
                && client.0 == 1
            {
                *at_us = first.acked_us;
            }
            if matches!(event, Event::Accepted { .. }) {
                *at_us = (*at_us).min(101_000);
            }
        });
        story.judge_as_accepted()
    };
    let result = swapped(false);
    assert_violated(&result, &["real-time-order"]);
    assert_eq!(
        message(&result, "real-time-order"),
        "ann's message 1 \"one\" was acknowledged before bob's message 1 \"two\" was said, but stands behind it: index 2 against 1"
    );
    assert_passes(&swapped(true));
}

#[test]
fn one_client_speaks_in_the_order_of_its_numbers() {
    let mut story = chat().finish();
    story.edit(|_, at_us, event| {
        if matches!(event, Event::Say { client, seq: 2, .. } if client.0 == 1) {
            *at_us = 99_999;
        }
    });
    let result = story.judge_as_accepted();
    assert_violated(&result, &["client-order"]);
    assert!(
        message(&result, "client-order").starts_with("ann's message 2 \"three\" was said before")
    );

    // In the same microsecond is in order.
    let mut story = chat().finish();
    story.edit(|_, at_us, event| {
        if matches!(event, Event::Say { client, seq: 2, .. } if client.0 == 1) {
            *at_us = 100_000;
        }
    });
    assert_passes(&story.judge_as_accepted());
}

#[test]
fn a_number_that_is_used_twice_or_left_out_is_named() {
    let mut story = chat();
    let again = Event::Say {
        client: client(1),
        name: "ann".to_string(),
        seq: 2,
        at_ms: 0,
        text: "three".to_string(),
    };
    let at_us = story.now_us + 50_000;
    story.lines.push(node(at_us, "ann", again));
    assert_violated(&story.finish().judge_as_accepted(), &["client-order"]);

    let mut story = chat();
    let skipped = Event::Say {
        client: client(2),
        name: "bob".to_string(),
        seq: 3,
        at_ms: 0,
        text: "four".to_string(),
    };
    let at_us = story.now_us + 50_000;
    story.lines.push(node(at_us, "bob", skipped));
    assert_violated(&story.finish().judge_as_accepted(), &["client-order"]);
}

#[test]
fn a_hole_below_an_acknowledged_message_is_named() {
    let mut story = chat();
    for log in &mut story.logs {
        log[0] = Value::Noop;
    }
    let mut story = story.finish();
    story.remove(|line| {
        matches!(
            line,
            Line::Node {
                what: Event::Acked { index: 1, .. },
                ..
            }
        )
    });
    let result = story.judge_as_accepted();
    // By the session rule ann's second message takes no effect either.
    assert_violated(&result, &["acked-present", "client-order", "prefix"]);
    assert_eq!(
        message(&result, "client-order"),
        "ann's message 1 \"one\" is not in the log, though its message 2 was acknowledged"
    );
}
