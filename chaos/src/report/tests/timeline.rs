//! What the charts draw, and that the page which holds it cannot be broken out of.

use serde_json::{Value as Json, json};

use super::*;
use crate::check::Context;

fn timeline(story: &Story) -> Json {
    let evidence = history::read(&story.bytes()[..]).expect("a readable history");
    let timeline = Timeline::new(&Context::new(&evidence, &story.plan), &story.judge());
    serde_json::to_value(&timeline).expect("plain data")
}

/// The sums of a column of differences.
fn summed(column: &Json) -> Vec<i64> {
    let mut sum = 0;
    let differences = column.as_array().expect("a column").iter();
    differences
        .map(|difference| {
            sum += difference.as_i64().expect("a number");
            sum
        })
        .collect()
}

fn lane<'a>(timeline: &'a Json, node: &str) -> &'a Json {
    let lanes = timeline["lanes"].as_array().expect("lanes");
    lanes.iter().find(|lane| lane["node"] == node).expect(node)
}

#[test]
fn processes_are_up_down_paused_and_leading_when_they_were() {
    let timeline = timeline(&sound());
    let end = timeline["end_us"].clone();
    // Said at 100 ms, 200 ms, …: the 13th step kills s3, and the 15th starts it.
    let s3 = lane(&timeline, "s3");
    assert_eq!(s3["up"], json!([[0, 1_300_000], [1_505_000, end]]));
    assert_eq!(
        lane(&timeline, "s2")["paused"],
        json!([[1_600_000, 1_805_000]])
    );
    let s1 = lane(&timeline, "s1");
    assert_eq!(s1["kind"], "server");
    assert_eq!(
        s1["leads"],
        json!([{"from_us": 0, "to_us": end, "superseded_us": null, "ballot": "1.s1"}])
    );
    let bob = &lane(&timeline, "bob")["joined"];
    assert_eq!(
        bob[0],
        json!({"from_us": 0, "to_us": 1_620_000, "server": "s2", "left": "no answer"})
    );
    assert_eq!(bob[1]["server"], "s3");
    assert_eq!(bob[1]["to_us"], end);
}

#[test]
fn a_leader_that_died_led_until_then_and_one_that_was_outbid_did_not_know() {
    let mut story = Story::new(3);
    let lead = |round, server| Event::Leading {
        ballot: paxosctl_node::ids::Ballot::new(round, ServerId(server)),
        promised_by: Vec::new(),
        after: paxosctl_node::ids::Slot(0),
    };
    story.say("ann", "one");
    story.lines.push(node(150_000, "s2", lead(2, 2)));
    story.say("ann", "two");
    story.kill(&["s2"]);
    let timeline = timeline(&story.finish());
    let s1 = &lane(&timeline, "s1")["leads"][0];
    assert_eq!(s1["superseded_us"], 150_000);
    assert_eq!(s1["to_us"], timeline["end_us"]);
    let s2 = &lane(&timeline, "s2")["leads"][0];
    assert_eq!(
        (&s2["from_us"], &s2["to_us"]),
        (&json!(150_000), &json!(300_000))
    );
    assert_eq!(s2["superseded_us"], Json::Null);
}

#[test]
fn every_operation_is_there_with_its_fate() {
    let mut story = Story::new(3);
    story.say("ann", "stored");
    story.say_in_vain("bob", "lost");
    story.lines.push(node(
        250_000,
        "ann",
        Event::ReadAsked {
            client: client(1),
            id: 1,
        },
    ));
    let done = Event::ReadDone {
        client: client(1),
        id: 1,
        length: 1,
        server: ServerId(2),
    };
    story.lines.push(node(253_000, "ann", done));
    story.lines.push(node(
        260_000,
        "ann",
        Event::ReadAsked {
            client: client(1),
            id: 2,
        },
    ));
    let unanswered = story.say("ann", HOSTILE);
    let mut story = story.finish();
    story.remove(|line| {
        matches!(line, Line::Node { at_us, what: Event::Acked { .. }, .. } if *at_us == unanswered.acked_us)
    });
    let timeline = timeline(&story);
    let operations = &timeline["operations"];
    // Answered; in no log; a read; a read without an answer; in the log without an answer.
    assert_eq!(operations["fates"], "02351");
    assert_eq!(
        summed(&operations["said_us"]),
        [100_000, 200_000, 250_000, 260_000, 300_000]
    );
    assert_eq!(operations["latency_us"], json!([4_000, 0, 3_000, 0, 0]));
    assert_eq!(operations["via"], json!([1, 0, 2, 0, 0]));
    let lanes = timeline["lanes"].as_array().expect("lanes");
    let by = |place: usize| {
        let lane = operations["by"][place].as_u64().expect("a lane") as usize;
        lanes[lane]["node"].clone()
    };
    assert_eq!([by(0), by(1), by(2)], ["ann", "bob", "ann"]);
    assert_eq!(operations["texts"][1], "lost");
}

#[test]
fn a_replica_steps_back_when_it_restarts_and_its_steps_add_up() {
    let mut story = sound();
    story.edit(|name, _, event| {
        if let Event::Recovered {
            chosen,
            formed: true,
            ..
        } = event
            && name == "s3"
        {
            chosen.0 = 10;
        }
    });
    let timeline = timeline(&story);
    let s3 = summed(&timeline["chosen"][2]["upto"]);
    assert_eq!(s3[1..13], (1..=12).collect::<Vec<i64>>());
    assert_eq!(s3[13], 10);
    assert_eq!(summed(&timeline["chosen"][0]["upto"]).last(), Some(&16));
}

#[test]
fn faults_and_violations_have_their_places() {
    let story = unsound();
    let timeline = timeline(&story);
    let bands = timeline["bands"].as_array().expect("bands");
    assert_eq!(bands.len(), 3);
    assert_eq!(bands[0]["planned"], "kill s3");
    assert_eq!(bands[0]["from_us"], 1_300_000);
    assert_eq!(bands[0]["to_us"], 1_505_000);
    let result = story.judge();
    let timed: Vec<Json> = result
        .violations()
        .enumerate()
        .filter_map(|(place, violation)| {
            violation
                .at_us
                .map(|at_us| json!({"violation": place, "at_us": at_us}))
        })
        .collect();
    assert!(!timed.is_empty());
    assert_eq!(timeline["marks"], Json::Array(timed));
    assert_eq!(
        lane(&timeline, "s2")["deaths"],
        json!([[2_400_000, "exit 101"]])
    );
}

#[test]
fn the_page_holds_its_data_and_nothing_of_it_is_markup() {
    let mut story = unsound();
    story.edit(|_, _, event| {
        if let Event::Say { text, .. } = event {
            *text = "</script><script>alert(1)</script><!--".to_string();
        }
    });
    let evidence = history::read(&story.bytes()[..]).expect("a readable history");
    let mut result = result(&story);
    result.plan = "</title><img src=x>".to_string();
    let page = html(
        &result,
        Some(&Timeline::new(
            &Context::new(&evidence, &story.plan),
            &result,
        )),
        None,
    );
    assert!(!page.contains("<img") && !page.contains("<script>"));
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script>").count(), 2);
    let (_, rest) = page
        .split_once("type=\"application/json\">")
        .expect("the data");
    let data: Json =
        serde_json::from_str(rest.split_once("</script>").expect("its end").0).expect("JSON");
    assert_eq!(data["plan"], "</title><img src=x>");
    let said = &data["timeline"]["operations"]["texts"][0];
    assert_eq!(said, "</script><script>alert(1)</script><!--");
    let without = html(&result, None, None);
    assert!(without.contains("\"timeline\":null"));
}

#[test]
fn the_index_leads_to_each_page_with_failures_first() {
    let (mut passed, failed) = (result(&sound()), every_outcome());
    passed.plan = "\"><img src=x>".to_string();
    let page = html_index([(&passed, "r a.html"), (&failed, "r-b.html")]);
    assert!(page.contains("<h1>1 of 2 runs passed</h1>"));
    assert!(!page.contains("<img"));
    let failure = page.find("href=\"./r-b.html\"").expect("the failure");
    assert!(failure < page.find("href=\"./r%20a.html\"").expect("the pass"));
}
