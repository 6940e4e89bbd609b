//! Faults by hand on clusters that are up, and the plan that does them again.

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Place, finish, start_until, wait_until};

const PLAN: &str = "\
version: 1
name: chat
seed: 7
cluster: {servers: 3, first_leader: s1, clients: [ann]}
traffic:
  - {at: 100ms, as: ann, say: one}
";

fn up() -> Place {
    let place = Place::new();
    place.file("chat.yaml", PLAN);
    place.run(&["up", "chat.yaml", "-d"]).expect_code(0);
    place
}

#[track_caller]
fn down(place: &Place) {
    place.run(&["down"]).expect_code(0);
    wait_until("every process of the place is gone", || {
        place.processes().is_empty().then_some(())
    });
}

/// The state that `ps` shows of a node.
fn state(place: &Place, node: &str) -> String {
    let ps = place.run(&["ps"]).stdout;
    let mut rows = ps.lines().map(|line| line.split_whitespace());
    let row = rows.find_map(|mut row| (row.next() == Some(node)).then_some(row));
    let word = row.and_then(|mut row| row.next());
    word.unwrap_or_else(|| panic!("no row for {node}:\n{ps}"))
        .to_owned()
}

#[track_caller]
fn says(place: &Place, arguments: &[&str], code: i32, words: &str) {
    let output = place.run(arguments);
    output.expect_code(code);
    assert!(
        output.stderr.contains(words),
        "{arguments:?}: {}",
        output.stderr
    );
}

/// The rules of the table that a node was given last.
fn rules(place: &Place, node: &str) -> Vec<String> {
    let path = format!(".paxosctl/clusters/chat/{node}/links.json");
    let text = fs::read(place.path().join(path)).expect("a link table");
    let table: Value = serde_json::from_slice(&text).expect("JSON");
    let rules = table["rules"].as_array().expect("rules").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut rules: Vec<String> = rules
        .map(|rule| {
            format!(
                "{} {}->{}",
                text(&rule["id"]),
                text(&rule["from"]),
                text(&rule["to"])
            )
        })
        .collect();
    rules.dedup();
    rules
}

fn until(errors: &PathBuf, words: &str) {
    wait_until(words, || {
        let text = fs::read_to_string(errors).expect("a file");
        text.contains(words).then_some(())
    });
}

#[test]
fn what_was_done_by_hand_is_a_plan_that_does_it_again() {
    let place = up();
    says(&place, &["kill", "s2"], 0, "kill s2 → s2 (gone)");
    assert_eq!(state(&place, "s2"), "down");
    says(&place, &["restart", "s2"], 0, "restart s2 → s2 (started)");
    assert_eq!(state(&place, "s2"), "up");
    let cut = ["partition", "s1 | s2,s3", "--for", "1s"];
    says(&place, &cut, 0, "heal partition s1 | s2,s3 (links set)");
    says(&place, &["pause", "s3"], 0, "pause s3 → s3 (paused)");
    assert_eq!(state(&place, "s3"), "paused");
    says(&place, &["resume", "s3"], 0, "resume s3 → s3 (resumed)");
    assert_eq!(state(&place, "s3"), "up");

    let exported = place.run(&["plan", "export"]);
    exported.expect_code(0);
    for (line, words) in [
        ("  first_leader: s1\n", "who led"),
        ("  - {at: 3s, kill: s2, restart_after: ", "a kill"),
        ("s, partition: \"s1 | s2,s3\"}", "a partition"),
        (", for: 100ms, pause: s3}   # pause s3", "a pause"),
    ] {
        assert!(
            exported.stdout.contains(line),
            "{words}:\n{}",
            exported.stdout
        );
    }
    let written = ["plan", "export", "chat", "-o", "again.yaml"];
    says(&place, &written, 0, "3 faults are written to again.yaml");
    down(&place);
    // The record outlives the cluster.
    let later = place.run(&["plan", "export"]);
    assert_eq!(later.expect_code(0).stdout, exported.stdout);
    place.run(&["validate", "again.yaml"]).expect_code(0);
    let run = place.run(&["run", "again.yaml", "--out", "again"]);
    run.expect_code(0);
    assert!(
        run.stdout.contains("3 firings of 3 faults"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_fault_that_changes_nothing_says_so_and_one_that_is_misspelled_is_no_fault() {
    let place = up();
    place.run(&["kill", "s2"]).expect_code(0);
    says(
        &place,
        &["kill", "s2"],
        4,
        "s2 (nothing: it is down already)\nnothing changed",
    );
    says(&place, &["pause", "s2"], 4, "nothing changed");
    says(&place, &["resume", "s1"], 4, "it is not paused");
    says(&place, &["kill", "laeder"], 2, "did you mean `leader`?");
    says(&place, &["kill", "s4"], 2, "this cluster has s1, s2, s3");
    says(&place, &["delay", "s1->s3", "--by", "5"], 2, "error: ");
    says(&place, &["drop", "s1->s3", "--kinds", "acept"], 2, "accept");
    says(&place, &["pause", "s1", "--for", "soon"], 2, "error: ");
    says(&place, &["drop", "s1"], 2, "error: ");
    says(
        &place,
        &["kill", "s1", "--cluster", "other"],
        3,
        "no such cluster",
    );
    // None of that is in force, and what is down by hand is healed.
    says(&place, &["heal"], 0, "heal all → s2 (started)");
    says(&place, &["heal"], 0, "nothing is broken by hand");
    down(&place);
    says(&place, &["kill", "s1"], 3, "no such cluster is up");
}

#[test]
fn targets_mean_what_they_mean_in_a_plan() {
    let place = up();
    says(&place, &["kill", "leader"], 0, "kill leader → s1 (gone)");
    // Waits for the next leader.
    let pause = ["pause", "followers", "--for", "100ms"];
    says(&place, &pause, 0, "s1: nothing: it is down; s");
    let after = ["kill", "s2,s3", "--restart-after", "100ms"];
    says(&place, &after, 0, "heal kill s2,s3 → s2, s3 (started)");
    says(&place, &["stop", "all"], 0, "balancer");
    assert_eq!(place.processes().len(), 0);
    says(
        &place,
        &["restart", "all"],
        0,
        "restart all → s1, s2, s3, balancer (started)",
    );
    says(
        &place,
        &["pause", "balancer"],
        0,
        "pause balancer → balancer (paused)",
    );
    // A paused node cannot stop in order: it goes on first.
    says(
        &place,
        &["restart", "balancer"],
        0,
        "resumed, then gone, then started",
    );
    assert_eq!(state(&place, "balancer"), "up");
    // What is paused ends too.
    place.run(&["pause", "all"]).expect_code(0);
    down(&place);
}

#[test]
fn link_faults_add_up_until_they_are_healed_whoever_sets_them() {
    let place = up();
    let cuts = [
        ["drop", "s1 -> s2"],
        ["drop", "s2 -> s3"],
        ["drop", "s3 -> s1"],
    ];
    let children: Vec<Child> = cuts
        .iter()
        .map(|cut| place.command(cut).spawn().expect("paxosctl starts"))
        .collect();
    for child in children {
        finish(child).expect_code(0);
    }
    let mut links: Vec<String> = rules(&place, "s1")
        .into_iter()
        .filter_map(|rule| rule.split_once(' ').map(|(_, link)| link.to_owned()))
        .collect();
    links.sort();
    assert_eq!(links, ["s1->s2", "s2->s3", "s3->s1"]);
    let ps = place.run(&["ps"]).stdout;
    for fault in ["h1  ", "h2  ", "h3  "] {
        assert!(ps.contains(fault), "{ps}");
    }
    // A node that comes back takes what is in force.
    place.run(&["restart", "s2"]).expect_code(0);
    assert_eq!(rules(&place, "s2").len(), 3);
    // One of its own that ends leaves the others.
    place
        .run(&["delay", "s1<->s2", "--by", "5ms", "--for", "50ms"])
        .expect_code(0);
    assert_eq!(rules(&place, "s3").len(), 3);
    place.run(&["heal"]).expect_code(0);
    assert_eq!(rules(&place, "s3"), Vec::<String>::new());
    assert!(!place.run(&["ps"]).stdout.contains("FAULT"));
    down(&place);
}

#[test]
fn every_link_verb_of_a_plan_can_be_done_by_hand() {
    let place = up();
    for (arguments, words) in [
        (
            &["delay", "s1<->s2", "--by", "9ms", "--jitter", "3ms"][..],
            "by 9ms",
        ),
        (&["drop", "s1->rest", "--kinds", "accept,commit"], "accept"),
        (&["duplicate", "leader->s3", "--copies", "3"], "into 3"),
        (&["reorder", "s2->s3", "--within", "5ms"], "within 5ms"),
        (&["mode", "s3", "a:1::c:1"], "mode s3 a:1::c:1"),
        (&["partition", "halves"], "partition halves"),
    ] {
        says(&place, arguments, 0, words);
    }
    let ps = place.run(&["ps"]).stdout;
    assert!(ps.contains("h6  ") && ps.contains("mode s3"), "{ps}");
    place.run(&["heal"]).expect_code(0);
    let exported = place.run(&["plan", "export"]);
    exported.expect_code(0);
    for item in [
        "delay: {link: \"s1<->s2\", by: 9ms, jitter: 3ms}",
        "kinds: [accept, commit]}",
        "duplicate: {link: \"s1->s3\", copies: 3}",
        "mode: {s3: \"a:1::c:1\"}",
        "# partition halves",
    ] {
        assert!(
            exported.stdout.contains(item),
            "{item}:\n{}",
            exported.stdout
        );
    }
    down(&place);
}

#[test]
fn a_node_that_cannot_come_back_is_a_failure_and_nothing_of_it_is_left() {
    let place = up();
    place.run(&["kill", "s2"]).expect_code(0);
    let ps = place.run(&["ps"]).stdout;
    let row = ps
        .lines()
        .find(|line| line.starts_with("s2 "))
        .expect("a row");
    let address = row.split_whitespace().nth(3).expect("an address");
    let taken = TcpListener::bind(address).expect("the port of a dead node");
    says(
        &place,
        &["restart", "s2"],
        3,
        "not every node runs again: it ended before it was ready",
    );
    says(&place, &["heal"], 3, "not every node runs again");
    assert_eq!(place.processes().len(), 3);
    drop(taken);
    says(&place, &["heal"], 0, "heal all → s2 (started)");
    assert_eq!(place.processes().len(), 4);
    down(&place);
}

#[test]
fn an_interrupt_heals_what_was_to_last() {
    let place = up();
    let arguments = ["pause", "s2", "--for", "100s"];
    let (pause, errors) = start_until(&place, &arguments, "Ctrl-C heals it at once", 1);
    assert_eq!(state(&place, "s2"), "paused");
    // Others are not kept waiting meanwhile.
    place.run(&["pause", "s3", "--for", "10ms"]).expect_code(0);
    kill(Pid::from_raw(pause.id() as i32), Signal::SIGINT).expect("signalled");
    finish(pause).expect_code(130);
    let errors = fs::read_to_string(errors).expect("a file");
    assert!(errors.contains("heal pause s2 → s2 (resumed)"), "{errors}");
    assert_eq!(state(&place, "s2"), "up");
    down(&place);
}

#[test]
fn a_foreground_cluster_tells_what_is_done_to_it() {
    let place = Place::new();
    place.file("chat.yaml", PLAN);
    let (up, errors) = start_until(&place, &["up", "chat.yaml"], "is ready", 1);
    place.run(&["kill", "s2"]).expect_code(0);
    until(&errors, "s2       | ended: signal 9");
    says(&place, &["restart", "s2"], 2, "in the foreground");
    let after = ["kill", "s3", "--restart-after", "1s"];
    says(&place, &after, 2, "in the foreground");
    place.run(&["drop", "s1<->s3"]).expect_code(0);
    until(&errors, "link table 1 is in force");
    says(&place, &["heal"], 0, "s2 stays down");
    kill(Pid::from_raw(up.id() as i32), Signal::SIGINT).expect("signalled");
    finish(up).expect_code(130);
    wait_until("every process of the place is gone", || {
        place.processes().is_empty().then_some(())
    });
}

#[test]
fn a_chat_client_can_be_cut_off_and_is_not_ours_to_kill() {
    let place = up();
    let mut chat = place
        .command(&["chat", "--name", "ann"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("paxosctl starts");
    wait_until("ann is in the chat", || {
        place.run(&["ps"]).stdout.contains("(ann)").then_some(())
    });
    says(
        &place,
        &["kill", "ann"],
        2,
        "ann is a client of somebody's chat",
    );
    says(
        &place,
        &["delay", "ann -> s1", "--by", "5ms"],
        2,
        "a full cut",
    );
    says(
        &place,
        &["drop", "ann <-> servers", "--for", "10ms"],
        0,
        "links set",
    );
    says(
        &place,
        &["pause", "server-of(ann)", "--for", "10ms"],
        0,
        "(resumed)",
    );
    drop(chat.stdin.take());
    finish(chat).expect_code(0);
    down(&place);
}
