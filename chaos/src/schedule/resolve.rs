//! What a target means at the moment when its fault fires.

use std::collections::{BTreeMap, BTreeSet};

use paxosctl_node::link::Mode;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{link_names, shapes};
use crate::plan::{
    DamageFault, Link, MachineFault, Member, Nodes, Partition, ServerMode, Shape, Verb,
};

/// What is known of the cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// s1 … sN, up or not.
    pub servers: Vec<String>,
    /// The clients in the chat, loads included.
    pub clients: Vec<String>,
    /// Those of the clients that are loads.
    pub loads: BTreeSet<String>,
    /// The live server with the highest ballot of those that lead.
    pub leader: Option<String>,
    pub down: BTreeSet<String>,
    pub paused: BTreeSet<String>,
    /// The server that each client last joined.
    pub server_of: BTreeMap<String, String>,
}

/// What a fault acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    Nodes(Vec<String>),
    /// From and to; never a node and itself, none twice.
    Links(Vec<(String, String)>),
    /// Servers and their modes, no server twice.
    Modes(Vec<(String, Mode)>),
}

impl Resolved {
    /// The nodes, or the links as `s1->s2`.
    pub fn names(&self) -> Vec<String> {
        match self {
            Resolved::Nodes(nodes) => nodes.clone(),
            Resolved::Links(links) => link_names(links),
            Resolved::Modes(modes) => modes.iter().map(|(server, _)| server.clone()).collect(),
        }
    }
}

/// Why a target means nothing at the moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unresolved(pub String);

/// Finds out what `verb` acts on. Within one firing the same words mean the same nodes, and what is
/// drawn at random is drawn from servers that are up before those that are not, and never from those
/// that the other side of a link or another group holds.
///
/// A load is a source of traffic, not a process to be restarted: `all` and `clients` leave loads out
/// of a kill, a stop or a restart.
///
/// # Errors
/// When a target means no node now, as `leader` while nobody leads.
pub fn resolve(verb: &Verb, view: &View, rng: &mut ChaCha8Rng) -> Result<Resolved, Unresolved> {
    let mut resolver = Resolver {
        view,
        rng,
        drawn: Vec::new(),
    };
    match verb {
        Verb::Kill(nodes) | Verb::Stop(nodes) | Verb::Restart(nodes) => {
            let mut found = resolver.nodes(nodes, &BTreeSet::new())?;
            found.retain(|node| !view.loads.contains(node));
            not_empty(found, nodes).map(Resolved::Nodes)
        }
        Verb::Pause(nodes) => {
            let found = resolver.nodes(nodes, &BTreeSet::new())?;
            not_empty(found, nodes).map(Resolved::Nodes)
        }
        Verb::Machine(MachineFault { servers, .. }) | Verb::Damage(DamageFault { servers, .. }) => {
            let found = resolver.nodes(servers, &BTreeSet::new())?;
            not_empty(found, servers).map(Resolved::Nodes)
        }
        Verb::Links(fault) => resolver.links(&fault.links),
        Verb::Partition(partition) => resolver.partition(partition),
        Verb::Mode(modes) => resolver.modes(modes),
    }
}

fn not_empty(found: Vec<String>, nodes: &Nodes) -> Result<Vec<String>, Unresolved> {
    if found.is_empty() {
        return Err(Unresolved(format!("`{nodes}` means no node now")));
    }
    Ok(found)
}

struct Resolver<'a> {
    view: &'a View,
    rng: &'a mut ChaCha8Rng,
    /// What was drawn so far in this firing.
    drawn: Vec<(Nodes, Vec<String>)>,
}

impl Resolver<'_> {
    /// The nodes that a target means, each once. `taken` is what a draw avoids.
    fn nodes(
        &mut self,
        nodes: &Nodes,
        taken: &BTreeSet<String>,
    ) -> Result<Vec<String>, Unresolved> {
        let view = self.view;
        Ok(match nodes {
            Nodes::Named(names) => names.clone(),
            Nodes::Leader => vec![self.leader()?],
            Nodes::Followers => {
                let leader = self.leader()?;
                let others = view.servers.iter().filter(|server| **server != leader);
                others.cloned().collect()
            }
            Nodes::Follower => {
                let mut taken = taken.clone();
                taken.insert(self.leader()?);
                self.draw(nodes, 1, &taken)
            }
            Nodes::Random(count) => self.draw(nodes, usize::from(*count), taken),
            Nodes::Rest => {
                let others = view.servers.iter();
                others
                    .filter(|name| !taken.contains(*name))
                    .cloned()
                    .collect()
            }
            Nodes::Servers => view.servers.clone(),
            Nodes::Clients => self.clients(),
            Nodes::Balancer => vec!["balancer".to_owned()],
            Nodes::ServerOf(client) => match view.server_of.get(client) {
                Some(server) => vec![server.clone()],
                None => return Err(Unresolved(format!("{client} has no server now"))),
            },
            Nodes::All => {
                let mut all = view.servers.clone();
                all.push("balancer".to_owned());
                all.extend(self.clients());
                all
            }
            Nodes::Several(several) => {
                let mut taken = taken.clone();
                let mut found: Vec<String> = Vec::new();
                // What is drawn avoids what is named, wherever that stands in the list.
                for drawn in [false, true] {
                    for nodes in several.iter().filter(|nodes| is_drawn(nodes) == drawn) {
                        for node in self.nodes(nodes, &taken)? {
                            if taken.insert(node.clone()) || !found.contains(&node) {
                                found.push(node);
                            }
                        }
                    }
                }
                found
            }
        })
    }

    fn leader(&self) -> Result<String, Unresolved> {
        let leader = self.view.leader.clone();
        leader.ok_or_else(|| Unresolved("no leader is known now".to_owned()))
    }

    fn clients(&self) -> Vec<String> {
        let clients = self.view.clients.iter();
        clients
            .filter(|client| !self.view.down.contains(*client))
            .cloned()
            .collect()
    }

    /// Draws servers. All are put into a random order, whatever state they are in, so that a draw
    /// changes as little as possible when a server is down.
    fn draw(&mut self, nodes: &Nodes, count: usize, taken: &BTreeSet<String>) -> Vec<String> {
        if let Some((_, found)) = self.drawn.iter().find(|(drawn, _)| drawn == nodes) {
            return found.clone();
        }
        let mut order = self.shuffled();
        order.retain(|server| !taken.contains(server));
        let view = self.view;
        order.sort_by_key(|server| view.down.contains(server) || view.paused.contains(server));
        order.truncate(count);
        order.sort_by_key(|server| view.servers.iter().position(|other| other == server));
        self.drawn.push((nodes.clone(), order.clone()));
        order
    }

    fn links(&mut self, links: &[Link]) -> Result<Resolved, Unresolved> {
        let mut found: Vec<(String, String)> = Vec::new();
        for link in links {
            // The side that is drawn avoids the other one.
            let (from, to) = if is_drawn(&link.from) && link.to != Nodes::Rest {
                let to = self.nodes(&link.to, &BTreeSet::new())?;
                let taken = to.iter().cloned().collect();
                (self.nodes(&link.from, &taken)?, to)
            } else {
                let from = self.nodes(&link.from, &BTreeSet::new())?;
                let taken = from.iter().cloned().collect();
                let to = self.nodes(&link.to, &taken)?;
                (from, to)
            };
            add_pairs(&from, &to, &mut found);
        }
        if found.is_empty() {
            return Err(Unresolved("both sides mean the same node now".to_owned()));
        }
        Ok(Resolved::Links(found))
    }

    /// Who is meant twice has the first of the modes; what is drawn avoids those named before.
    fn modes(&mut self, modes: &[ServerMode]) -> Result<Resolved, Unresolved> {
        let mut taken = BTreeSet::new();
        let mut found = Vec::new();
        for ServerMode { servers, mode } in modes {
            for server in self.nodes(servers, &taken)? {
                if taken.insert(server.clone()) {
                    found.push((server, mode.clone()));
                }
            }
        }
        Ok(Resolved::Modes(found))
    }

    fn partition(&mut self, partition: &Partition) -> Result<Resolved, Unresolved> {
        let mut found = Vec::new();
        match partition {
            Partition::Groups(groups) => {
                let groups = self.groups(&groups.iter().collect::<Vec<_>>())?;
                for (index, group) in groups.iter().enumerate() {
                    for other in &groups[index + 1..] {
                        add_pairs(group, other, &mut found);
                        add_pairs(other, group, &mut found);
                    }
                }
            }
            Partition::OneWay { from, to } => {
                let groups = self.groups(&[from, to])?;
                add_pairs(&groups[0], &groups[1], &mut found);
            }
            Partition::Shape(shape) => found = self.shape(shape)?,
        }
        if found.is_empty() {
            let reason = "only one group has a node in it now".to_owned();
            return Err(Unresolved(reason));
        }
        Ok(Resolved::Links(found))
    }

    fn shape(&mut self, shape: &Shape) -> Result<Vec<(String, String)>, Unresolved> {
        let mut order = self.shuffled();
        let count = order.len();
        if *shape != Shape::Halves
            && let Some(leader) = &self.view.leader
        {
            // Followers have little to say to each other: a cut that spares the leader's links
            // would disturb nobody.
            order.sort_by_key(|server| server != leader);
        }
        Ok(match shape {
            Shape::Halves => shapes::cut(&order, &shapes::halves(count)),
            Shape::MajoritiesRing => shapes::cut(&order, &shapes::majorities_ring(count)),
            Shape::Chain(named) => {
                if !named.is_empty() {
                    order.clone_from(named);
                }
                shapes::cut(&order, &shapes::chain())
            }
            Shape::Bridge(hub) => {
                if let Some(hub) = hub {
                    let hub = self.nodes(hub, &BTreeSet::new())?;
                    order.retain(|server| !hub.contains(server));
                    order.extend(hub);
                }
                shapes::cut(&order, &shapes::bridge(count))
            }
            Shape::Isolate(nodes) => {
                let alone = self.nodes(nodes, &BTreeSet::new())?;
                let everybody = self.nodes(&Nodes::All, &BTreeSet::new())?;
                let mut found = Vec::new();
                add_pairs(&alone, &everybody, &mut found);
                add_pairs(&everybody, &alone, &mut found);
                found
            }
        })
    }

    /// The servers in a random order.
    fn shuffled(&mut self) -> Vec<String> {
        let mut order = self.view.servers.clone();
        for last in (1..order.len()).rev() {
            let other = self.rng.random_range(0..=last);
            order.swap(last, other);
        }
        order
    }

    /// The nodes of each group. First what is known, group by group, so that a node that two groups
    /// mean is in the first; then what is drawn; last `rest`, the servers that are left.
    fn groups(&mut self, groups: &[&Vec<Member>]) -> Result<Vec<Vec<String>>, Unresolved> {
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut found = vec![Vec::new(); groups.len()];
        for drawn in [false, true] {
            for (group, members) in groups.iter().enumerate() {
                for member in *members {
                    let Member::Nodes(nodes) = member else {
                        continue;
                    };
                    if is_drawn(nodes) != drawn {
                        continue;
                    }
                    for node in self.nodes(nodes, &taken)? {
                        if taken.insert(node.clone()) {
                            found[group].push(node);
                        }
                    }
                }
            }
        }
        let rest = groups
            .iter()
            .position(|members| members.contains(&Member::Rest));
        if let Some(group) = rest {
            let servers = self.view.servers.iter();
            found[group].extend(servers.filter(|server| !taken.contains(*server)).cloned());
        }
        Ok(found)
    }
}

fn is_drawn(nodes: &Nodes) -> bool {
    match nodes {
        // The rest is known only when the other side is.
        Nodes::Random(_) | Nodes::Follower | Nodes::Rest => true,
        Nodes::Several(several) => several.iter().any(is_drawn),
        _ => false,
    }
}

fn add_pairs(from: &[String], to: &[String], found: &mut Vec<(String, String)>) {
    for sender in from {
        for receiver in to {
            let pair = (sender.clone(), receiver.clone());
            if sender != receiver && !found.contains(&pair) {
                found.push(pair);
            }
        }
    }
}
