//! `check`: judges a saved run again, its disks included.

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
        if typed.run_dir.is_file() {
            return Err(Failure::Usage(format!(
                "{} is a file, and a saved run is a directory. To judge a history from elsewhere, \
                 say what its operations mean: --model register, cas-register, kv or log",
                typed.run_dir.display()
            )));
        }
        Ok(CheckRequest {
            dir: RunDir::open(&typed.run_dir)?,
            reports: Reports::new(typed.reports, false)?,
        })
    }
}

/// Says what the run says today. The result that the run itself saved is left as it was.
pub fn check(request: &CheckRequest) -> Result<Outcome, Failure> {
    let plan = judge::saved_plan(&request.dir)?;
    let mut judged = judge::saved_run(&request.dir, &plan)?;
    judged.result.run_dir = Some(request.dir.path().display().to_string());
    request.reports.show_judged(&judged, &plan)?;
    request.reports.finish()?;
    judge::outcome(&judged.result)
}
