//! Agreement, acked-present, no-duplicates, nothing-invented.

use paxosctl_node::event::Event;
use paxosctl_node::ids::{ServerId, Slot};
use paxosctl_node::value::Value;

use crate::check::support::*;
use crate::history::Line;
use crate::plan::Say;
use crate::report::Outcome;
use crate::target::LogSource;

fn chat() -> Story {
    let mut story = Story::new(3);
    story.say("ann", "one");
    story.say("bob", "two");
    story.say("ann", "three");
    story
}

/// Gives every slot line of one server to the closure.
fn edit_slots(story: &mut Story, server: u16, mut change: impl FnMut(u64, &mut Value)) {
    for line in &mut story.lines {
        if let Line::Slot {
            server: at,
            slot,
            value,
        } = line
            && at.0 == server
        {
            change(slot.0, value);
        }
    }
}

#[test]
fn a_sound_run_passes() {
    let result = chat().finish().judge_as_accepted();
    assert_passes(&result);
    let agreement = &result.checks[0];
    assert_eq!(agreement.property, "agreement");
    assert_eq!(agreement.evidence, "3 slots × 3 replicas");
    assert_eq!(
        with(&result, Outcome::NotJudged),
        ["pages", "reads", "acceptances-kept", "faults-bit"]
    );
}

#[test]
fn agreement_names_slot_servers_values_and_first_divergence() {
    let mut story = chat().finish();
    edit_slots(&mut story, 3, |slot, value| {
        if slot >= 2 {
            *value = Value::Noop;
        }
    });
    // s3 lacks two acknowledged messages as well.
    let result = story.judge_as_accepted();
    assert_violated(&result, &["agreement", "acked-present"]);
    let first = &result.checks[0].violations[0];
    assert_eq!(first.message, "slot 2 holds different values on s1, s2, s3");
    assert_eq!(first.slot, Some(2));
    assert_eq!(first.servers, ["s1", "s2", "s3"]);
    assert_eq!(first.values[0].value, "bob #1 \"two\"");
    assert_eq!(first.values[2].value, "no-op");
    assert_eq!(first.first_divergence, Some(2));
    assert_eq!(first.command, "paxosctl run plans/story.yaml --seed 7");
    assert_eq!(result.checks[0].violations[1].first_divergence, Some(2));
    assert_eq!(result.exit_code, 1);
}

#[test]
fn agreement_counts_dead_replicas_that_were_read_from_disk() {
    let mut story = chat();
    let fault = story.kill(&["s3"]);
    story.say_in_vain("bob", "filler");
    let mut story = story.finish();
    for line in &mut story.lines {
        if let Line::Log {
            server: ServerId(3),
            source,
            ..
        } = line
        {
            *source = LogSource::Disk;
        }
    }
    edit_slots(&mut story, 3, |slot, value| {
        if slot == 1 {
            *value = Value::Noop;
        }
    });
    let result = story.judge_as_accepted();
    assert_eq!(fault, "f1");
    // The dead replica stays down to the end here, which convergence names as well.
    assert_violated(&result, &["agreement", "convergence"]);
}

#[test]
fn a_shorter_log_is_no_disagreement() {
    let mut story = chat();
    story.logs[2].truncate(2);
    let result = story.finish().judge_as_accepted();
    assert_violated(&result, &["convergence"]);
    assert_eq!(
        message(&result, "convergence"),
        "the final logs are not equally long: s3 has 2 slots, 1 behind s1"
    );
}

#[test]
fn a_slot_missing_below_the_chosen_index_is_named() {
    let mut story = chat().finish();
    story.remove(|line| {
        matches!(
            line,
            Line::Slot {
                server: ServerId(2),
                slot: Slot(2),
                ..
            }
        )
    });
    let result = story.judge_as_accepted();
    assert_violated(&result, &["agreement", "acked-present"]);
    assert_eq!(
        message(&result, "agreement"),
        "s2 holds nothing in slot 2, which is below its chosen index"
    );
}

#[test]
fn slots_out_of_order_or_twice_are_named() {
    let mut story = chat().finish();
    let places: Vec<usize> = (0..story.lines.len())
        .filter(|&place| {
            matches!(
                story.lines[place],
                Line::Slot {
                    server: ServerId(2),
                    ..
                }
            )
        })
        .collect();
    story.lines.swap(places[1], places[2]);
    let result = story.judge_as_accepted();
    assert_violated(&result, &["agreement"]);
    assert_eq!(
        message(&result, "agreement"),
        "slot 2 of s2's log comes after slot 3"
    );

    let mut story = chat().finish();
    let copy = story.lines[places[0]].clone();
    story.lines.insert(places[2], copy);
    let result = story.judge_as_accepted();
    assert_violated(&result, &["agreement"]);
    assert_eq!(
        message(&result, "agreement"),
        "slot 1 stands twice in s2's log"
    );
}

#[test]
fn two_messages_swapped_on_one_replica_are_named() {
    let mut story = chat();
    story.logs[1].swap(0, 1);
    let result = story.finish().judge_as_accepted();
    // What was said second stands where a server had something chosen before it was said.
    assert_violated(&result, &["agreement", "acked-present", "nothing-invented"]);
    assert_eq!(result.checks[0].violations.len(), 2);
}

#[test]
fn an_unreadable_log_of_a_running_server_is_inconclusive_and_of_a_dead_one_a_violation() {
    let unreadable = |story: &mut Story| {
        story.remove(|line| {
            matches!(
                line,
                Line::Slot {
                    server: ServerId(3),
                    ..
                }
            )
        });
        for line in &mut story.lines {
            if let Line::Log {
                server: ServerId(3),
                source,
                chosen,
            } = line
            {
                let reason = "checksum mismatch in 000001.log at 4711".to_string();
                *source = LogSource::Unreadable { reason };
                *chosen = Slot(0);
            }
        }
    };
    let mut story = chat().finish();
    unreadable(&mut story);
    let result = story.judge_as_accepted();
    assert_inconclusive(&result, &["agreement"]);
    assert_eq!(result.replicas[2].state, "unreadable");
    assert_eq!(result.replicas[2].digest, None);

    let mut story = chat();
    story.kill(&["s3"]);
    story.say_in_vain("bob", "filler");
    let mut story = story.finish();
    unreadable(&mut story);
    let result = story.judge_as_accepted();
    assert_violated(&result, &["agreement", "convergence"]);
    assert_eq!(
        message(&result, "agreement"),
        "the log of s3 cannot be read: checksum mismatch in 000001.log at 4711"
    );
}

#[test]
fn an_acknowledged_message_removed_from_every_log_is_missed() {
    let mut story = chat();
    for log in &mut story.logs {
        log[1] = Value::Noop;
    }
    let result = story.finish().judge_as_accepted();
    // The clients were shown it, too.
    assert_violated(&result, &["acked-present", "prefix"]);
    assert_eq!(
        message(&result, "acked-present"),
        "bob's message 1 \"two\" was acknowledged by s1 at index 2 (slot 2), and is missing from the log on s1, s2, s3"
    );
}

#[test]
fn an_unacknowledged_message_may_be_in_the_log_or_not() {
    let mut story = chat();
    story.say_in_vain("bob", "lost");
    assert_passes(&story.finish().judge_as_accepted());

    let mut story = chat().finish();
    story.remove(|line| {
        matches!(
            line,
            Line::Node {
                what: Event::Acked { index: 3, .. },
                ..
            }
        )
    });
    let result = story.judge_as_accepted();
    assert_passes(&result);
    assert_eq!(result.traffic.unknown, 1);
    assert_eq!(result.traffic.unknown_in_log, 1);
}

#[test]
fn an_acknowledgement_that_names_another_place_is_a_violation() {
    let mut story = chat().finish();
    story.edit(|_, _, event| {
        if let Event::Acked { index: 3, slot, .. } = event {
            *slot = Slot(2);
        }
    });
    let result = story.judge_as_accepted();
    assert_violated(&result, &["acked-present"]);
    assert!(
        message(&result, "acked-present").ends_with("and stands at index 3 (slot 3) on s1, s2, s3")
    );
}

#[test]
fn an_acknowledgement_of_nothing_is_a_violation() {
    let mut story = chat().finish();
    let acked = Event::Acked {
        client: client(2),
        seq: 9,
        index: 3,
        slot: Slot(3),
        server: ServerId(1),
    };
    let at_us = story.now_us;
    story.insert(node(at_us, "bob", acked));
    assert_violated(&story.judge_as_accepted(), &["acked-present"]);
}

#[test]
fn one_thing_said_that_takes_effect_under_two_names_is_a_duplicate() {
    let mut story = chat();
    story.say("ann", "three");
    let mut story = story.finish();
    // The plan lets ann say it once only.
    let last = story.plan.traffic.pop().expect("four lines");
    assert!(matches!(last.what, Say::Say { .. }));
    let result = story.judge_as_accepted();
    assert_violated(&result, &["no-duplicates"]);
    assert_eq!(
        message(&result, "no-duplicates"),
        "ann says \"three\" 1 time in the plan, and index 4 of the log is its number 2"
    );
}

#[test]
fn a_retry_that_stands_in_the_log_twice_takes_effect_once() {
    let mut story = chat();
    let again = story.logs[0][0].clone();
    for log in &mut story.logs {
        log.push(again.clone());
    }
    let result = story.finish().judge_as_accepted();
    assert_passes(&result);
    assert_eq!(result.checks[2].evidence, "3 messages, 1 repeat ignored");
    assert_eq!(result.replicas[0].slots, 4);
    assert_eq!(result.replicas[0].messages, 3);
}

#[test]
fn a_repeat_that_a_client_is_shown_is_a_duplicate() {
    let mut story = chat();
    let again = story.logs[0][0].clone();
    for log in &mut story.logs {
        log.push(again.clone());
    }
    let shown = Event::Delivered {
        client: client(1),
        index: 4,
        from: client(1),
        seq: 1,
        digest: crc32c::crc32c(b"one"),
    };
    let at_us = story.now_us + 20_000;
    story.lines.push(node(at_us, "ann", shown));
    let result = story.finish().judge_as_accepted();
    assert_violated(&result, &["no-duplicates", "prefix"]);
    assert_eq!(
        message(&result, "no-duplicates"),
        "ann was shown message 1 of ann again at index 4"
    );
}

#[test]
fn an_altered_message_is_noticed_though_all_replicas_agree() {
    let mut story = chat();
    for log in &mut story.logs {
        log[1] = Value::batch(vec![command(2, 1, "bob", "TWO")]);
    }
    let mut story = story.finish();
    // The clients see what the log holds.
    story.edit(|_, _, event| {
        if let Event::Delivered {
            index: 2, digest, ..
        } = event
        {
            *digest = crc32c::crc32c(b"TWO");
        }
    });
    let result = story.judge_as_accepted();
    assert_violated(&result, &["nothing-invented"]);
    assert_eq!(
        message(&result, "nothing-invented"),
        "the log holds message 1 of bob \"TWO\", but what was said is \"two\""
    );
}

#[test]
fn a_message_that_nobody_said_or_under_another_name_or_too_early_is_invented() {
    let mut story = chat();
    for log in &mut story.logs {
        log.push(Value::batch(vec![command(99, 2, "eve", "psst")]));
    }
    let result = story.finish().judge_as_accepted();
    assert_violated(&result, &["nothing-invented"]);
    assert_eq!(
        message(&result, "nothing-invented"),
        "the log holds message 2 of eve \"psst\", which nobody said"
    );

    let mut story = chat();
    for log in &mut story.logs {
        log[1] = Value::batch(vec![command(2, 1, "robert", "two")]);
    }
    assert_violated(&story.finish().judge_as_accepted(), &["nothing-invented"]);

    let mut story = chat().finish();
    story.edit(|_, at_us, event| {
        let third = match event {
            Event::Chosen { upto } => *upto == Slot(3),
            Event::Accepted(acceptance) => acceptance.slot == Slot(3),
            _ => false,
        };
        if third {
            *at_us = 299_000;
        }
    });
    let result = story.judge_as_accepted();
    assert_violated(&result, &["nothing-invented"]);
    assert!(message(&result, "nothing-invented").ends_with("chosen 1.0 ms before it was said"));
}

/// A server that answers a retry of an old message knows that it is stored, but not where.
fn forget_places(story: &mut Story) {
    story.edit(|_, _, event| {
        if let Event::Acked { index, slot, .. } = event {
            (*index, *slot) = (0, Slot(0));
        }
    });
}

#[test]
fn an_acknowledgement_without_a_place_is_judged_by_the_message_in_the_log() {
    let mut story = chat().finish();
    forget_places(&mut story);
    assert_passes(&story.judge_as_accepted());
}

#[test]
fn an_acknowledgement_without_a_place_of_a_missing_message_is_a_violation() {
    let mut story = chat().finish();
    forget_places(&mut story);
    for server in 1..=3 {
        edit_slots(&mut story, server, |slot, value| {
            if slot == 3 {
                *value = Value::Noop;
            }
        });
    }
    let result = story.judge_as_accepted();
    let acked = result
        .checks
        .iter()
        .find(|check| check.property == "acked-present")
        .expect("acked-present is always judged");
    assert_eq!(acked.outcome, Outcome::Violated);
    assert_eq!(
        acked.violations[0].message,
        "ann's message 2 \"three\" was acknowledged by s1, and is missing from the log on s1, s2, s3"
    );
}
