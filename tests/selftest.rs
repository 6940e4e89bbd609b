//! Bugs that are planted are noticed, in simulation and on real processes, and the unbroken cluster is
//! accused of nothing. The program that tests run can have bugs in its nodes; see `planted`.

use std::process::Command;

use serde_json::Value;

fn selftest(arguments: &[&str]) -> (Value, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_paxosctl"))
        .arg("selftest")
        .arg("--json")
        .args(arguments)
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let words = String::from_utf8_lossy(&output.stderr);
    let value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{words}"));
    (value, output.status.code())
}

fn assert_all_caught(selftest: &(Value, Option<i32>), least: usize) {
    let (found, code) = selftest;
    let bugs = found["bugs"].as_array().expect("bugs");
    assert!(bugs.len() >= least, "{} bugs", bugs.len());
    for bug in bugs {
        assert_eq!(bug["caught"], true, "{bug:#}");
    }
    assert_eq!(found["unbroken"]["alarms"], Value::Array(Vec::new()));
    assert!(
        found["unbroken"]["runs"]
            .as_u64()
            .is_some_and(|runs| runs > 0)
    );
    assert_eq!(*code, Some(0));
}

#[test]
fn every_planted_bug_is_noticed_in_simulation() {
    assert_all_caught(&selftest(&["--hunts", "1"]), 24);
}

#[test]
fn planted_bugs_are_noticed_on_real_processes() {
    let mut arguments = vec!["--processes", "--jobs", "8"];
    arguments.extend([
        "promise-not-persisted",
        "ack-before-fsync",
        "quorum-of-half",
        "accepted-values-ignored",
        "acks-without-majority",
        "session-table-lost",
        "reroute-skips",
        "unconfirmed-reads",
    ]);
    assert_all_caught(&selftest(&arguments), 8);
}
