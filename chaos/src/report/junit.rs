//! Results as JUnit XML, which every CI system shows: a suite for each run, a case for each check.

use std::fmt::Write;

use super::model::{CheckResult, Outcome, RunResult, Verdict};
use super::text::count;
use super::words;

/// One `<testsuites>` with a `<testsuite>` for each run. A violation is a `<failure>`; what is not
/// proved is an `<error type="inconclusive">`, and what could not be run an
/// `<error type="could-not-run">`; what there was nothing to judge by is `<skipped>`.
///
/// Judging takes no time of the run, so only suites have a time.
pub fn junit(results: &[RunResult]) -> String {
    let suites: Vec<Suite> = results.iter().map(suite).collect();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    attribute(&mut xml, "name", "paxosctl");
    Tally::of(suites.iter().map(|suite| suite.tally)).write(&mut xml);
    let time = results.iter().map(|result| result.duration_us).sum();
    attribute(&mut xml, "time", &seconds(time));
    xml.push_str(">\n");
    for (suite, result) in suites.iter().zip(results) {
        write_suite(&mut xml, suite, result);
    }
    xml.push_str("</testsuites>\n");
    xml
}

#[derive(Clone, Copy, Default)]
struct Tally {
    tests: u64,
    failures: u64,
    errors: u64,
    skipped: u64,
}

struct Suite {
    tally: Tally,
    cases: String,
}

impl Tally {
    fn of(tallies: impl Iterator<Item = Tally>) -> Tally {
        tallies.fold(Tally::default(), |sum, one| Tally {
            tests: sum.tests + one.tests,
            failures: sum.failures + one.failures,
            errors: sum.errors + one.errors,
            skipped: sum.skipped + one.skipped,
        })
    }

    fn write(self, xml: &mut String) {
        attribute(xml, "tests", &self.tests.to_string());
        attribute(xml, "failures", &self.failures.to_string());
        attribute(xml, "errors", &self.errors.to_string());
        attribute(xml, "skipped", &self.skipped.to_string());
    }
}

fn suite(result: &RunResult) -> Suite {
    let mut suite = Suite {
        tally: Tally::default(),
        cases: String::new(),
    };
    // What spoils the whole run belongs to no check, and must not look like a run that passed.
    let unproved = |outcome: Outcome| {
        result
            .checks
            .iter()
            .all(|check| check.outcome != outcome)
            .then_some("inconclusive")
    };
    let spoiled = match result.verdict {
        Verdict::CouldNotRun => Some("could-not-run"),
        Verdict::Interrupted => Some("interrupted"),
        Verdict::Inconclusive => unproved(Outcome::Inconclusive),
        Verdict::Violated | Verdict::Pass => None,
    };
    if let Some(kind) = spoiled {
        let message = result.reasons.first().map_or("", String::as_str);
        suite.tally.tests += 1;
        suite.tally.errors += 1;
        open_case(&mut suite.cases, &result.plan, "run");
        verdict_of_case(
            &mut suite.cases,
            "error",
            kind,
            message,
            &result.reasons.join("\n"),
        );
    }
    for check in &result.checks {
        suite.tally.tests += 1;
        open_case(&mut suite.cases, &result.plan, &check.property);
        match check.outcome {
            Outcome::Holds => {
                suite.cases.push_str(">\n      <system-out>");
                escape(&mut suite.cases, &check.evidence);
                suite.cases.push_str("</system-out>\n    </testcase>\n");
            }
            Outcome::Violated => {
                suite.tally.failures += 1;
                let text = failure(check, &result.command);
                let message = text.lines().next().unwrap_or_default();
                verdict_of_case(&mut suite.cases, "failure", "violated", message, &text);
            }
            Outcome::Inconclusive => {
                suite.tally.errors += 1;
                let text = &check.evidence;
                verdict_of_case(&mut suite.cases, "error", "inconclusive", text, text);
            }
            Outcome::NotJudged => {
                suite.tally.skipped += 1;
                suite.cases.push_str(">\n      <skipped");
                attribute(&mut suite.cases, "message", &check.evidence);
                suite.cases.push_str("/>\n    </testcase>\n");
            }
        }
    }
    suite
}

fn write_suite(xml: &mut String, suite: &Suite, result: &RunResult) {
    xml.push_str("  <testsuite");
    attribute(xml, "name", &result.plan);
    suite.tally.write(xml);
    attribute(xml, "time", &seconds(result.duration_us));
    xml.push_str(">\n    <properties>\n");
    let mut property = |name: &str, value: &str| {
        xml.push_str("      <property");
        attribute(xml, "name", name);
        attribute(xml, "value", value);
        xml.push_str("/>\n");
    };
    property("seed", &result.seed.to_string());
    property("verdict", result.verdict.word());
    property("command", &result.command);
    if let Some(dir) = &result.run_dir {
        property("run_dir", dir);
    }
    xml.push_str("    </properties>\n");
    xml.push_str(&suite.cases);
    xml.push_str("  </testsuite>\n");
}

fn open_case(xml: &mut String, plan: &str, name: &str) {
    xml.push_str("    <testcase");
    attribute(xml, "classname", plan);
    attribute(xml, "name", name);
    attribute(xml, "time", "0");
}

fn verdict_of_case(xml: &mut String, element: &str, kind: &str, message: &str, text: &str) {
    let _ = write!(xml, ">\n      <{element}");
    attribute(xml, "type", kind);
    attribute(xml, "message", message);
    xml.push('>');
    escape(xml, text);
    let _ = write!(xml, "</{element}>\n    </testcase>\n");
}

/// All kept violations of a check, each explained, and how to see them again.
fn failure(check: &CheckResult, command: &str) -> String {
    let mut text = String::new();
    for violation in &check.violations {
        text.push_str(&violation.message);
        text.push('\n');
        for line in words::explained(violation) {
            let _ = writeln!(text, "  {line}");
        }
    }
    if check.more_violations > 0 {
        let more = count(check.more_violations, "more violation");
        let _ = writeln!(text, "{more} of this kind");
    }
    let _ = write!(text, "run again: {command}");
    text
}

fn seconds(us: u64) -> String {
    format!("{:.3}", us as f64 / 1e6)
}

fn attribute(xml: &mut String, name: &str, value: &str) {
    let _ = write!(xml, " {name}=\"");
    escape(xml, value);
    xml.push('"');
}

/// For both text and attributes. Characters that no XML 1.0 document can hold, not even escaped,
/// become U+FFFD; line breaks and tabs are written so that an attribute keeps them.
fn escape(xml: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&apos;"),
            '\n' => xml.push_str("&#10;"),
            '\t' => xml.push_str("&#9;"),
            '\r' => xml.push_str("&#13;"),
            '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            _ => xml.push(c),
        }
    }
}
