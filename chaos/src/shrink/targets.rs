//! Simpler targets: a node by name instead of `leader`, one instead of several, groups instead of a
//! shape, and what happens always in the same way instead of sometimes.

use super::Search;
use super::simpler::{Simpler, named};
use super::weight::weight;
use crate::plan::{Fault, Member, Nodes, Partition, Verb};
use crate::schedule::{self, Resolved, View, firing_rng, resolve};

impl Search<'_> {
    pub(super) fn simpler_targets(&mut self) {
        for index in 0..self.best.faults.len() {
            while self.simpler_target(index) {}
        }
    }

    fn simpler_target(&mut self, index: usize) -> bool {
        let Fault { id, verb, .. } = &self.best.faults[index];
        let (id, now) = (id.clone(), weight(verb));
        let simpler = Simpler {
            guesses: self.guesses(index),
            clients: schedule::clients(&self.best),
        };
        let mut verbs = simpler.verbs(verb);
        verbs.extend(self.shape_as_groups(index));
        verbs
            .into_iter()
            .filter(|verb| weight(verb) < now)
            .any(|verb| {
                let mut plan = self.best.clone();
                let what = format!("{id} as `{verb}`");
                plan.faults[index].verb = verb;
                self.attempt(&what, plan)
            })
    }

    /// The servers, first those that the fault probably acts on.
    fn guesses(&self, index: usize) -> Vec<String> {
        let Fault { id, verb, .. } = &self.best.faults[index];
        let servers = schedule::servers(&self.best);
        let mut guesses = self.oracle.hit(id);
        if let Ok(Resolved::Nodes(nodes)) = self.resolved(id, verb, None) {
            guesses.extend(nodes);
        }
        guesses.retain(|name| servers.contains(name));
        guesses.extend(servers);
        let mut seen = Vec::new();
        guesses.retain(|name| {
            let is_new = !seen.contains(name);
            seen.push(name.clone());
            is_new
        });
        guesses
    }

    /// What the first firing acts on while all is well.
    fn resolved(
        &self,
        id: &str,
        verb: &Verb,
        leader: Option<String>,
    ) -> Result<Resolved, schedule::Unresolved> {
        let servers = schedule::servers(&self.best);
        let first = self
            .best
            .cluster
            .first_leader
            .map(|first| first.to_string());
        let view = View {
            leader: leader.or(first).or_else(|| servers.first().cloned()),
            clients: schedule::clients(&self.best),
            servers,
            ..View::default()
        };
        resolve(verb, &view, &mut firing_rng(self.seed, id, 1))
    }

    /// The groups that a shape comes to, whoever leads, where groups can say it.
    fn shape_as_groups(&self, index: usize) -> Vec<Verb> {
        let Fault { id, verb, .. } = &self.best.faults[index];
        if !matches!(verb, Verb::Partition(Partition::Shape(_))) {
            return Vec::new();
        }
        let leaders = self.guesses(index).into_iter();
        let groups = leaders.filter_map(|leader| match self.resolved(id, verb, Some(leader)) {
            Ok(Resolved::Links(cut)) => groups(&cut),
            _ => None,
        });
        groups
            .map(|groups| Verb::Partition(Partition::Groups(groups)))
            .collect()
    }
}

/// The groups between which these links are all that is cut.
fn groups(cut: &[(String, String)]) -> Option<Vec<Vec<Member>>> {
    let is_cut = |one: &String, other: &String| cut.contains(&(one.clone(), other.clone()));
    let mut groups: Vec<Vec<&String>> = Vec::new();
    for (node, _) in cut {
        if groups.iter().flatten().any(|other| *other == node) {
            continue;
        }
        let open = |group: &&mut Vec<&String>| !is_cut(node, group[0]);
        match groups.iter_mut().find(open) {
            Some(group) => group.push(node),
            None => groups.push(vec![node]),
        }
    }
    let place = |node: &String| groups.iter().position(|group| group.contains(&node));
    let nodes = || groups.iter().flatten();
    let fits = nodes().all(|one| {
        nodes()
            .filter(|other| *other != one)
            .all(|other| is_cut(one, other) == (place(one) != place(other)))
    });
    let member = |node: &&String| match node.as_str() {
        "balancer" => Member::Nodes(Nodes::Balancer),
        name => Member::Nodes(named(name)),
    };
    fits.then(|| {
        let groups = groups.iter();
        groups
            .map(|group| group.iter().map(member).collect())
            .collect()
    })
}
