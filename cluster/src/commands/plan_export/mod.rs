//! `plan export`: what was done by hand to a cluster, as a plan that does it again.

mod chat;
mod faults;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use paxosctl_chaos::plan;

use crate::exit::{Failure, Outcome};
use crate::output::{note, print};
use crate::state::Clusters;

#[derive(Debug)]
pub struct PlanExportRequest {
    pub cluster: Option<String>,
    /// Standard output when there is none.
    pub output: Option<PathBuf>,
    pub clusters: Clusters,
}

/// Writes the plan of what was done since the cluster was ready; the cluster may be down by now.
pub fn export(request: &PlanExportRequest) -> Result<Outcome, Failure> {
    let name = picked(request)?;
    let Some((beginning, records)) = request.clusters.records(&name)? else {
        return Err(Failure::Usage(format!(
            "no cluster `{name}` was ever up here; `paxosctl up PLAN -d` starts one"
        )));
    };
    let faults = faults::of(&records);
    if faults.is_empty() {
        return Err(Failure::Usage(format!(
            "nothing was broken by hand on the cluster `{name}`; `paxosctl kill leader` would, and \
             is written down"
        )));
    }
    let said = match request.clusters.read(&name)? {
        Some(cluster) => chat::said(&cluster, beginning.ready_ms),
        None => Vec::new(),
    };
    // Nobody is given a plan that cannot be run.
    let text = text::plan(&beginning, &records, &faults, &said)
        .and_then(|text| plan::parse(Path::new("exported.yaml"), &text).map(|_| text))
        .map_err(|errors| {
            Failure::Cluster(format!("what was done makes no sound plan:\n{errors}"))
        })?;
    match &request.output {
        None => print(&text)?,
        Some(path) => {
            fs::write(path, &text).map_err(|error| Failure::file("write", path, error))?;
            note(&format!(
                "{} written to {path}; `paxosctl run {path}` does it all again",
                match faults.len() {
                    1 => "1 fault is".to_owned(),
                    many => format!("{many} faults are"),
                },
                path = path.display()
            ));
        }
    }
    Ok(Outcome::Success)
}

fn picked(request: &PlanExportRequest) -> Result<String, Failure> {
    if let Some(name) = &request.cluster {
        return Ok(name.clone());
    }
    let clusters = &request.clusters;
    if let Some(cluster) = clusters.pick(None, "paxosctl plan export NAME")? {
        return Ok(cluster.name);
    }
    let mut names = clusters.recorded()?;
    match names.len() {
        1 => Ok(names.remove(0)),
        0 => Err(Failure::Usage(
            "no cluster was ever up here; `paxosctl up PLAN -d` starts one".into(),
        )),
        _ => Err(Failure::Usage(format!(
            "none is up, and several were: {}; name one: `paxosctl plan export NAME`",
            names.join(", ")
        ))),
    }
}
