//! A real run's history, changed as it would be if a server forgot: the logs still agree, and
//! `paxosctl check` names exactly what was forgotten.

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Output, Place};

/// The leader is killed under load, and a follower later.
const PLAN: &str = "\
version: 1
name: forgetful
seed: 7
cluster: {servers: 3, first_leader: s1, clients: [ann]}
traffic:
  - {at: 100ms, as: ann, say: one}
  - {at: 200ms, for: 4s, load: {clients: 4, rate: 100/s, bytes: 16}}
faults:
  - {at: 1500ms, kill: s1, restart_after: 500ms}
  - {at: 3s, kill: s3, restart_after: 500ms}
settle: 10s
";

/// Changes the protocol records of a run and judges it again. `change` gets the server's name and
/// its event; the numbers count the events of that kind of that server, from 1.
fn judged(
    place: &Place,
    original: &str,
    change: impl Fn(&str, u64, &mut Value) -> usize,
) -> Output {
    let mut counts = std::collections::BTreeMap::new();
    let mut changed = 0;
    let lines: Vec<String> = original
        .lines()
        .flat_map(|line| {
            let mut value: Value = serde_json::from_str(line).expect("JSON");
            let kind = value["what"]["event"].as_str().unwrap_or("").to_owned();
            let node = value["node"].as_str().unwrap_or("").to_owned();
            let count = counts.entry((node.clone(), kind.clone())).or_insert(0);
            *count += 1;
            let before = value.clone();
            let copies = change(&node, *count, &mut value["what"]);
            if copies == 1 && (value == before || kind.is_empty()) {
                return vec![line.to_owned()];
            }
            changed += 1;
            vec![value.to_string(); copies]
        })
        .collect();
    assert!(changed > 0, "nothing was changed");
    fs::write(
        place.path().join("run/history.jsonl"),
        lines.join("\n") + "\n",
    )
    .expect("written");
    place.run(&["check", "run"])
}

/// The properties that the table of checks calls violated.
fn violated(output: &Output) -> Vec<String> {
    let rows = output.stdout.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let property = words.next()?;
        (words.next() == Some("VIOLATED")).then(|| property.to_owned())
    });
    // A slot whose acceptance was changed may lack its majority by then, which is no news.
    let consequences = ["chosen-majority", "ack-majority"];
    rows.filter(|property| property.contains(|letter: char| letter.is_ascii_lowercase()))
        .filter(|property| !consequences.contains(&property.as_str()))
        .collect()
}

#[test]
fn what_a_server_forgot_is_noticed_though_all_logs_agree() {
    let place = Place::new();
    place.file("plan.yaml", PLAN);
    let run = place.run(&["run", "plan.yaml", "--out", "run"]);
    run.expect_code(0);
    let original = fs::read_to_string(place.path().join("run/history.jsonl")).expect("a history");

    type Change = fn(&str, u64, &mut Value) -> usize;
    let forgotten: [(&str, Change, &[&str]); 6] = [
        (
            "its promise, over a restart",
            |node, number, what| {
                if node == "s3" && number == 2 && what["event"] == "recovered" {
                    what["promised"] = json!({"round": 0, "server": 0});
                }
                1
            },
            &["ballots"],
        ),
        (
            "everything that it accepted and knew as chosen",
            |node, number, what| {
                if node == "s3" && number == 2 && what["event"] == "recovered" {
                    what["accepted"] = json!([]);
                    what["chosen"] = json!(0);
                }
                1
            },
            &["acceptances-kept", "chosen-index"],
        ),
        (
            "that it led in a ballot before",
            |_, _, what| {
                if what["event"] == "leading" && what["ballot"]["round"] == 1 {
                    return 2;
                }
                1
            },
            &["ballots"],
        ),
        (
            "whose promises it had counted",
            |_, _, what| {
                if what["event"] == "leading" && what["ballot"]["round"] == 1 {
                    what["promised_by"] = json!([1, 1]);
                }
                1
            },
            &["promises"],
        ),
        (
            "what was proposed in a slot",
            |node, number, what| {
                if node == "s2" && number == 5 && what["event"] == "accepted" {
                    what["digest"] = json!(7);
                }
                1
            },
            &["one-value"],
        ),
        (
            "with which disk it had voted",
            |node, number, what| {
                if node == "s3" && number == 2 && what["event"] == "recovered" {
                    what["incarnation"] = json!(7);
                }
                1
            },
            &["voters"],
        ),
    ];
    for (what, change, properties) in forgotten {
        let output = judged(&place, &original, change);
        output.expect_code(1);
        assert_eq!(violated(&output), properties, "{what}\n{}", output.stdout);
        let agreement = output
            .stdout
            .lines()
            .find(|line| line.contains("agreement"));
        let holds = agreement.is_some_and(|line| line.contains("holds"));
        assert!(holds, "the logs agree: {}", output.stdout);
    }
}
