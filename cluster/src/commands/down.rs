//! `down`: ends a cluster, and returns when nothing of it is left.

use crate::exit::{Failure, Outcome};
use crate::output::note;
use crate::runtime::tear_down;
use crate::state::Clusters;

#[derive(Debug)]
pub struct DownRequest {
    pub cluster: Option<String>,
    pub clusters: Clusters,
}

/// Ends every process of the cluster. That nothing runs is no failure.
pub fn down(request: &DownRequest) -> Result<Outcome, Failure> {
    let clusters = &request.clusters;
    let picked = clusters.pick(request.cluster.as_deref(), "paxosctl down NAME")?;
    let Some(picked) = picked else {
        match &request.cluster {
            None => note("nothing is running"),
            Some(name) => note(&format!("nothing is running under the name `{name}`")),
        }
        return Ok(Outcome::Success);
    };
    let name = picked.name.as_str();
    let _lock = clusters.lock(name)?;
    // Somebody may have been faster between the look and the lock.
    let Some(cluster) = clusters.read(name)? else {
        note(&format!("nothing is running under the name `{name}`"));
        return Ok(Outcome::Success);
    };
    let mut processes = cluster.processes();
    let count = processes.len();
    if let Err(leftovers) = tear_down(&mut processes) {
        let lines: Vec<String> = leftovers.iter().map(ToString::to_string).collect();
        return Err(Failure::Cluster(format!(
            "the cluster `{name}` is not wholly down:\n{}",
            lines.join("\n")
        )));
    }
    clusters.remove(name)?;
    if count == 0 {
        note(&format!(
            "the processes of the cluster `{name}` were gone already; it is marked as down now"
        ));
    } else {
        let kept = cluster.nodes.first().and_then(|node| node.dir.parent());
        note(&format!(
            "the cluster `{name}` is down ({count} processes ended){}",
            kept.map_or_else(String::new, |dir| format!(
                "; its chat is kept in {}",
                dir.display()
            ))
        ));
    }
    Ok(Outcome::Success)
}
