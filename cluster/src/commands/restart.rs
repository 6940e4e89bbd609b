//! `restart`: brings a node of a detached cluster back, over the disk that it left.

use std::thread;
use std::time::Duration;

use paxosctl_node::event::{Event, NodeEvent};

use crate::cli::RestartArgs;
use crate::clock::monotonic;
use crate::exit::{Failure, Outcome};
use crate::output::note;
use crate::runtime::{
    EVENTS_FILE, NodeSpec, Process, Runtime, STDERR_FILE, Tail, last_lines, tear_down,
};
use crate::state::{Clusters, RunningNode};

/// How long a node may take until it listens.
const READY_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub struct RestartRequest {
    pub node: String,
    pub cluster: Option<String>,
    pub clusters: Clusters,
}

impl RestartRequest {
    pub(super) fn new(typed: RestartArgs, clusters: Clusters) -> RestartRequest {
        RestartRequest {
            node: typed.node,
            cluster: typed.cluster,
            clusters,
        }
    }
}

/// Stops the node in order if it runs, starts it as it was started before, and returns when it
/// listens.
pub fn restart(request: &RestartRequest) -> Result<Outcome, Failure> {
    let clusters = &request.clusters;
    let how = "paxosctl restart NODE --cluster NAME";
    let Some(picked) = clusters.pick(request.cluster.as_deref(), how)? else {
        return Err(Failure::Cluster(
            "no such cluster is up here; `paxosctl up PLAN -d` starts one".into(),
        ));
    };
    let _lock = clusters.lock(&picked.name)?;
    let Some(mut cluster) = clusters.read(&picked.name)? else {
        return Err(Failure::Cluster(format!(
            "the cluster `{}` was stopped meanwhile",
            picked.name
        )));
    };
    if let Some(keeper) = cluster.keeper() {
        return Err(Failure::Usage(format!(
            "the cluster `{}` runs in the foreground of pid {}, and its nodes end with that; only \
             nodes of a cluster that was started with `up -d` can be restarted",
            cluster.name, keeper.pid
        )));
    }
    let names: Vec<String> = cluster.nodes.iter().map(|node| node.name.clone()).collect();
    let Some(node) = cluster
        .nodes
        .iter_mut()
        .find(|node| node.name == request.node)
    else {
        return Err(Failure::Usage(format!(
            "the cluster `{}` has no node `{}`; it has {}",
            picked.name,
            request.node,
            names.join(", ")
        )));
    };
    let stopped = stop(node)?;
    let process = start(node)?;
    node.identity = process.identity();
    clusters.write(&cluster)?;
    note(&format!(
        "{} {}, pid {}",
        request.node,
        if stopped {
            "was stopped and runs again"
        } else {
            "runs again"
        },
        process.pid()
    ));
    Ok(Outcome::Success)
}

/// Ends the node's process; false if it was down already.
fn stop(node: &RunningNode) -> Result<bool, Failure> {
    let Some(process) = Process::adopt(&node.name, &node.dir, node.identity) else {
        return Ok(false);
    };
    tear_down(&mut [process]).map_err(|leftovers| {
        let lines: Vec<String> = leftovers.iter().map(ToString::to_string).collect();
        Failure::Cluster(lines.join("\n"))
    })?;
    Ok(true)
}

fn start(node: &RunningNode) -> Result<Process, Failure> {
    let infrastructure = |error: &dyn std::error::Error| Failure::Cluster(error.to_string());
    let events = node.dir.join(EVENTS_FILE);
    let mut tail =
        Tail::from_end(&events).map_err(|error| Failure::file("read", &events, error))?;
    let runtime = Runtime::local().map_err(|error| infrastructure(&error))?;
    let mut process = runtime
        .start(&NodeSpec {
            name: node.name.clone(),
            arguments: node.arguments.clone(),
            dir: node.dir.clone(),
            takes_commands: false,
        })
        .map_err(|error| infrastructure(&error))?;
    let deadline = monotonic() + READY_WITHIN;
    loop {
        // In this order: what a node said before it ended is read.
        let ended = process.ended().map(str::to_owned);
        let mut ready = false;
        tail.read(|line| {
            let event = serde_json::from_slice::<NodeEvent>(line).map(|line| line.event);
            ready |= matches!(event, Ok(Event::Ready { .. }));
        })
        .map_err(|error| Failure::file("read", &events, error))?;
        if ready {
            return Ok(process);
        }
        let reason = match ended {
            Some(status) => format!("it ended at once ({status})"),
            None if monotonic() >= deadline => {
                let _ = tear_down(std::slice::from_mut(&mut process));
                format!("it did not listen within {} s", READY_WITHIN.as_secs())
            }
            None => {
                thread::sleep(LOOK_EVERY);
                continue;
            }
        };
        let words = last_lines(&node.dir.join(STDERR_FILE), 3);
        return Err(Failure::Cluster(format!(
            "{} cannot be started: {reason}; its last words:\n  | {}",
            node.name,
            words.join("\n  | ")
        )));
    }
}
