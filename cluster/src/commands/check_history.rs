//! `check --model`: judges a history from elsewhere for linearizability.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use paxosctl_chaos::linear::{self, Budget, History, ImportError, Judgement, ModelKind, Verdict};

use crate::cli::{CheckArgs, HistoryModel, Report, ReportKind};
use crate::exit::{Failure, Outcome};
use crate::output::{print, width};

#[derive(Debug)]
pub struct HistoryRequest {
    file: PathBuf,
    model: ModelKind,
    budget: Duration,
    budget_bytes: usize,
    reports: Vec<Report>,
}

impl HistoryRequest {
    pub(super) fn new(typed: CheckArgs, model: HistoryModel) -> Result<HistoryRequest, Failure> {
        let file = typed.run_dir;
        if file.is_dir() {
            return Err(Failure::Usage(format!(
                "{} is a directory, and --model judges a file. To judge a saved run, leave --model \
                 out; to judge a run's history as a log, make the file first: paxosctl export {} \
                 --format edn -o history.edn",
                file.display(),
                file.display()
            )));
        }
        let known = |report: &&Report| matches!(report.kind, ReportKind::Table | ReportKind::Json);
        if typed.reports.iter().filter(known).count() < typed.reports.len() {
            return Err(Failure::Usage(
                "with --model there are the reports `table` and `json` only".into(),
            ));
        }
        Ok(HistoryRequest {
            file,
            model: match model {
                HistoryModel::Register => ModelKind::Register,
                HistoryModel::CasRegister => ModelKind::CasRegister,
                HistoryModel::Kv => ModelKind::KeyValue,
                HistoryModel::Log => ModelKind::Log,
            },
            budget: Duration::from_secs(typed.budget_seconds),
            budget_bytes: usize::try_from(typed.budget_memory)
                .unwrap_or(usize::MAX)
                .saturating_mul(1 << 20),
            reports: typed.reports,
        })
    }
}

/// Reads the file and says whether it is linearizable.
///
/// # Errors
/// The file is no history, or holds no operation.
pub fn check_history(request: &HistoryRequest) -> Result<Outcome, Failure> {
    let begun = Instant::now();
    let history = match read(request) {
        Ok(history) => history,
        Err(ReadError::TooLarge) => {
            crate::output::note(&format!(
                "unknown: {} alone needs more than the {} MiB of --budget-memory; give it more, or \
                 judge a shorter history",
                request.file.display(),
                request.budget_bytes >> 20
            ));
            return Ok(Outcome::Inconclusive);
        }
        Err(ReadError::Failure(failure)) => return Err(failure),
    };
    if history.operations.is_empty() {
        return Err(Failure::Usage(format!(
            "{} holds no operation that could be judged: no write, and no read that was answered",
            request.file.display()
        )));
    }
    let give_up = || begun.elapsed() > request.budget;
    let judgement = linear::judge(
        &history,
        &Budget {
            bytes: request.budget_bytes.saturating_sub(history.bytes()),
            give_up: &give_up,
        },
    );
    show(request, &judgement)?;
    Ok(match judgement.verdict {
        Verdict::Linearizable => Outcome::Success,
        Verdict::NotLinearizable => Outcome::Violated,
        Verdict::Unknown => Outcome::Inconclusive,
    })
}

enum ReadError {
    TooLarge,
    Failure(Failure),
}

fn read(request: &HistoryRequest) -> Result<History, ReadError> {
    let path = &request.file;
    let file = File::open(path).map_err(|error| {
        let text = format!("cannot read {}: {error}", path.display());
        ReadError::Failure(Failure::Usage(text))
    })?;
    let input = BufReader::with_capacity(1 << 16, file);
    linear::import(input, request.model, request.budget_bytes).map_err(|error| match error {
        ImportError::TooLarge { .. } => ReadError::TooLarge,
        ImportError::Malformed { line, reason, help } => {
            let place = if line == 0 {
                path.display().to_string()
            } else {
                format!("{}:{line}", path.display())
            };
            let help = if help.is_empty() {
                help
            } else {
                format!("\n  = help: {help}")
            };
            let text = format!("error: {reason}\n --> {place}{help}");
            ReadError::Failure(Failure::Usage(text))
        }
    })
}

/// Standard output always gets a report: text, unless another is asked for there.
fn show(request: &HistoryRequest, judgement: &Judgement) -> Result<(), Failure> {
    let file = request.file.display().to_string();
    let render = |kind: ReportKind, width: u16| match kind {
        ReportKind::Json => serde_json::to_string_pretty(judgement)
            .map(|text| text + "\n")
            .map_err(|error| Failure::Cluster(error.to_string())),
        _ => Ok(linear::text(judgement, &file, width)),
    };
    for report in &request.reports {
        if let Some(path) = &report.path {
            std::fs::write(path, render(report.kind, 120)?)
                .map_err(|error| Failure::file("write", path, error))?;
        }
    }
    let on_screen: Vec<ReportKind> = request
        .reports
        .iter()
        .filter(|report| report.path.is_none())
        .map(|report| report.kind)
        .collect();
    let kinds = if on_screen.is_empty() {
        vec![ReportKind::Table]
    } else {
        on_screen
    };
    for kind in kinds {
        // That nobody reads it changes nothing about the verdict.
        match print(&render(kind, width())?) {
            Err(Failure::OutputClosed) => {}
            other => other?,
        }
    }
    Ok(())
}
