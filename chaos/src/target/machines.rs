//! The machine tables of a cluster's servers: which of them change, and which rule ended a server.

use std::collections::BTreeMap;

use paxosctl_node::machine::{Machine, MachineRule};

/// What was last put in force for each server that ever had a machine table.
#[derive(Debug, Clone, Default)]
pub struct Machines {
    generation: u64,
    tables: BTreeMap<String, Machine>,
    /// Rules that were taken out of force and may have ended the server's present process just before.
    ended: BTreeMap<String, Vec<MachineRule>>,
}

impl Machines {
    /// Of the last change.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The server's table, if it ever had one.
    pub fn table(&self, node: &str) -> Option<&Machine> {
        self.tables.get(node)
    }

    /// The rule that ended the server, if it reported that one struck which does that.
    pub fn deadly(&self, node: &str, struck: &[String]) -> Option<String> {
        let rules = self.deadly_rules(node);
        rules
            .map(|rule| &rule.id)
            .find(|id| struck.contains(id))
            .cloned()
    }

    /// Whether something is in force that may end the server.
    pub fn may_end(&self, node: &str) -> bool {
        self.deadly_rules(node).next().is_some()
    }

    fn deadly_rules(&self, node: &str) -> impl Iterator<Item = &MachineRule> {
        let in_force = self.tables.get(node).map(|table| &table.rules);
        let rules = in_force.into_iter().chain(self.ended.get(node)).flatten();
        rules.filter(|rule| rule.what.is_deadly())
    }

    /// The server has a new process: no rule that went before concerns it.
    pub fn begun(&mut self, node: &str) {
        self.ended.remove(node);
    }

    /// What strikes once is over: the next process must not find it.
    pub fn struck(&mut self, node: &str, id: &str) {
        if let Some(table) = self.tables.get_mut(node) {
            table
                .rules
                .retain(|rule| rule.id != id || !rule.what.is_over_once_it_struck());
        }
    }

    /// Puts `rules` in force under the next generation, and returns the servers whose tables changed.
    pub fn replace(&mut self, rules: &[MachineRule]) -> Vec<String> {
        let mut wanted: BTreeMap<&str, Vec<MachineRule>> = BTreeMap::new();
        for node in self.tables.keys() {
            wanted.insert(node, Vec::new());
        }
        for rule in rules {
            wanted.entry(&rule.node).or_default().push(rule.clone());
        }
        let changed: Vec<(String, Vec<MachineRule>)> = wanted
            .into_iter()
            .filter(|(node, rules)| {
                let now = self.tables.get(*node).map_or(&[][..], |table| &table.rules);
                now != rules
            })
            .map(|(node, rules)| (node.to_owned(), rules))
            .collect();
        self.generation += 1;
        let generation = self.generation;
        let mut names = Vec::new();
        for (node, rules) in changed {
            names.push(node.clone());
            let new = Machine { generation, rules };
            let old = self.tables.insert(node.clone(), new);
            let ended = self.ended.entry(node).or_default();
            ended.extend(old.into_iter().flat_map(|table| table.rules));
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_of_which_something_changes_get_a_new_table() {
        let rule = |node: &str, id: &str| MachineRule {
            id: id.into(),
            node: node.into(),
            what: paxosctl_node::machine::Trouble::FailSync,
        };
        let mut machines = Machines::default();
        assert_eq!(
            machines.replace(&[rule("s1", "f1"), rule("s2", "f2")]),
            ["s1", "s2"]
        );
        assert_eq!(
            machines.replace(&[rule("s1", "f1"), rule("s3", "f3")]),
            ["s2", "s3"]
        );
        assert_eq!(machines.tables["s1"].generation, 1);
        assert_eq!(machines.tables["s2"].generation, 2);
        assert!(machines.may_end("s3") && machines.may_end("s2"));
        let struck = ["f1".to_owned()];
        assert_eq!(machines.deadly("s1", &struck), Some("f1".into()));
        assert_eq!(machines.deadly("s3", &struck), None);
        machines.struck("s1", "f1");
        assert!(!machines.may_end("s1"));
        // Taken out of force in the moment in which it struck.
        let struck = ["f2".to_owned()];
        assert_eq!(machines.deadly("s2", &struck), Some("f2".into()));
        machines.begun("s2");
        assert_eq!(machines.replace(&[rule("s3", "f3")]), Vec::<String>::new());
    }
}
