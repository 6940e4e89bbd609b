//! `check`: judges a saved run again, its disks included.

use std::fs;

use paxosctl_chaos::plan::Plan;

use super::judge;
use super::reporting::Reports;
use crate::cli::CheckArgs;
use crate::exit::{Failure, Outcome};
use crate::state::RunDir;

#[derive(Debug)]
pub struct CheckRequest {
    dir: RunDir,
    reports: Reports,
}

impl CheckRequest {
    pub(super) fn new(typed: CheckArgs) -> Result<CheckRequest, Failure> {
        Ok(CheckRequest {
            dir: RunDir::open(&typed.run_dir)?,
            reports: Reports::new(typed.reports, false)?,
        })
    }
}

/// Says what the run says today. The result that the run itself saved is left as it was.
pub fn check(request: &CheckRequest) -> Result<Outcome, Failure> {
    let path = request.dir.resolved_plan();
    let text = fs::read_to_string(&path).map_err(|error| Failure::file("read", &path, error))?;
    let plan: Plan = serde_json::from_str(&text).map_err(|error| {
        Failure::Usage(format!(
            "{} is not a plan that a run saved: {error}",
            path.display()
        ))
    })?;
    let mut result = judge::saved_run(&request.dir, &plan)?;
    result.run_dir = Some(request.dir.path().display().to_string());
    request.reports.show(&result)?;
    judge::outcome(&result)
}
