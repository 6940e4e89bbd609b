//! Tables that nodes load from their directories on a signal.

use std::time::Duration;

use nix::sys::signal::Signal;
use paxosctl_chaos::target::{Change, TargetError};

use super::actions::{Step, not_after};
use super::node::Node;
use super::{RealTarget, failed};
use crate::clock::monotonic;

/// How long a node may take to load a table.
const LOADED_WITHIN: Duration = Duration::from_secs(5);

/// A table that is written, and how a node's report of it is read.
pub(super) struct Table {
    pub what: &'static str,
    pub generation: u64,
    pub in_force: fn(&Node) -> Option<u64>,
    pub refused: fn(&Node) -> Option<&str>,
    /// What it is that a node loaded it, or will when it comes back.
    pub loaded: fn(String, u64) -> Change,
    pub later: fn(String, u64) -> Change,
}

impl RealTarget {
    /// Tells these nodes to load the table that was written for them, and waits until each that runs
    /// confirmed it.
    pub(super) fn load(
        &mut self,
        names: &[String],
        table: &Table,
    ) -> Result<Vec<Change>, TargetError> {
        // A node that has not said that it runs would be ended by the signal, and may or may not
        // have read the table: its first line tells.
        let deadline = monotonic() + LOADED_WITHIN;
        self.wait_until(deadline, |target| {
            target.nodes.iter_mut().all(|node| {
                !names.iter().any(|name| name == node.name())
                    || node.has_started()
                    || node.is_down()
                    || node.is_paused()
            })
        });
        let later = |name: &str| (table.later)(name.to_owned(), table.generation);
        let in_force = |node: &Node| (table.in_force)(node) == Some(table.generation);
        let steps = self.begin(names, |target, name| {
            let Some(node) = target.find(name) else {
                return Ok(Step::Done(Change::never_started(name)));
            };
            if node.is_down() {
                return Ok(Step::Done(later(name)));
            }
            if in_force(node) {
                return Ok(Step::Wait);
            }
            if !node.has_started() {
                let reason = not_after("it did not say that it runs", LOADED_WITHIN);
                return Ok(Step::Done(Change::nothing(name, &reason)));
            }
            // A paused node keeps the signal until it is resumed.
            let paused = node.is_paused();
            node.process.signal(Signal::SIGUSR1).map_err(failed)?;
            Ok(if paused {
                Step::Done(later(name))
            } else {
                Step::Wait
            })
        })?;
        Ok(self.finish(names, steps, deadline, |target, name, late| {
            let node = target.find(name)?;
            if in_force(node) {
                return Some((table.loaded)(name.to_owned(), table.generation));
            }
            if let Some(reason) = (table.refused)(node) {
                let reason = format!("it refused the {}: {reason}", table.what);
                return Some(Change::nothing(name, &reason));
            }
            if node.is_down() {
                return Some(later(name));
            }
            late.then(|| {
                let what = format!("it did not load the {}", table.what);
                Change::nothing(name, &not_after(&what, LOADED_WITHIN))
            })
        }))
    }
}
