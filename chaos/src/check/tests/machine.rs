//! Faults of disks and clocks: whether they bit, and what they excuse.

use std::time::Duration;

use paxosctl_node::event::Event;
use paxosctl_node::ids::{Ballot, Slot};

use crate::check::support::*;
use crate::history::Step;
use crate::plan::{Damage, DamageFault, MachineFault, MachineTrouble, Nodes, Place, Verb};
use crate::report::{Outcome, RunResult, Verdict};
use crate::target::{Action, Change};

fn servers(names: &[&str]) -> Nodes {
    Nodes::Named(names.iter().map(|name| name.to_string()).collect())
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

fn told(names: &[&str], generation: u64) -> Vec<Change> {
    let told = names.iter().map(|node| Change::Machine {
        node: node.to_string(),
        generation,
    });
    told.collect()
}

/// s3 has trouble in the tables 1 to 2; `meanwhile` happens between them.
fn trouble(what: MachineTrouble, meanwhile: impl Fn(&mut Story, &str)) -> Story {
    let mut story = Story::new(3);
    story.say("ann", "before");
    let fault = MachineFault {
        servers: servers(&["s3"]),
        what,
    };
    let planned = fault.to_string();
    let rule = paxosctl_node::machine::MachineRule {
        id: "f1".into(),
        node: "s3".into(),
        what: fault.what.trouble(),
    };
    let id = story.plan_fault(Verb::Machine(fault));
    let rules = vec![rule];
    let action = Action::Machine { rules };
    story.act(
        &id,
        Step::Break,
        &planned,
        &["s3"],
        action,
        told(&["s3"], 1),
    );
    story.say("ann", "during");
    meanwhile(&mut story, &planned);
    let action = Action::Machine { rules: Vec::new() };
    story.act(&id, Step::Heal, &planned, &["s3"], action, told(&["s3"], 2));
    if planned.contains("torn") || planned.contains("fsync") || planned.contains("full") {
        story.start(&id, &["s3"]);
    }
    story.say("bob", "after");
    story.finish()
}

fn struck(story: &mut Story, generation: u64, hits: u64, what: &str) {
    let event = Event::DiskTrouble {
        generation,
        rule: "f1".into(),
        hits,
        what: what.into(),
    };
    story.lines.push(node(story.now_us, "s3", event));
}

fn fall(story: &mut Story, planned: &str) {
    let changes = vec![Change::Exited {
        node: "s3".into(),
        status: "exit 3".into(),
    }];
    let action = Action::Fall {
        nodes: owned(&["s3"]),
    };
    story.act("f1", Step::Break, planned, &["s3"], action, changes);
}

fn clock_set(
    story: &mut Story,
    generation: u64,
    before_us: i64,
    after_us: i64,
    rate_permille: u32,
) {
    let event = Event::ClockSet {
        generation,
        before_us,
        after_us,
        rate_permille,
    };
    story.lines.push(node(story.now_us, "s3", event));
}

#[track_caller]
fn assert_in_vain(result: &RunResult, problem: &str) {
    assert_eq!(
        result.verdict,
        Verdict::Inconclusive,
        "{:?}",
        result.reasons
    );
    assert_eq!(result.faults[0].problem.as_deref(), Some(problem));
    assert!(!result.faults[0].bit);
}

#[test]
fn a_disk_that_ends_its_server_must_say_so_and_be_seen_to() {
    let good = trouble(MachineTrouble::FailFsync, |story, planned| {
        struck(story, 1, 1, "a sync failed");
        fall(story, planned);
    });
    let result = good.judge();
    assert_passes(&result);
    assert_eq!(
        result.faults[0].effect,
        "s3: a sync failed, s3 ended: exit 3"
    );
    assert_eq!(result.replicas[2].restarts, 1);

    let silent = trouble(MachineTrouble::FailFsync, |story, planned| {
        fall(story, planned)
    });
    assert_in_vain(&silent.judge(), "s3 synced nothing that could have failed");
    // What a later table did is no evidence for this one.
    let late = trouble(
        MachineTrouble::DiskFull { after_bytes: 9 },
        |story, planned| {
            struck(story, 2, 1, "no space left");
            fall(story, planned);
        },
    );
    assert_in_vain(&late.judge(), "s3 did not come to fill its disk");
    let alive = trouble(MachineTrouble::FailFsync, |story, _| {
        struck(story, 1, 1, "a sync failed");
    });
    assert_in_vain(&alive.judge(), "s3 was not observed to end");
}

#[test]
fn a_torn_write_is_one_of_which_something_was_cut_off() {
    let story = trouble(MachineTrouble::TornWrite, |story, planned| {
        struck(story, 1, 1, "killed in the middle of a write");
        fall(story, planned);
    });
    assert_in_vain(
        &story.judge(),
        "s3 had no torn write to cut off when it came back",
    );
    let mut story = story;
    story.edit(|_, _, event| {
        if let Event::Recovered { cut_bytes, .. } = event {
            *cut_bytes = 17;
        }
    });
    let result = story.judge();
    assert_passes(&result);
    let effect = &result.faults[0].effect;
    assert!(
        effect.contains("s3: 17 bytes cut off when it came back"),
        "{effect}"
    );
}

#[test]
fn a_slow_disk_holds_syncs_up() {
    let slow = MachineTrouble::SlowDisk {
        by: Duration::from_millis(5),
        jitter: Duration::ZERO,
        probability: 0.5,
    };
    let story = trouble(slow.clone(), |story, _| {
        struck(story, 1, 1, "a sync was held up");
        struck(story, 1, 12, "a sync was held up");
    });
    let result = story.judge();
    assert_passes(&result);
    assert_eq!(result.faults[0].effect, "s3: 12 syncs held up");
    let idle = trouble(slow, |_, _| {});
    assert_in_vain(&idle.judge(), "no sync of s3 was held up");
}

#[test]
fn a_clock_must_jump_the_right_way_and_run_at_the_right_speed() {
    let jump = |after_us| {
        let back = MachineTrouble::ClockJump {
            by: Duration::from_secs(30),
            back: true,
        };
        let story = trouble(back, |story, _| clock_set(story, 1, 0, after_us, 1000));
        story.judge()
    };
    let result = jump(-30_000_000);
    assert_passes(&result);
    assert_eq!(result.faults[0].effect, "s3: clock jumped by -30 s");
    assert_in_vain(&jump(30_000_000), "the clock of s3 jumped by +30 s");
    assert_in_vain(&jump(0), "the clock of s3 jumped by +0 s");

    let rate = |permille, gained_us| {
        let fast = MachineTrouble::ClockRate { permille: 1500 };
        let story = trouble(fast, |story, _| {
            clock_set(story, 1, 0, 0, permille);
            clock_set(story, 2, gained_us, 0, 1000);
        });
        story.judge()
    };
    let result = rate(1500, 512_345);
    assert_passes(&result);
    assert_eq!(
        result.faults[0].effect,
        "s3: clock ran at 1.5, and came to be +0.5 s off"
    );
    assert_in_vain(&rate(1500, 0), "the clock of s3 gained +0 s");
    assert_in_vain(
        &rate(700, 512_345),
        "another speed is in force at the clock of s3",
    );
    let silent = trouble(MachineTrouble::ClockRate { permille: 1500 }, |_, _| {});
    assert_in_vain(&silent.judge(), "s3 did not report that its clock was set");
}

/// The disks of some servers are changed while they are down; they come back with a new log, and
/// learn all.
fn damaged(names: &[&str]) -> Story {
    let mut story = Story::new(3);
    story.say("ann", "before");
    let fault = DamageFault {
        servers: servers(names),
        damage: Damage::FlipByte { place: Place::End },
    };
    let planned = fault.to_string();
    let id = story.plan_fault(Verb::Damage(fault));
    let exited = names.iter().map(|node| Change::Exited {
        node: node.to_string(),
        status: "signal 9".into(),
    });
    let (nodes, changes) = (owned(names), exited.collect());
    let kill = Action::Kill {
        nodes: nodes.clone(),
    };
    story.act(&id, Step::Break, &planned, names, kill, changes);
    let flipped = names.iter().map(|node| Change::Flipped {
        node: node.to_string(),
        file: "00000001.log".into(),
        offset: 70,
        from: 1,
        to: 3,
    });
    let changes = flipped.collect();
    let damage = Action::Damage {
        nodes,
        damage: Damage::FlipByte { place: Place::End },
        seed: 1,
    };
    story.act(&id, Step::Break, &planned, names, damage, changes);
    let up: Vec<usize> = (0..3)
        .filter(|at| !names.contains(&format!("s{}", at + 1).as_str()))
        .collect();
    if up.len() > 1 {
        story.say_to("ann", "during", &up);
    } else {
        story.say_in_vain("ann", "during");
    }
    story.start(&id, names);
    for name in names {
        let at_us = story.now_us + 1000;
        let set_aside = Event::LogSetAside {
            file: format!("/run/{name}/log/00000001.log"),
            offset: 48,
            what: "the checksum of group 1 is wrong".into(),
            to: "log.damaged-1".into(),
        };
        story.lines.push(node(at_us, name, set_aside));
        let reason = "its log was damaged".to_string();
        story
            .lines
            .push(node(at_us + 2000, name, Event::NotVoting { reason }));
    }
    if up.len() > 1 {
        let missed = story.logs[0][1].clone();
        story.logs[2].push(missed);
        story.say_to("bob", "after", &[0, 1, 2]);
    }
    let mut story = story.finish();
    story.edit(|name, at_us, event| {
        if let Event::Recovered {
            promised,
            accepted,
            chosen,
            incarnation,
            formed,
            ..
        } = event
            && names.contains(&name)
            && *at_us > 0
        {
            (*promised, *chosen, *incarnation) = (Ballot::ZERO, Slot(0), 99);
            (*accepted, *formed) = (Vec::new(), false);
        }
    });
    // What it accepts after that it learns, and does not vote for.
    let silent_from = 400_000;
    if up.len() < 2 {
        return story;
    }
    story.remove(|line| match line {
        crate::history::Line::Node { at_us, node, what } => {
            *at_us > silent_from
                && names.contains(&node.as_str())
                && matches!(what, Event::Accepted { .. })
        }
        _ => false,
    });
    story
}

#[test]
fn a_server_with_a_damaged_log_comes_back_and_does_not_vote() {
    let story = damaged(&["s3"]);
    let result = story.judge();
    assert_passes(&result);
    assert_eq!(
        result.faults[0].effect,
        "s3 ended: signal 9, s3: 00000001.log byte 70 01 → 03, s3: damage found and log set aside \
         (00000001.log, byte 48: the checksum of group 1 is wrong)"
    );
    assert_eq!(result.replicas[2].state, "not voting");

    let mut votes = damaged(&["s3"]);
    let ballot = Ballot::new(9, paxosctl_node::ids::ServerId(1));
    votes.insert(node(600_000, "s3", Event::Promised { ballot }));
    assert_violated(&votes.judge(), &["voters"]);

    let mut unnoticed = damaged(&["s3"]);
    unnoticed.remove(|line| {
        matches!(
            line,
            crate::history::Line::Node {
                what: Event::LogSetAside { .. },
                ..
            }
        )
    });
    assert_in_vain(
        &unnoticed.judge(),
        "s3 did not notice that its disk was changed",
    );
}

#[test]
fn without_a_majority_that_votes_no_progress_is_owed() {
    let result = damaged(&["s2", "s3"]).judge();
    let outcome = |property: &str| {
        let mut checks = result.checks.iter();
        let check = checks.find(|check| check.property == property);
        check.map(|check| (check.outcome, check.evidence.clone()))
    };
    assert_eq!(
        outcome("convergence"),
        Some((
            Outcome::NotJudged,
            "1 server of 3 left that may vote".to_string()
        ))
    );
    assert_passes(&result);
}
