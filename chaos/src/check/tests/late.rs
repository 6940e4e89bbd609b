//! What happens while the logs are read, and loads that had to be stopped before.

use paxosctl_node::event::{Acceptance, Event};
use paxosctl_node::ids::{ServerId, Slot};

use crate::check::support::*;
use crate::history::{Line, Phase};
use crate::plan::{Load, Say, Traffic};

/// A sound run, and one more message of bob that is in no log: said, accepted, acknowledged and shown
/// so long after the last message. The logs are read from 1.02 s after it on.
fn one_more(after_us: u64) -> Story {
    let mut story = Story::new(3);
    story.say("ann", "one");
    story.say("bob", "two");
    let at_us = story.now_us + after_us;
    let ballot = story.ballot;
    let value = Story::value(2, 2, "bob", "late");
    let mut story = story.finish();
    let said = Event::Say {
        client: client(2),
        name: "bob".to_string(),
        seq: 2,
        at_ms: 0,
        text: "late".to_string(),
    };
    story.insert(node(at_us - 2, "bob", said));
    for server in ["s1", "s2"] {
        let accepted = Event::Accepted(Acceptance {
            ballot,
            slot: Slot(3),
            digest: value.digest(),
        });
        story.insert(node(at_us - 1, server, accepted));
    }
    let acked = Event::Acked {
        client: client(2),
        seq: 2,
        index: 3,
        slot: Slot(3),
        server: ServerId(1),
    };
    story.insert(node(at_us, "bob", acked));
    let delivered = Event::Delivered {
        client: client(1),
        index: 3,
        from: client(2),
        seq: 2,
        digest: crc32c::crc32c(b"late"),
    };
    story.insert(node(at_us, "ann", delivered));
    let read = Event::ReadDone {
        client: client(1),
        id: 1,
        length: 3,
        server: ServerId(1),
    };
    let asked = Event::ReadAsked {
        client: client(1),
        id: 1,
    };
    story.insert(node(at_us - 1, "ann", asked));
    story.insert(node(at_us, "ann", read));
    story
}

#[test]
fn what_was_acknowledged_while_the_logs_were_read_need_not_be_in_them() {
    let accused: Vec<String> = one_more(1_021_000)
        .judge()
        .violated()
        .map(str::to_owned)
        .collect();
    assert_eq!(accused, [""; 0]);
    let result = one_more(1_019_000).judge();
    assert_violated(&result, &["acked-present", "prefix", "reads"]);
}

/// A load is stopped so long after the healing, and the replicas are level so long after it.
fn stopped(after_us: u64, level_us: u64) -> Story {
    let mut story = Story::with_clients(3, &["ann", "load1"]);
    story.say("ann", "one");
    story.say("load1", "two");
    story.plan.traffic.push(Traffic {
        at: std::time::Duration::ZERO,
        line: 1,
        what: Say::Load {
            name: "load1".to_string(),
            load: Load {
                clients: 1,
                rate: None,
                arrivals: Default::default(),
                burst: None,
                mix: Default::default(),
                bytes: (1, 2),
                lasts: std::time::Duration::from_secs(1),
                seed: 0,
            },
        },
    });
    let mut story = story.finish();
    let healed_us = story.now_us + 1_000_000;
    for line in &mut story.lines {
        match line {
            Line::Phase { at_us, phase } if *phase == Phase::Converged => {
                *at_us = healed_us + after_us + level_us;
            }
            Line::Phase { at_us, phase } if *phase == Phase::FinalReads => {
                *at_us = healed_us + after_us + level_us + 1;
            }
            Line::End { at_us, .. } => *at_us = healed_us + after_us + level_us + 2,
            _ => {}
        }
    }
    if after_us > 0 {
        let stopping = Event::Stopping {
            reason: "asked to stop".to_string(),
        };
        story.insert(node(healed_us + after_us, "load1", stopping));
    }
    story
}

#[test]
fn the_time_to_come_level_counts_from_when_the_last_load_had_left() {
    let accused = |story: Story| story.judge().violated().any(|check| check == "convergence");
    assert!(!accused(stopped(0, 10_000_000)));
    assert!(accused(stopped(0, 10_000_001)));
    assert!(!accused(stopped(12_000_000, 10_000_000)));
    assert!(accused(stopped(12_000_000, 10_000_001)));
}
