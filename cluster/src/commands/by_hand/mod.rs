//! Faults by hand: `kill`, `stop`, `restart`, `pause`, `delay`, `drop`, `partition` and their
//! healing, on a cluster that is up. What a target means, what a link fault does and how an effect
//! is observed is the same as in a plan.

mod breaks;
mod heal;
mod session;
mod typed;

pub use breaks::{BreakRequest, break_it};
pub use heal::{HealRequest, ResumeRequest, heal, resume};

use paxosctl_chaos::target::Change;

/// Whether an observed change is one.
fn is_change(change: &Change) -> bool {
    !matches!(change, Change::Nothing { .. })
}

/// The names of the nodes that `pick` picks from what was observed, each once.
fn nodes_of(changes: &[Change], pick: impl Fn(&Change) -> Option<&String>) -> Vec<String> {
    let mut nodes: Vec<String> = Vec::new();
    for node in changes.iter().filter_map(pick) {
        if !nodes.contains(node) {
            nodes.push(node.clone());
        }
    }
    nodes
}

fn exited(change: &Change) -> Option<&String> {
    match change {
        Change::Exited { node, .. } => Some(node),
        _ => None,
    }
}

fn started(change: &Change) -> Option<&String> {
    match change {
        Change::Started { node, .. } => Some(node),
        _ => None,
    }
}

fn paused(change: &Change) -> Option<&String> {
    match change {
        Change::Paused { node } => Some(node),
        _ => None,
    }
}

fn unchanged(change: &Change) -> Option<&String> {
    match change {
        Change::Nothing { reason, .. } => Some(reason),
        _ => None,
    }
}
