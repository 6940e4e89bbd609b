//! Fewer servers, and a cluster of which less is said.

use std::collections::{BTreeMap, BTreeSet};

use super::Search;
use super::nodes::renamed;
use crate::plan::Plan;
use crate::schedule;

impl Search<'_> {
    pub(super) fn fewer_servers(&mut self) {
        let now = self.best.cluster.servers;
        // An odd number first: one more survives no more.
        let odd = (1..now).filter(|count| count % 2 == 1);
        let even = (1..now).filter(|count| count % 2 == 0);
        for count in odd.chain(even) {
            if count < self.best.cluster.servers {
                let plan = with_servers(&self.best, count);
                self.attempt(&format!("with {count} servers"), plan);
            }
        }
        let mut plan = self.best.clone();
        plan.cluster.first_leader = None;
        self.attempt("without a first leader", plan);
        let mut plan = self.best.clone();
        (plan.cluster.balancer_port, plan.cluster.server_port) = (None, None);
        self.attempt("without ports", plan);
    }
}

/// The plan with s1 … s`count` only. Servers that the plan names take the places of those that it
/// does not; who finds no place is left out.
fn with_servers(plan: &Plan, count: u16) -> Plan {
    let servers = schedule::servers(plan);
    let named = named_servers(plan);
    let (stay, go) = servers.split_at(usize::from(count));
    let mut free: Vec<&String> = stay.iter().filter(|name| !named.contains(*name)).collect();
    let moved: BTreeMap<&String, Option<&String>> = go
        .iter()
        .map(|name| {
            let place = match named.contains(name) && !free.is_empty() {
                true => Some(free.remove(0)),
                false => None,
            };
            (name, place)
        })
        .collect();
    let mut plan = renamed(plan, &|name| match moved.get(&name.to_owned()) {
        Some(place) => place.cloned(),
        None => Some(name.to_owned()),
    });
    plan.cluster.servers = count;
    plan
}

/// The servers that stand in the plan by name.
fn named_servers(plan: &Plan) -> BTreeSet<String> {
    let named = std::cell::RefCell::new(BTreeSet::new());
    renamed(plan, &|name| {
        named.borrow_mut().insert(name.to_owned());
        Some(name.to_owned())
    });
    named.into_inner()
}
