//! Bringing a simulated cluster up, and starting its processes.

use std::collections::BTreeMap;

use paxosctl_node::client::Load as Generated;
use paxosctl_node::event::Event;
use paxosctl_node::link::NodeLinks;
use rand::RngExt;

use super::balancer::BalancerProcess;
use super::client::ClientProcess;
use super::disk::Power;
use super::node::{Kind, Node, Process, Role, Seen, State};
use super::queue::{Happening, Life, NodeIndex};
use super::tamper::Tamper;
use super::world::World;
use crate::plan::Load;
use crate::target::{Ending, TargetError};

/// How long the balancer and the servers may take until they serve, and then each client to join.
const READY_WITHIN_US: u64 = 30_000_000;

impl World {
    /// Starts the balancer, the servers and then the clients, each when the one before it has joined.
    pub fn bring_up(&mut self, clients: &[String]) -> Result<(), TargetError> {
        for node in 0..self.nodes.len() {
            self.start(node);
        }
        self.await_all(|world| {
            if let Some(node) = world.nodes.iter().find(|node| !node.seen.ready) {
                return Some(format!("{} does not listen yet", node.name));
            }
            if !world.led {
                return Some("no server leads yet".into());
            }
            (!world.opened).then(|| "the balancer does not admit clients yet".into())
        })?;
        for client in clients {
            let node = self.add(client, Role::Client);
            self.start(node);
            self.await_all(|world| {
                let joined = world.nodes[node].seen.joined;
                (!joined).then(|| format!("{client} has not joined the chat yet"))
            })?;
        }
        self.ready_us = Some(self.now_us);
        Ok(())
    }

    fn await_all(&mut self, missing: impl Fn(&World) -> Option<String>) -> Result<(), TargetError> {
        let deadline = self.now_us + READY_WITHIN_US;
        self.advance(deadline, |world| {
            missing(world).is_some() && !world.nodes.iter().any(Node::is_down)
        });
        if let Some(node) = self.nodes.iter().find(|node| node.is_down()) {
            return Err(TargetError(format!(
                "{} ended before it was ready ({}): {}",
                node.name,
                node.status().unwrap_or_default(),
                node.last_words().join("; ")
            )));
        }
        match missing(self) {
            None => Ok(()),
            Some(missing) => Err(TargetError(format!(
                "after {} s {missing}",
                READY_WITHIN_US / 1_000_000
            ))),
        }
    }

    pub fn add(&mut self, name: &str, role: Role) -> NodeIndex {
        let index = self.nodes.len();
        self.nodes.push(Node::new(index, name.to_owned(), role));
        index
    }

    /// Makes a process for the node, which begins to run a little later.
    pub fn start(&mut self, node: NodeIndex) {
        let at = self.now_us + self.rng.random_range(800..6000);
        self.machines.begun(&self.nodes[node].name);
        let started = &mut self.nodes[node];
        started.lives += 1;
        started.state = State::Starting;
        started.ending = Ending::Unasked;
        started.seen = Seen::default();
        let life = started.life();
        self.queue.plan(at, Happening::Begin(life));
    }

    pub(super) fn begin(&mut self, life: Life) {
        let node = &self.nodes[life.node];
        if node.lives != life.number || !matches!(node.state, State::Starting) {
            return;
        }
        let (name, role) = (node.name.clone(), node.role.clone());
        self.pids += 1;
        let pid = self.pids;
        let mut links = NodeLinks::with_seed(&name, self.rng.random(), Vec::new());
        links.load(self.links.clone());
        let generation = links.generation();
        self.report(
            life.node,
            Event::Started {
                pid,
                links: generation,
            },
        );
        if self.tamper() == Some(Tamper::DiskSetBack) {
            self.set_back(life.node);
        }
        let kind = match &role {
            Role::Balancer => Kind::Balancer(Box::new(BalancerProcess::new(self.servers))),
            Role::Server(server) => match self.open_server(life, *server) {
                Some(process) => Kind::Server(process),
                None => return,
            },
            Role::Client => {
                let seed = self.rng.random();
                Kind::Client(Box::new(ClientProcess::new(&name, None, seed)))
            }
            Role::Load(load) => {
                let seed = self.rng.random();
                let load = Some(generated(load));
                Kind::Client(Box::new(ClientProcess::new(&name, load, seed)))
            }
        };
        self.nodes[life.node].state = State::Running(Box::new(Process {
            pid,
            started_us: self.now_us,
            links,
            lines: BTreeMap::new(),
            kind,
            wake_us: None,
            acts_us: None,
            fuse: None,
        }));
        match role {
            Role::Balancer => self.begin_balancer(life),
            Role::Server(server) => self.begin_server(life, server),
            Role::Client | Role::Load(_) => self.act_soon(life),
        }
    }

    /// The server's disk is what it was when its last process began.
    fn set_back(&mut self, node: NodeIndex) {
        let node = &mut self.nodes[node];
        if let Some(older) = node.older.take() {
            node.directory.set_back(older);
        }
        node.older = Some(node.directory.log().copy());
    }

    /// Ends a process that has not begun: what it did to its disk by then may be half done.
    pub(super) fn die_starting(&mut self, life: Life) {
        let node = &self.nodes[life.node];
        if matches!(node.role, Role::Server(_)) && self.rng.random_bool(0.5) {
            let dies_at = self.rng.random_range(1..=3);
            let log = self.nodes[life.node].directory.log();
            log.memory.die_at(dies_at);
            self.begin(life);
        }
        self.die(life, "signal 9", Power::Fails);
    }
}

fn generated(load: &Load) -> Generated {
    Generated {
        sessions: load.clients,
        rate: load.rate,
        arrivals: load.arrivals,
        burst: load.burst,
        mix: load.mix,
        bytes: load.bytes,
        lasts: load.lasts,
        seed: load.seed,
    }
}
