//! What every run leaves in its directory, whatever its cluster is made of.

use std::fs::File;
use std::io;

use paxosctl_chaos::history::{Line, Writer};
use paxosctl_chaos::plan::Plan;
use paxosctl_chaos::report::json;

use super::super::judge::Judged;
use super::super::reporting::page;
use super::super::timeline;
use crate::exit::Failure;
use crate::state::{RunDir, RunPlace};

/// Makes the directory of a run, with its plan and its schedule.
///
/// # Errors
/// They cannot be written.
pub(super) fn begin(place: &RunPlace, plan: &Plan, seed: u64) -> Result<RunDir, Failure> {
    let dir = RunDir::create(place, &plan.name, seed)?;
    dir.save(&dir.plan(), &plan.source)?;
    let resolved = serde_json::to_string_pretty(plan).expect("a plan is JSON");
    dir.save(&dir.resolved_plan(), &resolved)?;
    dir.save(&dir.schedule(), &timeline::shown(plan, seed))?;
    Ok(dir)
}

/// Saves the history that `run` makes, before anything is judged.
///
/// # Errors
/// It cannot be written.
pub(super) fn history<T>(
    dir: &RunDir,
    run: impl FnOnce(&mut dyn FnMut(&Line)) -> T,
) -> Result<T, Failure> {
    let path = dir.history();
    let failed = |error: io::Error| Failure::file("write", &path, error);
    let mut writer = Writer::new(File::create_new(&path).map_err(failed)?);
    let mut broken: Option<io::Error> = None;
    let outcome = run(&mut |line| {
        if broken.is_none() {
            broken = writer.write(line).err();
        }
    });
    let saved = match broken {
        Some(error) => Err(error),
        None => writer.finish().and_then(|file| file.sync_all()),
    };
    saved.map_err(failed)?;
    Ok(outcome)
}

/// Saves the result and its page, and notes in it where that is.
///
/// # Errors
/// They cannot be written.
pub(super) fn finish(dir: &RunDir, mut judged: Judged) -> Result<Judged, Failure> {
    judged.result.run_dir = Some(dir.path().display().to_string());
    dir.save(&dir.result(), &json(&judged.result))?;
    dir.save(&dir.page(), &page(&judged))?;
    Ok(judged)
}
