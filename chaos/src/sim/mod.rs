//! A cluster in virtual time.
//!
//! The state machines that ship, over a simulated network, disk and clock; everything is drawn from
//! one seed, so the same plan and seed give the same history to the byte. `world` is time and what
//! happens next, `network` connections and messages, `disk` what a crash leaves; `server`, `client`
//! and `balancer` do what the shell does for each process, `actions` what a fault does to them.

mod actions;
mod balancer;
mod client;
mod disk;
mod dispatch;
mod judged;
mod network;
mod node;
mod panics;
mod plant;
mod queue;
mod server;
mod start;
mod tamper;
mod trace;
mod weather;
mod world;

use std::sync::Arc;
use std::time::Duration;

use paxosctl_node::client::Ask;
use paxosctl_node::ids::ServerId;
use paxosctl_node::log::Disk;
use rand::RngExt;

pub use judged::{Simulated, judged, run};
pub use plant::{NoSuchPlant, Plant};
pub use tamper::Tamper;

use crate::check::DiskLog;
use crate::history::micros;
use crate::plan::Plan;
use crate::target::{
    self, Action, Effect, Ending, Observation, Op, ReplicaLog, Target, TargetError, read_disk,
};
use crate::trace::TraceStep;
use node::Role;
use queue::Happening;
use world::World;

/// How a simulation differs from the usual one.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// Whether every message is noted, for [`SimTarget::into_trace`].
    pub trace: bool,
    /// A bug that all servers and clients have.
    pub plant: Option<Plant>,
}

/// A simulated cluster.
pub struct SimTarget {
    world: World,
}

impl SimTarget {
    /// Brings the plan's cluster up, in virtual time.
    ///
    /// # Errors
    /// It did not get ready.
    pub fn start(plan: &Plan, seed: u64, setting: &Setting) -> Result<SimTarget, TargetError> {
        let cluster = &plan.cluster;
        let mut world = World::new(setting, seed, cluster.servers, cluster.first_leader);
        world.bring_up(&cluster.clients)?;
        Ok(SimTarget { world })
    }

    /// The servers' logs as they lie on their disks.
    pub fn disks(&self) -> Vec<(ServerId, DiskLog)> {
        (1..=self.world.servers)
            .map(ServerId)
            .map(|server| {
                let disk = self.world.nodes[usize::from(server.0)].directory.log();
                (server, DiskLog::of(read_disk(Arc::new(disk))))
            })
            .collect()
    }

    /// Every file of the servers' directories: its path, such as `s1/log/00000001.log`, and what a
    /// process would read there.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for node in self.world.nodes.iter().filter(|node| node.is_server()) {
            let damaged = node.directory.damaged();
            let set_aside = (1..).zip(damaged);
            let logs = set_aside.map(|(number, disk)| (format!("log.damaged-{number}"), disk));
            for (name, disk) in logs.chain([("log".to_owned(), node.directory.log())]) {
                for file in disk.list().unwrap_or_default() {
                    let bytes = disk.memory.contents(&file);
                    files.push((format!("{}/{name}/{file}", node.name), bytes));
                }
            }
        }
        files
    }

    /// What happened, if it was to be noted.
    pub fn into_trace(self) -> Vec<TraceStep> {
        self.world
            .trace
            .map(trace::Trace::into_steps)
            .unwrap_or_default()
    }

    /// A client's user wants something.
    fn ask(&mut self, client: &str, ask: Ask) {
        let world = &mut self.world;
        let Some(node) = world.find(client) else {
            return;
        };
        let (of, ask) = (world.nodes[node].life(), Box::new(ask));
        let at = world.now_us + world.rng.random_range(20..200);
        world.queue.plan(at, Happening::Ask { of, ask });
    }

    fn leave(&mut self, client: &str) {
        if let Some(node) = self.world.find(client)
            && !self.world.nodes[node].is_down()
        {
            self.world.nodes[node].ending = Ending::InOrder;
            self.ask(client, Ask::Leave);
        }
    }

    fn join(&mut self, name: &str, role: Role) {
        let node = match self.world.find(name) {
            Some(node) => node,
            None => self.world.add(name, role.clone()),
        };
        if self.world.nodes[node].is_down() {
            self.world.nodes[node].role = role;
            self.world.start(node);
        }
    }

    fn read_logs(&mut self) {
        for server in (1..=self.world.servers).map(ServerId) {
            let node = &self.world.nodes[usize::from(server.0)];
            let life = node.life();
            let log = if node.is_down() {
                let disk = node.directory.log();
                ReplicaLog::of_dead_server(read_disk(Arc::new(disk)), "its disk")
            } else if node.paused {
                ReplicaLog::unreadable("it is paused".into())
            } else {
                let observed = self.world.observe(life);
                observed.unwrap_or_else(ReplicaLog::unreadable)
            };
            self.world.inbox.push(Observation::Log { server, log });
        }
    }
}

impl Target for SimTarget {
    fn world(&self) -> target::World {
        target::World::Simulation
    }

    fn options(&self) -> String {
        let plant = self.world.plant;
        plant.map_or_else(String::new, |plant| format!(" --plant {plant}"))
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.world.run_us())
    }

    fn apply(&mut self, action: &Action) -> Result<Effect, TargetError> {
        self.world.trace_action(action);
        self.world.carry_out_action(action)
    }

    fn submit(&mut self, op: Op) {
        match op {
            Op::Join { client } => self.join(&client, Role::Client),
            Op::Leave { client } | Op::EndLoad { name: client } => self.leave(&client),
            Op::Say { client, text } => self.ask(&client, Ask::Say(text)),
            Op::Read { client } => self.ask(&client, Ask::Read),
            Op::Load { name, load } => self.join(&name, Role::Load(load)),
            Op::ReadLogs => self.read_logs(),
        }
    }

    fn poll(&mut self, until: Duration) -> Vec<Observation> {
        let until_us = self.world.ready_us.unwrap_or(0) + micros(until);
        self.world.advance(until_us, |world| world.inbox.is_empty());
        std::mem::take(&mut self.world.inbox)
    }
}
