mod faults;

use std::cell::Cell;
use std::path::Path;

use super::fake::{Fake, id};
use super::*;
use crate::plan;
use crate::target::{Action, Change, World};
use paxosctl_node::event::{Event, NodeEvent};

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
        Action::Machine { rules } => {
            let nodes: Vec<&str> = rules.iter().map(|rule| rule.node.as_str()).collect();
            ("machine", nodes.join(" "))
        }
        Action::Damage { nodes, .. } => ("damage", nodes.join(" ")),
        Action::Fall { nodes } => ("fall", nodes.join(" ")),
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
            Change::Machine { node, .. } => Some(format!("{node} told")),
            Change::MachineLater { node, .. } => Some(format!("{node} told later")),
            Change::Flipped { node, .. } => Some(format!("{node} flipped")),
            Change::Wiped { node, .. } => Some(format!("{node} wiped")),
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
                    Event::Leading { ballot, .. } => format!("leads {ballot}"),
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
    let sink = &mut |line: Line| lines.push(line);
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

/// 200 messages that take 20 s, and 4 s to settle.
#[test]
fn a_load_that_is_not_done_when_the_settle_time_is_over_is_stopped_before_the_logs_are_read() {
    let plan = plan_of("[{at: 1s, for: 1s, load: {clients: 1}}]", "[]");
    let mut fake = Fake::new(&plan);
    fake.backlog = 200;
    let (lines, outcome) = run_fake(&plan, &mut fake);
    assert!(matches!(outcome, RunOutcome::Complete));
    let acked = |line: &&Line| {
        let Line::Node { what, .. } = line else {
            return false;
        };
        matches!(what, Event::Acked { .. })
    };
    assert_eq!(lines.iter().filter(acked).count(), 50);
    let history = history(&lines);
    let tail: Vec<&str> = (history.iter().map(String::as_str))
        .filter(|line| {
            line.contains("s -- ") || line.contains("Stopping") || line.starts_with("log s1 to")
        })
        .collect();
    assert_eq!(
        tail,
        [
            "0ns -- Run",
            "2s -- Heal",
            "2s -- Drain",
            "6.02s load1 Stopping { reason: \"asked to stop\" }",
            "6.02s -- Settle",
            "6.02s -- Converged",
            "6.22s -- FinalReads",
            "log s1 to 50",
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
fn servers_that_all_came_back_are_level_only_when_they_know_again_what_was_chosen() {
    let plan = plan_of(
        "[{at: 1s, as: ann, say: x}, {at: 3s, leave: ann}]",
        "[{at: 2s, kill: servers}]",
    );
    let mut fake = Fake::new(&plan);
    fake.learns_in = Duration::from_millis(700);
    for server in ["s1", "s2", "s3"] {
        // The last slot is accepted on their disks, and nobody knows yet that it is chosen.
        let recovered = Event::Recovered {
            promised: paxosctl_node::ids::Ballot::new(1, ServerId(1)),
            accepted: Vec::new(),
            chosen: paxosctl_node::ids::Slot(0),
            incarnation: 1,
            formed: true,
            cut_bytes: 0,
        };
        fake.tell(Duration::from_millis(3010), server, recovered);
    }
    let (lines, _) = run_fake(&plan, &mut fake);
    let history = history(&lines);
    assert!(history.contains(&"3s -- Settle".to_owned()));
    assert!(
        history.contains(&"3.7s -- Converged".to_owned()),
        "{history:#?}"
    );
    assert!(history.contains(&"3.9s -- FinalReads".to_owned()));
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

/// Every plan of the repository goes through, and with servers that obey every fault bites.
#[test]
fn every_plan_runs_to_its_end_and_each_of_its_faults_bites() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plans");
    let of_folder = |folder: &str| std::fs::read_dir(dir.join(folder)).unwrap();
    let paths = of_folder("").chain(of_folder("seed"));
    let mut count = 0;
    for path in paths.map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        count += 1;
        let plan = plan::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
        let (lines, outcome) = run_fake(&plan, &mut Fake::new(&plan));
        assert!(matches!(outcome, RunOutcome::Complete));
        let mut bitten = BTreeSet::new();
        let mut took = Duration::ZERO;
        for line in &lines {
            match line {
                Line::Action(line) => {
                    assert_eq!(line.error, None, "{}", path.display());
                    let bit = |change: &Change| !matches!(change, Change::Nothing { .. });
                    if line.step == Step::Break && line.changes.iter().any(bit) {
                        bitten.insert((line.fault.clone(), line.firing));
                    }
                }
                Line::End { at_us, .. } => took = Duration::from_micros(*at_us),
                _ => {}
            }
        }
        let firings: u32 = plan.faults.iter().map(|fault| fault.times).sum();
        assert_eq!(
            bitten.len(),
            firings as usize,
            "{}: {bitten:?}",
            path.display()
        );
        assert!(
            took < Duration::from_secs(45),
            "{}: {took:?}",
            path.display()
        );
    }
    assert!(count >= 12);
}

#[test]
fn the_command_that_repeats_a_run_can_be_pasted_into_a_shell() {
    let command_for = |path: &str| {
        let text = "version: 1\ncluster: {servers: 3, clients: [ann]}\ntraffic: [{at: 1s, as: ann, say: x}]";
        let plan = plan::parse(Path::new(path), text).unwrap_or_else(|errors| panic!("{errors}"));
        command(&plan, 7, World::Processes)
    };
    let plan = plan_of(LAST_WORD, "[]").scaled(0.1);
    let told = command(&plan, 7, World::Processes);
    assert!(told.ends_with(" --seed 7 --time-scale 0.1"), "{told}");
    assert_eq!(
        command_for("plans/a-b.yaml"),
        "paxosctl run plans/a-b.yaml --seed 7"
    );
    assert_eq!(
        command_for("my plans/it's.yaml"),
        r"paxosctl run 'my plans/it'\''s.yaml' --seed 7"
    );
}
