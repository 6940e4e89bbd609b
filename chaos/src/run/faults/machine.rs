//! Faults of servers' disks and clocks at work.
//!
//! Some of them end their server, at a moment of their own. The server is then held down by the
//! fault, like one that was killed, and the heal starts it again when the machine is sound.

use std::collections::BTreeMap;

use paxosctl_node::machine::MachineRule;

use super::{Cause, Firing, Run, release};
use crate::history::{ActionLine, Step, micros};
use crate::plan::{Damage, MachineTrouble, Verb};
use crate::schedule::derive_seed;
use crate::target::{Action, Change};

/// What is wrong with machines at the moment.
#[derive(Debug, Default)]
pub(super) struct Machines {
    /// The faults at work, with their rules.
    rules: BTreeMap<Firing, Vec<MachineRule>>,
    /// The rules that the target was told last.
    told: Vec<MachineRule>,
    /// The last firing that concerned a server, by the id of its rules.
    firings: BTreeMap<(String, String), Firing>,
    /// When a server's disk was struck last, as the server reported.
    struck_us: BTreeMap<String, u64>,
}

impl Machines {
    pub fn struck(&mut self, node: &str, at_us: u64) {
        self.struck_us.insert(node.to_owned(), at_us);
    }
}

impl Run<'_> {
    /// Something is wrong with these servers' machines from now on.
    pub(super) fn break_machines(
        &mut self,
        firing: Firing,
        cause: &Cause,
        what: &MachineTrouble,
        nodes: Vec<String>,
    ) {
        let id = &cause.fault;
        let rules = nodes.iter().map(|node| MachineRule {
            id: id.clone(),
            node: node.clone(),
            what: what.trouble(),
        });
        let machines = &mut self.faults.machines;
        machines.rules.insert(firing, rules.collect());
        for node in &nodes {
            machines.firings.insert((id.clone(), node.clone()), firing);
        }
        self.tell_machines(cause, nodes);
    }

    /// Kills what runs of these servers, changes their disks, and holds them down.
    pub(super) fn damage(
        &mut self,
        firing: Firing,
        cause: &Cause,
        damage: Damage,
        nodes: Vec<String>,
    ) {
        let up: Vec<String> = nodes
            .iter()
            .filter(|node| !self.known.down.contains(*node))
            .cloned()
            .collect();
        if !up.is_empty() {
            let nodes = up.clone();
            self.act(cause, up, Action::Kill { nodes });
        }
        let seed = derive_seed(self.seed, &cause.fault, u64::from(firing.number));
        let action = Action::Damage {
            nodes: nodes.clone(),
            damage,
            seed,
        };
        self.act(cause, nodes.clone(), action);
        self.hold_down(firing, &nodes);
    }

    /// Heals the machines of one firing, and starts what it ended.
    pub(super) fn heal_machines(&mut self, firing: Firing, cause: &Cause) {
        let machines = &mut self.faults.machines;
        let rules = machines.rules.remove(&firing).unwrap_or_default();
        self.tell_machines(cause, nodes_of(&rules));
        let (free, held) = release(&mut self.faults.down_by, firing);
        if !free.is_empty() || !held.is_empty() {
            let start = |nodes| Action::Start { nodes };
            self.bring_back(cause, (free, held), start, "another fault holds it down");
        }
    }

    /// Heals all machines; what they ended is started with all that is down.
    pub(super) fn heal_all_machines(&mut self, cause: &Cause) {
        let rules = std::mem::take(&mut self.faults.machines.rules);
        let rules: Vec<MachineRule> = rules.into_values().flatten().collect();
        self.tell_machines(cause, nodes_of(&rules));
    }

    /// Puts the rules of all faults at work in force, unless they are.
    fn tell_machines(&mut self, cause: &Cause, resolved: Vec<String>) {
        let machines = &mut self.faults.machines;
        let rules: Vec<MachineRule> = machines.rules.values().flatten().cloned().collect();
        if rules == machines.told {
            return;
        }
        machines.told.clone_from(&rules);
        self.act(cause, resolved, Action::Machine { rules });
    }

    /// A server was ended by a rule of its machine.
    pub(in crate::run) fn fell(&mut self, node: String, status: String, rule: &str) {
        let machines = &mut self.faults.machines;
        let key = (rule.to_owned(), node.clone());
        let Some(&firing) = machines.firings.get(&key) else {
            return;
        };
        // What strikes once is gone with the process; the target has forgotten it too.
        let is_over = |known: &MachineRule| {
            known.id == rule && known.node == node && known.what.is_over_once_it_struck()
        };
        let is_at_work = machines.rules.contains_key(&firing);
        for rules in machines.rules.values_mut() {
            rules.retain(|known| !is_over(known));
        }
        machines.told.retain(|known| !is_over(known));
        let done_us = micros(self.target.now());
        let struck_us = machines.struck_us.get(&node).copied().unwrap_or(done_us);
        let cause = self.cause(firing, Step::Break);
        let change = Change::Exited {
            node: node.clone(),
            status,
        };
        self.known.changed(&change);
        self.faults.paused_by.remove(&node);
        let nodes = vec![node];
        self.record(ActionLine {
            at_us: struck_us.min(done_us),
            done_us,
            fault: cause.fault.clone(),
            firing: cause.firing,
            step: cause.step,
            planned: cause.planned.clone(),
            resolved: nodes.clone(),
            action: Action::Fall {
                nodes: nodes.clone(),
            },
            changes: vec![change],
            error: None,
        });
        self.hold_down(firing, &nodes);
        if !is_at_work {
            // It was struck while it was being healed.
            let cause = self.cause(firing, Step::Heal);
            self.heal_machines(firing, &cause);
        }
    }

    /// What to record for a firing whose target means nothing.
    pub(super) fn empty_machine_action(verb: &Verb) -> Action {
        match verb {
            Verb::Damage(fault) => Action::Damage {
                nodes: Vec::new(),
                damage: fault.damage,
                seed: 0,
            },
            _ => Action::Machine { rules: Vec::new() },
        }
    }
}

fn nodes_of(rules: &[MachineRule]) -> Vec<String> {
    let mut nodes: Vec<String> = Vec::new();
    for rule in rules {
        if !nodes.contains(&rule.node) {
            nodes.push(rule.node.clone());
        }
    }
    nodes
}
