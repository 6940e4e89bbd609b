//! Plans to try things on, and what they mean.

use std::fs;
use std::path::{Path, PathBuf};

use paxosctl_chaos::plan::Plan;

/// The YAML files of a folder of the project, sorted.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    let entries = fs::read_dir(dir).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
}

/// What a plan means: without what tells where it came from.
pub fn meaning(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.path = PathBuf::new();
    plan.source = String::new();
    plan.time_scale = 1.0;
    for traffic in &mut plan.traffic {
        traffic.line = 0;
    }
    for fault in &mut plan.faults {
        fault.line = 0;
        fault.drawn_by = None;
    }
    for random in &mut plan.random {
        random.line = 0;
    }
    plan
}

/// Where two plans first mean something else, for a person to read.
pub fn difference(one: &Plan, other: &Plan) -> Option<String> {
    let (one, other) = (meaning(one), meaning(other));
    if one == other {
        return None;
    }
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let lines = one.lines().zip(other.lines()).enumerate();
    let first = lines.into_iter().find(|(_, (one, other))| one != other);
    let line = first.map_or(0, |(line, _)| line);
    let around = |text: &str| -> Vec<String> {
        text.lines()
            .skip(line.saturating_sub(6))
            .take(10)
            .map(str::to_owned)
            .collect()
    };
    Some(format!(
        "{}\n---\n{}",
        around(&one).join("\n"),
        around(&other).join("\n")
    ))
}
