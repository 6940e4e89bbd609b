//! Actions on processes, each with the effect that was observed.

use std::time::Duration;

use nix::sys::signal::Signal;
use paxosctl_chaos::target::{Change, Ending, TargetError};
use paxosctl_node::link::Rule;

use super::node::Node;
use super::tables::Table;
use super::{RealTarget, failed};
use crate::clock::monotonic;
use crate::runtime::{STDERR_FILE, State, last_lines};

/// How long the kernel may take to kill, stop or resume a process.
const SIGNALLED_WITHIN: Duration = Duration::from_secs(5);
/// How long a node may take to stop in order.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
/// How long a restarted node may take to read its log and listen.
const STARTED_WITHIN: Duration = Duration::from_secs(30);

/// What an action came to for one node: a change at once, or one to wait for.
pub(super) enum Step {
    Done(Change),
    Wait,
}

impl RealTarget {
    pub(super) fn kill(&mut self, names: &[String]) -> Result<Vec<Change>, TargetError> {
        let steps = self.begin(names, |target, name| {
            let Some(node) = target.find(name) else {
                return Ok(Step::Done(Change::never_started(name)));
            };
            if node.is_down() {
                return Ok(Step::Done(Change::nothing(name, "it is down already")));
            }
            node.ending = Ending::Asked;
            node.process.signal(Signal::SIGKILL).map_err(failed)?;
            Ok(Step::Wait)
        })?;
        Ok(self.await_ends(names, steps, SIGNALLED_WITHIN, "SIGKILL"))
    }

    pub(super) fn stop(&mut self, names: &[String]) -> Result<Vec<Change>, TargetError> {
        let steps = self.begin(names, |target, name| {
            let Some(node) = target.find(name) else {
                return Ok(Step::Done(Change::never_started(name)));
            };
            match node.process.state() {
                State::Ended(_) => Ok(Step::Done(Change::nothing(name, "it is down already"))),
                // SIGTERM would wait for SIGCONT, and end the node at a time nobody planned.
                State::Paused => Ok(Step::Done(Change::nothing(
                    name,
                    "it is paused, and cannot stop in order",
                ))),
                State::Running => {
                    node.ending = Ending::Asked;
                    node.process.signal(Signal::SIGTERM).map_err(failed)?;
                    Ok(Step::Wait)
                }
            }
        })?;
        Ok(self.await_ends(names, steps, STOPPED_WITHIN, "SIGTERM"))
    }

    pub(super) fn start_again(&mut self, names: &[String]) -> Result<Vec<Change>, TargetError> {
        let steps = self.begin(names, |target, name| {
            let Some(node) = target.find(name) else {
                return Ok(Step::Done(Change::never_started(name)));
            };
            if !node.is_down() {
                return Ok(Step::Done(Change::nothing(name, "it runs already")));
            }
            if node.has_left() {
                return Ok(Step::Done(Change::nothing(name, "it left the chat")));
            }
            let spec = node.spec.clone();
            // Its end is noted before its place is taken.
            target.pump();
            target.launch(spec).map_err(failed)?;
            Ok(Step::Wait)
        })?;
        let deadline = monotonic() + STARTED_WITHIN;
        Ok(self.finish(names, steps, deadline, |target, name, late| {
            let node = target.find(name)?;
            if let Some(status) = node.process.ended() {
                let status = status.to_owned();
                let words = last_lines(&node.spec.dir.join(STDERR_FILE), 1).join(" ");
                return Some(Change::nothing(
                    name,
                    &format!("it ended before it was ready ({status}): {words}"),
                ));
            }
            if node.is_ready() {
                return Some(Change::Started {
                    node: name.to_owned(),
                    pid: node.process.pid(),
                });
            }
            late.then(|| {
                Change::nothing(
                    name,
                    &not_after("it was started, and did not get ready", STARTED_WITHIN),
                )
            })
        }))
    }

    pub(super) fn pause(&mut self, names: &[String]) -> Result<Vec<Change>, TargetError> {
        let steps = self.begin(names, |target, name| {
            let Some(node) = target.find(name) else {
                return Ok(Step::Done(Change::never_started(name)));
            };
            match node.process.state() {
                State::Ended(_) => Ok(Step::Done(Change::nothing(name, "it is down"))),
                State::Paused => Ok(Step::Done(Change::nothing(name, "it is paused already"))),
                State::Running => {
                    node.process.signal(Signal::SIGSTOP).map_err(failed)?;
                    Ok(Step::Wait)
                }
            }
        })?;
        let deadline = monotonic() + SIGNALLED_WITHIN;
        Ok(self.finish(names, steps, deadline, |target, name, late| {
            match target.find(name)?.process.state() {
                State::Paused => Some(Change::Paused {
                    node: name.to_owned(),
                }),
                State::Ended(status) => {
                    Some(Change::nothing(name, &format!("it ended ({status})")))
                }
                State::Running => late.then(|| {
                    Change::nothing(name, &not_after("it did not stop", SIGNALLED_WITHIN))
                }),
            }
        }))
    }

    pub(super) fn resume(&mut self, names: &[String]) -> Result<Vec<Change>, TargetError> {
        let steps = self.begin(names, |target, name| {
            let Some(node) = target.find(name) else {
                return Ok(Step::Done(Change::never_started(name)));
            };
            match node.process.state() {
                State::Ended(_) => Ok(Step::Done(Change::nothing(name, "it is down"))),
                State::Running => Ok(Step::Done(Change::nothing(name, "it is not paused"))),
                State::Paused => {
                    node.process.signal(Signal::SIGCONT).map_err(failed)?;
                    Ok(Step::Wait)
                }
            }
        })?;
        let deadline = monotonic() + SIGNALLED_WITHIN;
        Ok(self.finish(names, steps, deadline, |target, name, late| {
            match target.find(name)?.process.state() {
                State::Running => Some(Change::Resumed {
                    node: name.to_owned(),
                }),
                State::Ended(status) => {
                    Some(Change::nothing(name, &format!("it ended ({status})")))
                }
                State::Paused => late.then(|| {
                    Change::nothing(name, &not_after("it did not go on", SIGNALLED_WITHIN))
                }),
            }
        }))
    }

    /// Puts a new link table in force everywhere: written for every node, and confirmed by every
    /// node that runs.
    pub(super) fn set_links(&mut self, rules: &[Rule]) -> Result<Vec<Change>, TargetError> {
        let generation = self.next_links(rules);
        let names: Vec<String> = self
            .nodes
            .iter_mut()
            .filter_map(|node| (!node.has_left()).then(|| node.name().to_owned()))
            .collect();
        for name in &names {
            if let Some(node) = self.find(name) {
                node.seen.links_refused = None;
                let spec = node.spec.clone();
                self.write_links(&spec).map_err(failed)?;
            }
        }
        let table = Table {
            what: "link table",
            generation,
            in_force: Node::links_in_force,
            refused: |node| node.seen.links_refused.as_deref(),
            loaded: |node, generation| Change::Links { node, generation },
            later: |node, generation| Change::LinksLater { node, generation },
        };
        let changes = self.load(&names, &table)?;
        // A client that left meanwhile takes no table, now or later.
        Ok(changes
            .into_iter()
            .filter(|change| match change {
                Change::LinksLater { node, .. } => {
                    !self.find(node).is_some_and(|node| node.has_left())
                }
                _ => true,
            })
            .collect())
    }

    /// Begins the action on all nodes before the effect on any is awaited, so that they are hit
    /// together.
    pub(super) fn begin(
        &mut self,
        names: &[String],
        mut step: impl FnMut(&mut RealTarget, &str) -> Result<Step, TargetError>,
    ) -> Result<Vec<Step>, TargetError> {
        names.iter().map(|name| step(self, name)).collect()
    }

    /// Waits for the open effects. `look` is asked again and again for each, and must answer when
    /// it is told that the deadline passed.
    pub(super) fn finish(
        &mut self,
        names: &[String],
        steps: Vec<Step>,
        deadline: Duration,
        mut look: impl FnMut(&mut RealTarget, &str, bool) -> Option<Change>,
    ) -> Vec<Change> {
        let mut changes: Vec<Option<Change>> = steps
            .into_iter()
            .map(|step| match step {
                Step::Done(change) => Some(change),
                Step::Wait => None,
            })
            .collect();
        self.wait_until(deadline, |target| {
            for (name, change) in names.iter().zip(&mut changes) {
                if change.is_none() {
                    *change = look(target, name, false);
                }
            }
            changes.iter().all(Option::is_some)
        });
        names
            .iter()
            .zip(changes)
            .map(|(name, change)| {
                change
                    .or_else(|| look(self, name, true))
                    .unwrap_or_else(|| Change::never_started(name))
            })
            .collect()
    }

    fn await_ends(
        &mut self,
        names: &[String],
        steps: Vec<Step>,
        within: Duration,
        signal: &str,
    ) -> Vec<Change> {
        let deadline = monotonic() + within;
        self.finish(names, steps, deadline, |target, name, late| {
            match target.find(name)?.process.ended() {
                Some(status) => Some(Change::Exited {
                    node: name.to_owned(),
                    status: status.to_owned(),
                }),
                None => late.then(|| {
                    Change::nothing(
                        name,
                        &not_after(&format!("it did not end after {signal}"), within),
                    )
                }),
            }
        })
    }
}

pub(super) fn not_after(what: &str, within: Duration) -> String {
    format!("{what} within {} s", within.as_secs())
}
