//! Results as Markdown, for the summary of a CI job: what is wrong first, details folded away.

use std::fmt::Write;

use super::model::{Outcome, RunResult, Verdict};
use super::sheet::{self, Sheet, Tone};
use super::text::{count, plain};
use super::words;
use super::worlds::{WORLDS_HEADER, worlds};

/// One result: the verdict, what speaks against it, the violations explained; the checks that hold,
/// replicas, faults and clients are folded away.
pub fn markdown(result: &RunResult) -> String {
    let mut out = String::new();
    heading(&mut out, result);
    for reason in &result.reasons {
        let first = reason.lines().next().unwrap_or_default();
        let _ = writeln!(out, "- {}", escaped(first));
    }
    if !result.reasons.is_empty() {
        out.push('\n');
    }
    let (fine, notable): (Vec<_>, Vec<_>) = result
        .checks
        .iter()
        .partition(|check| matches!(check.outcome, Outcome::Holds | Outcome::NotJudged));
    let mut notable = notable;
    notable.sort_by_key(|check| check.outcome != Outcome::Violated);
    table(&mut out, &sheet::checks(notable));
    violations(&mut out, result);
    if result.traffic.sent > 0 {
        let lines = words::traffic(&result.traffic);
        let _ = writeln!(out, "{}\n", escaped(&lines.join(" · ")));
    }
    let fine = sheet::checks(fine);
    let title = count(fine.rows.len() as u64, "check");
    folded(&mut out, &format!("{title} without findings"), &fine);
    for sheet in [
        sheet::faults(&result.faults),
        sheet::replicas(&result.replicas),
        sheet::clients(&result.clients),
    ] {
        folded(&mut out, sheet.title, &sheet);
    }
    code(&mut out, &result.command);
    out
}

/// Several results: a line for each, and those in full that did not pass, as far as `most_bytes`
/// allow. A reader refuses a summary that is too long as a whole.
pub fn markdown_of_all(results: &[RunResult], most_bytes: usize) -> String {
    if let [result] = results {
        return markdown(result);
    }
    let passed = results
        .iter()
        .filter(|result| result.verdict == Verdict::Pass)
        .count();
    let mut out = format!(
        "## {passed} of {} passed\n\n",
        count(results.len() as u64, "run")
    );
    out.push_str("| | plan | seed | verdict | why |\n|---|---|---:|---|---|\n");
    let mut rows: Vec<&RunResult> = results.iter().collect();
    rows.sort_by_key(|result| result.verdict == Verdict::Pass);
    let mut left_out = 0;
    for result in &rows {
        let why = result.reasons.first().map_or("", String::as_str);
        let row = format!(
            "| {} | {} | {} | {} | {} |\n",
            mark(result.verdict),
            escaped(&result.plan),
            result.seed,
            result.verdict.word(),
            escaped(why.lines().next().unwrap_or_default()),
        );
        if out.len() + row.len() > most_bytes {
            left_out += 1;
        } else {
            out.push_str(&row);
        }
    }
    out.push('\n');
    let worlds = worlds(results);
    if !worlds.is_empty() {
        let _ = writeln!(out, "| {} |\n|---|---|---|---|", WORLDS_HEADER.join(" | "));
        for row in worlds {
            let cells = row.cells().map(|cell| escaped(&cell));
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
        out.push('\n');
    }
    for result in rows.iter().filter(|r| r.verdict != Verdict::Pass) {
        let whole = markdown(result);
        if out.len() + whole.len() > most_bytes {
            left_out += 1;
        } else {
            out.push_str(&whole);
        }
    }
    if left_out > 0 {
        let _ = writeln!(out, "Left out to keep this short: {left_out} parts.\n");
    }
    out
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✅",
        Verdict::Violated | Verdict::CouldNotRun => "❌",
        Verdict::Inconclusive | Verdict::Interrupted => "⚠️",
    }
}

fn heading(out: &mut String, result: &RunResult) {
    let _ = writeln!(
        out,
        "### {} {} · {}\n",
        mark(result.verdict),
        result.verdict.word(),
        escaped(&words::facts(result).join(" · "))
    );
}

fn violations(out: &mut String, result: &RunResult) {
    for check in &result.checks {
        for violation in &check.violations {
            let _ = writeln!(
                out,
                "**{}**: {}\n",
                escaped(&violation.property),
                lines(&violation.message)
            );
            for line in words::explained(violation) {
                let _ = writeln!(out, "- {}", lines(&line));
            }
            out.push('\n');
        }
        if check.more_violations > 0 {
            let more = count(check.more_violations, "more violation");
            let _ = writeln!(out, "{}: {more} of this kind\n", escaped(&check.property));
        }
    }
}

fn folded(out: &mut String, title: &str, sheet: &Sheet) {
    if sheet.rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "<details><summary>{title}</summary>\n");
    table(out, sheet);
    out.push_str("</details>\n\n");
}

fn table(out: &mut String, sheet: &Sheet) {
    if sheet.rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "| {} |", sheet.header.join(" | "));
    for column in 0..sheet.header.len() {
        out.push_str(if sheet.right.contains(&column) {
            "|---:"
        } else {
            "|---"
        });
    }
    out.push_str("|\n");
    for row in &sheet.rows {
        for entry in row {
            let text = escaped(&entry.text);
            let _ = match entry.tone {
                Tone::Bad => write!(out, "| ❌ {text} "),
                Tone::Doubt => write!(out, "| ⚠️ {text} "),
                Tone::Plain | Tone::Good | Tone::Faint => write!(out, "| {text} "),
            };
        }
        out.push_str("|\n");
    }
    out.push('\n');
}

/// The command in a block that nothing in it can end.
fn code(out: &mut String, command: &str) {
    let command = plain(command);
    let longest = command
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let _ = writeln!(out, "{fence}sh\n{command}\n{fence}\n");
}

/// Text of several lines as one paragraph.
fn lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(escaped).collect();
    lines.join("<br>")
}

/// Text that Markdown shows as it is: nothing in it is markup, and it stays in its table cell.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}
