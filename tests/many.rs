//! Many runs by one command: side by side, until one fails, and keeping what failed.

mod support;

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Place, finish, nothing_is_left, second, start_until};

fn place() -> Place {
    let place = Place::new();
    for name in ["one", "two"] {
        place.file(&format!("{name}.yaml"), &second::good(name));
    }
    place.file("bad.yaml", &second::bad("bad"));
    let long = second::good("long").replace("at: 900ms", "at: 60s");
    place.file("long.yaml", &long);
    place
}

fn verdict(place: &Place, run: &str) -> Value {
    let path = place.path().join(run).join("result.json");
    let result: Value = serde_json::from_slice(&fs::read(path).expect("a result")).expect("JSON");
    result["verdict"].clone()
}

/// The summary's line for a run.
fn line<'a>(stdout: &'a str, plan: &str, seed: &str) -> &'a str {
    let found = stdout.lines().find(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.starts_with(&[plan, seed])
    });
    found.unwrap_or_else(|| panic!("no line for {plan} {seed}:\n{stdout}"))
}

#[test]
fn two_plans_run_side_by_side_and_are_reported_one_after_the_other() {
    let place = place();
    let arguments = ["run", "one.yaml", "two.yaml", "--jobs", "2", "--out", "all"];
    let output = place.run(&arguments);
    output.expect_code(0);
    // Each started before the other was over, and each line says whose it is.
    let at = |words: &str| output.stderr.find(words).expect(words);
    assert!(
        at("one-s7 |   0.0s") < at("two-s7 |   1.") || at("two-s7 |   0.0s") < at("one-s7 |   1.")
    );
    assert!(
        output
            .stderr
            .lines()
            .all(|line| line.starts_with("one-s7 | ") || line.starts_with("two-s7 | ")),
        "{}",
        output.stderr
    );
    let first = output.stdout.find("PASS  one").expect("the first report");
    let end = output
        .stdout
        .find("run again: paxosctl run one.yaml")
        .expect("its end");
    let second = output.stdout.find("PASS  two").expect("the second report");
    assert!(first < end && end < second, "{}", output.stdout);
    for plan in ["one", "two"] {
        let line = line(&output.stdout, plan, "7");
        assert!(line.contains("PASS") && line.contains("5/5"), "{line}");
        assert!(line.ends_with(&format!("all/{plan}-s7")), "{line}");
        assert_eq!(verdict(&place, &format!("all/{plan}-s7")), "pass");
    }
    nothing_is_left(&place);
}

#[test]
fn a_violated_run_outweighs_the_others_and_its_rate_is_told() {
    let place = place();
    let output = place.run(&["run", "bad.yaml", "one.yaml", "--runs", "2", "-j", "4"]);
    output.expect_code(1);
    assert!(line(&output.stdout, "bad", "8").contains("told-no-majority"));
    assert!(line(&output.stdout, "one", "8").contains("PASS"));
    let rate = "bad: 0 passed, 2 violated of 2 runs; failure rate 100.0% (95% interval 34.2% to \
                100.0%)\n  VIOLATED  paxosctl run bad.yaml --seed 7\n  VIOLATED  paxosctl run \
                bad.yaml --seed 8\n";
    assert!(output.stdout.contains(rate), "{}", output.stdout);
    nothing_is_left(&place);
}

#[test]
fn fail_fast_starts_nothing_after_a_failure() {
    let place = place();
    let arguments = ["run", "one.yaml", "bad.yaml", "two.yaml", "--fail-fast"];
    let output = place.run(&arguments);
    output.expect_code(1);
    assert!(!output.stdout.contains("two"), "{}", output.stdout);
    assert!(
        output.stderr.ends_with("1 of 3 runs were not made\n"),
        "{}",
        output.stderr
    );
}

#[test]
fn an_interrupt_ends_all_runs() {
    let place = place();
    let arguments = [
        "run",
        "long.yaml",
        "--runs",
        "3",
        "--jobs",
        "2",
        "--out",
        "all",
    ];
    let (run, _) = start_until(&place, &arguments, "pause s3 → s3 (paused)", 2);
    assert_eq!(place.processes().len(), 10);
    kill(Pid::from_raw(run.id() as i32), Signal::SIGTERM).expect("signalled");
    let output = finish(run);
    output.expect_code(143);
    for seed in [7, 8] {
        assert_eq!(verdict(&place, &format!("all/long-s{seed}")), "interrupted");
    }
    assert!(!place.path().join("all/long-s9").exists());
    nothing_is_left(&place);
}

#[test]
fn runs_that_name_the_same_ports_are_not_made_at_the_same_time() {
    let place = place();
    let ports = "clients: [ann], ports: {balancer: 18000, servers: 18001}";
    let plan = second::good("ports").replace("clients: [ann]", ports);
    place.file("ports.yaml", &plan);
    let output = place.run(&["run", "ports.yaml", "--runs", "2", "--jobs", "2"]);
    output.expect_code(2);
    assert!(output.stderr.contains("port 18000"), "{}", output.stderr);
}

#[test]
fn the_cluster_of_the_first_failing_run_is_kept() {
    let place = place();
    let arguments = [
        "run",
        "one.yaml",
        "bad.yaml",
        "--runs",
        "2",
        "--keep-on-fail",
    ];
    let output = place.run(&arguments);
    output.expect_code(1);
    let told = "the cluster of bad-s7 is left running: `paxosctl ps bad`";
    assert_eq!(output.stderr.matches("is left running").count(), 1);
    assert!(output.stderr.contains(told), "{}", output.stderr);
    // The disks of a server that runs are not judged; those of the run after it are.
    assert_eq!(
        output.stdout.matches(" disks ").count(),
        3,
        "{}",
        output.stdout
    );
    let ps = place.run(&["ps"]);
    ps.expect_code(0);
    assert_eq!(ps.stdout.matches(" up ").count(), 4, "{}", ps.stdout);
    let again = place.run(&["run", "bad.yaml", "--keep-on-fail"]);
    again.expect_code(3);
    assert!(again.stderr.contains("is up already"), "{}", again.stderr);
    place.run(&["down"]).expect_code(0);
    nothing_is_left(&place);
}

#[test]
fn a_kept_cluster_may_have_lost_a_server() {
    let place = place();
    let plan = second::good("lost").replace("at: 900ms", "at: 3s");
    place.file("lost.yaml", &plan);
    let arguments = ["run", "lost.yaml", "--out", "run", "--keep-on-fail"];
    let (run, errors) = start_until(&place, &arguments, "s3 (resumed)", 1);
    let dir = place.path().join("run/nodes/s2").display().to_string();
    let pids = support::processes_naming(&dir);
    kill(Pid::from_raw(pids[0] as i32), Signal::SIGKILL).expect("killed");
    finish(run).expect_code(1);
    let errors = fs::read_to_string(errors).expect("a file");
    assert!(errors.contains("is left running"), "{errors}");
    let ps = place.run(&["ps"]);
    assert_eq!(ps.stdout.matches(" up ").count(), 3, "{}", ps.stdout);
    assert_eq!(ps.stdout.matches(" down ").count(), 1, "{}", ps.stdout);
    place.run(&["restart", "s2"]).expect_code(0);
    place.run(&["down"]).expect_code(0);
    nothing_is_left(&place);
}
