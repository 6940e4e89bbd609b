//! Faults at work: what is broken at the moment, by which fault, and how it is healed.
//!
//! Faults overlap. A node that two faults took down, or paused, comes back when the last of the two
//! heals; the rules of all link faults at work are in force together. A kill ends a pause: what
//! starts again afterwards runs.

mod machine;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use paxosctl_node::link::Rule;

use machine::Machines;
use rules::names_of;
pub use rules::rules;

use super::{Ended, Progress, Run};
use crate::history::{ActionLine, HEAL, Line, Phase, Step, micros};
use crate::plan::Verb;
use crate::schedule::{Resolved, Unresolved, firing_rng, resolve};
use crate::target::{Action, Change};

/// One firing of one fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Firing {
    /// Index in the plan's faults.
    pub fault: usize,
    /// From 1.
    pub number: u32,
}

/// What is broken at the moment.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// For each node that faults took down, those that still hold it down.
    down_by: Holders,
    /// For each paused node, the faults that still hold it paused.
    paused_by: Holders,
    /// The link faults at work, with their rules.
    links: BTreeMap<Firing, Vec<Rule>>,
    machines: Machines,
}

impl Faults {
    /// A server reported that its disk was struck.
    pub fn struck(&mut self, node: &str, at_us: u64) {
        self.machines.struck(node, at_us);
    }
}

type Holders = BTreeMap<String, BTreeSet<Firing>>;

/// Takes `firing` from the holders of each node, and tells which nodes nobody holds any more.
fn release(holders: &mut Holders, firing: Firing) -> (Vec<String>, Vec<String>) {
    let (mut free, mut held) = (Vec::new(), Vec::new());
    for (node, by) in holders.iter_mut() {
        if by.remove(&firing) {
            let list = if by.is_empty() { &mut free } else { &mut held };
            list.push(node.clone());
        }
    }
    holders.retain(|_, by| !by.is_empty());
    (free, held)
}

/// Who asks for an action, for its line in the history.
#[derive(Clone)]
struct Cause {
    fault: String,
    firing: u32,
    step: Step,
    planned: String,
}

impl Run<'_> {
    /// Fires a fault: whether something may have to be healed, or none when its target means
    /// nothing yet and `can_wait`.
    pub(super) fn fire(&mut self, firing: Firing, can_wait: bool) -> Option<bool> {
        let fault = &self.plan.faults[firing.fault];
        let mut rng = firing_rng(self.seed, &fault.id, firing.number);
        let resolved = resolve(&fault.verb, &self.known.view(), &mut rng);
        let cause = self.cause(firing, Step::Break);
        match (resolved, &fault.verb) {
            (Err(_), _) if can_wait => return None,
            (Err(reason), verb) => {
                self.record_unresolved(&cause, verb, &reason);
                return Some(false);
            }
            (Ok(Resolved::Nodes(nodes)), Verb::Kill(_)) => {
                let action = Action::Kill {
                    nodes: nodes.clone(),
                };
                self.act(&cause, nodes.clone(), action);
                self.hold_down(firing, &nodes);
            }
            (Ok(Resolved::Nodes(nodes)), Verb::Stop(_)) => {
                self.stop_nodes(&cause, nodes.clone());
                self.hold_down(firing, &nodes);
            }
            (Ok(Resolved::Nodes(nodes)), Verb::Restart(_)) => self.restart(&cause, nodes),
            (Ok(Resolved::Nodes(nodes)), Verb::Machine(fault)) => {
                self.break_machines(firing, &cause, &fault.what, nodes);
            }
            (Ok(Resolved::Nodes(nodes)), Verb::Damage(fault)) => {
                self.damage(firing, &cause, fault.damage, nodes);
            }
            (Ok(Resolved::Nodes(nodes)), _) => {
                let action = Action::Pause {
                    nodes: nodes.clone(),
                };
                self.act(&cause, nodes.clone(), action);
                for node in nodes {
                    if self.known.paused.contains(&node) {
                        self.faults
                            .paused_by
                            .entry(node)
                            .or_default()
                            .insert(firing);
                    }
                }
            }
            (Ok(resolved @ (Resolved::Modes(_) | Resolved::Links(_))), verb) => {
                let rules = rules(&fault.id, verb, &resolved);
                self.faults.links.insert(firing, rules);
                self.apply_links(&cause, resolved.names());
            }
        }
        Some(true)
    }

    /// Heals one firing, as far as no other fault holds the same nodes.
    pub(super) fn heal(&mut self, firing: Firing) {
        let cause = self.cause(firing, Step::Heal);
        match &self.plan.faults[firing.fault].verb {
            Verb::Kill(_) | Verb::Stop(_) | Verb::Damage(_) => {
                let released = release(&mut self.faults.down_by, firing);
                let action = |nodes| Action::Start { nodes };
                self.bring_back(&cause, released, action, "another fault holds it down");
            }
            Verb::Pause(_) => {
                let released = release(&mut self.faults.paused_by, firing);
                let action = |nodes| Action::Resume { nodes };
                self.bring_back(&cause, released, action, "another fault holds it paused");
            }
            Verb::Links(_) | Verb::Partition(_) | Verb::Mode(_) => {
                let healed = self.faults.links.remove(&firing).unwrap_or_default();
                self.apply_links(&cause, names_of(&healed));
            }
            Verb::Machine(_) => self.heal_machines(firing, &cause),
            // It healed when it fired.
            Verb::Restart(_) => {}
        }
    }

    /// Heals all that is broken: first what is paused, then the links, then what is down. A process
    /// that ended unasked stays down: that is a finding.
    pub(super) fn heal_all(&mut self) -> Result<(), Ended> {
        let now = self.target.now();
        self.phase(Phase::Heal, now);
        let cause = Cause {
            fault: HEAL.to_owned(),
            firing: 1,
            step: Step::Heal,
            planned: "heal all".to_owned(),
        };
        let paused = keys(&std::mem::take(&mut self.faults.paused_by));
        if !paused.is_empty() {
            let nodes = paused.clone();
            self.act(&cause, paused, Action::Resume { nodes });
        }
        let links = std::mem::take(&mut self.faults.links);
        if !links.is_empty() {
            let rules: Vec<Rule> = links.into_values().flatten().collect();
            self.apply_links(&cause, names_of(&rules));
        }
        self.heal_all_machines(&cause);
        let down = keys(&std::mem::take(&mut self.faults.down_by));
        if !down.is_empty() {
            let nodes = down.clone();
            self.act(&cause, down, Action::Start { nodes });
        }
        self.check_target()
    }

    fn cause(&self, firing: Firing, step: Step) -> Cause {
        let fault = &self.plan.faults[firing.fault];
        Cause {
            fault: fault.id.clone(),
            firing: firing.number,
            step,
            planned: fault.verb.to_string(),
        }
    }

    fn hold_down(&mut self, firing: Firing, nodes: &[String]) {
        for node in nodes {
            if self.known.down.contains(node) {
                let by = self.faults.down_by.entry(node.clone()).or_default();
                by.insert(firing);
            }
        }
    }

    /// A paused process takes SIGTERM only when it goes on, so it goes on first.
    fn stop_nodes(&mut self, cause: &Cause, nodes: Vec<String>) {
        let paused = with(&nodes, &self.known.paused);
        if !paused.is_empty() {
            let action = Action::Resume {
                nodes: paused.clone(),
            };
            self.act(cause, paused, action);
        }
        let action = Action::Stop {
            nodes: nodes.clone(),
        };
        self.act(cause, nodes, action);
    }

    /// Stops what is up and starts all; whoever held a node down holds it no more.
    fn restart(&mut self, cause: &Cause, nodes: Vec<String>) {
        let down = with(&nodes, &self.known.down);
        let up: Vec<String> = nodes
            .iter()
            .filter(|node| !down.contains(node))
            .cloned()
            .collect();
        let mut start = cause.clone();
        if !up.is_empty() {
            self.stop_nodes(cause, up);
            start.step = Step::Heal;
        }
        let stopped = with(&nodes, &self.known.down);
        for node in &stopped {
            self.faults.down_by.remove(node);
        }
        if !stopped.is_empty() {
            let action = Action::Start {
                nodes: stopped.clone(),
            };
            self.act(&start, stopped, action);
        }
    }

    fn apply_links(&mut self, cause: &Cause, resolved: Vec<String>) {
        let rules = self.faults.links.values().flatten().cloned().collect();
        self.act(cause, resolved, Action::Links { rules });
    }

    /// Carries an action out and writes down what was observed.
    fn act(&mut self, cause: &Cause, resolved: Vec<String>, action: Action) {
        let at_us = micros(self.target.now());
        let (changes, error) = match self.target.apply(&action) {
            Ok(effect) => (effect.changes, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        for change in &changes {
            self.known.changed(change);
            match change {
                // A process that is gone, or goes on, is paused by nobody.
                Change::Exited { node, .. }
                | Change::Resumed { node }
                | Change::Started { node, .. } => {
                    self.faults.paused_by.remove(node);
                }
                _ => {}
            }
        }
        self.record(ActionLine {
            at_us,
            done_us: micros(self.target.now()),
            fault: cause.fault.clone(),
            firing: cause.firing,
            step: cause.step,
            planned: cause.planned.clone(),
            resolved,
            action,
            changes,
            error,
        });
    }

    /// Heals the nodes that nobody holds any more. If there is none, says why nothing is done.
    fn bring_back(
        &mut self,
        cause: &Cause,
        (free, held): (Vec<String>, Vec<String>),
        action: impl Fn(Vec<String>) -> Action,
        why_not: &str,
    ) {
        if free.is_empty() {
            self.record_held(cause, held, action(Vec::new()), why_not);
        } else {
            self.act(cause, free.clone(), action(free));
        }
    }

    /// A heal that has nothing to do, and why.
    fn record_held(&mut self, cause: &Cause, held: Vec<String>, action: Action, reason: &str) {
        let at_us = micros(self.target.now());
        let changes = held.iter().map(|node| Change::Nothing {
            node: node.clone(),
            reason: reason.to_owned(),
        });
        self.record(ActionLine {
            at_us,
            done_us: at_us,
            fault: cause.fault.clone(),
            firing: cause.firing,
            step: cause.step,
            planned: cause.planned.clone(),
            resolved: held.clone(),
            action,
            changes: changes.collect(),
            error: None,
        });
    }

    /// A firing whose target means nothing.
    fn record_unresolved(&mut self, cause: &Cause, verb: &Verb, reason: &Unresolved) {
        let nodes = Vec::new();
        let action = match verb {
            Verb::Kill(_) => Action::Kill { nodes },
            Verb::Stop(_) | Verb::Restart(_) => Action::Stop { nodes },
            Verb::Pause(_) => Action::Pause { nodes },
            Verb::Links(_) | Verb::Partition(_) | Verb::Mode(_) => {
                Action::Links { rules: Vec::new() }
            }
            Verb::Machine(_) | Verb::Damage(_) => Run::empty_machine_action(verb),
        };
        let at_us = micros(self.target.now());
        self.record(ActionLine {
            at_us,
            done_us: at_us,
            fault: cause.fault.clone(),
            firing: cause.firing,
            step: cause.step,
            planned: cause.planned.clone(),
            resolved: Vec::new(),
            action,
            changes: Vec::new(),
            error: Some(reason.to_string()),
        });
    }

    fn record(&mut self, line: ActionLine) {
        (self.progress)(Progress::Action(&line));
        (self.sink)(Line::Action(line));
    }
}

/// Those of `nodes` that are in `set`.
fn with(nodes: &[String], set: &BTreeSet<String>) -> Vec<String> {
    let nodes = nodes.iter().filter(|node| set.contains(*node));
    nodes.cloned().collect()
}

fn keys(holders: &Holders) -> Vec<String> {
    holders.keys().cloned().collect()
}
