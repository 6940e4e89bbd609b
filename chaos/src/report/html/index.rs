//! The page that leads to the pages of several runs.

use std::fmt::Write;

use super::{STYLE, escaped, fill};
use crate::report::model::{RunResult, Verdict};
use crate::report::text::{count, plain};
use crate::report::words;
use crate::report::worlds::{WORLDS_HEADER, worlds};

const PAGE: &str = include_str!("page/index.html");

/// One line a run, those that did not pass first, each with the address of its own page.
pub fn html_index<'a>(runs: impl IntoIterator<Item = (&'a RunResult, &'a str)>) -> String {
    let mut runs: Vec<(&RunResult, &str)> = runs.into_iter().collect();
    runs.sort_by_key(|(result, _)| result.verdict == Verdict::Pass);
    let passed = runs
        .iter()
        .filter(|(result, _)| result.verdict == Verdict::Pass)
        .count();
    let mut rows = String::new();
    for (result, address) in &runs {
        let tone = match result.verdict {
            Verdict::Pass => "good",
            Verdict::Violated | Verdict::CouldNotRun => "bad",
            Verdict::Inconclusive | Verdict::Interrupted => "doubt",
        };
        let facts = words::facts(result)[2..].join(" · ");
        let why = result.reasons.first().map_or("", String::as_str);
        let _ = writeln!(
            rows,
            "<tr><td class=\"{tone}\">{}</td><td><a href=\"{}\">{}</a></td>\
             <td class=\"right\">{}</td><td>{}</td><td>{}</td></tr>",
            result.verdict.word(),
            escaped(&relative(address)),
            escaped(&plain(&result.plan)),
            result.seed,
            escaped(&plain(&facts)),
            escaped(&plain(why.lines().next().unwrap_or_default())),
        );
    }
    let results: Vec<RunResult> = runs.iter().map(|(result, _)| (*result).clone()).collect();
    let worlds = worlds_table(&results);
    let title = format!("{passed} of {} passed", count(runs.len() as u64, "run"));
    let mut page = String::new();
    fill(
        &mut page,
        PAGE,
        &[
            ("title", &title),
            ("style", STYLE),
            ("rows", &rows),
            ("worlds", &worlds),
        ],
    );
    page
}

/// The plans that ran in both worlds, if there are any.
fn worlds_table(results: &[RunResult]) -> String {
    let rows = worlds(results);
    if rows.is_empty() {
        return String::new();
    }
    let mut table = String::from("<h2>Both worlds, the same expectations</h2><table><tr>");
    for name in WORLDS_HEADER {
        let _ = write!(table, "<th>{name}</th>");
    }
    table.push_str("</tr>");
    for row in rows {
        table.push_str("<tr>");
        for cell in row.cells() {
            let _ = write!(table, "<td>{}</td>", escaped(&plain(&cell)));
        }
        table.push_str("</tr>");
    }
    table + "</table>"
}

/// A file's name as a relative address: nothing in it is a scheme, a query or an escape.
fn relative(name: &str) -> String {
    let mut address = String::from("./");
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                address.push(char::from(byte));
            }
            _ => {
                let _ = write!(address, "%{byte:02X}");
            }
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::relative;

    #[test]
    fn a_file_name_is_only_ever_a_file_name() {
        assert_eq!(relative("r-a-s7.html"), "./r-a-s7.html");
        assert_eq!(
            relative("javascript:x?#%\"ü"),
            "./javascript%3Ax%3F%23%25%22%C3%BC"
        );
    }
}
