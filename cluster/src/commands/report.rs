//! `report`: shows a saved run as it was judged, without judging it again.

use std::fs;

use paxosctl_chaos::report::{RunResult, SCHEMA_VERSION};

use super::judge::{self, Judged, Saved};
use super::reporting::Reports;
use crate::cli::ReportArgs;
use crate::exit::{Failure, Outcome};
use crate::state::RunDir;

#[derive(Debug)]
pub struct ReportRequest {
    dir: RunDir,
    reports: Reports,
}

impl ReportRequest {
    pub(super) fn new(typed: ReportArgs) -> Result<ReportRequest, Failure> {
        Ok(ReportRequest {
            dir: RunDir::open_judged(&typed.run_dir)?,
            reports: Reports::new(typed.reports, false)?,
        })
    }
}

/// Succeeds when the reports were made, whatever they say: the verdict was given by the run.
pub fn report(request: &ReportRequest) -> Result<Outcome, Failure> {
    let dir = &request.dir;
    let mut result = saved_result(dir)?;
    // It may have been moved since.
    result.run_dir = Some(dir.path().display().to_string());
    let judged = if request.reports.show_charts() && dir.history().is_file() {
        let plan = judge::saved_plan(dir)?;
        judge::with_timeline(&Saved::read(dir, &plan)?.context(), result)
    } else {
        Judged {
            result,
            timeline: None,
            sequence: None,
        }
    };
    request.reports.show(&judged)?;
    request.reports.finish()?;
    Ok(Outcome::Success)
}

fn saved_result(dir: &RunDir) -> Result<RunResult, Failure> {
    let path = dir.result();
    let text = fs::read_to_string(&path).map_err(|error| Failure::file("read", &path, error))?;
    let result: RunResult = serde_json::from_str(&text).map_err(|error| {
        Failure::Usage(format!(
            "{} is not a result that a run saved: {error}",
            path.display()
        ))
    })?;
    if result.schema_version != SCHEMA_VERSION {
        return Err(Failure::Usage(format!(
            "{} has schema version {}, and this program reads version {SCHEMA_VERSION}; `paxosctl \
             check` judges the run anew",
            path.display(),
            result.schema_version
        )));
    }
    Ok(result)
}
