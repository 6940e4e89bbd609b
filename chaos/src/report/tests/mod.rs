//! What a person sees: never wider than asked for, no escapes without colour, all facts there.

mod junit;
mod markdown;
mod timeline;

use paxosctl_node::event::Event;
use paxosctl_node::ids::ServerId;
use paxosctl_node::value::Value;

use super::*;
use crate::check::support::*;
use crate::history;
use crate::history::{Line, Step};
use crate::plan::{Nodes, Partition, Verb};
use crate::target::{Action, Change};

const PLAIN: Look = Look {
    width: Some(80),
    colour: false,
};

/// A run with a kill, a pause and a partition, in which everything holds.
fn sound() -> Story {
    let mut story = Story::with_clients(3, &["ann", "bob", "cy"]);
    for number in 0..12 {
        let name = ["ann", "bob", "cy"][number % 3];
        story.say(name, &format!("message {number}"));
    }
    let fault = story.kill(&["s3"]);
    story.say_to("ann", "while s3 is dead", &[0, 1]);
    let missed = story.logs[0][12].clone();
    story.logs[2].push(missed);
    story.start(&fault, &["s3"]);
    let fault = story.plan_fault(Verb::Pause(Nodes::Follower));
    let nodes = vec!["s2".to_string()];
    story.act(
        &fault,
        Step::Break,
        "pause follower",
        &["s2"],
        Action::Pause {
            nodes: nodes.clone(),
        },
        vec![Change::Paused {
            node: "s2".to_string(),
        }],
    );
    let lost = Event::Rerouting {
        client: client(2),
        from: Some(ServerId(2)),
        reason: "no answer".to_string(),
    };
    story.lines.push(node(story.now_us + 20_000, "bob", lost));
    let joined = Event::Joined {
        client: client(2),
        name: "bob".to_string(),
        server: ServerId(3),
    };
    story.lines.push(node(story.now_us + 30_000, "bob", joined));
    story.say("bob", "s2 does not answer me");
    story.act(
        &fault,
        Step::Heal,
        "pause follower",
        &["s2"],
        Action::Resume { nodes },
        vec![Change::Resumed {
            node: "s2".to_string(),
        }],
    );
    let fault = story.plan_fault(Verb::Partition(Partition::Groups(Vec::new())));
    story.cut(&fault, &["s1"], &["s2", "s3"]);
    story.say("cy", "the leader is alone");
    story.hits(&fault, 37);
    story.cut(&fault, &[], &[]);
    story.say("ann", "all is well, 世界 🎉");
    story.finish()
}

/// The same with two messages swapped on s2, one altered on s3, and a server that died.
fn unsound() -> Story {
    let mut story = sound();
    for line in &mut story.lines {
        if let Line::Slot {
            server,
            slot,
            value,
        } = line
        {
            match (server.0, slot.0) {
                (2, 5) => *value = Value::batch(vec![command(3, 2, "cy", "message 5")]),
                (2, 6) => *value = Value::batch(vec![command(2, 2, "bob", "message 4")]),
                (3, 9) => *value = Value::batch(vec![command(3, 3, "cy", "message \u{1b}[31m8")]),
                _ => {}
            }
        }
    }
    story.insert(Line::Died {
        at_us: 2_400_000,
        node: "s2".to_string(),
        status: "exit 101".to_string(),
        last_lines: vec!["thread 'main' panicked at log.rs:12:5".to_string()],
    });
    story
}

fn result(story: &Story) -> RunResult {
    let mut result = story.judge();
    result.run_dir = Some(".paxosctl/runs/story/20260721T101500Z-s7".to_string());
    result
}

/// What a client could say to break out of a document.
const HOSTILE: &str = "]]></failure>|`*<img src=x>\u{1b}[31m\u{fffe}&amp;\n::error::x";

/// A result in which each outcome occurs, told in hostile words.
fn every_outcome() -> RunResult {
    let mut result = result(&unsound());
    result.plan = "a \"plan\" <&>".to_string();
    for check in &mut result.checks {
        for violation in &mut check.violations {
            violation.message.push_str(HOSTILE);
        }
        if check.property == "traffic" {
            check.outcome = Outcome::Inconclusive;
            check.evidence = format!("too little {HOSTILE}");
        }
    }
    result
}

#[test]
#[ignore = "prints, to be looked at"]
fn look() {
    for story in [sound(), unsound()] {
        for width in [80, 120, 40] {
            let look = Look {
                width: Some(width),
                colour: false,
            };
            println!(
                "{}\n{}",
                "=".repeat(width.into()),
                tables(&result(&story), look)
            );
        }
    }
    let colour = Look {
        width: Some(100),
        colour: true,
    };
    println!("{}", tables(&result(&unsound()), colour));
    println!("{}", json(&result(&unsound())));
}

#[test]
fn no_line_is_wider_than_asked_for() {
    for story in [sound(), unsound()] {
        let result = result(&story);
        for width in [24, 40, 60, 79, 80, 100, 120, 200] {
            let look = Look {
                width: Some(width),
                colour: false,
            };
            for line in tables(&result, look).lines() {
                let columns = unicode_width::UnicodeWidthStr::width(line);
                assert!(
                    columns <= usize::from(width),
                    "{columns} columns of {width}: {line}"
                );
            }
        }
    }
}

#[test]
fn without_colour_there_is_no_escape_and_with_it_the_text_is_the_same() {
    let result = result(&unsound());
    let plain = tables(&result, PLAIN);
    assert!(!plain.contains('\u{1b}'));
    let colour = Look {
        colour: true,
        ..PLAIN
    };
    let coloured = tables(&result, colour);
    let mut bare = String::new();
    let mut rest = coloured.as_str();
    while let Some(start) = rest.find('\u{1b}') {
        bare.push_str(&rest[..start]);
        let end = rest[start..].find('m').expect("the end of an escape");
        rest = &rest[start + end + 1..];
    }
    bare.push_str(rest);
    let trimmed = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.trim_end().to_string())
            .collect()
    };
    assert_eq!(trimmed(&bare), trimmed(&plain));
    assert_ne!(bare, coloured);
}

#[test]
fn the_parts_come_in_their_order_and_say_what_happened() {
    let wide = Look {
        width: Some(130),
        colour: false,
    };
    let text = tables(&result(&sound()), wide);
    let order = [
        "PASS  story",
        "Checks",
        "Replicas",
        "Faults",
        "Traffic",
        "run directory:",
        "run again:",
    ];
    let places: Vec<usize> = order
        .iter()
        .map(|part| {
            text.find(part)
                .unwrap_or_else(|| panic!("{part} is missing in\n{text}"))
        })
        .collect();
    assert!(places.is_sorted(), "{text}");
    for fact in [
        "16 slots × 3 replicas",
        "kill s3",
        "37 messages hit",
        "s2 → s3",
        "sent 16",
    ] {
        assert!(text.contains(fact), "{fact} is missing in\n{text}");
    }
    assert!(!text.contains("Violations"));
}

#[test]
fn a_violation_is_explained_in_full() {
    let wide = Look {
        width: Some(200),
        colour: false,
    };
    let text = tables(&result(&unsound()), wide);
    for fact in [
        "VIOLATED  story",
        "slot 5 holds different values on s1, s2, s3",
        "s1 holds bob #2 \"message 4\"",
        "s2 holds cy #2 \"message 5\"",
        "the logs differ from slot 5 on",
        "s2 died: exit 101",
        "thread 'main' panicked at log.rs:12:5",
        "run again: paxosctl run plans/story.yaml --seed 7",
    ] {
        assert!(text.contains(fact), "{fact} is missing in\n{text}");
    }
}

#[test]
fn json_is_read_back_as_it_was() {
    let result = result(&unsound());
    let text = json(&result);
    assert!(text.ends_with("}\n"));
    assert_eq!(
        serde_json::from_str::<RunResult>(&text).expect("readable"),
        result
    );
    let value: serde_json::Value = serde_json::from_str(&text).expect("readable");
    assert_eq!(value["schema_version"], 1);
    assert_eq!(value["verdict"], "violated");
    assert_eq!(value["exit_code"], 1);
    assert_eq!(value["checks"][0]["property"], "agreement");
    assert_eq!(value["checks"][0]["outcome"], "violated");
    assert_eq!(value["checks"][0]["violations"][0]["slot"], 5);
}

#[test]
fn a_cluster_that_could_not_run_says_why() {
    let reason = "s2 was not ready within 5 s: address in use: 127.0.0.1:21002".to_string();
    let result = RunResult::could_not_run("story", 7, "paxosctl run story.yaml --seed 7", reason);
    assert_eq!(
        tables(&result, PLAIN),
        "COULD NOT RUN  story · seed 7\n  • s2 was not ready within 5 s: address in use: 127.0.0.1:21002\n\nrun again: paxosctl run story.yaml --seed 7\n"
    );
}

#[test]
fn a_silence_is_told_with_its_reason() {
    let mut result = result(&sound());
    let window = |from_us: u64, owed: bool, why: &str| WindowRow {
        from_us,
        to_us: from_us + 700_000,
        owed,
        why: why.to_string(),
        faults: vec!["f1 (kill leader: s2)".to_string()],
    };
    result.windows = vec![
        window(1_000_000, true, "a majority was possible"),
        window(3_000_000, false, "no majority was possible"),
    ];
    let wide = Look {
        width: Some(120),
        colour: false,
    };
    let text = tables(&result, wide);
    for line in [
        "no ack from 1.000 s to 1.700 s, a majority was possible; f1 (kill leader: s2)",
        "no ack from 3.000 s to 3.700 s, no majority was possible; f1 (kill leader: s2)",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}
