//! How every node process begins and ends: with evidence of it, and on one thread.

use std::path::Path;

use tokio::runtime::{Builder, Runtime};

use super::gate::Gate;
use super::reporter::Reporter;
use super::{NodeError, links};
use crate::event::Event;
use crate::link::Rule;

/// Puts the link table that the node's directory holds in force beside `permanent` rules, and reports
/// the start.
pub fn begin(name: &str, dir: &Path, permanent: Vec<Rule>, reporter: Reporter) -> Gate {
    let gate = links::open_gate(name, dir, permanent, reporter);
    reporter.event(Event::Started {
        pid: std::process::id(),
        links: gate.with_links(|links| links.generation()),
    });
    gate
}

/// The one thread on which all of a node runs, but for its disk and its standard input.
pub fn runtime() -> Result<Runtime, NodeError> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(NodeError::Start)
}

/// Reports the last counts of the link table, and that the node stops because it was told to.
pub fn end(gate: &Gate, reporter: Reporter) {
    let mut events = Vec::from_iter(gate.with_links(|links| links.last_counts()));
    events.push(Event::Stopping {
        reason: "asked to stop".into(),
    });
    reporter.events(events);
}
