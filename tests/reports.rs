//! Reports from the command line: of one run and of several, of a saved run, and to GitHub Actions.

mod support;

use std::fs;

use serde_json::Value;
use support::Place;
use support::saved::saved_run;

/// A second of chat.
const PLAN: &str = "\
version: 1
name: short
seed: 7
cluster: {servers: 3, clients: [ann]}
traffic:
  - {at: 100ms, as: ann, say: one}
  - {at: 300ms, as: ann, say: two}
";

fn read(place: &Place, path: &str) -> String {
    fs::read_to_string(place.path().join(path)).expect(path)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn several_runs_share_one_report_of_each_kind() {
    let place = Place::new();
    place.file("short.yaml", PLAN);
    place.file("summary.md", "an earlier step\n");
    let mut arguments = vec!["run", "short.yaml", "--runs", "2", "--progress", "none"];
    for report in [
        "json",
        "junit=o/all.xml",
        "markdown=o/all.md",
        "html=o/all.html",
    ] {
        arguments.extend(["--report", report]);
    }
    let mut command = place.command(&arguments);
    command.env("GITHUB_STEP_SUMMARY", "summary.md");
    let output = support::finish(command.spawn().expect("paxosctl starts"));
    output.expect_code(0);

    // Standard output is the document and nothing else.
    let all = json(&output.stdout);
    assert!(output.stderr.contains("2 passed"), "{}", output.stderr);
    let seeds: Vec<u64> = all["runs"]
        .as_array()
        .expect("runs")
        .iter()
        .map(|run| run["seed"].as_u64().expect("a seed"))
        .collect();
    assert_eq!(seeds, [7, 8]);
    let xml = read(&place, "o/all.xml");
    assert_eq!(xml.matches("<testsuite name=\"short\"").count(), 2);
    assert!(read(&place, "o/all.md").starts_with("## 2 of 2 runs passed"));
    let index = read(&place, "o/all.html");
    for seed in ["7", "8"] {
        assert!(index.contains(&format!("href=\"./all-short-s{seed}.html\"")));
        let page = read(&place, &format!("o/all-short-s{seed}.html"));
        assert!(page.contains(&format!("\"seed {seed}\"")) && page.contains("\"timeline\":{"));
    }
    assert!(read(&place, ".paxosctl/runs/short/latest/report.html").contains("\"timeline\":{"));
    let summary = read(&place, "summary.md");
    assert!(
        summary.starts_with("an earlier step\n## 2 of 2 runs passed\n"),
        "{summary}"
    );
    // It passed: there is nothing to mark.
    assert!(!output.stderr.contains("::error"), "{}", output.stderr);
}

#[test]
fn several_pages_need_a_name() {
    let place = Place::new();
    place.file("short.yaml", PLAN);
    let output = place.run(&["run", "short.yaml", "--runs", "2", "--report", "html"]);
    output.expect_code(2);
    assert!(
        output.stderr.contains("--report html=runs.html"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_violated_run_marks_the_plan_and_fills_the_summary() {
    let place = Place::new();
    saved_run(&place, "run", 200);
    let mut command = place.command(&["check", "run", "--report", "json"]);
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_WORKSPACE", place.path())
        .env("GITHUB_STEP_SUMMARY", place.path().join("summary.md"));
    let output = support::finish(command.spawn().expect("paxosctl starts"));
    output.expect_code(1);
    let result = json(&output.stdout);
    let marks: Vec<&str> = output
        .stderr
        .lines()
        .filter(|line| line.starts_with("::error "))
        .collect();
    let violated = result["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .filter(|check| check["outcome"] == "violated");
    assert_eq!(marks.len(), violated.count(), "{}", output.stderr);
    let plan = read(&place, "run.yaml");
    let line = plan.lines().position(|line| line.starts_with("expect:"));
    let line = line.expect("a demand") + 1;
    let acked = format!("::error file=run.yaml,line={line},title=saved%3A acked::");
    assert!(
        marks.iter().any(|mark| mark.starts_with(&acked)),
        "{marks:#?}"
    );
    let summary = read(&place, "summary.md");
    assert!(summary.starts_with("### ❌ VIOLATED · saved"), "{summary}");
}

#[test]
fn a_saved_run_is_shown_as_it_was_judged() {
    let place = Place::new();
    let dir = saved_run(&place, "run", 200);
    let unjudged = place.run(&["report", "run"]);
    unjudged.expect_code(2);
    assert!(
        unjudged.stderr.contains("`paxosctl check run`"),
        "{}",
        unjudged.stderr
    );

    // Whatever it says is shown, even what no history would be judged to be.
    let judged = place.run(&["check", "run", "--report", "json"]);
    let mut result = json(&judged.stdout);
    result["verdict"] = "pass".into();
    result["reasons"] = Value::Array(Vec::new());
    let text = result.to_string();
    fs::write(dir.join("result.json"), &text).expect("written");
    let mut arguments = vec!["report", "run"];
    for report in ["table", "junit=out.xml", "markdown=out.md", "html=out.html"] {
        arguments.extend(["--report", report]);
    }
    let output = place.run(&arguments);
    output.expect_code(0);
    assert!(
        output.stdout.starts_with("PASS  saved"),
        "{}",
        output.stdout
    );
    assert!(read(&place, "out.xml").contains("<testsuite name=\"saved\""));
    assert!(read(&place, "out.md").starts_with("### ✅ PASS · saved"));
    assert!(read(&place, "out.html").contains("\"timeline\":{"));
    assert_eq!(
        read(&place, "run/result.json"),
        text,
        "it is left as it was"
    );

    // Without its history, it is shown without charts.
    fs::remove_file(dir.join("history.jsonl")).expect("removed");
    place
        .run(&["report", "run", "--report", "html=bare.html"])
        .expect_code(0);
    assert!(read(&place, "bare.html").contains("\"timeline\":null"));
}

#[test]
fn the_schema_is_printed() {
    let output = Place::new().run(&["schema"]);
    output.expect_code(0);
    let schema = json(&output.stdout);
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(schema["anyOf"][0]["$ref"], "#/$defs/RunResult");
}
