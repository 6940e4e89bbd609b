//! This program, run by itself: a run of real processes in a directory that is gone afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use paxosctl_chaos::report::RunResult;

use crate::exit::Failure;

/// Runs the plan with this text; `environment` is what the nodes get beside ours.
///
/// # Errors
/// The program cannot be run, or left no result.
pub(super) fn own_run(
    text: &str,
    seed: u64,
    environment: Option<(&str, &str)>,
) -> Result<RunResult, Failure> {
    let dir = Scratch::new()?;
    let file = dir.0.join("plan.yaml");
    fs::write(&file, text).map_err(|error| Failure::file("write", &file, error))?;
    let program = std::env::current_exe()
        .map_err(|error| Failure::file("find", Path::new("this program"), error))?;
    let out = dir.0.join("run");
    Command::new(&program)
        .args(["run", "--progress", "none", "--seed", &seed.to_string()])
        .arg("--out")
        .arg(&out)
        .arg(&file)
        .envs(environment)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| Failure::file("run", &program, error))?;
    let result = out.join("result.json");
    let text =
        fs::read_to_string(&result).map_err(|error| Failure::file("read", &result, error))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::Cluster(format!("{} is no result: {error}", result.display())))
}

/// A directory for one run.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch, Failure> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("paxosctl-run-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).map_err(|error| Failure::file("make", &dir, error))?;
        Ok(Scratch(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
