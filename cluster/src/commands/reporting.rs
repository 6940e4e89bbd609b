//! Where results go: standard output, files, and the run's directory.

use std::fs;
use std::path::Path;

use paxosctl_chaos::report::{Look, RunResult, json, tables};

use crate::cli::{Report, ReportKind};
use crate::exit::Failure;
use crate::output::{Stream, print, width};
use crate::state::RunDir;

/// The reports that were asked for.
#[derive(Debug)]
pub struct Reports(Vec<Report>);

impl Reports {
    /// Standard output always gets a report: tables, unless another is asked for there.
    ///
    /// # Errors
    /// Several runs would write to one file.
    pub fn new(mut asked: Vec<Report>, several_runs: bool) -> Result<Reports, Failure> {
        if several_runs && asked.iter().any(|report| report.path.is_some()) {
            return Err(Failure::Usage(
                "one file cannot hold the reports of several runs; each run saves `result.json` \
                 in its directory"
                    .into(),
            ));
        }
        if asked.iter().all(|report| report.path.is_some()) {
            asked.push(Report {
                kind: ReportKind::Table,
                path: None,
            });
        }
        Ok(Reports(asked))
    }

    /// Saves the result in the run's directory, then shows it.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn deliver(&self, result: &RunResult, dir: &RunDir) -> Result<(), Failure> {
        dir.save(&dir.result(), &json(result))?;
        self.show(result)
    }

    /// # Errors
    /// A file cannot be written. That nobody reads standard output is none: the exit code is the
    /// verdict all the same.
    pub fn show(&self, result: &RunResult) -> Result<(), Failure> {
        for report in &self.0 {
            match &report.path {
                Some(path) => write(path, &render(report.kind, result, FILE))?,
                None => match print(&render(report.kind, result, screen())) {
                    Err(Failure::OutputClosed) => {}
                    other => other?,
                },
            }
        }
        Ok(())
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

fn render(kind: ReportKind, result: &RunResult, look: Look) -> String {
    match kind {
        ReportKind::Table => tables(result, look),
        ReportKind::Json => json(result),
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
