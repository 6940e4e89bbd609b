//! Prefix, seen-by, reads, told-no-majority, rerouted.

use std::time::Duration;

use paxosctl_node::event::Event;
use paxosctl_node::ids::ServerId;

use crate::check::support::*;
use crate::history::Line;
use crate::plan::{Say, Traffic};

fn chat() -> Story {
    let mut story = Story::new(3);
    story.say("ann", "one");
    story.say("bob", "two");
    story.say("ann", "three");
    story
}

fn shown_to_bob(line: &Line, wanted: u64) -> bool {
    matches!(line, Line::Node { node, what: Event::Delivered { index, .. }, .. }
        if node == "bob" && *index == wanted)
}

#[test]
fn a_gap_a_repeat_and_a_swap_in_what_a_client_sees_are_named() {
    let mut story = chat().finish();
    story.remove(|line| shown_to_bob(line, 2));
    let result = story.judge();
    assert_violated(&result, &["prefix"]);
    assert_eq!(
        message(&result, "prefix"),
        "bob was shown index 3 and not index 2 before it"
    );
    assert_eq!(result.violations().count(), 1);

    let mut story = chat().finish();
    let place = story
        .lines
        .iter()
        .position(|line| shown_to_bob(line, 2))
        .expect("shown");
    let copy = story.lines[place].clone();
    story.lines.insert(place, copy);
    let result = story.judge();
    assert_violated(&result, &["prefix"]);
    assert_eq!(
        message(&result, "prefix"),
        "bob was shown index 2 after index 2"
    );
}

#[test]
fn what_a_client_sees_is_what_the_log_holds() {
    let mut story = chat().finish();
    story.edit(|node, _, event| {
        if let Event::Delivered {
            index: 2, digest, ..
        } = event
            && node == "ann"
        {
            *digest ^= 1;
        }
    });
    assert_violated(&story.judge(), &["prefix"]);

    let mut story = chat().finish();
    story.edit(|node, _, event| {
        if let Event::Delivered {
            index: 2,
            from,
            seq,
            ..
        } = event
            && node == "ann"
        {
            (*from, *seq) = (client(1), 2);
        }
    });
    let result = story.judge();
    // The third message is then, by its number, one that ann was shown before.
    assert_violated(&result, &["no-duplicates", "prefix", "sessions"]);
    assert_eq!(
        message(&result, "prefix"),
        "ann was shown message 2 of ann at index 2, where the log has bob's message 1 \"two\""
    );
}

#[test]
fn a_client_that_misses_the_end_is_named_only_if_it_had_time_and_lived() {
    // The run went on for longer than it may take to settle.
    let long = |story: &mut Story| {
        for line in &mut story.lines {
            if let Line::End { at_us, .. } = line {
                *at_us += 20_000_000;
            }
        }
    };
    let mut story = chat().finish();
    story.remove(|line| shown_to_bob(line, 3));
    long(&mut story);
    let result = story.judge();
    assert_violated(&result, &["prefix"]);
    assert_eq!(
        message(&result, "prefix"),
        "bob has seen 2 of 3 messages by the end"
    );

    // It ended at once: bob may have been about to see it.
    let mut story = chat().finish();
    story.remove(|line| shown_to_bob(line, 3));
    assert_inconclusive(&story.judge(), &["prefix"]);

    // bob left.
    let mut story = chat();
    story.plan.traffic.push(Traffic {
        at: Duration::from_millis(350),
        line: 9,
        what: Say::Leave {
            client: "bob".to_string(),
        },
    });
    let mut story = story.finish();
    story.remove(|line| shown_to_bob(line, 3));
    long(&mut story);
    assert_passes(&story.judge());

    // bob was killed and never came back.
    let mut story = chat();
    story.kill(&["bob"]);
    story.say_in_vain("ann", "filler");
    let mut story = story.finish();
    story.remove(|line| shown_to_bob(line, 3));
    long(&mut story);
    assert_passes(&story.judge());
}

#[test]
fn a_new_session_of_the_same_process_begins_anew() {
    let mut story = chat();
    let joined = Event::Joined {
        client: client(77),
        name: "bob".to_string(),
        server: ServerId(3),
    };
    let at_us = story.now_us + 30_000;
    story.lines.push(node(at_us, "bob", joined));
    for (index, from, seq, text) in [(1, 1, 1, "one"), (2, 2, 1, "two"), (3, 1, 2, "three")] {
        let digest = crc32c::crc32c(text.as_bytes());
        let shown = Event::Delivered {
            client: client(77),
            index,
            from: client(from),
            seq,
            digest,
        };
        story.lines.push(node(at_us + index, "bob", shown));
    }
    assert_passes(&story.finish().judge());
}

/// Demands that everybody sees ann's second message, which is the plan's third line.
fn demand(story: &mut Story, within: Option<Duration>) {
    if let Say::Say {
        seen_by,
        within: limit,
        ..
    } = &mut story.plan.traffic[2].what
    {
        *seen_by = vec!["ann".to_string(), "bob".to_string()];
        *limit = within;
    }
}

#[test]
fn seen_by_is_judged_to_the_microsecond() {
    let mut story = chat().finish();
    demand(&mut story, Some(Duration::from_millis(10)));
    let result = story.judge();
    assert_passes(&result);
    let check = result
        .checks
        .iter()
        .find(|check| check.property == "seen-by")
        .expect("judged");
    assert_eq!(check.evidence, "2 demands, slowest 10.0 ms");

    demand(&mut story, Some(Duration::from_micros(9_999)));
    assert_violated(&story.judge(), &["seen-by"]);
    demand(&mut story, Some(Duration::from_millis(9)));
    let result = story.judge();
    assert_violated(&result, &["seen-by"]);
    assert_eq!(
        message(&result, "seen-by"),
        "ann's message 2 \"three\" was shown to ann after 10.0 ms; the limit is 9.0 ms (line 3 of the plan)"
    );
}

#[test]
fn seen_by_tells_equal_texts_apart_by_their_order() {
    let mut story = Story::new(3);
    story.say("ann", "hi");
    story.say("ann", "filler");
    story.say("ann", "hi");
    demand(&mut story, Some(Duration::from_millis(10)));
    let mut story = story.finish();
    story.edit(|_, at_us, event| {
        if matches!(event, Event::Delivered { index: 3, .. }) {
            *at_us += 1;
        }
    });
    assert_violated(&story.judge(), &["seen-by"]);
}

#[test]
fn a_demand_on_something_never_said_is_inconclusive() {
    let mut story = chat();
    story.plan.traffic[2].what = Say::Say {
        client: "ann".to_string(),
        text: "other".to_string(),
        seen_by: vec!["bob".to_string()],
        within: None,
        learned: Vec::new(),
    };
    let result = story.finish().judge();
    // The plan does not let ann say what she did say, either.
    assert!(with(&result, crate::report::Outcome::Inconclusive).contains(&"seen-by"));
}

fn read(story: &mut Story, asked_us: u64, done_us: u64, length: u64) {
    let asked = Event::ReadAsked {
        client: client(2),
        id: 1,
    };
    let done = Event::ReadDone {
        client: client(2),
        id: 1,
        length,
        server: ServerId(2),
    };
    story.lines.push(node(asked_us, "bob", asked));
    story.lines.push(node(done_us, "bob", done));
}

#[test]
fn a_read_sees_all_that_was_acknowledged_before_it_and_nothing_unsaid() {
    let judge = |asked_us: u64, done_us: u64, length: u64| {
        let mut story = Story::new(3);
        let first = story.say("ann", "one");
        let second = story.say("bob", "two");
        assert_eq!((first.acked_us, second.said_us), (104_000, 200_000));
        read(&mut story, asked_us, done_us, length);
        story.finish().judge()
    };
    // Asked in the very microsecond of the acknowledgement: not after it.
    assert_passes(&judge(104_000, 150_000, 0));
    let stale = judge(104_001, 150_000, 0);
    assert_violated(&stale, &["reads"]);
    assert_eq!(
        message(&stale, "reads"),
        "bob's read 1 was answered by s2 with 0 messages, but index 1 was acknowledged before it was asked"
    );
    // The second message may be seen as soon as it is said.
    assert_passes(&judge(104_001, 200_000, 2));
    let early = judge(104_001, 199_999, 2);
    // Bob has seen the place at which what he says later stands.
    assert_violated(&early, &["reads", "sessions"]);
}

#[test]
fn an_unanswered_read_proves_nothing() {
    let mut story = chat();
    let asked = Event::ReadAsked {
        client: client(2),
        id: 1,
    };
    story.lines.push(node(350_000, "bob", asked));
    assert_passes(&story.finish().judge());
}

#[test]
fn the_clients_that_must_be_told_are_told() {
    let mut story = chat();
    story.plan.expect.told_no_majority = vec!["bob".to_string()];
    let told = |majority| {
        node(
            310_000,
            "bob",
            Event::ToldMajority {
                client: client(2),
                majority,
            },
        )
    };
    story.lines.push(told(true));
    let mut story = story.finish();
    assert_violated(&story.judge(), &["told-no-majority"]);
    story.insert(told(false));
    assert_passes(&story.judge());
}

#[test]
fn a_reroute_ends_at_another_server() {
    let mut story = chat();
    story.plan.expect.rerouted = vec!["ann".to_string()];
    let mut story = story.finish();
    let result = story.judge();
    assert_violated(&result, &["rerouted"]);
    assert_eq!(message(&result, "rerouted"), "ann was never rerouted");

    let lost = Event::Rerouting {
        client: client(1),
        from: Some(ServerId(1)),
        reason: "connection lost".to_string(),
    };
    story.insert(node(320_000, "ann", lost));
    let result = story.judge();
    assert_violated(&result, &["rerouted"]);
    assert_eq!(
        message(&result, "rerouted"),
        "ann lost its server and was never joined again"
    );

    let joined = Event::Joined {
        client: client(1),
        name: "ann".to_string(),
        server: ServerId(3),
    };
    story.insert(node(330_000, "ann", joined));
    let result = story.judge();
    assert_passes(&result);
    assert_eq!(result.clients[0].journey, ["s1", "s3"]);
    assert_eq!(result.clients[0].reroutes, 1);
}

/// A page of all three messages of [`chat`], shown to bob; `change` is made to it.
fn paged(change: impl FnOnce(&mut u64, &mut u64, &mut u32)) -> Story {
    let mut story = chat().finish();
    let messages: Vec<_> = story
        .lines
        .iter()
        .filter_map(|line| match line {
            Line::Node {
                node,
                what: Event::Delivered {
                    from, seq, digest, ..
                },
                ..
            } if node == "bob" => Some((*from, *seq, *digest)),
            _ => None,
        })
        .collect();
    let client = story
        .lines
        .iter()
        .find_map(|line| match line {
            Line::Node {
                node,
                what: Event::Joined { client, .. },
                ..
            } if node == "bob" => Some(*client),
            _ => None,
        })
        .expect("bob joined");
    let (mut first, mut count) = (2, 2);
    let mut digest = paxosctl_node::event::page_digest(messages[1..].iter().copied());
    change(&mut first, &mut count, &mut digest);
    let what = Event::Page {
        client,
        first,
        count,
        digest,
    };
    story.insert(Line::Node {
        at_us: 900_000,
        node: "bob".into(),
        what,
    });
    story
}

#[test]
fn a_page_is_a_stretch_of_the_log() {
    let result = paged(|_, _, _| {}).judge();
    assert_passes(&result);
    let pages = result.checks.iter().find(|check| check.property == "pages");
    assert_eq!(pages.expect("judged").evidence, "1 page of 2 messages");

    let result = paged(|_, _, digest| *digest ^= 1).judge();
    assert_violated(&result, &["pages"]);
    assert_eq!(
        message(&result, "pages"),
        "bob was shown a page of 2 messages from index 2 on, and the log holds something else there"
    );

    let result = paged(|first, _, _| *first = 3).judge();
    assert_violated(&result, &["pages"]);
    assert!(message(&result, "pages").ends_with("but the log has 3 messages"));

    // An empty page behind the end says nothing.
    let result = paged(|first, count, _| (*first, *count) = (9, 0)).judge();
    assert_passes(&result);
}

#[test]
fn what_a_client_says_stands_behind_all_that_it_was_shown_before() {
    let judge = |shown_us: u64| {
        let mut story = chat().finish();
        // bob is shown his own message at a time.
        story.edit(|node, at_us, event| {
            if node == "bob" && matches!(event, Event::Delivered { from, .. } if from.0 == 2) {
                *at_us = shown_us;
            }
        });
        story.judge()
    };
    assert_passes(&judge(200_000));
    let result = judge(199_999);
    assert_violated(&result, &["sessions"]);
    assert_eq!(
        message(&result, "sessions"),
        "what bob said stands at index 2, though it had seen index 2 before it spoke (writes follow reads)"
    );
}

#[test]
fn a_later_read_sees_no_less_than_an_earlier_one_of_anybody() {
    // The third message is on its way and not acknowledged: the reads may see it or not.
    let judge = |first: (u64, u64, u64), second: (u64, u64, u64)| {
        let mut story = chat().finish();
        story.edit(|_, at_us, event| match event {
            Event::Acked { index: 3, .. } => *at_us = 900_000,
            Event::Delivered { index: 3, .. } => *at_us = 910_000,
            _ => {}
        });
        for (client, name, (asked_us, done_us, length)) in [(1, "ann", first), (2, "bob", second)] {
            let client = crate::check::support::client(client);
            story.insert(node(asked_us, name, Event::ReadAsked { client, id: 7 }));
            let server = ServerId(2);
            let done = Event::ReadDone {
                client,
                id: 7,
                length,
                server,
            };
            story.insert(node(done_us, name, done));
        }
        story.judge()
    };
    let first = (400_000, 410_000, 3);
    assert_passes(&judge(first, (410_001, 420_000, 3)));
    // Asked before the other was answered, it may come before it.
    assert_passes(&judge(first, (410_000, 420_000, 2)));
    let result = judge(first, (410_001, 420_000, 2));
    assert_violated(&result, &["reads"]);
    assert_eq!(
        message(&result, "reads"),
        "bob's read 7 was answered by s2 with 2 messages, but index 3 was read before it was asked"
    );
    // What somebody was shown is known, too.
    assert_violated(
        &judge((910_001, 920_000, 3), (910_001, 920_000, 2)),
        &["reads", "sessions"],
    );
}

#[test]
fn a_read_holds_nothing_that_was_said_later_even_if_as_much_had_been_said() {
    let mut story = chat();
    // Four messages were said by then, but the one at index 4 is not among them.
    story.say_in_vain("bob", "lost");
    story.now_us += 100_000;
    story.say("ann", "four");
    let mut story = story.finish();
    story.insert(node(
        450_000,
        "ann",
        Event::ReadAsked {
            client: client(1),
            id: 1,
        },
    ));
    let done = |length| Event::ReadDone {
        client: client(1),
        id: 1,
        length,
        server: ServerId(2),
    };
    let with = |length| {
        let mut story = story.clone();
        story.insert(node(460_000, "ann", done(length)));
        story.judge()
    };
    assert_passes(&with(3));
    let result = with(4);
    assert_violated(&result, &["reads", "sessions"]);
    assert_eq!(
        message(&result, "reads"),
        "ann's read 1 was answered by s2 with 4 messages, but one of them was said only later, at 0.600 s"
    );
}
