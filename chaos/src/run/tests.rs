use std::cell::Cell;
use std::path::Path;

use super::fake::{Fake, id};
use super::*;
use crate::plan;
use crate::target::{Action, Change};
use paxosctl_node::event::{Event, NodeEvent};
use paxosctl_node::link::{Side, What};

fn plan_of(traffic: &str, faults: &str) -> Plan {
    let text = format!(
        "version: 1
cluster: {{servers: 3, clients: [ann, bob]}}
traffic: {traffic}
faults: {faults}
settle: 4s
"
    );
    plan::parse(Path::new("test.yaml"), &text).unwrap_or_else(|errors| panic!("{errors}"))
}

const LAST_WORD: &str = "[{at: 20s, as: ann, say: bye}]";

fn run_fake(plan: &Plan, fake: &mut Fake) -> (Vec<Line>, RunOutcome) {
    let mut lines = Vec::new();
    let outcome = run(
        plan,
        1,
        fake,
        &mut |line| lines.push(line.clone()),
        &mut |_| {},
        &|| false,
    );
    (lines, outcome)
}

/// The faults' side of a history: `2s f1.1 break kill [s1]: s1 signal 9`.
fn actions(plan: &Plan, fake: &mut Fake) -> Vec<String> {
    let (lines, _) = run_fake(plan, fake);
    lines
        .iter()
        .filter_map(|line| match line {
            Line::Action(line) => Some(action_text(line)),
            _ => None,
        })
        .collect()
}

fn action_text(line: &ActionLine) -> String {
    let (verb, nodes) = match &line.action {
        Action::Kill { nodes } => ("kill", nodes.join(" ")),
        Action::Stop { nodes } => ("stop", nodes.join(" ")),
        Action::Start { nodes } => ("start", nodes.join(" ")),
        Action::Pause { nodes } => ("pause", nodes.join(" ")),
        Action::Resume { nodes } => ("resume", nodes.join(" ")),
        Action::Links { rules } => ("links", format!("{} rules", rules.len())),
    };
    let changes: Vec<String> = line
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Exited { node, status } => Some(format!("{node} {status}")),
            Change::Started { node, .. } => Some(format!("{node} up")),
            Change::Paused { node } => Some(format!("{node} paused")),
            Change::Resumed { node } => Some(format!("{node} resumed")),
            Change::Nothing { node, reason } => Some(format!("{node} nothing: {reason}")),
            Change::Links { .. } | Change::LinksLater { .. } => None,
        })
        .chain(line.error.iter().map(|error| format!("error: {error}")))
        .collect();
    let step = match line.step {
        Step::Break => "break",
        Step::Heal => "heal",
    };
    let at = std::time::Duration::from_micros(line.at_us);
    format!(
        "{at:?} {}.{} {step} {verb} [{nodes}] {}",
        line.fault,
        line.firing,
        changes.join(", ")
    )
    .trim_end()
    .to_owned()
}

/// A whole history, one short line each.
fn history(lines: &[Line]) -> Vec<String> {
    lines
        .iter()
        .map(|line| match line {
            Line::Run(header) => format!("run {} by `{}`", header.plan, header.command),
            Line::Node { at_us, node, what } => {
                let what = match what {
                    Event::Leading { ballot } => format!("leads {ballot}"),
                    Event::Joined { server, .. } => format!("joined {server}"),
                    Event::Say { seq, text, .. } => format!("says {seq} {text}"),
                    Event::Acked { seq, slot, .. } => format!("acked {seq} in {slot}"),
                    Event::Chosen { upto } => format!("chosen {upto}"),
                    Event::Delivered { index, .. } => format!("shows {index}"),
                    other => format!("{other:?}"),
                };
                format!("{:?} {node} {what}", Duration::from_micros(*at_us))
            }
            Line::Died { at_us, node, .. } => {
                format!("{:?} {node} died", Duration::from_micros(*at_us))
            }
            Line::Action(line) => action_text(line),
            Line::Phase { at_us, phase } => {
                format!("{:?} -- {phase:?}", Duration::from_micros(*at_us))
            }
            Line::Log { server, chosen, .. } => format!("log {server} to {chosen}"),
            Line::Slot { server, slot, .. } => format!("log {server} slot {slot}"),
            Line::End { at_us, interrupted } => {
                let how = if *interrupted { "interrupted" } else { "end" };
                format!("{:?} {how}", Duration::from_micros(*at_us))
            }
        })
        .collect()
}

#[test]
fn a_whole_run_line_by_line() {
    let plan = plan_of(
        "[{at: 1s, as: ann, say: hello}, {at: 3s, as: bob, say: hi}]",
        "[{at: 2s, kill: leader, restart_after: 500ms}]",
    );
    let mut fake = Fake::new(&plan);
    let (lines, outcome) = run_fake(&plan, &mut fake);
    assert!(matches!(outcome, RunOutcome::Complete));
    assert_eq!(
        history(&lines),
        [
            "run test by `paxosctl run test.yaml --seed 1`",
            "0ns -- Run",
            "0ns s1 leads 1.s1",
            "0ns ann joined s1",
            "0ns bob joined s2",
            "1s ann says 1 hello",
            "1.005s ann acked 1 in 1",
            "1.005s s1 chosen 1",
            "1.005s s2 chosen 1",
            "1.005s s3 chosen 1",
            "1.005s ann shows 1",
            "1.005s bob shows 1",
            "2s f1.1 break kill [s1] s1 signal 9",
            "2.3s s2 leads 2.s2",
            "2.5s f1.1 heal start [s1] s1 up",
            "2.55s s1 chosen 1",
            "3s -- Heal",
            "3s -- Drain",
            "3s bob says 1 hi",
            "3.005s bob acked 1 in 2",
            "3.005s s1 chosen 2",
            "3.005s s2 chosen 2",
            "3.005s s3 chosen 2",
            "3.005s ann shows 2",
            "3.005s bob shows 2",
            "3.005s -- Settle",
            "3.005s -- Converged",
            "3.205s -- FinalReads",
            "log s1 to 2",
            "log s1 slot 1",
            "log s1 slot 2",
            "log s2 to 2",
            "log s2 slot 1",
            "log s2 slot 2",
            "log s3 to 2",
            "log s3 slot 1",
            "log s3 slot 2",
            "3.205s end",
        ]
    );
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let plan = plan_of(
        "[{at: 1s, as: ann, say: a}, {at: 9s, as: bob, say: b}]",
        "[{at: 2s, every: 2s, times: 3, kill: random(1), restart_after: 1s}]",
    );
    let first = run_fake(&plan, &mut Fake::new(&plan)).0;
    let second = run_fake(&plan, &mut Fake::new(&plan)).0;
    assert_eq!(first, second);
}

#[test]
fn two_faults_on_one_node_heal_in_any_order() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, kill: s3, restart_after: 5s}, {at: 2s, kill: s3, restart_after: 1s},
          {at: 8s, for: 4s, pause: s2}, {at: 9s, for: 1s, pause: s2}]",
    );
    assert_eq!(
        actions(&plan, &mut Fake::new(&plan)),
        [
            "1s f1.1 break kill [s3] s3 signal 9",
            "2s f2.1 break kill [s3] s3 nothing: it is down",
            "3s f2.1 heal start [] s3 nothing: another fault holds it down",
            "6s f1.1 heal start [s3] s3 up",
            "8s f3.1 break pause [s2] s2 paused",
            "9s f4.1 break pause [s2] s2 paused",
            "10s f4.1 heal resume [] s2 nothing: another fault holds it paused",
            "12s f3.1 heal resume [s2] s2 resumed",
        ]
    );
}

#[test]
fn a_kill_ends_a_pause_and_a_dead_node_is_not_paused() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, for: 5s, pause: s3}, {at: 2s, kill: s3, restart_after: 6s},
          {at: 4s, for: 1s, pause: s3}]",
    );
    assert_eq!(
        actions(&plan, &mut Fake::new(&plan)),
        [
            "1s f1.1 break pause [s3] s3 paused",
            "2s f2.1 break kill [s3] s3 signal 9",
            "4s f3.1 break pause [s3] s3 nothing: it is down",
            "5s f3.1 heal resume []",
            "6s f1.1 heal resume []",
            "8s f2.1 heal start [s3] s3 up",
        ]
    );
}

#[test]
fn a_stop_wakes_what_is_paused_and_a_restart_takes_over_what_is_down() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, for: 9s, pause: s3}, {at: 2s, stop: s3, restart_after: 8s},
          {at: 3s, restart: \"s2,s3\"}, {at: 5s, kill: s1}, {at: 6s, restart: s1}]",
    );
    assert_eq!(
        actions(&plan, &mut Fake::new(&plan)),
        [
            "1s f1.1 break pause [s3] s3 paused",
            "2s f2.1 break resume [s3] s3 resumed",
            "2s f2.1 break stop [s3] s3 exit 0",
            "3s f3.1 break stop [s2] s2 exit 0",
            "3s f3.1 heal start [s2 s3] s2 up, s3 up",
            "5s f4.1 break kill [s1] s1 signal 9",
            "6s f5.1 break start [s1] s1 up",
            "10s f1.1 heal resume []",
            "10s f2.1 heal start []",
        ]
    );
}

#[test]
fn what_no_fault_heals_is_healed_at_the_end_in_order() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, kill: s1}, {at: 2s, pause: s2}, {at: 3s, partition: \"s2 | s3\"}]",
    );
    assert_eq!(
        actions(&plan, &mut Fake::new(&plan))[3..],
        [
            "20s heal.1 heal resume [s2] s2 resumed",
            "20s heal.1 heal links [0 rules]",
            "20s heal.1 heal start [s1] s1 up",
        ]
    );
}

#[test]
fn link_faults_at_work_are_in_force_together() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, for: 4s, partition: \"s1 | s2\"},
          {at: 2s, for: 1s, delay: {link: \"s2 -> s3\", by: 10ms, jitter: 2ms, kinds: [accept]}},
          {at: 4s, for: 2s, drop: {link: \"ann -> s1\", probability: 25%}}]",
    );
    let (lines, _) = run_fake(&plan, &mut Fake::new(&plan));
    let tables: Vec<(u64, Vec<String>, Vec<String>)> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Action(ActionLine {
                at_us,
                action: Action::Links { rules },
                resolved,
                ..
            }) => Some((at_us / 1_000_000, resolved.clone(), rules_text(rules))),
            _ => None,
        })
        .collect();
    let cut = [
        "f1 s1->s2 Send",
        "f1 s1->s2 Receive",
        "f1 s2->s1 Send",
        "f1 s2->s1 Receive",
    ];
    let delay = ["f2 s2->s3 Send"];
    let drop = ["f3 ann->s1 Send"];
    let table = |at: u64, links: &[&str], rules: &[&[&str]]| {
        let owned = |texts: &[&str]| texts.iter().map(|t| t.to_string()).collect::<Vec<_>>();
        (at, owned(links), owned(&rules.concat()))
    };
    assert_eq!(
        tables,
        [
            table(1, &["s1->s2", "s2->s1"], &[&cut]),
            table(2, &["s2->s3"], &[&cut, &delay]),
            table(3, &["s2->s3"], &[&cut]),
            table(4, &["ann->s1"], &[&cut, &drop]),
            table(5, &["s1->s2", "s2->s1"], &[&drop]),
            table(6, &["ann->s1"], &[]),
        ]
    );
    let rules = lines.iter().find_map(|line| match line {
        Line::Action(ActionLine {
            at_us: 2_000_000,
            action: Action::Links { rules },
            ..
        }) => Some(rules.clone()),
        _ => None,
    });
    let delay = rules.and_then(|rules| rules.last().cloned()).unwrap();
    assert_eq!(
        delay.what,
        What::Delay {
            by_us: 10_000,
            jitter_us: 2_000
        }
    );
    assert_eq!(delay.kinds, [paxosctl_node::link::Kind::Accept]);
    assert_eq!(delay.on, Side::Send);
}

fn rules_text(rules: &[paxosctl_node::link::Rule]) -> Vec<String> {
    rules
        .iter()
        .map(|rule| format!("{} {}->{} {:?}", rule.id, rule.from, rule.to, rule.on))
        .collect()
}

#[test]
fn a_firing_waits_for_a_leader_and_lasts_its_time_all_the_same() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, kill: leader, restart_after: 5s}, {at: 1100ms, for: 1s, pause: leader}]",
    );
    assert_eq!(
        actions(&plan, &mut Fake::new(&plan)),
        [
            "1s f1.1 break kill [s1] s1 signal 9",
            "1.3s f2.1 break pause [s2] s2 paused",
            "2.3s f2.1 heal resume [s2] s2 resumed",
            "6s f1.1 heal start [s1] s1 up",
        ]
    );
}

#[test]
fn a_target_that_never_means_anything_is_recorded() {
    let plan = plan_of(
        LAST_WORD,
        "[{at: 1s, kill: servers, restart_after: 8s}, {at: 2s, for: 1s, pause: leader}]",
    );
    let mut fake = Fake::new(&plan);
    assert_eq!(
        actions(&plan, &mut fake)[1],
        "4s f2.1 break pause [] error: no leader is known now"
    );
}

#[test]
fn a_failed_action_is_recorded_and_the_run_goes_on() {
    let plan = plan_of(LAST_WORD, "[{at: 1s, kill: s1}, {at: 2s, kill: s2}]");
    let mut fake = Fake::new(&plan);
    fake.failing.insert(0);
    let (lines, outcome) = run_fake(&plan, &mut fake);
    assert!(matches!(outcome, RunOutcome::Complete));
    let history = history(&lines);
    assert!(history.contains(&"1s f1.1 break kill [s1] error: it did not work".to_owned()));
    assert!(history.contains(&"2s f2.1 break kill [s2] s2 signal 9".to_owned()));
    assert_eq!(history.last().map(String::as_str), Some("20.25s end"));
}

#[test]
fn a_cluster_that_cannot_be_run_ends_the_run() {
    let plan = plan_of(LAST_WORD, "[{at: 1s, kill: s1}]");
    let mut fake = Fake::new(&plan);
    fake.fails_at = Some(Duration::from_secs(3));
    let (lines, outcome) = run_fake(&plan, &mut fake);
    let RunOutcome::CouldNotRun(error) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.to_string(), "the machine is on fire");
    let last = history(&lines).pop();
    assert_eq!(last.as_deref(), Some("3s interrupted"));
}

#[test]
fn a_stop_heals_first() {
    let plan = plan_of(
        "[{at: 1s, for: 19s, load: {clients: 2}}]",
        "[{at: 2s, kill: s1}, {at: 3s, for: 9s, pause: s2}]",
    );
    let mut fake = Fake::new(&plan);
    let polls = Cell::new(0);
    let stop = || {
        polls.set(polls.get() + 1);
        polls.get() > 50
    };
    let mut lines = Vec::new();
    let sink = &mut |line: &Line| lines.push(line.clone());
    let outcome = run(&plan, 1, &mut fake, sink, &mut |_| {}, &stop);
    assert!(matches!(outcome, RunOutcome::Interrupted));
    let history = history(&lines);
    assert_eq!(
        history[history.len() - 4..],
        [
            "4.8s -- Heal",
            "4.8s heal.1 heal resume [s2] s2 resumed",
            "4.8s heal.1 heal start [s1] s1 up",
            "4.8s interrupted",
        ][..]
            .iter()
            .map(|line| line.to_string())
            .collect::<Vec<_>>()[..]
    );
    let ended = Op::EndLoad {
        name: "load1".to_owned(),
    };
    assert_eq!(fake.ops.last().map(|(_, op)| op), Some(&ended));
}

#[test]
fn traffic_is_submitted_in_time_order_with_a_seed_of_its_own_for_each_load() {
    let plan = plan_of(
        "[{at: 5s, leave: bob}, {at: 1s, for: 2s, load: {clients: 2}}, {at: 2s, join: cy},
          {at: 3s, read: cy}, {at: 4s, for: 1s, load: {clients: 1}}, {at: 5s, as: ann, say: x}]",
        "[{at: 5s, for: 1s, pause: s1}]",
    );
    let mut fake = Fake::new(&plan);
    run_fake(&plan, &mut fake);
    let ops: Vec<String> = fake
        .ops
        .iter()
        .map(|(at, op)| {
            let name = match op {
                Op::Load { name, .. } => format!("load {name}"),
                Op::Join { client } => format!("join {client}"),
                Op::Read { client } => format!("read {client}"),
                Op::Leave { client } => format!("leave {client}"),
                Op::Say { client, .. } => format!("say {client}"),
                Op::EndLoad { name } => format!("end {name}"),
                Op::ReadLogs => "logs".to_owned(),
            };
            format!("{at:?} {name}")
        })
        .collect();
    assert_eq!(
        ops[..6],
        [
            "1s load load1",
            "2s join cy",
            "3s read cy",
            "4s load load2",
            "5s leave bob",
            "5s say ann"
        ]
    );
    let seeds: BTreeSet<u64> = fake
        .ops
        .iter()
        .filter_map(|(_, op)| match op {
            Op::Load { load, .. } => Some(load.seed),
            _ => None,
        })
        .collect();
    assert_eq!(seeds.len(), 2);
    assert!(!seeds.contains(&0));
}

#[test]
fn an_open_message_is_waited_for_until_the_settle_time_is_over() {
    let plan = plan_of("[{at: 1s, as: ann, say: x}]", "[]");
    let mut fake = Fake::new(&plan);
    fake.mute = true;
    let (lines, _) = run_fake(&plan, &mut fake);
    let history = history(&lines);
    assert_eq!(
        history[history.len() - 10..history.len() - 5],
        [
            "1s -- Heal",
            "1s -- Drain",
            "1s ann says 1 x",
            "5s -- Settle",
            "5s -- Converged"
        ]
    );
}

#[test]
fn replicas_that_never_come_level_have_not_converged() {
    let plan = plan_of("[{at: 1s, as: ann, say: x}]", "[]");
    let mut fake = Fake::new(&plan);
    let late = Event::Chosen {
        upto: paxosctl_node::ids::Slot(9),
    };
    fake.tell(Duration::from_secs(1), "s2", late);
    let (lines, _) = run_fake(&plan, &mut fake);
    let history = history(&lines);
    assert!(!history.iter().any(|line| line.ends_with("Converged")));
    assert!(history.contains(&"5s -- FinalReads".to_owned()));
}

#[test]
fn a_process_that_died_unasked_stays_down_and_holds_nobody_up() {
    let plan = plan_of(
        "[{at: 1s, as: ann, say: x}, {at: 9s, as: ann, say: y}]",
        "[]",
    );
    let mut fake = Fake::new(&plan);
    fake.come(
        Duration::from_secs(2),
        Observation::Died {
            node: "s3".to_owned(),
            status: "signal 6".to_owned(),
            last_lines: Vec::new(),
        },
    );
    let (lines, _) = run_fake(&plan, &mut fake);
    let history = history(&lines);
    assert!(history.contains(&"2s s3 died".to_owned()));
    assert!(
        history.contains(&"9.005s -- Converged".to_owned()),
        "{history:#?}"
    );
    assert!(!lines.iter().any(|line| matches!(line, Line::Action(_))));
}

#[test]
fn a_log_that_never_comes_is_given_up() {
    let plan = plan_of("[{at: 1s, as: ann, say: x}]", "[]");
    let mut fake = Fake::new(&plan);
    fake.unreadable = Some(ServerId(2));
    let (lines, outcome) = run_fake(&plan, &mut fake);
    assert!(matches!(outcome, RunOutcome::Complete));
    let logs = lines.iter().filter(|line| matches!(line, Line::Log { .. }));
    assert_eq!(logs.count(), 2);
    assert_eq!(
        history(&lines).last().map(String::as_str),
        Some("31.205s end")
    );
}

#[test]
fn slow_actions_do_not_reorder_traffic_and_faults() {
    let plan = plan_of(
        "[{at: 1s, as: ann, say: a}, {at: 2500ms, as: ann, say: b}, {at: 6s, as: ann, say: c}]",
        "[{at: 2s, for: 2s, pause: s3}, {at: 2600ms, for: 1s, pause: s2}]",
    );
    let mut fake = Fake::new(&plan);
    fake.apply_takes = Duration::from_secs(1);
    assert_eq!(
        actions(&plan, &mut fake),
        [
            "2s f1.1 break pause [s3] s3 paused",
            "3s f2.1 break pause [s2] s2 paused",
            "4s f1.1 heal resume [s3] s3 resumed",
            "5s f2.1 heal resume [s2] s2 resumed",
        ]
    );
    let said: Vec<u128> = fake.ops.iter().map(|(at, _)| at.as_millis()).collect();
    assert_eq!(said[..3], [1000, 3000, 6000]);
}

#[test]
fn what_a_killed_client_left_open_is_not_waited_for() {
    let plan = plan_of(
        "[{at: 1s, as: bob, say: x}, {at: 3s, as: ann, say: y}]",
        "[{at: 500ms, kill: \"s2,s3\", restart_after: 1s}, {at: 1200ms, kill: bob}]",
    );
    let (lines, _) = run_fake(&plan, &mut Fake::new(&plan));
    let history = history(&lines);
    assert!(
        history.contains(&"3.005s -- Settle".to_owned()),
        "{history:#?}"
    );
}

#[test]
fn a_message_said_twice_in_the_events_is_open_once() {
    let mut known = Known::new(&plan_of("[{at: 1s, as: ann, say: x}]", "[]"));
    let event = |event| NodeEvent { at_us: 0, event };
    let said = event(Event::Say {
        client: id("ann"),
        name: "ann".to_owned(),
        seq: 1,
        at_ms: 0,
        text: "x".to_owned(),
    });
    known.observe("ann", &said.event);
    known.observe("ann", &said.event);
    assert!(known.is_open());
    let acked = event(Event::Acked {
        client: id("ann"),
        seq: 1,
        index: 1,
        slot: paxosctl_node::ids::Slot(1),
        server: ServerId(1),
    });
    known.observe("ann", &acked.event);
    assert!(!known.is_open());
}
