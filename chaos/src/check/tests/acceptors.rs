//! What only the servers' own records show: promises, proposals, acceptances over restarts, disks.

use paxosctl_node::event::{Acceptance, Event};
use paxosctl_node::ids::{Ballot, ServerId, Slot};
use paxosctl_node::value::{NOOP_DIGEST, Value};

use crate::check::support::*;
use crate::history::Line;

const S2: ServerId = ServerId(2);

/// Two messages; the second is stored by s1 and s2 only, and s1 is dead when s2 leads. s2 proposes
/// slot 2 anew, as it must, and then a no-op in slot 3.
///
/// `change` is made to the events of s2's leadership before they become part of the story.
fn taken_over(change: impl FnOnce(&mut Vec<(u64, u16, Event)>)) -> Story {
    let mut story = Story::new(3);
    story.say("ann", "one");
    story.say_to("bob", "two", &[0, 1]);
    let value = story.logs[0][1].clone();
    let ballot = Ballot::new(2, S2);
    let mut events = Vec::new();
    for server in [2, 3] {
        events.push((250_000, server, Event::Promised { ballot }));
    }
    let leading = Event::Leading {
        ballot,
        promised_by: vec![S2, ServerId(3)],
        after: Slot(1),
    };
    events.push((251_000, 2, leading));
    for (slot, value) in [(2, value), (3, Value::Noop)] {
        for server in [2, 3] {
            let acceptance = Acceptance {
                ballot,
                slot: Slot(slot),
                digest: value.digest(),
            };
            events.push((252_000, server, Event::Accepted(acceptance)));
        }
    }
    events.push((253_000, 2, Event::Chosen { upto: Slot(3) }));
    change(&mut events);
    for (at_us, server, event) in events {
        story.lines.push(node(at_us, &format!("s{server}"), event));
    }
    let value = story.logs[0][1].clone();
    story.logs[2].push(value);
    for log in &mut story.logs {
        log.push(Value::Noop);
    }
    story.finish()
}

fn leading(events: &mut [(u64, u16, Event)]) -> (&mut u64, &mut Vec<ServerId>, &mut Slot) {
    events
        .iter_mut()
        .find_map(|(at_us, _, event)| match event {
            Event::Leading {
                promised_by, after, ..
            } => Some((at_us, promised_by, after)),
            _ => None,
        })
        .expect("it leads")
}

#[test]
fn a_leader_counts_promises_of_a_majority_that_are_on_disk() {
    assert_passes(&taken_over(|_| {}).judge());

    let result = taken_over(|events| *leading(events).1 = vec![S2, S2]).judge();
    assert_violated(&result, &["promises"]);
    assert_eq!(
        message(&result, "promises"),
        "s2 led in ballot 2.s2 with the promises of 1 server; 2 of 3 servers are a majority"
    );

    // s1 is dead and promised nothing; what s3 promised is on record.
    let result = taken_over(|events| leading(events).1.push(ServerId(1))).judge();
    assert_violated(&result, &["promises"]);
    assert_eq!(
        message(&result, "promises"),
        "s2 led in ballot 2.s2 with a promise of s1, which never had it on disk"
    );

    // Its own promise is on disk in the moment in which it leads, and then a moment later.
    let late = |at: u64| taken_over(move |events| events[1].0 = at).judge();
    assert_passes(&late(251_000));
    assert_violated(&late(251_001), &["promises"]);

    let result = taken_over(|events| leading(events).1.push(ServerId(4))).judge();
    assert_violated(&result, &["promises"]);
}

#[test]
fn a_promise_whose_record_was_lost_with_its_process_is_told_by_the_next_one() {
    let story = taken_over(|events| {
        events[1].2 = Event::Recovered {
            promised: Ballot::new(2, S2),
            accepted: Vec::new(),
            chosen: Slot(1),
            incarnation: 3,
            formed: true,
            cut_bytes: 0,
        };
    });
    assert_passes(&story.judge());
}

#[test]
fn a_leader_proposes_what_its_promisers_accepted() {
    // A no-op over what s1 and s2 accepted, and what is chosen. The log holds what was chosen first.
    let result = taken_over(|events| {
        for (_, _, event) in events {
            if let Event::Accepted(acceptance) = event
                && acceptance.slot == Slot(2)
            {
                acceptance.digest = NOOP_DIGEST;
            }
        }
    });
    let result = result.judge();
    assert_violated(&result, &["proposals"]);
    assert!(
        message(&result, "proposals").ends_with(
            "for slot 2 in which s2, whose promise was counted, had accepted another one (digest c4ab1fa8) in ballot 1.s1"
        ),
        "{}",
        message(&result, "proposals")
    );

    // The same in slot 1, which the new leader knew as chosen.
    let repeated = |digest: Option<u32>| {
        let story = taken_over(|events| {
            let acceptance = Acceptance {
                ballot: Ballot::new(2, S2),
                slot: Slot(1),
                digest: digest.unwrap_or_else(|| Story::value(1, 1, "ann", "one").digest()),
            };
            events.push((254_000, 3, Event::Accepted(acceptance)));
        });
        story.judge()
    };
    assert_passes(&repeated(None));
    assert_violated(&repeated(Some(NOOP_DIGEST)), &["proposals"]);
}

#[test]
fn the_highest_of_several_acceptances_binds() {
    // s3 accepted something else in slot 3, in s1's ballot: its promise forbids the no-op.
    let accepted = |before: bool| {
        let mut story = taken_over(|_| {});
        let event = Event::Accepted(Acceptance {
            ballot: story.ballot,
            slot: Slot(3),
            digest: 7,
        });
        let promise = |line: &Line| {
            matches!(line, Line::Node { node, what: Event::Promised { ballot }, .. }
                if node == "s3" && ballot.round == 2)
        };
        let place = story.lines.iter().position(promise).expect("there");
        let server = if before { "s3" } else { "s1" };
        story.lines.insert(place, node(249_000, server, event));
        story.judge()
    };
    // s1's promise was not counted: what it accepted binds nobody.
    assert_passes(&accepted(false));
    assert_violated(&accepted(true), &["proposals"]);
}

#[test]
fn nothing_is_accepted_in_a_ballot_before_it_leads() {
    let late = |at: u64| taken_over(move |events| *leading(events).0 = at).judge();
    assert_passes(&late(252_000));
    let result = late(252_001);
    assert_violated(&result, &["proposals"]);
    assert!(message(&result, "proposals").ends_with("before the ballot led, at 0.252 s"));
    let result = taken_over(|events| {
        events.remove(2);
    });
    let result = result.judge();
    assert_violated(&result, &["proposals"]);
    assert!(message(&result, "proposals").ends_with("the ballot never led"));
}

#[test]
fn a_ballot_has_one_value_in_a_slot() {
    let judge = |slot: u64| {
        let mut story = Story::new(3);
        story.say("ann", "one");
        let event = Event::Accepted(Acceptance {
            ballot: story.ballot,
            slot: Slot(slot),
            digest: 7,
        });
        story.lines.push(node(150_000, "s3", event));
        story.finish().judge()
    };
    // In a slot of its own it is nobody's business.
    assert_passes(&judge(2));
    let result = judge(1);
    assert_violated(&result, &["one-value"]);
    assert_eq!(
        message(&result, "one-value"),
        "ballot 1.s1 proposed two values in slot 1: s1 accepted one (digest fd1c4ab3), s3 another (digest 00000007)"
    );
}

/// s3 stores two messages; it knows the first as chosen on its disk, and the second in memory only.
/// It is killed and comes back with what `change` makes of it. It votes no more.
fn back_with(change: impl Fn(&mut u64, &mut Vec<Acceptance>, &mut Slot)) -> Story {
    let mut story = Story::new(3);
    story.say("ann", "one");
    story.say("bob", "two");
    let fault = story.kill(&["s3"]);
    story.say_to("ann", "three", &[0, 1]);
    let missed = story.logs[0][2].clone();
    story.start(&fault, &["s3"]);
    story.say_to("bob", "four", &[0, 1]);
    let last = story.logs[0][3].clone();
    story.logs[2].extend([missed, last]);
    let mut story = story.finish();
    story.remove(|line| {
        matches!(line, Line::Node { node, what: Event::ChosenOnDisk { upto: Slot(2) }, .. }
            if node == "s3")
    });
    let digest = story.logs[0][1].digest();
    story.edit(|node, _, event| {
        if let Event::Recovered {
            promised,
            accepted,
            chosen,
            incarnation,
            formed: true,
            ..
        } = event
            && node == "s3"
        {
            *chosen = Slot(1);
            *accepted = vec![Acceptance {
                ballot: *promised,
                slot: Slot(2),
                digest,
            }];
            change(incarnation, accepted, chosen);
        }
    });
    story
}

#[test]
fn an_acceptance_outlives_a_restart() {
    assert_passes(&back_with(|_, _, _| {}).judge());

    let result = back_with(|_, accepted, _| accepted.clear()).judge();
    assert_violated(&result, &["acceptances-kept"]);
    assert_eq!(
        message(&result, "acceptances-kept"),
        "s3 had accepted slot 2 in ballot 1.s1, and came back without it: it forgot"
    );
    let result = back_with(|_, accepted, _| accepted[0].ballot.round = 0).judge();
    assert_violated(&result, &["acceptances-kept"]);
    // Another value in the same ballot is also a second value of that ballot.
    let result = back_with(|_, accepted, _| accepted[0].digest = 7).judge();
    assert_violated(&result, &["one-value", "acceptances-kept"]);

    // More than the records told: it died between the write and the record.
    let more = Acceptance {
        ballot: Ballot::new(1, ServerId(1)),
        slot: Slot(5),
        digest: 7,
    };
    assert_passes(&back_with(|_, accepted, _| accepted.push(more)).judge());
    // Chosen by then, it need not be kept.
    let known = |_: &mut u64, accepted: &mut Vec<Acceptance>, chosen: &mut Slot| {
        accepted.clear();
        *chosen = Slot(2);
    };
    assert_passes(&back_with(known).judge());
    // Another disk never had it.
    let other = |disk: &mut u64, accepted: &mut Vec<Acceptance>, _: &mut Slot| {
        accepted.clear();
        *disk = 99;
    };
    assert_passes(&back_with(other).judge());
}

#[test]
fn what_is_written_down_as_chosen_is_still_known_after_a_restart() {
    let digest = back_with(|_, _, _| {}).logs[0][0].digest();
    let back = |incarnation: u64| {
        let story = back_with(|disk, accepted, chosen| {
            *disk = incarnation;
            *chosen = Slot(0);
            let first = Acceptance {
                slot: Slot(1),
                digest,
                ..accepted[0]
            };
            accepted.insert(0, first);
        });
        story.judge()
    };
    let result = back(3);
    assert_violated(&result, &["chosen-index"]);
    assert_eq!(
        message(&result, "chosen-index"),
        "s3 had written 1 slot down as chosen, and came back knowing 0: it forgot"
    );
    assert_passes(&back(99));
}

/// s3 is killed and comes back with a disk; then all three store one more message.
fn votes_with(incarnation: u64, formed: bool, barred: bool) -> Story {
    let mut story = Story::new(3);
    story.say("ann", "one");
    let fault = story.kill(&["s3"]);
    story.say_to("bob", "two", &[0, 1]);
    let missed = story.logs[0][1].clone();
    story.start(&fault, &["s3"]);
    story.logs[2].push(missed);
    if barred {
        let reason = "its disk was emptied".to_string();
        let at_us = story.now_us + 10_000;
        story
            .lines
            .push(node(at_us, "s3", Event::NotVoting { reason }));
    }
    story.say("ann", "three");
    let mut story = story.finish();
    story.edit(|node, _, event| {
        if let Event::Recovered {
            incarnation: disk,
            formed: votes @ true,
            ..
        } = event
            && node == "s3"
        {
            *disk = incarnation;
            *votes = formed;
        }
    });
    story
}

#[test]
fn a_server_votes_with_one_disk_and_only_when_all_know_it() {
    assert_passes(&votes_with(3, true, false).judge());

    let result = votes_with(99, true, false).judge();
    assert_violated(&result, &["voters"]);
    assert_eq!(
        message(&result, "voters"),
        "s3 accepted slot 3 in ballot 1.s1 with another disk than it had voted with: what it promised before is lost"
    );
    assert_violated(&votes_with(3, false, false).judge(), &["voters"]);
    assert_violated(&votes_with(3, true, true).judge(), &["voters"]);

    // A server with another disk that only learns is as it should be.
    let mut story = votes_with(99, false, true);
    story.remove(|line| {
        matches!(line, Line::Node { node, what: Event::Accepted(Acceptance { slot: Slot(3), .. }), .. }
            if node == "s3")
    });
    assert_passes(&story.judge());
}

#[test]
fn who_accepted_another_value_is_told_apart() {
    let mut story = Story::new(3);
    story.say("ann", "one");
    let mut story = story.finish();
    story.edit(|node, _, event| {
        if let Event::Accepted(acceptance) = event
            && node != "s1"
        {
            acceptance.digest = u32::from(node == "s2") + 7;
        }
    });
    let result = story.judge();
    let told = message(&result, "chosen-majority");
    assert!(
        told.contains(
            "accepted by s1 in ballot 1.s1 (digest fd1c4ab3), s2 in ballot 1.s1 (digest 00000008), \
             s3 in ballot 1.s1 (digest 00000007); 2 of 3"
        ),
        "{told}"
    );
}
