//! The command line without a cluster: what is refused, how, and where the words go.

mod support;

use std::io::Read;
use std::process::Stdio;

use support::{Place, finish};

const PLAN: &str = "\
version: 1
name: small
seed: 7
cluster: {servers: 3, clients: [ann]}
traffic:
  - {at: 1s, as: ann, say: hello}
  - {at: 4s, as: ann, say: bye}
faults:
  - {at: 2s, kill: s2, restart_after: 1s}
";

/// The program that tests run can have planted bugs, and says so.
#[test]
fn a_program_with_planted_bugs_says_so_and_plants_no_bug_that_it_does_not_know() {
    let place = Place::new();
    let version = place.run(&["--version"]);
    let expected = concat!(env!("CARGO_PKG_VERSION"), " (with planted bugs)\n");
    assert_eq!(version.stdout, format!("paxosctl {expected}"));
    let node = "node balancer --dir b --cluster 1 --listen 127.0.0.1:0 --servers 3";
    let mut command = place.command(&Vec::from_iter(node.split(' ')));
    let child = command.env("PAXOSCTL_PLANTED_BUG", "quorum-of-hal").spawn();
    let output = finish(child.expect("paxosctl starts"));
    output.expect_code(2);
    let said = "PAXOSCTL_PLANTED_BUG: `quorum-of-hal` is not a bug that can be planted";
    assert!(output.stderr.contains(said), "{}", output.stderr);
}

#[test]
fn help_is_data_and_mistakes_are_not() {
    let place = Place::new();
    let help = place.run(&["--help"]);
    help.expect_code(0);
    assert!(help.stdout.contains("paxosctl") && help.stdout.contains("Exit codes"));
    assert_eq!(help.stderr, "");
    for wrong in [
        &["explode"][..],
        &["run"],
        &["run", "x.yaml", "--runs", "0"],
    ] {
        let output = place.run(wrong);
        output.expect_code(2);
        assert_eq!(output.stdout, "");
        assert!(output.stderr.starts_with("error:"), "{}", output.stderr);
    }
}

#[test]
fn an_unknown_report_kind_is_refused() {
    let output = Place::new().run(&["run", "x.yaml", "--report", "pdf"]);
    output.expect_code(2);
    let known = "possible values: table, json, junit, markdown, html";
    assert!(output.stderr.contains(known), "{}", output.stderr);
}

#[test]
fn a_time_scale_has_bounds_and_scales_the_timeline() {
    let place = Place::new();
    place.file("small.yaml", PLAN);
    for wrong in ["0", "0.009", "101", "-1", "NaN", "fast"] {
        let scale = format!("--time-scale={wrong}");
        let output = place.run(&["run", "small.yaml", &scale]);
        output.expect_code(2);
        let told = "write a number from 0.01 to 100; 0.1 is ten times faster";
        assert!(output.stderr.contains(told), "{}", output.stderr);
    }
    let output = place.run(&["run", "small.yaml", "--dry-run", "--time-scale", "0.1"]);
    output.expect_code(0);
    for line in ["\n0.1s  ann", "\n0.2s  f1", "\n0.3s  f1", "\n0.4s  ann"] {
        assert!(output.stdout.contains(line), "{}", output.stdout);
    }
}

#[test]
fn a_wrong_mode_of_a_server_is_refused_with_what_is_right() {
    let node = "node server --dir d --cluster 1 --id 1 --members s1=127.0.0.1:7001 \
                --balancer 127.0.0.1:7000 --mode";
    let mut arguments: Vec<&str> = node.split_whitespace().collect();
    arguments.push("p:10::x:3");
    let output = Place::new().run(&arguments);
    output.expect_code(2);
    for told in [
        "unknown letter `x` in a mode",
        "p, a, c, g, r, s",
        "d (dead)",
    ] {
        assert!(output.stderr.contains(told), "{}", output.stderr);
    }
}

#[test]
fn validate_tells_all_mistakes_of_all_plans() {
    let place = Place::new();
    place.file("good.yaml", PLAN);
    place.file("first.yaml", &PLAN.replace("servers: 3", "servers: many"));
    place.file("second.yaml", &PLAN.replace("say: hello", "shout: hello"));
    place.run(&["validate", "good.yaml"]).expect_code(0);
    let output = place.run(&["validate", "first.yaml", "good.yaml", "second.yaml"]);
    output.expect_code(2);
    assert!(output.stdout.contains("good.yaml"));
    assert!(
        output.stderr.contains("--> first.yaml:4:"),
        "{}",
        output.stderr
    );
    assert!(
        output.stderr.contains("--> second.yaml:6:"),
        "{}",
        output.stderr
    );
    let missing = place.run(&["validate", "nowhere.yaml"]);
    missing.expect_code(2);
    assert!(missing.stderr.contains("nowhere.yaml"));
}

#[test]
fn a_fault_that_can_disturb_nobody_is_a_warning() {
    let place = Place::new();
    let cut = "{at: 2s, for: 1s, drop: {link: \"ann -> s1\", kinds: [accept]}}";
    let plan = PLAN.replace("{at: 2s, kill: s2, restart_after: 1s}", cut);
    place.file("vain.yaml", &plan);
    let output = place.run(&["validate", "vain.yaml"]);
    output.expect_code(0);
    assert!(output.stdout.contains("is fine"), "{}", output.stdout);
    let told = "warning: `drop ann->s1 (accept only)` can disturb no message\n --> vain.yaml:9\n";
    assert!(output.stderr.starts_with(told), "{}", output.stderr);
}

#[test]
fn a_bad_plan_is_told_before_anything_starts() {
    let place = Place::new();
    place.file(
        "bad.yaml",
        "version: 1\ncluster: {servers: 3}\nsurprise: yes\n",
    );
    for command in [&["run", "bad.yaml"][..], &["up", "bad.yaml"]] {
        let output = place.run(command);
        output.expect_code(2);
        assert!(output.stderr.contains("surprise"), "{}", output.stderr);
    }
    assert!(!place.path().join(".paxosctl").exists());
}

#[test]
fn a_dry_run_shows_the_timeline_and_starts_nothing() {
    let place = Place::new();
    place.file("small.yaml", PLAN);
    let output = place.run(&["run", "small.yaml", "--dry-run"]);
    output.expect_code(0);
    assert!(output.stdout.contains("kill s2"), "{}", output.stdout);
    assert!(output.stdout.contains("seed 7"));
    assert!(!place.path().join(".paxosctl").exists());
    let other = place.run(&[
        "run",
        "small.yaml",
        "--dry-run",
        "--seed",
        "8",
        "--runs",
        "2",
    ]);
    other.expect_code(0);
    assert!(other.stdout.contains("seed 8") && other.stdout.contains("seed 9"));
}

#[test]
fn completions_are_scripts() {
    for (shell, word) in [
        ("bash", "_paxosctl"),
        ("zsh", "#compdef"),
        ("fish", "complete -c"),
    ] {
        let output = Place::new().run(&["completions", shell]);
        output.expect_code(0);
        assert!(output.stdout.contains(word));
    }
}

#[test]
fn with_nothing_running_there_is_nothing_to_do() {
    let place = Place::new();
    for command in [&["down"][..], &["down", "chat"], &["ps"], &["ps", "chat"]] {
        let output = place.run(command);
        output.expect_code(0);
        assert_eq!(output.stdout, "");
        assert!(
            output.stderr.starts_with("nothing is running"),
            "{}",
            output.stderr
        );
    }
    place.run(&["logs"]).expect_code(2);
    let chat = place.run(&["chat", "--name", "ann"]);
    chat.expect_code(3);
    assert!(chat.stderr.contains("paxosctl up PLAN -d"));
}

#[test]
fn what_is_no_run_and_no_log_is_refused() {
    let place = Place::new();
    let check = place.run(&["check", "."]);
    check.expect_code(2);
    assert!(check.stderr.contains("history.jsonl"));
    let dump = place.run(&["log", "dump", "."]);
    dump.expect_code(2);
    assert!(dump.stderr.contains("log"));
}

#[test]
fn a_server_must_be_among_its_members() {
    let place = Place::new();
    let mut arguments = vec![
        "node",
        "server",
        "--id",
        "3",
        "--members",
        "s1=127.0.0.1:7001",
    ];
    arguments.extend([
        "--balancer",
        "127.0.0.1:7000",
        "--cluster",
        "ab",
        "--dir",
        "s3",
    ]);
    let output = place.run(&arguments);
    output.expect_code(2);
    assert!(output.stderr.contains("s3"), "{}", output.stderr);
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let place = Place::new();
    let mut child = place
        .command(&["completions", "zsh"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("paxosctl starts");
    // One byte, then nobody reads any more.
    let mut stdout = child.stdout.take().expect("piped");
    stdout.read_exact(&mut [0]).expect("a byte");
    drop(stdout);
    let output = finish(child);
    output.expect_code(0);
    assert_eq!(output.stderr, "");
}
