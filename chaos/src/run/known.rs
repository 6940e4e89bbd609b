//! What the run loop knows of the cluster, from what it observed.

use std::collections::{BTreeMap, BTreeSet};

use paxosctl_node::event::Event;
use paxosctl_node::ids::{Ballot, ClientId};

use crate::plan::Plan;
use crate::schedule::{View, servers};
use crate::target::{Change, Op};

/// The state of the cluster as far as it was observed.
#[derive(Debug, Default)]
pub(super) struct Known {
    servers: Vec<String>,
    /// In the chat, loads included, in the order of joining.
    clients: Vec<String>,
    loads: BTreeMap<String, LoadState>,
    pub down: BTreeSet<String>,
    pub paused: BTreeSet<String>,
    /// The ballot in which each server leads, by its own account.
    leading: BTreeMap<String, Ballot>,
    server_of: BTreeMap<String, String>,
    /// The last slot known to be chosen at each server that runs.
    chosen: BTreeMap<String, u64>,
    /// The last slot that any server ever reported as chosen. Servers that come back all at once know
    /// of less, until a leader has found out what was chosen.
    highest: u64,
    /// What each client was handed and has not yet reported to have said or asked.
    handed: BTreeMap<String, u64>,
    /// What is open, by node and session.
    open: BTreeMap<String, BTreeMap<ClientId, Session>>,
    said: u64,
    acked: u64,
    open_count: u64,
    /// The last place in the chat that was acknowledged to anybody.
    last_index: u64,
    /// The last place in the chat that each client has shown.
    delivered: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoadState {
    Running,
    /// It says nothing more, and may still wait for answers.
    Done,
    /// Its process ends.
    Left,
}

#[derive(Debug, Default)]
struct Session {
    says: BTreeSet<u64>,
    reads: BTreeSet<u64>,
}

impl Known {
    pub fn new(plan: &Plan) -> Known {
        Known {
            servers: servers(plan),
            clients: plan.cluster.clients.clone(),
            ..Known::default()
        }
    }

    /// For the resolution of targets.
    pub fn view(&self) -> View {
        View {
            servers: self.servers.clone(),
            clients: self.clients.clone(),
            loads: self.loads.keys().cloned().collect(),
            // One that sleeps leads nobody; who replaces it will be known.
            leader: self.leader().filter(|leader| !self.paused.contains(leader)),
            down: self.down.clone(),
            paused: self.paused.clone(),
            server_of: self.server_of.clone(),
        }
    }

    /// Of the servers that lead by their own account and are not down, the one with the highest
    /// ballot: an older leader may not know yet that it was replaced.
    pub fn leader(&self) -> Option<String> {
        self.leading
            .iter()
            .filter(|(server, _)| !self.down.contains(*server))
            .max_by_key(|(_, ballot)| **ballot)
            .map(|(server, _)| server.clone())
    }

    /// An operation was handed to a client.
    pub fn submitted(&mut self, op: &Op) {
        match op {
            Op::Join { client } => self.joined(client),
            Op::Leave { client } => {
                self.clients.retain(|other| other != client);
                self.server_of.remove(client);
            }
            Op::Load { name, .. } => {
                self.joined(name);
                self.loads.insert(name.clone(), LoadState::Running);
            }
            // What a dead client is handed is never said.
            Op::Say { client, .. } | Op::Read { client } if !self.down.contains(client) => {
                *self.handed.entry(client.clone()).or_default() += 1;
            }
            Op::Say { .. } | Op::Read { .. } | Op::EndLoad { .. } | Op::ReadLogs => {}
        }
    }

    fn joined(&mut self, client: &str) {
        if !self.clients.iter().any(|other| other == client) {
            self.clients.push(client.to_owned());
        }
        self.down.remove(client);
    }

    /// An action had an effect.
    pub fn changed(&mut self, change: &Change) {
        match change {
            Change::Exited { node, .. } => self.ended(node),
            Change::Started { node, .. } => {
                self.down.remove(node);
                self.paused.remove(node);
            }
            Change::Paused { node } => {
                self.paused.insert(node.clone());
            }
            Change::Resumed { node } => {
                self.paused.remove(node);
            }
            Change::Links { .. }
            | Change::LinksLater { .. }
            | Change::Machine { .. }
            | Change::MachineLater { .. }
            | Change::Flipped { .. }
            | Change::Wiped { .. }
            | Change::Nothing { .. } => {}
        }
    }

    /// A process ended: nothing that it left open will be answered to it.
    pub fn ended(&mut self, node: &str) {
        self.down.insert(node.to_owned());
        self.paused.remove(node);
        self.handed.remove(node);
        self.chosen.remove(node);
        self.forget(node);
    }

    /// Drops what a process reported that is no more.
    fn forget(&mut self, node: &str) {
        self.leading.remove(node);
        self.server_of.remove(node);
        self.delivered.remove(node);
        let sessions = self.open.remove(node).unwrap_or_default();
        let dropped: usize = sessions.values().map(|session| session.says.len()).sum();
        self.open_count -= dropped as u64;
    }

    /// A node reported something.
    pub fn observe(&mut self, node: &str, event: &Event) {
        match event {
            // Whatever an earlier process of this node reported last is over.
            Event::Started { .. } => self.forget(node),
            Event::Leading { ballot, .. } => {
                self.leading.insert(node.to_owned(), *ballot);
            }
            Event::SteppedDown { .. } => {
                self.leading.remove(node);
            }
            Event::Recovered { chosen, .. } => {
                self.chosen.insert(node.to_owned(), chosen.0);
            }
            Event::Chosen { upto } => {
                let chosen = entry(&mut self.chosen, node);
                *chosen = upto.0.max(*chosen);
                self.highest = self.highest.max(*chosen);
            }
            Event::Joined { server, .. } => {
                self.server_of.insert(node.to_owned(), server.to_string());
            }
            Event::Say { client, seq, .. } => {
                self.said += 1;
                self.handed_over(node);
                if !self.down.contains(node) && self.session(node, *client).says.insert(*seq) {
                    self.open_count += 1;
                }
            }
            Event::Acked {
                client, seq, index, ..
            } => {
                self.acked += 1;
                self.last_index = self.last_index.max(*index);
                if self.session(node, *client).says.remove(seq) {
                    self.open_count -= 1;
                }
            }
            Event::ReadAsked { client, id } => {
                self.handed_over(node);
                if !self.down.contains(node) {
                    self.session(node, *client).reads.insert(*id);
                }
            }
            Event::ReadDone { client, id, .. } => {
                self.session(node, *client).reads.remove(id);
            }
            Event::Delivered { index, .. } => {
                let delivered = entry(&mut self.delivered, node);
                *delivered = (*index).max(*delivered);
            }
            Event::LoadDone { .. } => {
                self.loads.insert(node.to_owned(), LoadState::Done);
            }
            Event::Stopping { .. } if self.loads.contains_key(node) => {
                self.loads.insert(node.to_owned(), LoadState::Left);
                self.handed.remove(node);
                self.forget(node);
            }
            _ => {}
        }
    }

    fn session(&mut self, node: &str, client: ClientId) -> &mut Session {
        entry(&mut self.open, node).entry(client).or_default()
    }

    fn handed_over(&mut self, node: &str) {
        if let Some(handed) = self.handed.get_mut(node) {
            *handed = handed.saturating_sub(1);
        }
    }

    /// Whether something was said or asked, or is still to be said, that has no answer yet.
    pub fn is_open(&self) -> bool {
        let is_reading = || {
            let sessions = self.open.values().flat_map(BTreeMap::values);
            sessions
                .into_iter()
                .any(|session| !session.reads.is_empty())
        };
        self.open_count > 0
            || self.handed.values().any(|handed| *handed > 0)
            || !self.running_loads().is_empty()
            || is_reading()
    }

    /// The loads that were started and are not done.
    pub fn running_loads(&self) -> Vec<String> {
        self.loads
            .iter()
            .filter(|(name, state)| **state == LoadState::Running && !self.down.contains(*name))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The loads that run, or wait for answers.
    pub fn open_loads(&self) -> Vec<String> {
        let waits = |name: &String| {
            let mut sessions = self.open.get(name).into_iter().flat_map(BTreeMap::values);
            sessions.any(|session| !session.says.is_empty() || !session.reads.is_empty())
        };
        self.loads
            .iter()
            .filter(|(name, _)| !self.down.contains(*name))
            .filter(|(name, state)| **state == LoadState::Running || waits(name))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The slot up to which every server that is up knows all to be chosen, when that is the same
    /// for all of them and nothing that was ever chosen is missing.
    pub fn level(&self) -> Option<u64> {
        let mut up = self
            .servers
            .iter()
            .filter(|server| !self.down.contains(*server))
            .map(|server| self.chosen.get(server).copied().unwrap_or_default());
        let first = up.next()?;
        (first >= self.highest && up.all(|chosen| chosen == first)).then_some(first)
    }

    /// Whether every client that listens has shown all that was acknowledged.
    pub fn all_delivered(&self) -> bool {
        self.clients
            .iter()
            .filter(|client| !self.down.contains(*client) && !self.loads.contains_key(*client))
            .all(|client| {
                self.delivered.get(client).copied().unwrap_or_default() >= self.last_index
            })
    }

    /// Said, acknowledged, and still open.
    pub fn counts(&self) -> (u64, u64, u64) {
        (self.said, self.acked, self.open_count)
    }
}

/// What is known of a node, which nearly always something is.
fn entry<'a, T: Default>(map: &'a mut BTreeMap<String, T>, node: &str) -> &'a mut T {
    if !map.contains_key(node) {
        map.insert(node.to_owned(), T::default());
    }
    map.get_mut(node).expect("it was put there")
}
