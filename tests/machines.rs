//! Disks that fail and clocks that are wrong, under real servers: what they say, what they leave on
//! disk, and that a run with them is judged as it should be.

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::Place;

const PLAN: &str = "\
version: 1
name: machines
cluster: {servers: 5, first_leader: s1, clients: [ann, bob]}
traffic:
  - {at: 100ms, as: ann, say: first, seen_by: all, within: 5s}
  - {at: 200ms, for: 4500ms, load: {clients: 3, rate: 60/s, bytes: 32..256}}
  - {at: 4800ms, as: ann, say: last, seen_by: all, within: 5s}
faults:
  - {at: 500ms, for: 1s, disk_full: {node: s2, after: 2KiB}}
  - {at: 700ms, fail_fsync: s3, restart_after: 500ms}
  - {at: 2s, torn_write: leader, restart_after: 500ms}
  - {at: 2500ms, for: 1s, clock: {node: servers, jump: -1h}}
  - {at: 3s, flip_byte: s5, restart_after: 300ms}
settle: 10s
expect: {acked: 100%}
";

fn words(run: &Path, node: &str) -> String {
    fs::read_to_string(run.join("nodes").join(node).join("stderr.log")).expect("its words")
}

#[test]
fn servers_say_what_their_disks_did_and_come_back() {
    let place = Place::new();
    place.file("machines.yaml", PLAN);
    let run = place.path().join("run");
    let output = place.run(&["run", "machines.yaml", "--progress", "none", "--out", "run"]);
    output.expect_code(0);

    let full = words(&run, "s2");
    assert!(
        full.contains("the log cannot be written, so this server must not go on: cannot write")
            && full.contains("No space left on device")
            && full.contains("mend the disk and start it again"),
        "{full}"
    );
    let failed = words(&run, "s3");
    assert!(
        failed.contains("cannot sync") && failed.contains("Input/output error"),
        "{failed}"
    );
    let damaged = words(&run, "s5");
    assert!(
        damaged.contains("the log is damaged: ")
            && damaged.contains("It is kept as ")
            && damaged.contains("does not vote"),
        "{damaged}"
    );
    assert!(run.join("nodes/s5/log.damaged-1/00000001.log").exists());

    let result = fs::read_to_string(run.join("result.json")).expect("a result");
    let result: Value = serde_json::from_str(&result).expect("JSON");
    assert_eq!(result["replicas"][4]["state"], "not voting");
    let faults = result["faults"].as_array().expect("faults");
    assert!(
        faults.iter().all(|fault| fault["bit"] == true),
        "{faults:#?}"
    );
    let effects: Vec<&str> = faults.iter().filter_map(|f| f["effect"].as_str()).collect();
    assert!(
        effects[3].contains("clock jumped by -3600 s"),
        "{effects:#?}"
    );

    // The disks still agree with the history, the one that was set aside with none of it.
    place.run(&["check", "run"]).expect_code(0);
}

/// A log of which a byte is changed, in the directory of a server of three.
fn damaged_server(place: &Place) -> Vec<String> {
    let node = |id: &str| -> Vec<String> {
        let arguments = [
            "node",
            "server",
            "--dir",
            "s1",
            "--cluster",
            "ab",
            "--id",
            id,
            "--members",
            "s1=192.0.2.1:1,s2=192.0.2.1:2,s3=192.0.2.1:3",
            "--balancer",
            "127.0.0.1:4",
        ];
        arguments.map(str::to_owned).to_vec()
    };
    // It formats its log, and then cannot listen: no machine has this address.
    let arguments = node("1");
    let borrowed: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = place.run(&borrowed);
    output.expect_code(3);
    let file = place.path().join("s1/log/00000001.log");
    let mut bytes = fs::read(&file).expect("a log");
    bytes[30] ^= 1;
    fs::write(&file, bytes).expect("written");
    arguments
}

#[test]
fn a_server_can_be_told_to_stop_over_a_damaged_log() {
    let place = Place::new();
    let arguments = damaged_server(&place);
    let mut stop: Vec<&str> = arguments.iter().map(String::as_str).collect();
    stop.extend(["--on-damage", "stop"]);
    let output = place.run(&stop);
    output.expect_code(3);
    assert!(
        output
            .stderr
            .contains("the log is damaged: s1/log/00000001.log, byte 0: the segment header")
            && output
                .stderr
                .contains("What to do: restore the file from a copy"),
        "{}",
        output.stderr
    );
    assert!(!place.path().join("s1/log.damaged-1").exists());

    let repair: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = place.run(&repair);
    output.expect_code(3);
    assert!(
        output.stderr.contains("It is kept as s1/log.damaged-1"),
        "{}",
        output.stderr
    );
    assert!(
        output.stdout.contains("\"event\":\"log_set_aside\""),
        "{}",
        output.stdout
    );
    assert!(place.path().join("s1/log/00000001.log").exists());
}

#[test]
fn a_machine_table_that_means_nothing_is_refused_and_the_server_goes_on() {
    let place = Place::new();
    place.file(
        "s1/machine.json",
        "{\"generation\": 1, \"rules\": [{\"id\": \"\"}]}",
    );
    let output = place.run(&[
        "node",
        "server",
        "--dir",
        "s1",
        "--cluster",
        "ab",
        "--id",
        "1",
        "--members",
        "s1=192.0.2.1:1",
        "--balancer",
        "127.0.0.1:4",
    ]);
    assert!(
        output.stdout.contains("\"event\":\"machine_refused\""),
        "{}",
        output.stdout
    );
    // It opened its log all the same, and then could not listen.
    output.expect_code(3);
    assert!(output.stderr.contains("cannot listen"), "{}", output.stderr);
    assert!(place.path().join("s1/log/00000001.log").exists());
}
