//! A result as one page of HTML that needs nothing else: no network, no other file.
//!
//! Everything in the data is text that somebody else wrote: what clients said, what processes
//! printed. The page holds it as JSON, and its script puts it on the screen as text nodes and on
//! canvases only, never as markup. A content security policy forbids any other script all the same.

mod index;

use serde::Serialize;

use super::model::{Latency, RunResult, Verdict};
use super::sheet::{Sheet, sheets};
use super::text::{count, plain};
use super::timeline::Timeline;
use super::words;
use crate::fnv::fnv1a;
use crate::trace::{Sequence, diagram};

pub use index::html_index;

/// The pieces of the script, in one scope, in this order.
const SCRIPT: [&str; 10] = [
    include_str!("page/data.js"),
    include_str!("page/view.js"),
    include_str!("page/frame.js"),
    include_str!("page/faults.js"),
    include_str!("page/nodes.js"),
    include_str!("page/latency.js"),
    include_str!("page/throughput.js"),
    include_str!("page/chosen.js"),
    include_str!("page/text.js"),
    include_str!("page/main.js"),
];
const STYLE: &str = include_str!("page/page.css");
const PAGE: &str = include_str!("page/page.html");

/// The page of one run. Without a timeline, which a run that never began does not have, there are
/// no charts; a `sequence` of a traced run is drawn below the violations.
pub fn html(
    result: &RunResult,
    timeline: Option<&Timeline>,
    sequence: Option<&Sequence>,
) -> String {
    let data = Data::of(result, timeline);
    let data = serde_json::to_string(&data)
        .expect("the data has string keys only, and no maps or floats")
        // Inside a script element only a `<` can begin anything.
        .replace('<', "\\u003c");
    let script = SCRIPT.concat();
    // Whoever wrote the texts cannot know what they hash to together with everything else.
    let nonce = format!("{:016x}", fnv1a(data.bytes()));
    let mut page = String::with_capacity(data.len() + script.len() + STYLE.len() + PAGE.len());
    let title = format!(
        "{} {}",
        result.verdict.word(),
        words::facts(result).join(" · ")
    );
    fill(
        &mut page,
        PAGE,
        &[
            ("nonce", &nonce),
            ("title", &escaped(&plain(&title))),
            ("style", STYLE),
            ("data", &data),
            ("script", &script),
            ("sequence", &sequence.map(section).unwrap_or_default()),
        ],
    );
    page
}

/// What is shown of a sequence.
fn section(sequence: &Sequence) -> String {
    let left_out = match sequence.left_out {
        0 => String::new(),
        steps => format!("; {} left out", count(steps as u64, "step")),
    };
    format!(
        "<section id=\"sequence\"><div class=\"line bar\"><h2>Sequence</h2>\
         <span class=\"faint\">what led to the first violation{left_out}</span></div>\
         <div class=\"scroll\">{}</div></section>",
        diagram(sequence)
    )
}

/// Puts values for `{{name}}` in a template. What is put in is not looked at again.
fn fill(out: &mut String, template: &str, values: &[(&str, &str)]) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("a template of this crate");
        let value = values.iter().find(|(known, _)| *known == name);
        out.push_str(before);
        out.push_str(value.expect("a name of this template").1);
        rest = after;
    }
    out.push_str(rest);
}

/// Text for HTML, in elements and in quoted attributes.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// What the page's script reads.
#[derive(Serialize)]
struct Data<'a> {
    plan: String,
    verdict: Verdict,
    word: &'static str,
    /// Without the plan's name.
    facts: Vec<String>,
    reasons: Vec<String>,
    traffic: Traffic,
    violations: Vec<Told>,
    /// `agreement: 3 more violations of this kind`
    more: Vec<String>,
    sheets: Vec<Sheet>,
    command: String,
    run_dir: Option<String>,
    timeline: Option<&'a Timeline>,
}

#[derive(Serialize)]
struct Traffic {
    sent: u64,
    acked: u64,
    unknown: u64,
    reads: u64,
    latency: Option<Latency>,
    longest_gap_us: Option<u64>,
    longest_gap_at_us: Option<u64>,
}

/// A violation, explained.
#[derive(Serialize)]
struct Told {
    property: String,
    message: Vec<String>,
    lines: Vec<String>,
    at_us: Option<u64>,
}

impl<'a> Data<'a> {
    fn of(result: &RunResult, timeline: Option<&'a Timeline>) -> Data<'a> {
        let lines = |text: &str| text.lines().map(plain).collect();
        let traffic = &result.traffic;
        Data {
            plan: plain(&result.plan),
            verdict: result.verdict,
            word: result.verdict.word(),
            facts: words::facts(result)[1..].iter().map(|f| plain(f)).collect(),
            reasons: result
                .reasons
                .iter()
                .map(|reason| plain(reason.lines().next().unwrap_or_default()))
                .collect(),
            traffic: Traffic {
                sent: traffic.sent,
                acked: traffic.acked,
                unknown: traffic.unknown,
                reads: traffic.reads,
                latency: traffic.latency,
                longest_gap_us: traffic.longest_gap_us,
                longest_gap_at_us: traffic.longest_gap_at_us,
            },
            violations: result
                .violations()
                .map(|violation| Told {
                    property: plain(&violation.property),
                    message: lines(&violation.message),
                    lines: words::explained(violation)
                        .iter()
                        .map(|line| plain(line))
                        .collect(),
                    at_us: violation.at_us,
                })
                .collect(),
            more: result
                .checks
                .iter()
                .filter(|check| check.more_violations > 0)
                .map(|check| {
                    let more = count(check.more_violations, "more violation");
                    format!("{}: {more} of this kind", check.property)
                })
                .collect(),
            sheets: sheets(result),
            command: plain(&result.command),
            run_dir: result.run_dir.as_deref().map(plain),
            timeline,
        }
    }
}
