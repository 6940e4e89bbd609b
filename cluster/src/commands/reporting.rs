//! Where results go: standard output, files, the run's directory, and the summary of a CI job.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use paxosctl_chaos::plan::Plan;
use paxosctl_chaos::report::{
    Look, RunResult, html, html_index, json, json_of_all, junit, markdown, markdown_of_all, tables,
};

use super::github::GitHub;
use super::judge::Judged;
use crate::cli::{Report, ReportKind};
use crate::exit::Failure;
use crate::output::{Stream, note, print, width};

/// The reports that were asked for.
#[derive(Debug)]
pub struct Reports {
    asked: Vec<Report>,
    /// One report then holds several runs, and can only be made when all of them have ended.
    several_runs: bool,
    shown: Mutex<Vec<Shown>>,
    github: GitHub,
}

/// A result that was shown.
#[derive(Debug)]
struct Shown {
    result: RunResult,
    /// What it is called in the names of files.
    name: String,
}

impl Reports {
    /// Standard output always gets a report: tables, unless another is asked for there.
    ///
    /// # Errors
    /// Pages of several runs have nowhere to go.
    pub fn new(mut asked: Vec<Report>, several_runs: bool) -> Result<Reports, Failure> {
        let page = |report: &Report| report.kind == ReportKind::Html && report.path.is_none();
        if several_runs && asked.iter().any(page) {
            return Err(Failure::Usage(
                "several runs make several pages: name a file for them, as in --report \
                 html=runs.html"
                    .into(),
            ));
        }
        if asked.iter().all(|report| report.path.is_some()) {
            asked.push(Report {
                kind: ReportKind::Table,
                path: None,
            });
        }
        Ok(Reports {
            asked,
            several_runs,
            shown: Mutex::default(),
            github: GitHub::of_environment(),
        })
    }

    /// Whether a page is asked for.
    pub fn show_charts(&self) -> bool {
        self.asked
            .iter()
            .any(|report| report.kind == ReportKind::Html)
    }

    /// Shows a judgement that was made here, and tells a CI system of it.
    ///
    /// # Errors
    /// As [`Reports::show`].
    pub fn show_judged(&self, judged: &Judged, plan: &Plan) -> Result<(), Failure> {
        self.github.tell(&judged.result, plan);
        self.show(judged)
    }

    /// Keeps a result for a report of several, and prints nothing of it.
    ///
    /// # Errors
    /// Its page cannot be written.
    pub fn keep(&self, judged: &Judged) -> Result<(), Failure> {
        let holds_several = |report: &Report| {
            matches!(report.kind, ReportKind::Json | ReportKind::Junit) || report.path.is_some()
        };
        if !self.asked.iter().any(holds_several) {
            return Ok(());
        }
        let name = self.remember(&judged.result);
        for report in &self.asked {
            if let (ReportKind::Html, Some(path)) = (report.kind, &report.path) {
                write(&beside(path, &name), &page(judged))?;
            }
        }
        Ok(())
    }

    /// Shows a result, as far as it is not to be part of a report of several.
    ///
    /// # Errors
    /// A file cannot be written. That nobody reads standard output is none: the exit code is the
    /// verdict all the same.
    pub fn show(&self, judged: &Judged) -> Result<(), Failure> {
        let result = &judged.result;
        let (name, gap) = (self.remember(result), self.gap());
        for report in &self.asked {
            match (report.kind, &report.path) {
                (ReportKind::Table, None) => {
                    print_all(&format!("{gap}{}", tables(result, screen())))?;
                }
                (ReportKind::Markdown, None) => print_all(&markdown(result))?,
                (ReportKind::Html, None) => print_all(&page(judged))?,
                (ReportKind::Html, Some(path)) if self.several_runs => {
                    write(&beside(path, &name), &page(judged))?;
                }
                (ReportKind::Html, Some(path)) => write(path, &page(judged))?,
                // What can hold several runs is written when all have ended.
                (_, _) => {}
            }
        }
        Ok(())
    }

    /// Writes what can hold several runs, now that there are no more.
    ///
    /// # Errors
    /// As [`Reports::show`].
    pub fn finish(&self) -> Result<(), Failure> {
        let shown = self.shown.lock().expect("nobody panics");
        let results: Vec<RunResult> = shown.iter().map(|shown| shown.result.clone()).collect();
        for report in &self.asked {
            let text = match (report.kind, &report.path) {
                (ReportKind::Json, _) if self.several_runs => json_of_all(&results),
                (ReportKind::Json, _) => results.iter().map(json).collect(),
                (ReportKind::Junit, _) => junit(&results),
                (ReportKind::Markdown, Some(_)) => markdown_of_all(&results, usize::MAX),
                (ReportKind::Table, Some(_)) => {
                    let all = results.iter().map(|result| tables(result, FILE));
                    all.collect::<Vec<String>>().join("\n")
                }
                (ReportKind::Html, Some(path)) if self.several_runs => {
                    let pages: Vec<(&RunResult, String)> = shown
                        .iter()
                        .map(|shown| (&shown.result, file_name(&beside(path, &shown.name))))
                        .collect();
                    html_index(pages.iter().map(|(result, name)| (*result, name.as_str())))
                }
                (ReportKind::Table | ReportKind::Markdown, None) | (ReportKind::Html, _) => {
                    continue;
                }
            };
            match &report.path {
                Some(path) => write(path, &text)?,
                None => print_all(&text)?,
            }
        }
        self.github.summarize()
    }

    /// Shows lines for a person about several runs: on standard output below their tables, but beside
    /// it where a program reads that.
    pub fn show_summary(&self, lines: &str) {
        let mut screen = self.asked.iter().filter(|report| report.path.is_none());
        if screen.all(|report| report.kind == ReportKind::Table) {
            // Whoever reads the exit code must get it, even when nobody reads this.
            let _ = print(lines);
        } else {
            note(lines.trim_end());
        }
    }

    /// What stands between the tables of the last run that was remembered and those before it.
    fn gap(&self) -> &'static str {
        let shown = self.shown.lock().expect("nobody panics");
        if shown.len() > 1 { "\n" } else { "" }
    }

    /// Notes a result, and returns its name among them.
    fn remember(&self, result: &RunResult) -> String {
        let mut shown = self.shown.lock().expect("nobody panics");
        let plain = format!("{}-s{}", result.plan, result.seed);
        let taken = |name: &str| shown.iter().any(|shown| shown.name == name);
        let numbered = (2..).map(|number| format!("{plain}-{number}"));
        let name = std::iter::once(plain.clone())
            .chain(numbered)
            .find(|name| !taken(name))
            .expect("there is always a next number");
        shown.push(Shown {
            result: result.clone(),
            name: name.clone(),
        });
        name
    }
}

/// Files are read by anything: no escapes, and lines as wide as they need.
const FILE: Look = Look {
    width: None,
    colour: false,
};

fn screen() -> Look {
    Look {
        width: Some(width()),
        colour: Stream::Out.styled(),
    }
}

/// The page of a run.
pub fn page(judged: &Judged) -> String {
    html(
        &judged.result,
        judged.timeline.as_ref(),
        judged.sequence.as_ref(),
    )
}

/// `out/runs.html` and `churn-s7` make `out/runs-churn-s7.html`.
fn beside(path: &Path, name: &str) -> PathBuf {
    let part = |part: Option<&std::ffi::OsStr>| {
        part.map_or_else(String::new, |text| text.to_string_lossy().into_owned())
    };
    let (stem, extension) = (part(path.file_stem()), part(path.extension()));
    // A plan's name may hold what separates directories.
    let name = name.replace(['/', '\\'], "_");
    if extension.is_empty() {
        path.with_file_name(format!("{stem}-{name}"))
    } else {
        path.with_file_name(format!("{stem}-{name}.{extension}"))
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// That nobody reads it is no failure.
fn print_all(text: &str) -> Result<(), Failure> {
    match print(text) {
        Err(Failure::OutputClosed) => Ok(()),
        other => other,
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let made = match path.parent() {
        Some(parent) => fs::create_dir_all(parent),
        None => Ok(()),
    };
    made.and_then(|()| fs::write(path, text))
        .map_err(|error| Failure::file("write", path, error))
}
