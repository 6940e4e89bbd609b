//! Whole clusters of real nodes: `run`, `up`, `ps`, `down`, and that nothing is ever left behind.

mod support;

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Output, Place, change_a_byte, finish, nothing_is_left, start_until, wait_until};

/// Two seconds of chat with a server killed and restarted in between.
const PLAN: &str = "\
version: 1
name: small
seed: 7
cluster: {servers: 3, clients: [ann, bob]}
traffic:
  - {at: 100ms, as: ann, say: one}
  - {at: 300ms, as: bob, say: two}
  - {at: 600ms, as: ann, say: three}
  - {at: 900ms, as: bob, say: four}
  - {at: 1200ms, as: ann, say: five}
  - {at: 1500ms, as: bob, say: six, seen_by: all, within: 5s}
faults:
  - {at: 500ms, kill: s3, restart_after: 500ms}
settle: 10s
";

/// A plan that goes on for long, with a server paused from the first moment.
const LONG_PLAN: &str = "\
version: 1
name: long
cluster: {servers: 3, clients: [ann]}
traffic:
  - {at: 100ms, as: ann, say: one}
  - {at: 60s, as: ann, say: two}
faults:
  - {at: 50ms, for: 50s, pause: s2}
";

fn place() -> Place {
    let place = Place::new();
    place.file("small.yaml", PLAN);
    place.file("long.yaml", LONG_PLAN);
    place
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).expect("signalled");
}

fn json(place: &Place, path: &str) -> Value {
    let text = fs::read_to_string(place.path().join(path)).expect(path);
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_run_is_judged_reported_saved_and_leaves_nothing() {
    let place = place();
    let output = place.run(&["run", "small.yaml", "--report", "json=out/report.json"]);
    output.expect_code(0);
    assert!(output.stdout.starts_with("PASS"), "{}", output.stdout);
    assert!(output.stdout.contains("paxosctl run small.yaml --seed 7"));
    assert!(
        output.stderr.contains("kill s3 → s3 (signal 9)"),
        "{}",
        output.stderr
    );
    let report = json(&place, "out/report.json");
    assert_eq!(report["verdict"], "pass");
    assert_eq!(report["traffic"]["acked"], 6);
    let latest = ".paxosctl/runs/small/latest";
    assert_eq!(json(&place, &format!("{latest}/result.json")), report);
    for file in [
        "plan.yaml",
        "plan.json",
        "schedule.txt",
        "history.jsonl",
        "nodes/s3/log",
    ] {
        assert!(place.path().join(latest).join(file).exists(), "{file}");
    }
    nothing_is_left(&place);

    let again = place.run(&["check", latest]);
    again.expect_code(0);
    assert!(again.stdout.starts_with("PASS"), "{}", again.stdout);
}

#[test]
fn check_notices_a_changed_byte_on_a_disk() {
    let place = place();
    place
        .run(&["run", "small.yaml", "--out", "run"])
        .expect_code(0);
    change_a_byte(&place.path().join("run/nodes/s2/log/00000001.log"));
    let check = place.run(&["check", "run"]);
    check.expect_code(1);
    assert!(check.stdout.starts_with("VIOLATED"), "{}", check.stdout);
    let dump = place.run(&["log", "dump", "run/nodes/s2"]);
    dump.expect_code(1);
    assert!(dump.stdout.contains("DAMAGED"), "{}", dump.stdout);
    place
        .run(&["run", "small.yaml", "--out", "run"])
        .expect_code(2);
}

#[test]
fn the_verdict_does_not_need_a_reader() {
    let place = place();
    let mut child = place
        .command(&["run", "small.yaml", "--out", "run", "--progress", "none"])
        .spawn()
        .expect("paxosctl starts");
    drop(child.stdout.take());
    let output = finish(child);
    output.expect_code(0);
    assert_eq!(output.stderr, "");
    assert_eq!(json(&place, "run/result.json")["verdict"], "pass");
}

#[test]
fn several_runs_have_a_directory_each() {
    let place = place();
    let output = place.run(&["run", "small.yaml", "--runs", "2", "--out", "all"]);
    output.expect_code(0);
    for seed in [7, 8] {
        let result = json(&place, &format!("all/small-s{seed}/result.json"));
        assert_eq!(result["seed"], seed);
    }
    let summary: Vec<&str> = output.stdout.lines().rev().take(4).collect();
    assert_eq!(summary[1], "", "{}", output.stdout);
    assert!(
        summary[2..].iter().all(|line| line.contains("PASS")),
        "{}",
        output.stdout
    );
}

#[test]
fn a_killed_run_leaves_no_process_not_even_a_paused_one() {
    let place = place();
    let (mut run, _) = start_until(&place, &["run", "long.yaml"], "pause s2 → s2 (paused)", 1);
    assert_eq!(place.processes().len(), 5);
    signal(&run, Signal::SIGKILL);
    run.wait().expect("a child");
    nothing_is_left(&place);
}

#[test]
fn an_interrupted_run_heals_tears_down_and_says_so() {
    for (name, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let place = place();
        let arguments = ["run", "long.yaml", "--out", "run"];
        let (run, errors) = start_until(&place, &arguments, "pause s2 → s2 (paused)", 1);
        signal(&run, name);
        let output = finish(run);
        output.expect_code(code);
        assert!(
            output.stdout.starts_with("INTERRUPTED"),
            "{}",
            output.stdout
        );
        let errors = fs::read_to_string(errors).expect("a file");
        assert!(errors.contains("(resumed)"), "{errors}");
        let history = fs::read_to_string(place.path().join("run/history.jsonl")).expect("saved");
        let last: Value =
            serde_json::from_str(history.lines().last().expect("lines")).expect("JSON");
        assert_eq!(
            (&last["type"], &last["interrupted"]),
            (&"end".into(), &true.into())
        );
        nothing_is_left(&place);
    }
}

#[test]
fn up_ps_and_down() {
    let place = place();
    let up = place.run(&["up", "small.yaml", "-d"]);
    up.expect_code(0);
    assert!(up.stderr.contains("paxosctl down"), "{}", up.stderr);
    assert_eq!(place.processes().len(), 4);
    let ps = place.run(&["ps"]);
    ps.expect_code(0);
    let leaders = ps
        .stdout
        .lines()
        .filter(|line| line.contains(" leader "))
        .count();
    assert_eq!(leaders, 1, "{}", ps.stdout);
    let logs = place.run(&["logs", "balancer"]);
    logs.expect_code(0);
    assert!(logs.stdout.contains("admits clients"), "{}", logs.stdout);
    place.run(&["logs", "s9"]).expect_code(2);

    place.run(&["up", "small.yaml", "-d"]).expect_code(3);
    assert_eq!(place.processes().len(), 4);
    place.run(&["down"]).expect_code(0);
    assert_eq!(place.processes(), Vec::<u32>::new());
    let again = place.run(&["down"]);
    again.expect_code(0);
    assert_eq!(again.stderr, "nothing is running\n");
}

#[test]
fn a_cluster_goes_on_with_its_disks_unless_told_otherwise() {
    let place = place();
    let promised = |output: &Output| output.stdout.contains("recovered");
    place.run(&["up", "small.yaml", "-d"]).expect_code(0);
    place.run(&["down"]).expect_code(0);
    place.run(&["up", "small.yaml", "-d"]).expect_code(0);
    let logs = place.run(&["logs", "s1"]);
    assert!(promised(&logs), "{}", logs.stdout);
    let recovered: Vec<&str> = logs
        .stdout
        .lines()
        .filter(|line| line.contains("promised"))
        .collect();
    assert_eq!(recovered.len(), 2, "{}", logs.stdout);
    assert!(recovered[0].ends_with("promised 0.s0"), "{}", recovered[0]);
    assert!(!recovered[1].ends_with("promised 0.s0"), "{}", recovered[1]);
    place.run(&["down"]).expect_code(0);

    place.file("five.yaml", &PLAN.replace("servers: 3", "servers: 5"));
    let refused = place.run(&["up", "five.yaml", "-d"]);
    refused.expect_code(2);
    assert!(refused.stderr.contains("--fresh"), "{}", refused.stderr);
    place
        .run(&["up", "five.yaml", "-d", "--fresh"])
        .expect_code(0);
    assert_eq!(place.processes().len(), 6);
    place.run(&["down"]).expect_code(0);
}

#[test]
fn a_node_of_a_detached_cluster_is_restarted_dead_or_alive() {
    let place = place();
    place.run(&["up", "small.yaml", "-d"]).expect_code(0);
    let pid_of = |node: &str| -> i32 {
        let ps = place.run(&["ps"]).stdout;
        let row: Vec<&str> = ps
            .lines()
            .map(|line| line.split_whitespace().collect())
            .find(|row: &Vec<&str>| row.first() == Some(&node))
            .expect("a row for the node");
        row[2].parse().unwrap_or(0)
    };
    kill(Pid::from_raw(pid_of("s1")), Signal::SIGKILL).expect("killed");
    // The signal is sent; the process takes a moment to end.
    wait_until("s1 is down", || (pid_of("s1") == 0).then_some(()));
    let restarted = place.run(&["restart", "s1"]);
    restarted.expect_code(0);
    assert_eq!(restarted.stderr, "restart s1 → s1 (started)\n");
    let before = pid_of("s2");
    let restarted = place.run(&["restart", "s2"]);
    restarted.expect_code(0);
    assert_eq!(restarted.stderr, "restart s2 → s2 (gone, then started)\n");
    assert_ne!(pid_of("s2"), before);
    let unknown = place.run(&["restart", "s9"]);
    unknown.expect_code(2);
    assert!(unknown.stderr.contains("this cluster has s1, s2, s3"));
    // What was restarted belongs to the cluster: `down` ends it too.
    place.run(&["down"]).expect_code(0);
    nothing_is_left(&place);
    place.run(&["restart", "s1"]).expect_code(3);

    let (up, _) = start_until(&place, &["up", "small.yaml"], "is ready", 1);
    let refused = place.run(&["restart", "s1"]);
    refused.expect_code(2);
    assert!(
        refused.stderr.contains("in the foreground"),
        "{}",
        refused.stderr
    );
    signal(&up, Signal::SIGINT);
    finish(up).expect_code(130);
    nothing_is_left(&place);
}

#[test]
fn two_clusters_side_by_side() {
    let place = place();
    place.run(&["up", "small.yaml", "-d"]).expect_code(0);
    place
        .run(&["up", "small.yaml", "-d", "--name", "other"])
        .expect_code(0);
    assert_eq!(place.processes().len(), 8);
    place.run(&["down"]).expect_code(2);
    place.run(&["down", "other"]).expect_code(0);
    assert_eq!(place.processes().len(), 4);
    place.run(&["ps"]).expect_code(0);
    place.run(&["down"]).expect_code(0);
}

#[test]
fn a_foreground_cluster_ends_with_a_down_elsewhere_or_a_signal() {
    let place = place();
    let (up, _) = start_until(&place, &["up", "small.yaml"], "is ready", 1);
    place.run(&["down"]).expect_code(0);
    finish(up).expect_code(0);
    nothing_is_left(&place);

    let (up, _) = start_until(&place, &["up", "small.yaml"], "is ready", 1);
    signal(&up, Signal::SIGINT);
    finish(up).expect_code(130);
    nothing_is_left(&place);
    let ps = place.run(&["ps"]);
    assert_eq!(ps.stderr, "nothing is running\n");

    let (mut up, _) = start_until(&place, &["up", "small.yaml"], "is ready", 1);
    signal(&up, Signal::SIGKILL);
    up.wait().expect("a child");
    nothing_is_left(&place);
    // What the killed command could not clear away is no obstacle.
    place.run(&["up", "small.yaml", "-d"]).expect_code(0);
    place.run(&["down"]).expect_code(0);
}

#[test]
fn a_busy_port_of_the_plan_is_named() {
    let place = place();
    let busy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = busy.local_addr().expect("an address").port();
    let ports = format!("clients: [ann, bob], ports: {{balancer: {port}}}");
    place.file("busy.yaml", &PLAN.replace("clients: [ann, bob]", &ports));
    for command in [&["run", "busy.yaml"][..], &["up", "busy.yaml", "-d"]] {
        let output = place.run(command);
        output.expect_code(3);
        let words = format!("port {port}, which the plan names for balancer, is in use");
        assert!(output.stderr.contains(&words), "{}", output.stderr);
    }
    nothing_is_left(&place);
    drop(busy);
    place.run(&["up", "busy.yaml", "-d"]).expect_code(0);
    let ps = place.run(&["ps"]);
    assert!(
        ps.stdout.contains(&format!("127.0.0.1:{port}")),
        "{}",
        ps.stdout
    );
    place.run(&["down"]).expect_code(0);
}

#[test]
fn a_program_that_is_replaced_meanwhile_runs_on() {
    let place = place();
    let copy = place.path().join("copy-of-paxosctl");
    fs::copy(env!("CARGO_BIN_EXE_paxosctl"), &copy).expect("copied");
    let child = Command::new(&copy)
        .args(["run", "small.yaml"])
        .current_dir(place.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // As a build does while a run goes on; s3 is started again after that.
    fs::remove_file(&copy).expect("removed");
    fs::write(&copy, "not a program").expect("written");
    finish(child).expect_code(0);
}

#[test]
fn a_run_can_leave_its_cluster_running() {
    let place = place();
    let run = place.run(&["run", "small.yaml", "--keep"]);
    run.expect_code(0);
    assert!(run.stdout.starts_with("PASS"), "{}", run.stdout);
    let ps = place.run(&["ps"]);
    ps.expect_code(0);
    assert_eq!(ps.stdout.matches(" up ").count(), 4, "{}", ps.stdout);
    place.run(&["run", "small.yaml", "--keep"]).expect_code(3);
    place.run(&["down"]).expect_code(0);
    nothing_is_left(&place);
}
