//! What GitHub Actions is told: marks beside the plan's lines, and the job's summary.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use paxosctl_chaos::plan::Plan;
use paxosctl_chaos::report::{RunResult, annotations, markdown_of_all};

use crate::exit::Failure;
use crate::output::note;

/// GitHub refuses a summary of more than 1024 KiB as a whole. Other steps write to files of theirs.
const SUMMARY_BYTES: u64 = 1_000_000;

/// Where we run, as far as it is a job of GitHub's.
#[derive(Debug)]
pub struct GitHub {
    annotates: bool,
    summary: Option<PathBuf>,
    workspace: Option<PathBuf>,
    told: Mutex<Vec<RunResult>>,
}

impl GitHub {
    pub fn of_environment() -> GitHub {
        let path = |name| env::var_os(name).filter(|text| !text.is_empty());
        GitHub {
            annotates: env::var("GITHUB_ACTIONS").is_ok_and(|text| text == "true"),
            summary: path("GITHUB_STEP_SUMMARY").map(PathBuf::from),
            workspace: path("GITHUB_WORKSPACE").map(PathBuf::from),
            told: Mutex::default(),
        }
    }

    /// Marks what does not hold, and keeps the result for the summary. The marks go to standard
    /// error, which the runner reads too: standard output is for data.
    pub fn tell(&self, result: &RunResult, plan: &Plan) {
        if self.annotates {
            for line in annotations(result, plan, &self.file(&plan.path)) {
                note(&line);
            }
        }
        if self.summary.is_some() {
            let mut told = self.told.lock().expect("nobody panics");
            told.push(result.clone());
        }
    }

    /// Adds all that was told to the job's summary.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn summarize(&self) -> Result<(), Failure> {
        let told = std::mem::take(&mut *self.told.lock().expect("nobody panics"));
        let Some(path) = self.summary.as_ref().filter(|_| !told.is_empty()) else {
            return Ok(());
        };
        let failed = |error| Failure::file("write the job summary", path, error);
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(failed)?;
        let taken = file.metadata().map_err(failed)?.len();
        let room = SUMMARY_BYTES.saturating_sub(taken);
        let text = markdown_of_all(&told, usize::try_from(room).unwrap_or(usize::MAX));
        file.write_all(text.as_bytes()).map_err(failed)
    }

    /// The plan's path from the root of the repository, however it was named.
    fn file(&self, path: &Path) -> String {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let inside = self
            .workspace
            .as_ref()
            .and_then(|workspace| absolute.strip_prefix(workspace).ok());
        inside.unwrap_or(path).display().to_string()
    }
}
