//! A server's process over its disk: what the shell does for the server's state machines.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use paxosctl_node::event::Event;
use paxosctl_node::ids::{ConnId, ServerId, Slot};
use paxosctl_node::log::{
    Checkpoint, Identity, Located, LogError, LogLimits, LogWriter, Record, open_or_set_aside,
};
use paxosctl_node::machine::{LocalMachine, Strike, Troubles};
use paxosctl_node::server::{Output, Registration, Server, Start};
use paxosctl_node::value::Value;
use paxosctl_node::wire::{BalancerAnswer, ClientMessage, PeerMessage, ServerMessage};
use rand::RngExt;

use super::balancer::{conn_id, conn_of};
use super::disk::{Happened, Opened, Power, SimDisk};
use super::network::{Line, Packet};
use super::node::Kind;
use super::queue::{Happening, Life};
use super::tamper::Tamper;
use super::world::World;
use crate::history::micros;
use crate::target::ReplicaLog;

/// Whoever reads a server's log without being part of the simulation.
const OBSERVER: ConnId = ConnId(u64::MAX);

/// What a node's process ends with when it cannot go on.
const FAILED: &str = "exit 3";

/// Small segments, so that runs begin many, and little of them is blank.
const LIMITS: LogLimits = LogLimits {
    segment_bytes: 64 << 10,
    first_segment_bytes: 4 << 10,
    group_bytes: 128 << 20,
    memory_bytes: 16 << 20,
    checkpoint_bytes: u64::MAX,
};

pub(super) struct ServerProcess {
    server: Server,
    machine: LocalMachine,
    /// The true clock of this machine runs wrong by so many millionths.
    drift: i64,
    pub incarnation: u64,
    registration: Registration,
    writer: LogWriter,
    disk: SimDisk,
    happened: Arc<Happened>,
    /// Writes that wait for the disk.
    writes: VecDeque<(u64, Vec<Record>, Option<Checkpoint>)>,
    /// The write that is under way, and what will have come of it.
    writing: Option<(u64, Result<Vec<Located>, LogError>)>,
    /// The connections of clients, as far as they are open.
    clients: BTreeSet<usize>,
    draining: bool,
    /// What an observer was answered.
    observed: Vec<Value>,
}

impl ServerProcess {
    /// What this machine takes for the time since its start.
    fn truth(&self, lives_us: u64) -> Duration {
        let wrong = i128::from(lives_us) * i128::from(self.drift) / 1_000_000;
        Duration::from_micros(u64::try_from(i128::from(lives_us) + wrong).unwrap_or(lives_us))
    }

    fn now(&self, lives_us: u64) -> Duration {
        self.machine.now(self.truth(lives_us))
    }

    /// How long the server waits for its next tick, at most.
    fn wait_us(&self, lives_us: u64) -> u64 {
        let wait = self
            .machine
            .true_wait(self.truth(lives_us), self.server.next_tick());
        // A slow clock needs longer to get there.
        let wait_us = micros(wait);
        wait_us.saturating_add(wait_us.saturating_mul(self.drift.unsigned_abs()) / 1_000_000)
    }
}

impl World {
    pub(super) fn server(&mut self, of: Life) -> Option<(&mut ServerProcess, u64)> {
        let now_us = self.now_us;
        let process = self.running(of)?;
        let lives_us = now_us - process.started_us;
        match &mut process.kind {
            Kind::Server(server) => Some((server, lives_us)),
            Kind::Balancer(_) | Kind::Client(_) => None,
        }
    }

    /// Of the disk of a server that dials.
    pub(super) fn incarnation_of(&mut self, of: Life) -> u64 {
        self.server(of).map_or(0, |(server, _)| server.incarnation)
    }

    /// Opens the log and makes the server. None if it cannot, which ends the process.
    pub(super) fn open_server(&mut self, of: Life, id: ServerId) -> Option<Box<ServerProcess>> {
        let disk = self.nodes[of.node].directory.log();
        let happened = Arc::new(Happened::new(disk));
        let troubles = Arc::new(Troubles::new(self.rng.random(), happened.clone()));
        let mut machine = LocalMachine::new(troubles.clone());
        let name = self.nodes[of.node].name.clone();
        if let Some(table) = self.machines.table(&name) {
            let events = machine.set(Duration::ZERO, table);
            self.report_all(of.node, events);
        }
        let identity = Identity {
            cluster: self.cluster,
            server: id,
            servers: self.servers,
        };
        let tamper = self.tamper();
        let mut drawn: [u64; 2] = self.rng.random();
        let node = &mut self.nodes[of.node];
        let first = *node.first_incarnation.get_or_insert(drawn[0]);
        if tamper == Some(Tamper::EmptyDiskVotes) {
            drawn = [first; 2];
        }
        let mut incarnations = drawn.into_iter().cycle();
        let mut set_aside = None;
        let opened = open_or_set_aside(
            &Opened {
                directory: &self.nodes[of.node].directory,
                troubles,
            },
            identity,
            LIMITS,
            self.servers > 1,
            &mut || incarnations.next().unwrap_or_default(),
            &mut |log| set_aside = Some(log),
        );
        if let Some(log) = set_aside {
            self.say(of.node, log.to_string());
            self.report(of.node, log.event());
        }
        let (_, strikes) = happened.take();
        let killed = self.report_strikes(of, strikes);
        let opened = match opened {
            _ if killed => return None,
            Ok(opened) => opened,
            Err(error) => {
                self.fail(of, error.to_string());
                return None;
            }
        };
        let mut recovered = opened.recovered;
        if let Some(tamper) = tamper {
            tamper.recovered(&mut recovered);
        }
        self.report(of.node, recovered.evidence());
        let incarnation = recovered.incarnation;
        let drift = i64::from(self.weather.drift);
        let drift = self.rng.random_range(-drift..=drift);
        let start = Start {
            me: id,
            servers: self.servers,
            address: name,
            first_leader: self.first_leader,
            seed: self.rng.random(),
            first_read: self.rng.random::<u64>() >> 1,
            recovered,
            history: opened.history,
        };
        match Server::new(start, machine.now(Duration::ZERO)) {
            Ok(server) => Some(Box::new(ServerProcess {
                server,
                machine,
                drift,
                incarnation,
                registration: Registration::default(),
                writer: opened.writer,
                disk: self.nodes[of.node].directory.log(),
                happened,
                writes: VecDeque::new(),
                writing: None,
                clients: BTreeSet::new(),
                draining: false,
                observed: Vec::new(),
            })),
            Err(error) => {
                self.fail(of, error.to_string());
                None
            }
        }
    }

    pub(super) fn begin_server(&mut self, of: Life, id: ServerId) {
        self.dial(of, Line::Balancer);
        for peer in (1..=self.servers).map(ServerId) {
            if peer != id {
                self.dial(of, Line::Server(peer));
            }
        }
        let address = id.to_string();
        self.report(of.node, Event::Ready { address });
        self.act_soon(of);
    }

    /// The process cannot go on, and says why.
    fn fail(&mut self, of: Life, why: String) {
        self.say(of.node, why);
        self.die(of, FAILED, Power::Stays);
    }

    /// Reports what the machine's troubles did. True if that killed the process.
    fn report_strikes(&mut self, of: Life, strikes: Vec<Strike>) -> bool {
        let kills = strikes.iter().any(|strike| strike.kills);
        for strike in strikes {
            self.report(of.node, strike.event());
        }
        if kills {
            self.die(of, "signal 9", Power::Stays);
        }
        kills
    }

    pub(super) fn reload_machine(&mut self, of: Life) {
        let name = self.nodes[of.node].name.clone();
        let Some(table) = self.machines.table(&name).cloned() else {
            return;
        };
        if let Some((server, lives_us)) = self.server(of) {
            let truth = server.truth(lives_us);
            let events = server.machine.set(truth, &table);
            self.report_all(of.node, events);
            // Its clock may show another time now.
            self.act_soon(of);
        }
    }

    pub(super) fn drain_server(&mut self, of: Life) {
        if let Some((process, lives_us)) = self.server(of) {
            process.draining = true;
            process.server.drain(process.now(lives_us));
            self.act_soon(of);
        }
    }

    pub(super) fn server_hears_peer(
        &mut self,
        of: Life,
        from: ServerId,
        incarnation: u64,
        mut message: PeerMessage,
    ) {
        if let Some(tamper) = self.tamper() {
            tamper.heard(&mut message);
        }
        if let Some((process, lives_us)) = self.server(of) {
            let now = process.now(lives_us);
            process.server.peer(now, from, incarnation, message);
            self.act_soon(of);
        }
    }

    pub(super) fn server_hears_client(&mut self, of: Life, conn: usize, message: ClientMessage) {
        if let Some((process, lives_us)) = self.server(of) {
            // It was delayed, and came after the end of its connection.
            if !process.clients.contains(&conn) {
                return;
            }
            let now = process.now(lives_us);
            match process.server.client(now, conn_id(conn), message) {
                Ok(()) => self.act_soon(of),
                Err(error) => self.fail(of, error.to_string()),
            }
        }
    }

    pub(super) fn server_hears_balancer(&mut self, of: Life, answer: &BalancerAnswer) {
        if let Some((process, lives_us)) = self.server(of) {
            match process.registration.note(process.truth(lives_us), answer) {
                Ok(events) => {
                    process.server.balancer(answer);
                    self.report_all(of.node, events);
                    self.act_soon(of);
                }
                Err(why) => self.fail(of, format!("refused by the balancer: {why}")),
            }
        }
    }

    /// A client's connection was accepted.
    pub(super) fn server_accepts(&mut self, of: Life, conn: usize) {
        if let Some((process, _)) = self.server(of) {
            process.clients.insert(conn);
        }
    }

    pub(super) fn server_loses(&mut self, of: Life, conn: usize) {
        if let Some((process, _)) = self.server(of)
            && process.clients.remove(&conn)
        {
            process.server.closed(conn_id(conn));
            self.act_soon(of);
        }
    }

    /// The connection on which a peer sends is closed.
    pub(super) fn server_is_left(&mut self, of: Life, peer: ServerId) {
        if let Some((process, lives_us)) = self.server(of) {
            let now = process.now(lives_us);
            process.server.disconnected(now, peer);
            self.act_soon(of);
        }
    }

    pub(super) fn server_line_stands(&mut self, of: Life, line: Line) {
        if let Some((process, lives_us)) = self.server(of) {
            match line {
                Line::Server(peer) => process.server.connected(process.now(lives_us), peer),
                Line::Balancer => process.server.balancer_connected(process.now(lives_us)),
            }
            self.act_soon(of);
        }
    }

    /// Its timer is due, or was moved meanwhile.
    pub(super) fn wake_server(&mut self, of: Life) {
        let Some((process, lives_us)) = self.server(of) else {
            return;
        };
        if process.now(lives_us) >= process.server.next_tick() {
            self.act_server(of);
        } else {
            let wait_us = process.wait_us(lives_us);
            self.wake_at(of, self.now_us.saturating_add(wait_us));
        }
    }

    pub(super) fn act_server(&mut self, of: Life) {
        let Some((process, lives_us)) = self.server(of) else {
            return;
        };
        let now = process.now(lives_us);
        if now >= process.server.next_tick() {
            process.server.tick(now);
        }
        let output = match process.server.take_output(now) {
            Ok(output) => output,
            Err(error) => return self.fail(of, error.to_string()),
        };
        if !self.carry_out(of, output) {
            return;
        }
        let Some((process, lives_us)) = self.server(of) else {
            return;
        };
        if process.draining && process.server.drained(process.now(lives_us)) {
            let events = process.machine.report_so_far();
            self.report_all(of.node, events);
            return self.end_in_order(of);
        }
        let wait_us = process.wait_us(lives_us);
        self.wake_at(of, self.now_us.saturating_add(wait_us));
    }

    /// Evidence first, then the disk, then the network. False if the process is gone.
    fn carry_out(&mut self, of: Life, output: Output) -> bool {
        if !output.events.is_empty() {
            if !self.may_act(of) {
                return false;
            }
            self.report_all(of.node, output.events);
        }
        if !output.persist.is_empty() || output.checkpoint.is_some() {
            if !self.may_act(of) {
                return false;
            }
            let Some((process, _)) = self.server(of) else {
                return false;
            };
            let write = (output.write, output.persist, output.checkpoint);
            process.writes.push_back(write);
            if process.writing.is_none() && !self.begin_write(of) {
                return false;
            }
        }
        for (to, message) in output.to_peers {
            if !self.may_act(of) {
                return false;
            }
            let forged = self.tamper().and_then(|tamper| tamper.forged(&message));
            self.send_over(of, Line::Server(to), Packet::Peer(message));
            if let Some(forged) = forged {
                let incarnation = self.incarnation_of(self.nodes[usize::from(to.0)].life());
                self.server_hears_peer(of, to, incarnation, forged);
            }
        }
        for (id, message) in output.to_clients {
            if id == OBSERVER {
                self.note_observed(of, message);
                continue;
            }
            if !self.may_act(of) {
                return false;
            }
            if let Some(conn) = conn_of(id) {
                self.send(conn, 1, Packet::ToClient(message));
            }
        }
        for message in output.to_balancer {
            if !self.may_act(of) {
                return false;
            }
            self.send_over(of, Line::Balancer, Packet::ToBalancer(message));
        }
        true
    }

    /// Begins to write all that waits. What the disk does is known at once; that it is durable only
    /// when [`World::written`] comes. False if the process is gone.
    fn begin_write(&mut self, of: Life) -> bool {
        let Some((process, _)) = self.server(of) else {
            return false;
        };
        let Some((mut number, mut records, mut checkpoint)) = process.writes.pop_front() else {
            return true;
        };
        while checkpoint.is_none()
            && let Some(next) = process.writes.pop_front()
        {
            number = next.0;
            records.extend(next.1);
            checkpoint = next.2;
        }
        process.disk.put_off();
        let written = process.writer.commit(&records).and_then(|mut located| {
            if let Some(checkpoint) = checkpoint {
                located.extend(process.writer.checkpoint(checkpoint)?);
            }
            Ok(located)
        });
        let syncs = process.disk.syncs();
        process.writing = Some((number, written));
        let (held_up, strikes) = process.happened.take();
        if self.report_strikes(of, strikes) {
            return false;
        }
        let mut at = self.now_us + micros(held_up);
        for _ in 0..syncs.max(1) {
            at += self.weather.sync.draw(&mut self.rng);
        }
        self.queue.plan(at, Happening::Written(of));
        true
    }

    /// A write is durable, or has failed.
    pub(super) fn written(&mut self, of: Life) {
        if !self.may_act(of) {
            return;
        }
        let lies = self.tamper() == Some(Tamper::LyingDisk) && self.rng.random_bool(0.9);
        let Some((process, lives_us)) = self.server(of) else {
            return;
        };
        match lies {
            true => process.disk.pretend(),
            false => process.disk.settle(),
        }
        match process.writing.take() {
            Some((number, Ok(located))) => {
                let now = process.now(lives_us);
                process.server.persisted(now, number, &located);
                if process.writer.checkpoint_is_due() {
                    process.server.want_checkpoint();
                }
                while let Some(work) = process.writer.upkeep() {
                    // As in the shell, the log goes on without what fails here.
                    let _ = work.run();
                }
                self.act_soon(of);
                self.begin_write(of);
            }
            Some((_, Err(error))) => self.fail(of, error.to_string()),
            None => {}
        }
    }

    fn note_observed(&mut self, of: Life, message: ServerMessage) {
        if let ServerMessage::Slots { values, .. } = message
            && let Some((process, _)) = self.server(of)
        {
            process.observed.extend(values);
        }
    }

    /// Reads the whole log that a running server serves.
    pub(super) fn observe(&mut self, of: Life) -> Result<ReplicaLog, String> {
        let mut values: Vec<Value> = Vec::new();
        loop {
            let (process, lives_us) = self.server(of).ok_or("it ended meanwhile")?;
            let now = process.now(lives_us);
            let from = Slot(values.len() as u64 + 1);
            process
                .server
                .client(now, OBSERVER, ClientMessage::Slots { from })
                .and_then(|()| process.server.take_output(now))
                .map_err(|error| error.to_string())
                .map(|output| self.carry_out(of, output))?;
            let (process, _) = self.server(of).ok_or("it ended meanwhile")?;
            let more = std::mem::take(&mut process.observed);
            if more.is_empty() {
                return Ok(ReplicaLog {
                    chosen: Slot(values.len() as u64),
                    source: crate::target::LogSource::Served,
                    values,
                });
            }
            values.extend(more);
        }
    }
}
