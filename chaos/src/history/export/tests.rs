//! A story, exported, and judged from what was exported.

use super::{Format, write};
use crate::check::support::{Story, node};
use crate::history::{self, Evidence};
use crate::linear::{Budget, ModelKind, Verdict, import, judge, of_run};
use paxosctl_node::event::Event;
use paxosctl_node::ids::{ClientId, ServerId};

fn evidence(story: &Story) -> Evidence {
    let mut builder = history::Builder::default();
    for line in &story.lines {
        builder.add(line.clone()).expect("a line");
    }
    builder.finish().expect("a history")
}

/// A message, a kill, a message that is never answered, and a read.
fn story() -> Story {
    let mut story = Story::new(3);
    story.say("ann", "say \"hi\"\n");
    let fault = story.kill(&["s3"]);
    story.say_in_vain("bob", "lost");
    story.start(&fault, &["s3"]);
    let client = ClientId(1);
    let asked_us = story.now_us + 1_000;
    story
        .lines
        .push(node(asked_us, "ann", Event::ReadAsked { client, id: 1 }));
    story.lines.push(node(
        asked_us + 2_000,
        "ann",
        Event::ReadDone {
            client,
            id: 1,
            length: 1,
            server: ServerId(2),
        },
    ));
    story
}

fn exported(evidence: &Evidence, format: Format) -> String {
    let mut out = Vec::new();
    write(evidence, format, &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("UTF-8")
}

fn verdict(evidence: &Evidence) -> Verdict {
    let edn = exported(evidence, Format::Edn);
    let history = import(edn.as_bytes(), ModelKind::Log, 1 << 20).expect("EDN of our own");
    let budget = Budget {
        bytes: 1 << 20,
        give_up: &|| false,
    };
    let verdict = judge(&history, &budget).verdict;
    assert_eq!(judge(&of_run(evidence), &budget).verdict, verdict);
    verdict
}

#[test]
fn edn_is_jepsens() {
    let edn = exported(&evidence(&story()), Format::Edn);
    let lines: Vec<&str> = edn.lines().collect();
    let ann = r#":client "ann", :session "0000000000000001""#;
    let bob = r#":client "bob", :session "0000000000000002""#;
    let fault = r#":fault "f1", :planned "kill s3""#;
    let text = r#""say \"hi\"\n""#;
    assert_eq!(
        lines,
        [
            format!(
                "{{:index 0, :time 100000000, :process 0, :type :invoke, :f :append, :value \
                 {text}, {ann}}}"
            ),
            format!(
                "{{:index 1, :time 104000000, :process 0, :type :ok, :f :append, :value {text}, \
                 :position 1, {ann}, :server \"s1\"}}"
            ),
            format!(
                "{{:index 2, :time 200000000, :process :nemesis, :type :info, :f :kill, :value \
                 [\"s3\"], {fault}}}"
            ),
            format!(
                "{{:index 3, :time 205000000, :process :nemesis, :type :info, :f :kill, :value \
                 [\"s3\"], {fault}, :effect [{{:change \"exited\", :node \"s3\", :status \
                 \"signal 9\"}}]}}"
            ),
            format!(
                "{{:index 4, :time 300000000, :process 1, :type :invoke, :f :append, :value \
                 \"lost\", {bob}}}"
            ),
            format!(
                "{{:index 5, :time 400000000, :process :nemesis, :type :info, :f :start, :value \
                 [\"s3\"], {fault}}}"
            ),
            format!(
                "{{:index 6, :time 401000000, :process 0, :type :invoke, :f :read, :value nil, \
                 {ann}}}"
            ),
            format!(
                "{{:index 7, :time 403000000, :process 0, :type :ok, :f :read, :value 1, {ann}, \
                 :server \"s2\"}}"
            ),
            format!(
                "{{:index 8, :time 405000000, :process :nemesis, :type :info, :f :start, :value \
                 [\"s3\"], {fault}, :effect [{{:change \"started\", :node \"s3\", :pid 200}}]}}"
            ),
            format!(
                "{{:index 9, :time 405000000, :process 1, :type :info, :f :append, :value \
                 \"lost\", {bob}}}"
            ),
        ]
    );
}

#[test]
fn json_lines_say_the_same() {
    let evidence = evidence(&story());
    let json = exported(&evidence, Format::JsonLines);
    let lines: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        lines.len(),
        exported(&evidence, Format::Edn).lines().count()
    );
    assert_eq!(
        lines[1],
        serde_json::json!({
            "index": 1, "time_ns": 104_000_000, "process": 0, "type": "ok", "f": "append",
            "value": "say \"hi\"\n", "position": 1, "client": "ann",
            "session": "0000000000000001", "server": "s1",
        })
    );
    assert_eq!(lines[2]["process"], "nemesis");
    assert_eq!(lines[3]["effect"][0]["status"], "signal 9");
    assert_eq!(lines[6]["value"], serde_json::Value::Null);
    assert_eq!(lines[7]["value"], 1);
}

#[test]
fn what_was_exported_is_judged() {
    assert_eq!(verdict(&evidence(&story())), Verdict::Linearizable);
    // The unanswered message may be there; a third cannot.
    for (length, wanted) in [
        (2, Verdict::Linearizable),
        (0, Verdict::NotLinearizable),
        (3, Verdict::NotLinearizable),
    ] {
        let mut story = story();
        for line in &mut story.lines {
            if let history::Line::Node {
                what: Event::ReadDone { length: read, .. },
                ..
            } = line
            {
                *read = length;
            }
        }
        assert_eq!(verdict(&evidence(&story)), wanted, "{length}");
    }
}

#[test]
fn messages_on_the_way_together_are_of_different_processes() {
    let mut story = Story::new(3);
    story.say_in_vain("ann", "one");
    story.say("ann", "two");
    story.say("ann", "three");
    let edn = exported(&evidence(&story), Format::Edn);
    let process = |text: &str, kind: &str| {
        let line = edn
            .lines()
            .find(|line| line.contains(&format!(":type :{kind},")) && line.contains(text))
            .expect("the line");
        line.split(":process ").nth(1).expect("a process")[..1].to_string()
    };
    assert_eq!(process("one", "invoke"), "0");
    assert_eq!(process("two", "invoke"), "1");
    // The number is free again; that of the unknown message never is.
    assert_eq!(process("three", "invoke"), "1");
    assert_eq!(process("one", "info"), "0");
}
