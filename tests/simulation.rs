//! Runs in simulation on the command line: what they print, save and exit with, and that a seed says
//! everything.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Place, change_a_byte, finish, nothing_is_left, second, wait_until};

/// It is down already.
const TWICE: &str = "faults:\n  - {at: 150ms, kill: s3, restart_after: 500ms}\n  \
                     - {at: 300ms, kill: s3, restart_after: 100ms}\n#";

fn place() -> Place {
    let place = Place::new();
    place.file("good.yaml", &second::good("good"));
    place.file("bad.yaml", &second::bad("bad"));
    let dull = second::good("dull").replace("faults:", TWICE);
    place.file("dull.yaml", &dull.replace("\n  - {at: 200ms, for", "\n#"));
    place
}

/// Every plan of the project, by its absolute path.
fn plans() -> Vec<String> {
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let folders = [plans.clone(), plans.join("seed")];
    let entries = folders
        .iter()
        .flat_map(|dir| fs::read_dir(dir).expect("the plans"));
    let mut found: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("a directory entry")
                .path()
                .display()
                .to_string()
        })
        .filter(|path| path.ends_with(".yaml"))
        .collect();
    found.sort();
    found
}

/// All files below a directory that a run's seed decides, with their contents.
fn decided(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            if path.is_dir() {
                open.push(path);
            } else if name != "result.json" && name != "report.html" {
                let inside = path.strip_prefix(dir).expect("below it").to_owned();
                found.push((inside, fs::read(&path).expect("a file")));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_run_ends_like_a_real_one() {
    let place = place();
    let output = place.run(&["run", "--sim", "good.yaml", "--out", "run"]);
    output.expect_code(0);
    let words = [
        "PASS",
        "good · seed 7 · simulated · 3 servers",
        "sent 5 · acked 5",
    ];
    for words in words {
        assert!(output.stdout.contains(words), "{}", output.stdout);
    }
    let command = "\nrun again: paxosctl run --sim good.yaml --seed 7\n";
    assert!(output.stdout.ends_with(command), "{}", output.stdout);
    let bad = place.run(&["run", "--sim", "bad.yaml"]);
    bad.expect_code(1);
    let command = "run again: paxosctl run --sim bad.yaml --seed 7";
    assert!(bad.stdout.contains(command), "{}", bad.stdout);
    place.run(&["run", "--sim", "dull.yaml"]).expect_code(4);

    for refused in ["--keep", "--keep-on-fail"] {
        let output = place.run(&["run", "--sim", "good.yaml", refused]);
        output.expect_code(2);
        assert!(
            output
                .stderr
                .contains("a simulated cluster lives in its run only"),
            "{}",
            output.stderr
        );
    }
    place.run(&["run", "--trace", "good.yaml"]).expect_code(2);
    place
        .run(&["run", "--sim", "--plant", "none", "good.yaml"])
        .expect_code(2);
    place.run(&["run", "--sim", "none.yaml"]).expect_code(2);
    place
        .run(&["run", "--sim", "--both", "good.yaml"])
        .expect_code(2);
    nothing_is_left(&place);
}

#[test]
fn a_saved_run_is_a_saved_run() {
    let place = place();
    place
        .run(&["run", "--sim", "bad.yaml", "--out", "run"])
        .expect_code(1);
    let again = place.run(&["check", "run", "--report", "json"]);
    again.expect_code(1);
    let saved = fs::read(place.path().join("run/result.json")).expect("a result");
    let saved: Value = serde_json::from_slice(&saved).expect("JSON");
    let judged: Value = serde_json::from_str(&again.stdout).expect("JSON");
    assert_eq!(saved, judged);
    assert_eq!(saved["world"], "simulation");
    let disks = saved["checks"].as_array().expect("checks").iter();
    let disks: Vec<_> = disks.filter(|check| check["property"] == "disks").collect();
    assert_eq!(disks[0]["outcome"], "holds");
    let dump = place.run(&["log", "dump", "run/nodes/s1"]);
    dump.expect_code(0);
    assert!(dump.stdout.contains("five"), "{}", dump.stdout);
    place
        .run(&["report", "run", "--report", "html"])
        .expect_code(0);
    let export = place.run(&["export", "run", "--format", "edn", "-o", "run.edn"]);
    export.expect_code(0);
    place
        .run(&["check", "--model", "log", "run.edn"])
        .expect_code(0);
    // A byte of a disk that is not what it was is noticed.
    change_a_byte(&place.path().join("run/nodes/s2/log/00000001.log"));
    let output = place.run(&["check", "run"]);
    let disks = output.stdout.lines().find(|line| line.contains(" disks "));
    assert!(
        disks.is_some_and(|line| line.contains("VIOLATED")),
        "{}",
        output.stdout
    );
}

#[test]
fn two_processes_make_the_same_runs_of_every_plan() {
    let place = Place::new();
    let plans = plans();
    let plans: Vec<&str> = plans.iter().map(String::as_str).collect();
    for (out, jobs) in [("one", "1"), ("two", "3")] {
        let mut arguments = vec!["run", "--sim", "--seed", "5", "--out", out, "--jobs", jobs];
        arguments.extend(&plans);
        place.run(&arguments).expect_code(0);
    }
    let (one, two) = (
        decided(&place.path().join("one")),
        decided(&place.path().join("two")),
    );
    let histories = one
        .iter()
        .filter(|(path, _)| path.ends_with("history.jsonl"));
    assert_eq!(histories.count(), plans.len());
    for ((path, one), (other, two)) in one.iter().zip(&two) {
        assert!(path == other && one == two, "{} differs", path.display());
    }
    assert_eq!(one.len(), two.len());
}

#[test]
fn a_series_leaves_only_what_is_no_pass() {
    let place = place();
    let output = place.run(&["run", "--sim", "good.yaml", "--runs", "60"]);
    output.expect_code(0);
    let lines: Vec<&str> = output.stdout.trim().lines().collect();
    assert_eq!(lines.len(), 3, "{}", output.stdout);
    assert!(lines[0].starts_with("good (simulated): 60 passed of 60 runs; failure rate 0.0%"));
    assert!(lines[2].starts_with("simulated "), "{}", lines[2]);
    assert!(lines[2].ends_with(" s a second"), "{}", lines[2]);
    assert!(!place.path().join(".paxosctl").exists());

    let output = place.run(&["run", "--sim", "good.yaml", "bad.yaml", "--runs", "7"]);
    output.expect_code(1);
    assert_eq!(
        output.stdout.matches("run again: ").count(),
        5,
        "{}",
        output.stdout
    );
    for seed in 7..14 {
        let command = format!("VIOLATED  paxosctl run --sim bad.yaml --seed {seed}\n");
        assert!(output.stdout.contains(&command), "{}", output.stdout);
    }
    let saved = fs::read_dir(place.path().join(".paxosctl/runs")).expect("runs");
    let saved: Vec<_> = saved
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(saved, ["bad"]);
    let runs = fs::read_dir(place.path().join(".paxosctl/runs/bad")).expect("runs");
    // And `latest`.
    assert_eq!(runs.count(), 7 + 1);
    place
        .run(&["check", ".paxosctl/runs/bad/latest"])
        .expect_code(1);

    let arguments = ["run", "--sim", "good.yaml", "--runs", "2", "--out", "all"];
    place.run(&arguments).expect_code(0);
    for seed in [7, 8] {
        assert!(
            place
                .path()
                .join(format!("all/good-s{seed}/history.jsonl"))
                .exists()
        );
    }
}

#[test]
fn reports_of_a_series_hold_every_run() {
    let place = place();
    let arguments = [
        "run",
        "--sim",
        "good.yaml",
        "bad.yaml",
        "--runs",
        "2",
        "--report",
        "json=all.json",
        "--report",
        "junit=all.xml",
        "--report",
        "html=all.html",
    ];
    place.run(&arguments).expect_code(1);
    let read = |name: &str| fs::read_to_string(place.path().join(name)).expect("a report");
    let all: Value = serde_json::from_str(&read("all.json")).expect("JSON");
    assert_eq!(all["runs"].as_array().expect("runs").len(), 4);
    assert_eq!(read("all.xml").matches("<testsuite ").count(), 4);
    assert_eq!(read("all.html").matches("<a href=").count(), 4);
    assert!(read("all-good-s8.html").contains("\"timeline\":{"));
}

#[test]
fn both_worlds_stand_side_by_side() {
    let place = place();
    let arguments = [
        "run",
        "--both",
        "good.yaml",
        "--report",
        "table",
        "--report",
        "markdown=all.md",
        "--report",
        "html=all.html",
    ];
    let output = place.run(&arguments);
    output.expect_code(0);
    let table = output
        .stdout
        .split_once("\nBoth worlds, the same expectations\n")
        .expect("a table")
        .1;
    let row: Vec<&str> = table
        .lines()
        .nth(1)
        .expect("a row")
        .split_whitespace()
        .collect();
    let wanted = [
        "good", "PASS,", "1", "of", "1", "PASS,", "1", "of", "1", "yes",
    ];
    assert_eq!(row, wanted, "{table}");
    for name in ["all.md", "all.html"] {
        let text = fs::read_to_string(place.path().join(name)).expect("a report");
        assert!(text.contains("same verdict"), "{text}");
    }
    nothing_is_left(&place);
}

/// A leader that counts acceptances that nobody made, and a partition.
#[test]
fn a_violated_run_is_traced_and_cut_down() {
    let place = place();
    let plan = concat!(env!("CARGO_MANIFEST_DIR"), "/plans/split-brain.yaml");
    let bug = "forged-acceptances";
    let arguments = [
        "run", "--sim", "--seed", "1", "--plant", bug, "--trace", "--out", "run", plan,
    ];
    let output = place.run(&arguments);
    output.expect_code(1);
    for words in [
        "!!! agreement: slot ",
        " s2 -> s3  Accept ",
        "(DROPPED by a link rule)",
        "saved as run/shrunk.yaml\nrun it: paxosctl run --sim --plant forged-acceptances run/shrunk.yaml\n",
    ] {
        assert!(output.stdout.contains(words), "{words}: {}", output.stdout);
    }
    let page = fs::read_to_string(place.path().join("run/report.html")).expect("a page");
    assert!(page.contains("<section id=\"sequence\">") && page.contains("class=\"lost\""));
    let shrunk = [
        "run",
        "--sim",
        "--plant",
        bug,
        "--no-shrink",
        "run/shrunk.yaml",
    ];
    let again = place.run(&shrunk);
    again.expect_code(1);
    assert!(again.stdout.contains("agreement          VIOLATED"));
    place
        .run(&["run", "--sim", "run/shrunk.yaml"])
        .expect_code(0);
    let by_hand = place.run(&["shrink", "run", "--plant", bug]);
    by_hand.expect_code(0);
    assert!(
        by_hand.stdout.contains("cut down to "),
        "{}",
        by_hand.stdout
    );
    // Without the bug nothing is violated.
    let sound = place.run(&["shrink", "run"]);
    sound.expect_code(0);
    assert!(sound.stdout.contains("not cut down"), "{}", sound.stdout);
}

#[test]
fn an_interrupt_ends_a_series() {
    let place = place();
    let arguments = [
        "run",
        "--sim",
        "good.yaml",
        "--runs",
        "1000000",
        "--out",
        "all",
    ];
    let run = place.command(&arguments).spawn().expect("paxosctl starts");
    wait_until("a run is saved", || {
        place
            .path()
            .join("all/good-s7/result.json")
            .exists()
            .then_some(())
    });
    kill(Pid::from_raw(run.id() as i32), Signal::SIGINT).expect("signalled");
    let output = finish(run);
    output.expect_code(130);
    assert!(
        output.stderr.contains(" of 1000000 runs were not made\n"),
        "{}",
        output.stderr
    );
}
