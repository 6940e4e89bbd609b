//! Ack-majority and ballots.

use paxosctl_node::event::{Acceptance, Event};
use paxosctl_node::ids::{Ballot, ServerId, Slot};

use crate::check::support::*;
use crate::history::{Line, Step};
use crate::plan::{Member, Nodes, Partition, Verb};
use crate::target::{Action, Change};

fn accepted_by(line: &Line, server: &str, wanted: u64) -> bool {
    matches!(line, Line::Node { node, what: Event::Accepted(Acceptance { slot, .. }), .. }
        if node == server && slot.0 == wanted)
}

/// The digest of the value that a story's servers hold in a slot.
fn digest(story: &Story, slot: usize) -> u32 {
    story.logs[0][slot - 1].digest()
}

/// `server` leads in `ballot` by the promises of these, knowing nothing as chosen.
fn leads(story: &mut Story, at_us: u64, ballot: Ballot, promised_by: &[u16]) {
    for server in promised_by {
        let promised = Event::Promised { ballot };
        story.insert(node(at_us - 1, &format!("s{server}"), promised));
    }
    let leading = Event::Leading {
        ballot,
        promised_by: promised_by.iter().map(|&server| ServerId(server)).collect(),
        after: Slot(0),
    };
    story.insert(node(
        at_us,
        &ballot.owner().expect("owned").to_string(),
        leading,
    ));
}

/// Every report of this slot as chosen is moved to a time.
fn chosen_at(story: &mut Story, wanted: u64, at: u64) {
    story.edit(|_, at_us, event| {
        if matches!(event, Event::Chosen { upto } if upto.0 == wanted) {
            *at_us = at;
        }
    });
}

#[test]
fn an_acknowledgement_needs_a_majority_of_acceptances_before_it() {
    let mut story = Story::new(3);
    story.say("ann", "one");
    story.say("bob", "two");
    let mut story = story.finish();
    // Two of three are enough.
    story.remove(|line| accepted_by(line, "s3", 2));
    assert_passes(&story.judge());
    chosen_at(&mut story, 2, 205_000);

    // The second acceptance came in the microsecond of the acknowledgement, and then one later.
    let late = |at: u64| {
        move |node: &str, at_us: &mut u64, event: &mut Event| {
            if node == "s2" && matches!(event, Event::Accepted(Acceptance { slot: Slot(2), .. })) {
                *at_us = at;
            }
        }
    };
    story.edit(late(204_000));
    assert_passes(&story.judge());
    story.edit(late(204_001));
    let result = story.judge();
    assert_violated(&result, &["ack-majority"]);
    assert_eq!(
        message(&result, "ack-majority"),
        "bob's message 1 \"two\" was acknowledged by s1 at 0.204 s, when slot 2 was accepted by s1 in ballot 1.s1; 2 of 3 servers are a majority"
    );
}

#[test]
fn acceptances_in_different_ballots_do_not_add_up() {
    let judge = |ballot: Ballot| {
        let mut story = Story::new(3);
        story.say("ann", "one");
        let mut story = story.finish();
        story.remove(|line| accepted_by(line, "s3", 1));
        // What s2 accepted, it accepted in another ballot; what counts is one ballot.
        story.edit(|node, _, event| {
            if node == "s2"
                && let Event::Accepted(acceptance) = event
            {
                acceptance.ballot = ballot;
            }
        });
        let higher = Event::Promised { ballot };
        if ballot.server == 2 {
            let leading = Event::Leading {
                ballot,
                promised_by: vec![ServerId(2), ServerId(3)],
                after: Slot(0),
            };
            for line in [
                node(1, "s2", higher.clone()),
                node(1, "s3", higher),
                node(1, "s2", leading),
            ] {
                let place = story.lines.len() - 1;
                let first = story
                    .lines
                    .iter()
                    .position(|line| accepted_by(line, "s2", 1));
                story.lines.insert(first.unwrap_or(place), line);
            }
        }
        story.judge()
    };
    assert_passes(&judge(Ballot::new(1, ServerId(1))));
    let result = judge(Ballot::new(2, ServerId(2)));
    assert_violated(&result, &["ack-majority", "chosen-majority"]);
    assert_eq!(
        message(&result, "chosen-majority"),
        "slot 1 is chosen, but when it was reported as chosen, at 0.102 s it was accepted by s1 in ballot 1.s1, s2 in ballot 2.s2; 2 of 3 servers are a majority"
    );
}

#[test]
fn an_acceptance_in_a_later_ballot_counts_there() {
    let mut story = Story::new(3);
    story.say("ann", "one");
    let higher = Ballot::new(2, ServerId(2));
    let mut story = story.finish();
    story.remove(|line| accepted_by(line, "s2", 1));
    story.remove(|line| accepted_by(line, "s3", 1));
    chosen_at(&mut story, 1, 103_800);
    assert_violated(&story.judge(), &["ack-majority", "chosen-majority"]);
    // s1, which accepted it first, accepts it again from a new leader, and so does s3.
    leads(&mut story, 103_000, higher, &[1, 2]);
    let digest = digest(&story, 1);
    for server in ["s1", "s3"] {
        let event = Event::Accepted(Acceptance {
            ballot: higher,
            slot: Slot(1),
            digest,
        });
        story.insert(node(103_500, server, event));
    }
    assert_passes(&story.judge());
}

#[test]
fn a_server_that_died_before_its_record_tells_of_its_acceptance_when_it_is_back() {
    let mut story = Story::new(3);
    story.say("ann", "one");
    let mut story = story.finish();
    story.remove(|line| accepted_by(line, "s2", 1));
    story.remove(|line| accepted_by(line, "s3", 1));
    chosen_at(&mut story, 1, 103_500);
    let acceptance = Acceptance {
        ballot: story.ballot,
        slot: Slot(1),
        digest: digest(&story, 1),
    };
    let recovered = |at_us: u64| {
        let event = Event::Recovered {
            promised: acceptance.ballot,
            accepted: vec![acceptance],
            chosen: Slot(0),
            incarnation: 2,
            formed: true,
            cut_bytes: 0,
        };
        let mut story = story.clone();
        story.remove(|line| matches!(line, Line::Node { node, what: Event::ChosenOnDisk { .. }, .. } if node == "s2"));
        let own = |line: &Line| matches!(line, Line::Node { node, what: Event::Chosen { .. }, .. } if node == "s2");
        let place = story.lines.iter().position(own).expect("there");
        story.lines.insert(place, node(at_us, "s2", event));
        story.judge()
    };
    assert_passes(&recovered(103_500));
    assert_violated(&recovered(103_501), &["chosen-majority"]);
    assert_violated(&recovered(104_001), &["ack-majority", "chosen-majority"]);
}

#[test]
fn without_any_protocol_record_acknowledgements_are_not_proved() {
    let mut story = Story::new(3);
    story.say("ann", "one");
    let mut story = story.finish();
    story.remove(|line| {
        matches!(
            line,
            Line::Node {
                what: Event::Accepted(_),
                ..
            }
        )
    });
    assert_inconclusive(&story.judge(), &["ack-majority", "chosen-majority"]);
}

/// s2 and s3 are killed at 300 ms, observed at 305 ms; their start begins at 500 ms.
fn two_down(said: impl FnOnce(&mut Story)) -> Story {
    let mut story = Story::new(3);
    story.say("ann", "one");
    story.say("bob", "two");
    let fault = story.kill(&["s2", "s3"]);
    said(&mut story);
    story.now_us = 400_000;
    story.start(&fault, &["s2", "s3"]);
    story.say("ann", "last");
    story.finish()
}

#[test]
fn nothing_said_without_a_majority_is_acknowledged() {
    // The protocol record claims acceptances; what was observed of the processes refutes them.
    let mut story = two_down(|story| {
        story.say("ann", "while down");
    });
    let result = story.judge();
    assert_violated(&result, &["ack-majority"]);
    assert_eq!(
        message(&result, "ack-majority"),
        "ann's message 2 \"while down\" was said at 0.400 s and acknowledged by s1 at 0.404 s, while no majority of the servers could exchange messages (0.305 s to 0.500 s), not even one after the other"
    );
    let violation = result.violations().next().expect("one");
    assert_eq!(violation.active_faults, ["f1 (kill s2,s3)"]);

    // Said before the second server was seen to be dead: it may have been under way.
    story.edit(|_, at_us, event| {
        if matches!(event, Event::Say { client, seq: 2, .. } if client.0 == 1) {
            *at_us = 305_000;
        }
    });
    assert_passes(&story.judge());

    // Acknowledged as the first server was being started.
    let mut story = two_down(|story| {
        story.say("ann", "while down");
    });
    story.edit(|_, at_us, event| {
        if matches!(event, Event::Acked { client, seq: 2, .. } if client.0 == 1) {
            *at_us = 500_000;
        }
    });
    assert_passes(&story.judge());
}

#[test]
fn said_in_vain_without_a_majority_is_as_it_should_be() {
    let story = two_down(|story| {
        story.say_in_vain("bob", "while down");
    });
    let result = story.judge();
    assert_passes(&result);
    let check = result
        .checks
        .iter()
        .find(|c| c.property == "ack-majority")
        .expect("judged");
    assert_eq!(
        check.evidence,
        "3 acknowledgements; 1 said without a majority"
    );
}

fn partition(cut: impl Fn(&mut Story, &str)) -> Story {
    let mut story = Story::new(3);
    story.say("ann", "one");
    let groups = [Member::Nodes(Nodes::Leader), Member::Rest].map(|member| vec![member]);
    let fault = story.plan_fault(Verb::Partition(Partition::Groups(groups.to_vec())));
    cut(&mut story, &fault);
    story.say("ann", "during");
    story.hits(&fault, 12);
    story.cut(&fault, &[], &[]);
    story.say("ann", "after");
    story.finish()
}

#[test]
fn a_partition_leaves_a_majority_or_not() {
    // One server is cut off: the other two go on.
    assert_passes(&partition(|story, fault| story.cut(fault, &["s1"], &["s2", "s3"])).judge());

    // Every server is alone.
    let story = partition(|story, fault| {
        story.cut(fault, &["s1", "s2", "s3"], &["s1", "s2", "s3"]);
    });
    assert_violated(&story.judge(), &["ack-majority"]);
}

#[test]
fn the_dead_are_cut_off_and_the_slow_are_not() {
    let judge = |modes: &[(&str, &str)]| {
        let mut story = partition(|story, fault| story.cut(fault, &["s1"], &["s2"]));
        for line in &mut story.lines {
            if let Line::Action(action) = line
                && action.step == Step::Break
                && let Action::Links { rules } = &mut action.action
            {
                let modes = modes.iter().flat_map(|(server, mode)| {
                    let mode: paxosctl_node::link::Mode = mode.parse().expect("a mode");
                    mode.rules("f1", server)
                });
                *rules = modes.collect();
            }
        }
        story.judge()
    };
    assert_passes(&judge(&[("s3", "d")]));
    assert_passes(&judge(&[("s2", "a:20::c:30"), ("s3", "s:30")]));
    assert_violated(&judge(&[("s2", "d"), ("s3", "d")]), &["ack-majority"]);
}

#[test]
fn a_drop_of_what_a_majority_can_do_without_is_no_cut() {
    use paxosctl_node::link::Kind;
    let judge = |kinds: &[Kind]| {
        let all = ["s1", "s2", "s3"];
        let mut story = partition(|story, fault| story.cut(fault, &all, &all));
        for line in &mut story.lines {
            if let Line::Action(action) = line
                && let Action::Links { rules } = &mut action.action
            {
                for rule in rules {
                    rule.kinds = kinds.to_vec();
                }
            }
        }
        story.judge()
    };
    assert_passes(&judge(&[Kind::Commit, Kind::Heartbeat]));
    assert_violated(&judge(&Kind::all_service()), &["ack-majority"]);
}

#[test]
fn a_cut_that_a_paused_server_has_not_loaded_is_not_sure() {
    let mut story = partition(|story, fault| {
        story.cut(fault, &["s1", "s2", "s3"], &["s1", "s2", "s3"]);
    });
    let paused = Line::Action(crate::history::ActionLine {
        at_us: 150_000,
        done_us: 155_000,
        fault: "heal".to_string(),
        firing: 1,
        step: Step::Break,
        planned: "pause".to_string(),
        resolved: Vec::new(),
        action: Action::Pause {
            nodes: vec!["s2".to_string()],
        },
        changes: vec![Change::Paused {
            node: "s2".to_string(),
        }],
        error: None,
    });
    let resumed = Line::Action(crate::history::ActionLine {
        at_us: 230_000,
        done_us: 235_000,
        fault: "heal".to_string(),
        firing: 1,
        step: Step::Heal,
        planned: "resume".to_string(),
        resolved: Vec::new(),
        action: Action::Resume {
            nodes: vec!["s2".to_string()],
        },
        changes: vec![Change::Resumed {
            node: "s2".to_string(),
        }],
        error: None,
    });
    for line in &mut story.lines {
        if let Line::Action(action) = line
            && action.step == Step::Break
            && let Action::Links { rules } = &mut action.action
        {
            for rule in rules.iter_mut() {
                rule.on = paxosctl_node::link::Side::Receive;
            }
            // Only s2's own table stands between it and the others.
            rules.retain(|rule| rule.to == "s2" || rule.to == "s3" && rule.from != "s2");
            for change in &mut action.changes {
                if let Change::Links { node, generation } = change
                    && node == "s2"
                {
                    *change = Change::LinksLater {
                        node: node.clone(),
                        generation: *generation,
                    };
                }
            }
        }
    }
    story.insert(paused);
    story.insert(resumed);
    assert_passes(&story.judge());
}

#[test]
fn a_promise_that_goes_down_is_named() {
    let judge = |round: u64| {
        let mut story = Story::new(3);
        story.say("ann", "one");
        let mut story = story.finish();
        let ballot = Ballot::new(round, ServerId(1));
        story.insert(node(
            400_000,
            "s2",
            Event::Promised {
                ballot: Ballot::new(2, ServerId(3)),
            },
        ));
        story.insert(node(400_001, "s2", Event::Promised { ballot }));
        story.judge()
    };
    assert_passes(&judge(3));
    let result = judge(2);
    assert_violated(&result, &["ballots"]);
    assert_eq!(message(&result, "ballots"), "s2 promised 2.s1 after 2.s3");
}

#[test]
fn a_promise_is_kept_over_a_restart() {
    let judge = |round: u64| {
        let mut story = Story::new(3);
        story.say("ann", "one");
        let fault = story.kill(&["s3"]);
        story.say_to("bob", "two", &[0, 1]);
        let value = story.logs[0][1].clone();
        story.start(&fault, &["s3"]);
        story.logs[2].push(value);
        story.plan.expect.traffic.after = Some(0);
        let mut story = story.finish();
        story.edit(|_, _, event| {
            if let Event::Recovered {
                promised,
                formed: true,
                ..
            } = event
            {
                promised.round = round;
            }
        });
        story.judge()
    };
    assert_passes(&judge(1));
    assert_passes(&judge(2));
    let result = judge(0);
    assert_violated(&result, &["ballots"]);
    assert_eq!(
        message(&result, "ballots"),
        "s3 came back with the promise 0.s1, having promised 1.s1 before: it forgot"
    );
}

#[test]
fn nothing_is_accepted_below_a_promise() {
    let judge = |at_us: u64| {
        let mut story = Story::new(3);
        story.say("ann", "one");
        let mut story = story.finish();
        // s3 promises a higher ballot; the order of the records is what counts.
        let promised = node(
            at_us,
            "s3",
            Event::Promised {
                ballot: Ballot::new(2, ServerId(2)),
            },
        );
        let place = story
            .lines
            .iter()
            .position(|line| accepted_by(line, "s3", 1))
            .expect("there");
        let place = if at_us < 101_002 { place } else { place + 1 };
        story.lines.insert(place, promised);
        story.judge()
    };
    assert_passes(&judge(101_003));
    let result = judge(101_001);
    assert_violated(&result, &["ballots"]);
    assert_eq!(
        message(&result, "ballots"),
        "s3 accepted slot 1 in ballot 1.s1 after it had promised 2.s2"
    );
}

#[test]
fn a_ballot_leads_once_at_its_own_server_only() {
    let judge = |leader: &str, ballot: Ballot| {
        let mut story = Story::new(3);
        story.say("ann", "one");
        let mut story = story.finish();
        for server in ["s2", "s3"] {
            story.insert(node(400_000, server, Event::Promised { ballot }));
        }
        let leading = Event::Leading {
            ballot,
            promised_by: vec![ServerId(2), ServerId(3)],
            after: Slot(1),
        };
        story.insert(node(400_000, leader, leading));
        story.judge()
    };
    assert_passes(&judge("s2", Ballot::new(2, ServerId(2))));
    let result = judge("s2", Ballot::new(1, ServerId(1)));
    assert_violated(&result, &["ballots"]);
    let messages: Vec<&str> = result.violations().map(|v| v.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "s2 leads in ballot 1.s1, which is not its own",
            "s2 leads in ballot 1.s1, in which s1 led before",
        ]
    );
    // The same server in the same ballot again: it forgot that it had used it.
    let result = judge("s1", Ballot::new(1, ServerId(1)));
    assert_violated(&result, &["ballots"]);
    assert_eq!(
        message(&result, "ballots"),
        "s1 leads in ballot 1.s1, in which s1 led before"
    );
}

#[test]
fn a_ballot_is_opened_once() {
    let judge = |ballot: Ballot| {
        let mut story = Story::new(3);
        story.say("ann", "one");
        let mut story = story.finish();
        story.insert(node(400_000, "s1", Event::Promised { ballot }));
        story.judge()
    };
    // Another server's ballot may be promised again: its Prepare was repeated.
    assert_passes(&judge(Ballot::new(2, ServerId(1))));
    let result = judge(Ballot::new(1, ServerId(1)));
    assert_violated(&result, &["ballots"]);
    assert_eq!(
        message(&result, "ballots"),
        "s1 opened its ballot 1.s1 a second time"
    );
}

/// Of five servers never more than two are up at a time. s1 proposes; s2 accepts and is killed; s3
/// comes back, accepts too, and then, if `waits` says so, the message is acknowledged; else it was
/// acknowledged before s3 came.
fn one_after_the_other(waits: bool) -> Vec<String> {
    let mut story = Story::new(5);
    story.say("ann", "one");
    story.say("bob", "two");
    let first = story.kill(&["s3", "s4", "s5"]);
    let said_us = story.say_to("ann", "spread", &[0, 1, 2]).said_us;
    let second = story.kill(&["s2"]);
    story.start(&first, &["s3"]);
    let back_us = story.now_us;
    let value = story.logs[0][2].clone();
    story.now_us += 100_000;
    for server in [3, 4] {
        story.logs[server].push(value.clone());
    }
    story.start(&second, &["s2", "s4", "s5"]);
    story.say("bob", "last");
    let mut story = story.finish();
    story.edit(|node, at_us, event| {
        let later = match event {
            Event::Accepted(acceptance) => acceptance.slot == Slot(3) && node == "s3",
            Event::Chosen { upto } | Event::ChosenOnDisk { upto } => *upto == Slot(3),
            Event::Acked { slot, .. } => *slot == Slot(3),
            Event::Delivered { index, .. } => *index == 3,
            _ => false,
        };
        if waits && later {
            *at_us = back_us + 10_000;
        }
        if let Event::Recovered {
            chosen,
            formed: true,
            ..
        } = event
        {
            *chosen = Slot(2);
        }
    });
    assert!(said_us < back_us);
    let result = story.judge();
    result.violated().map(str::to_owned).collect()
}

#[test]
fn a_majority_on_disk_need_never_have_been_up_at_once() {
    let named = |accused: &[String]| accused.iter().any(|check| check == "ack-majority");
    let accused = one_after_the_other(true);
    assert!(!named(&accused), "{accused:?}");
    let accused = one_after_the_other(false);
    assert!(named(&accused), "{accused:?}");
}
