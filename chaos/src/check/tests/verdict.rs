//! What the verdict makes of the checks and of how the history ends; damage after the run.

use paxosctl_node::ids::{Ballot, ServerId, Slot};
use paxosctl_node::value::Value;

use crate::check::support::*;
use crate::check::{DiskLog, add, disks, judge};
use crate::history::{self, Line, Phase};
use crate::report::{Outcome, Verdict};
use crate::target::{LogSource, ReplicaLog};

fn chat() -> Story {
    let mut story = Story::new(3);
    story.say("ann", "one");
    story.say("bob", "two");
    story.finish()
}

#[test]
fn the_exit_codes_are_those_of_the_command_line() {
    let codes = [
        (Verdict::Pass, 0),
        (Verdict::Violated, 1),
        (Verdict::CouldNotRun, 3),
        (Verdict::Inconclusive, 4),
        (Verdict::Interrupted, 130),
    ];
    for (verdict, code) in codes {
        assert_eq!(verdict.exit_code(), code);
    }
}

#[test]
fn an_interrupted_run_is_not_judged_for_progress() {
    let mut story = chat();
    story.remove(|line| {
        matches!(
            line,
            Line::Phase {
                phase: Phase::Converged,
                ..
            }
        )
    });
    for line in &mut story.lines {
        if let Line::End { interrupted, .. } = line {
            *interrupted = true;
        }
    }
    let result = story.judge();
    assert_eq!(result.verdict, Verdict::Interrupted);
    assert_eq!(result.exit_code, 130);
    assert_eq!(result.reasons, ["the run was stopped before its end"]);
    assert!(
        result
            .checks
            .iter()
            .all(|check| check.property != "convergence")
    );
}

#[test]
fn a_history_that_is_cut_short_never_passes_and_can_still_be_violated() {
    let mut story = chat();
    story.remove(|line| matches!(line, Line::End { .. }));
    let result = story.judge();
    assert_eq!(result.verdict, Verdict::Inconclusive);
    assert_eq!(
        result.reasons,
        ["the history is cut short: the run was killed"]
    );

    let last = story.lines.iter_mut().next_back();
    if let Some(Line::Slot { value, .. }) = last {
        *value = Value::Noop;
    }
    assert_eq!(story.judge().verdict, Verdict::Violated);
}

#[test]
fn a_cluster_that_never_was_ready_could_not_run() {
    let mut story = Story::new(3);
    story.remove(|line| matches!(line, Line::Phase { .. }));
    let result = story.finish().judge();
    assert_eq!(result.verdict, Verdict::CouldNotRun);
    assert_eq!(result.exit_code, 3);
}

#[test]
fn only_the_first_violations_of_a_property_are_kept_and_the_rest_counted() {
    let mut story = Story::new(3);
    for number in 0..9 {
        story.say("ann", &format!("message {number}"));
    }
    for value in &mut story.logs[2] {
        *value = Value::Noop;
    }
    let result = story.finish().judge();
    let agreement = &result.checks[0];
    assert_eq!(agreement.violations.len(), 5);
    assert_eq!(agreement.more_violations, 4);
}

#[test]
fn equal_logs_have_equal_digests_and_others_do_not() {
    let mut story = Story::new(3);
    story.say("ann", "one");
    story.say("bob", "two");
    story.logs[1].push(Value::Noop);
    story.logs[2].pop();
    let result = story.finish().judge();
    let digests: Vec<&str> = result
        .replicas
        .iter()
        .filter_map(|r| r.digest.as_deref())
        .collect();
    // A no-op is no message.
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0], digests[2]);
    assert_eq!(digests[0].len(), 16);
}

fn log(values: Vec<Value>) -> ReplicaLog {
    ReplicaLog {
        source: LogSource::Disk,
        chosen: Slot(values.len() as u64),
        values,
    }
}

fn on_disk(values: Vec<Value>, last: u64, round: u64) -> Vec<(ServerId, DiskLog)> {
    let disk = DiskLog {
        log: log(values),
        last: Slot(last),
        promised: Ballot::new(round, ServerId(1)),
    };
    vec![(ServerId(1), disk)]
}

#[test]
fn disks_hold_all_that_was_reported_as_durable() {
    let story = chat();
    let evidence = history::read(&story.bytes()[..]).expect("readable");
    let values = story.logs[0].clone();
    let short = disks(&evidence, &on_disk(values[..1].to_vec(), 1, 1));
    assert_eq!(
        short.violations[0].message,
        "s1 reported that slot 2 was accepted and durable, and the log on its disk ends at slot 1"
    );
    let forgotten = disks(&evidence, &on_disk(values, 2, 0));
    assert_eq!(
        forgotten.violations[0].message,
        "s1 reported that ballot 1.s1 was promised and durable, and the log on its disk knows none \
         above 0.s1"
    );
    let empty = disks(&evidence, &on_disk(Vec::new(), 0, 0));
    assert_eq!(empty.outcome, Outcome::Violated);
}

#[test]
fn a_history_that_ends_before_or_among_its_logs_accuses_nobody() {
    let story = chat();
    let mut lines: Vec<String> = String::from_utf8(story.bytes())
        .expect("text")
        .lines()
        .map(|line| line.to_owned() + "\n")
        .collect();
    while let Some(line) = lines.pop() {
        if line.contains("\"type\":\"phase\"") {
            break;
        }
        let evidence = history::read(lines.concat().as_bytes()).expect("readable");
        let result = judge(&evidence, &story.plan);
        assert_eq!(result.verdict, Verdict::Inconclusive, "cut after {line}");
        assert_eq!(result.exit_code, 4);
    }
}

#[test]
fn disks_are_compared_with_the_history() {
    let story = chat();
    let evidence = history::read(&story.bytes()[..]).expect("readable");
    let s1 = |values| on_disk(values, 2, 1);

    let whole = disks(&evidence, &s1(story.logs[0].clone()));
    assert_eq!(whole.outcome, Outcome::Holds);
    assert_eq!(whole.evidence, "2 slots on 1 disk");
    // What is chosen need not be written at once.
    assert_eq!(
        disks(&evidence, &s1(story.logs[0][..1].to_vec())).outcome,
        Outcome::Holds
    );

    let mut values = story.logs[0].clone();
    values[1] = Value::batch(vec![command(2, 1, "bob", "tvo")]);
    let changed = disks(&evidence, &s1(values));
    assert_eq!(changed.outcome, Outcome::Violated);
    assert_eq!(
        changed.violations[0].message,
        "slot 2 on the disk of s1 is not what the history says s1 held"
    );
    assert_eq!(changed.violations[0].values[0].value, "bob #1 \"tvo\"");
    assert_eq!(changed.violations[0].values[1].value, "bob #1 \"two\"");

    let reason = "checksum mismatch at 4711".to_string();
    let unreadable = ReplicaLog {
        source: LogSource::Unreadable { reason },
        ..log(Vec::new())
    };
    let unreadable = DiskLog {
        log: unreadable,
        last: Slot(0),
        promised: Ballot::ZERO,
    };
    let check = disks(&evidence, &[(ServerId(1), unreadable)]);
    assert_eq!(
        check.violations[0].message,
        "the log on the disk of s1 cannot be read: checksum mismatch at 4711"
    );
    let mut result = story.judge();
    assert_eq!(result.verdict, Verdict::Pass);
    add(&mut result, check, &evidence);
    assert_eq!(result.verdict, Verdict::Violated);
    assert_eq!(result.exit_code, 1);
}
