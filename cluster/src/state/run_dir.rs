//! The directory of one run: `.paxosctl/runs/PLAN/UTC-sSEED/`, or where `--out` says.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::clock::utc_stamp;
use crate::exit::Failure;

/// Where runs are saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunPlace {
    /// Below `.paxosctl`, with a link `latest` beside them.
    Home(PathBuf),
    /// This very directory.
    Out(PathBuf),
    /// A directory a run below this one.
    Below(PathBuf),
}

/// A run's directory, made and empty.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// # Errors
    /// It cannot be made, or already holds a run.
    pub fn create(place: &RunPlace, plan: &str, seed: u64) -> Result<RunDir, Failure> {
        let path = match place {
            RunPlace::Out(dir) => {
                let run = RunDir { path: dir.clone() };
                // Servers over an earlier run's disks would go on with its chat.
                if run.history().exists() || run.nodes().exists() {
                    return Err(Failure::Usage(format!(
                        "{} already holds a run; name another directory with --out, or remove it",
                        dir.display()
                    )));
                }
                make(dir)?;
                dir.clone()
            }
            RunPlace::Below(dir) => {
                make(dir)?;
                make_new(dir, &format!("{plan}-s{seed}"))?
            }
            RunPlace::Home(home) => {
                let runs = home.join("runs").join(plan);
                make(&runs)?;
                let path = make_new(&runs, &format!("{}-s{seed}", utc_stamp()))?;
                point_latest(&runs, &path)?;
                path
            }
        };
        Ok(RunDir { path })
    }

    /// A saved run.
    ///
    /// # Errors
    /// There is none.
    pub fn open(path: &Path) -> Result<RunDir, Failure> {
        let run = RunDir {
            path: path.to_owned(),
        };
        if run.history().is_file() {
            return Ok(run);
        }
        Err(Failure::Usage(format!(
            "{} holds no saved run: it has no history.jsonl",
            path.display()
        )))
    }

    /// A run that was judged; one that never began has no history.
    ///
    /// # Errors
    /// There is none.
    pub fn open_judged(path: &Path) -> Result<RunDir, Failure> {
        let run = RunDir {
            path: path.to_owned(),
        };
        if run.result().is_file() {
            return Ok(run);
        }
        let advice = if run.history().is_file() {
            format!("; `paxosctl check {}` judges its history", path.display())
        } else {
            String::new()
        };
        Err(Failure::Usage(format!(
            "{} holds no judged run: it has no result.json{advice}",
            path.display()
        )))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The plan's text as it was run.
    pub fn plan(&self) -> PathBuf {
        self.path.join("plan.yaml")
    }

    /// What the plan meant, its scripts included: what a run is judged by.
    pub fn resolved_plan(&self) -> PathBuf {
        self.path.join("plan.json")
    }

    /// The plan's timeline.
    pub fn schedule(&self) -> PathBuf {
        self.path.join("schedule.txt")
    }

    pub fn history(&self) -> PathBuf {
        self.path.join("history.jsonl")
    }

    pub fn result(&self) -> PathBuf {
        self.path.join("result.json")
    }

    /// The page with charts.
    pub fn page(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// A directory a node.
    pub fn nodes(&self) -> PathBuf {
        self.path.join("nodes")
    }

    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path, text: &str) -> Result<(), Failure> {
        fs::write(path, text).map_err(|error| Failure::file("write", path, error))
    }
}

fn make(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir).map_err(|error| Failure::file("make", dir, error))
}

/// Makes a directory that was not there, with a number behind its name if need be.
fn make_new(parent: &Path, name: &str) -> Result<PathBuf, Failure> {
    let mut number = 1;
    loop {
        let path = match number {
            1 => parent.join(name),
            _ => parent.join(format!("{name}-{number}")),
        };
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(Failure::file("make", &path, error)),
        }
    }
}

/// Points `latest` at the run, at once: there is always one or the other.
fn point_latest(runs: &Path, run: &Path) -> Result<(), Failure> {
    let Some(name) = run.file_name() else {
        return Ok(());
    };
    // Runs may begin at the same moment, also in one process: only the run's own name is its own.
    let temporary = runs.join(format!(".latest-{}", name.display()));
    let latest = runs.join("latest");
    symlink(name, &temporary)
        .and_then(|()| fs::rename(&temporary, &latest))
        .map_err(|error| Failure::file("make", &latest, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_never_share_a_directory_and_latest_is_the_last() {
        let home = tempfile::tempdir().expect("temp dir");
        let place = RunPlace::Home(home.path().to_owned());
        let first = RunDir::create(&place, "churn", 42).expect("made");
        let second = RunDir::create(&place, "churn", 42).expect("made");
        assert_ne!(first.path(), second.path());
        let latest = home.path().join("runs/churn/latest");
        assert_eq!(
            fs::canonicalize(latest).expect("a link"),
            fs::canonicalize(second.path()).expect("a directory")
        );
    }

    #[test]
    fn runs_of_one_plan_may_begin_at_the_same_moment() {
        let home = tempfile::tempdir().expect("temp dir");
        let place = RunPlace::Home(home.path().to_owned());
        std::thread::scope(|scope| {
            for seed in 0..8 {
                let place = &place;
                scope.spawn(move || {
                    for _ in 0..50 {
                        RunDir::create(place, "churn", seed).expect("made");
                    }
                });
            }
        });
        let runs = home.path().join("runs/churn");
        assert!(fs::canonicalize(runs.join("latest")).is_ok());
        let entries = fs::read_dir(runs).expect("a directory");
        assert_eq!(entries.count(), 8 * 50 + 1);
    }

    #[test]
    fn a_named_directory_is_used_once() {
        let home = tempfile::tempdir().expect("temp dir");
        let out = home.path().join("out");
        let place = RunPlace::Out(out.clone());
        let run = RunDir::create(&place, "churn", 1).expect("made");
        assert_eq!(run.path(), out);
        run.save(&run.history(), "").expect("saved");
        let error = RunDir::create(&place, "churn", 1).expect_err("used");
        assert_eq!(error.code(), 2);
        RunDir::open(&out).expect("a saved run");
    }

    #[test]
    fn several_runs_get_a_folder_each() {
        let home = tempfile::tempdir().expect("temp dir");
        let place = RunPlace::Below(home.path().join("all"));
        let first = RunDir::create(&place, "churn", 1).expect("made");
        let second = RunDir::create(&place, "churn", 2).expect("made");
        assert!(first.path().ends_with("all/churn-s1"));
        assert!(second.path().ends_with("all/churn-s2"));
        assert_eq!(RunDir::open(home.path()).expect_err("no run").code(), 2);
    }
}
