//! Measurements of real clusters: what their rows hold, that nothing is left of them, and what is
//! refused. How fast a cluster is, no test can say.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use support::{Place, finish, nothing_is_left, start_until, wait_until};

/// The JSON lines that a command printed.
fn rows(stdout: &str) -> Vec<Value> {
    let rows = stdout.lines().map(serde_json::from_str);
    rows.collect::<Result<_, _>>()
        .expect("a JSON object a line")
}

#[track_caller]
fn number(row: &Value, name: &str) -> f64 {
    row[name]
        .as_f64()
        .unwrap_or_else(|| panic!("no {name}: {row}"))
}

#[track_caller]
fn nothing_stays(place: &Place) {
    nothing_is_left(place);
    assert!(!place.path().join(".paxosctl/bench").exists());
}

#[test]
fn a_row_for_each_number_of_clients_and_nothing_is_left() {
    let place = Place::new();
    let output = place.run(&["bench", "--clients", "1,4", "--seconds", "1", "--json"]);
    output.expect_code(0);
    let rows = rows(&output.stdout);
    assert_eq!(rows.len(), 2);
    for (row, clients) in rows.iter().zip([1.0, 4.0]) {
        assert_eq!(row["system"], "paxosctl");
        for (name, expected) in [
            ("servers", 3.0),
            ("clients", clients),
            ("connections", 1.0),
            ("in_flight", 1.0),
            ("bytes", 64.0),
            ("elections", 0.0),
        ] {
            assert_eq!(number(row, name), expected, "{name}");
        }
        let acks = number(row, "acks");
        assert!(acks > 0.0 && number(row, "acks_per_s") > 0.0, "{row}");
        let latencies = ["p50_us", "p95_us", "p99_us", "p999_us", "max_us"];
        let latencies = latencies.map(|name| number(row, name));
        assert!(latencies[0] > 0.0 && latencies.is_sorted(), "{row}");
        // Every message is synced by every server, perhaps with others. One that was acknowledged at
        // the beginning may have been synced just before.
        assert!(number(row, "fsyncs_per_s") > 0.0, "{row}");
        assert!(number(row, "messages_per_fsync") <= 1.2 * clients, "{row}");
        let (least, middle) = (
            number(row, "fdatasync_min_us"),
            number(row, "fdatasync_p50_us"),
        );
        assert!(0.0 < least && least <= middle, "{row}");
        let cpu = row["cpu"].as_object().expect("by node");
        let nodes: Vec<&str> = cpu.keys().map(String::as_str).collect();
        assert_eq!(nodes, ["balancer", "load", "s1", "s2", "s3"]);
    }
    nothing_stays(&place);
}

#[test]
fn many_clients_share_few_connections_with_many_messages_under_way() {
    let place = Place::new();
    let load = "--servers 1 --clients 40 --connections 3 --in-flight 8 --bytes 7 --seconds 1";
    let mut arguments = vec!["bench", "--json"];
    arguments.extend(load.split(' '));
    let output = place.run(&arguments);
    output.expect_code(0);
    let rows = rows(&output.stdout);
    assert_eq!(number(&rows[0], "connections"), 3.0);
    assert!(number(&rows[0], "messages_per_fsync") > 1.0, "{}", rows[0]);
    nothing_stays(&place);
}

#[test]
fn the_gap_after_a_killed_leader_is_measured() {
    let place = Place::new();
    let arguments = [
        "bench",
        "failover",
        "--kills",
        "1",
        "--clients",
        "4",
        "--json",
    ];
    let output = place.run(&arguments);
    output.expect_code(0);
    let rows = rows(&output.stdout);
    let gaps = rows[0]["gaps_ms"].as_array().expect("gaps");
    assert_eq!(gaps.len(), 1);
    // Without a leader nothing is acknowledged for a while.
    assert!(number(&rows[0], "max_ms") >= 10.0, "{}", rows[0]);
    assert!(number(&rows[0], "elections") >= 1.0, "{}", rows[0]);
    nothing_stays(&place);
}

#[test]
fn both_directions_of_a_start_are_measured() {
    let place = Place::new();
    let output = place.run(&["bench", "startup", "--rounds", "2", "--json"]);
    output.expect_code(0);
    let rows = rows(&output.stdout);
    let what: Vec<&str> = rows.iter().filter_map(|row| row["what"].as_str()).collect();
    assert_eq!(what, ["up", "down"]);
    for row in &rows {
        assert!(number(row, "max_ms") >= number(row, "median_ms"), "{row}");
    }
    nothing_stays(&place);
}

#[test]
fn a_history_is_told_step_by_step() {
    let place = Place::new();
    let output = place.run(&["bench", "history", "--messages", "2k", "--json"]);
    output.expect_code(0);
    let rows = rows(&output.stdout);
    let steps: Vec<&str> = rows.iter().filter_map(|row| row["step"].as_str()).collect();
    let mut expected = vec!["stored"; 10];
    expected.extend(["restarted", "newcomer", "caught_up"]);
    assert_eq!(steps, expected);
    assert!(number(&rows[9], "messages") >= 2000.0);
    assert!(number(&rows[9]["resident"], "s3") > 0.0, "{}", rows[9]);
    assert!(
        number(&rows[9]["on_disk"], "s1") >= 2000.0 * 64.0,
        "{}",
        rows[9]
    );
    assert!(number(&rows[11], "messages") >= 2000.0);
    assert!(number(&rows[12], "behind") >= 1000.0, "{}", rows[12]);
    nothing_stays(&place);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let place = Place::new();
    for wrong in [
        "--clients 0",
        "--clients 1,many",
        "--servers 0",
        "--servers 10",
        "--in-flight 65",
        "--bytes 65537",
        "--seconds 0",
        "--connections 5000",
        "--etcd /usr/bin/etcd",
        "--compare zookeeper",
        "--seconds 1 startup",
        "history --messages 1.5M",
        "failover --servers 1",
    ] {
        let mut arguments = vec!["bench"];
        arguments.extend(wrong.split(' '));
        let output = place.run(&arguments);
        output.expect_code(2);
        assert_eq!(output.stdout, "", "{wrong}");
    }
    assert!(!place.path().join(".paxosctl").exists());
}

#[test]
fn a_comparison_says_what_to_install() {
    let place = Place::new();
    let mut command = place.command(&["bench", "--compare", "etcd"]);
    let child = command.env("PATH", place.path()).spawn();
    let output = finish(child.expect("paxosctl starts"));
    output.expect_code(2);
    assert!(
        output.stderr.contains("apt-get install etcd-server"),
        "{}",
        output.stderr
    );
    assert!(!place.path().join(".paxosctl").exists());
}

/// A program in the place of an etcd.
fn stand_in(place: &Place, script: &str) {
    let path = place.file("etcd", &format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
}

const COMPARE: [&str; 9] = [
    "bench",
    "--clients",
    "1",
    "--seconds",
    "1",
    "--compare",
    "etcd",
    "--etcd",
    "./etcd",
];

#[test]
fn a_companion_that_does_not_start_is_told_with_its_last_words() {
    let place = Place::new();
    stand_in(&place, "echo no such flag >&2; exit 7");
    let output = place.run(&COMPARE);
    output.expect_code(3);
    assert!(
        output.stderr.contains("ended (exit 7): no such flag"),
        "{}",
        output.stderr
    );
    nothing_stays(&place);
}

/// It names the place on its command line as long as it runs.
const LASTING: &str = "exec tail -f \"$PWD/etcd\"";

#[test]
fn an_interrupted_measurement_takes_everything_down() {
    let place = Place::new();
    stand_in(&place, LASTING);
    let (child, _) = start_until(&place, &COMPARE, "etcd: 1 clients", 1);
    wait_until("all three companions run", || {
        (place.processes().len() >= 3).then_some(())
    });
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("it runs");
    finish(child).expect_code(130);
    nothing_stays(&place);
}

#[test]
fn nothing_outlives_a_killed_measurement() {
    let place = Place::new();
    stand_in(&place, LASTING);
    let (mut child, _) = start_until(&place, &COMPARE, "etcd: 1 clients", 1);
    wait_until("all three companions run", || {
        (place.processes().len() >= 3).then_some(())
    });
    child.kill().expect("it runs");
    child.wait().expect("a child");
    nothing_is_left(&place);
}
