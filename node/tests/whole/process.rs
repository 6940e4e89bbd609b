//! One run of a server over its disk: what the shell does for it, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use paxosctl_node::event::Event;
use paxosctl_node::ids::{ConnId, ServerId, Slot};
use paxosctl_node::log::{Checkpoint, Identity, Log, LogLimits, LogWriter, Record, Unread};
use paxosctl_node::machine::{Clock, MachineRule, Trouble};
use paxosctl_node::server::{Output, Server, Start};
use paxosctl_node::wire::{ClientMessage, PeerMessage, ServerMessage};
use rand::RngExt;

use super::network::Packet;
use super::{Node, Wipes, World};

/// No user has it.
const OBSERVER: ConnId = ConnId(u64::MAX);

/// So small that a server begins many segments.
const LIMITS: LogLimits = LogLimits {
    segment_bytes: 16 << 10,
    first_segment_bytes: 2 << 10,
    group_bytes: 1 << 20,
    memory_bytes: 16 << 20,
    checkpoint_bytes: u64::MAX,
};

pub(super) struct Process {
    pub server: Server,
    pub life: u64,
    pub incarnation: u64,
    pub paused: bool,
    pub backlog: Vec<Packet>,
    /// The users' connections.
    pub conns: BTreeMap<ConnId, usize>,
    last_conn: u64,
    started_at: Duration,
    clock: Clock,
    writer: LogWriter,
    /// Writes that wait for the disk.
    writes: VecDeque<(u64, Vec<Record>, Option<Checkpoint>)>,
    /// What opening did not read is read at the next sync.
    unread: Option<Unread>,
    /// When the write that is under way is durable.
    synced_at: Option<Duration>,
    /// When the effects of what it took are carried out.
    acts_at: Option<Duration>,
    /// The slots that it said are chosen.
    chosen: Slot,
}

impl Process {
    /// What its own clock shows.
    pub fn local(&self, now: Duration) -> Duration {
        self.clock.at(now - self.started_at)
    }

    /// The clock is off by so much from now on, and runs at so many thousandths of the true speed.
    pub fn set_clock(&mut self, now: Duration, jump_us: i64, rate_permille: u32) {
        let rule = MachineRule {
            id: "clock".into(),
            node: "this".into(),
            what: Trouble::Clock {
                jump_us,
                rate_permille,
            },
        };
        self.clock.set(now - self.started_at, &[rule]);
        self.acts_at = Some(now);
    }

    pub fn set_clock_right(&mut self, now: Duration) {
        self.clock.set(now - self.started_at, &[]);
        self.acts_at = Some(now);
    }

    pub fn chosen(&self) -> Slot {
        self.chosen
    }

    pub fn accept(&mut self, user: usize) -> ConnId {
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        self.conns.insert(conn, user);
        conn
    }

    pub fn next_event(&self, now: Duration) -> Option<Duration> {
        if self.paused {
            return None;
        }
        let wait = self.server.next_tick().saturating_sub(self.local(now));
        let tick = self.clock.true_wait(wait).checked_add(now);
        [tick, self.synced_at, self.acts_at]
            .into_iter()
            .flatten()
            .min()
    }

    fn write(&mut self, now: Duration, output: &mut Output, takes: Duration) {
        let records = std::mem::take(&mut output.persist);
        let checkpoint = output.checkpoint.take();
        self.writes.push_back((output.write, records, checkpoint));
        self.synced_at.get_or_insert(now + takes);
    }

    /// What waits, up to a checkpoint.
    fn take_writes(&mut self) -> Option<(u64, Vec<Record>, Option<Checkpoint>)> {
        let (mut number, mut records, mut checkpoint) = self.writes.pop_front()?;
        while checkpoint.is_none()
            && let Some(next) = self.writes.pop_front()
        {
            number = next.0;
            records.extend(next.1);
            checkpoint = next.2;
        }
        Some((number, records, checkpoint))
    }
}

impl World {
    pub(super) fn start_process(&mut self, id: ServerId) {
        let (now, seed, servers) = (self.now, self.setting.seed, self.setting.servers);
        let new_incarnation = self.rng.random();
        let site = self.sites.get_mut(&id).expect("a server of the cluster");
        site.lives += 1;
        site.restart_at = None;
        let identity = Identity {
            cluster: 1,
            server: id,
            servers,
        };
        let disk = Arc::new(site.disk.clone());
        // Some have checkpoints, except where damage is to be found at the start.
        let checkpoint_bytes = match (self.setting.wipes, seed % 3) {
            (Wipes::Damage, _) | (_, 0) => u64::MAX,
            _ => 600,
        };
        let limits = LogLimits {
            checkpoint_bytes,
            ..LIMITS
        };
        let mut opened = Log::open_with(disk, identity, new_incarnation, limits)
            .expect("a crash leaves a sound log");
        let mut recovered = opened.recovered;
        if opened.unread.is_some() {
            self.from_checkpoint += 1;
        }
        if site.lost && !recovered.lost {
            opened
                .writer
                .commit(&[Record::Lost])
                .expect("the disk works");
            recovered.lost = true;
        }
        self.judge.recovered(id, &recovered);
        self.trace.note(
            now,
            format_args!("{id} starts at {} {}", recovered.promised, recovered.chosen),
        );
        let (incarnation, chosen) = (recovered.incarnation, recovered.chosen);
        let start = Start {
            me: id,
            servers,
            address: format!("127.0.0.1:{}", 21000 + id.0),
            first_leader: (seed % 3 == 0).then_some(ServerId(servers)),
            seed: seed.wrapping_mul(31) + u64::from(id.0),
            first_read: site.lives << 32,
            recovered,
            history: opened.history,
        };
        let process = Process {
            server: Server::new(start, Clock::default().at(Duration::ZERO))
                .expect("the log can be read"),
            life: site.lives,
            incarnation,
            paused: false,
            backlog: Vec::new(),
            conns: BTreeMap::new(),
            last_conn: 0,
            started_at: now,
            clock: Clock::default(),
            writer: opened.writer,
            writes: VecDeque::new(),
            unread: opened.unread,
            synced_at: None,
            acts_at: Some(now),
            chosen,
        };
        site.process = Some(process);
        self.connect_servers(id);
    }

    /// The servers find a new process, and it finds them and the balancer.
    fn connect_servers(&mut self, new: ServerId) {
        let lives: Vec<(ServerId, u64)> = (self.sites.iter())
            .filter(|(_, site)| site.process.is_some())
            .map(|(&id, site)| (id, site.lives))
            .collect();
        let life = self.sites[&new].lives;
        for (other, other_life) in lives {
            let mut connected = |to, life, peer| {
                let delay = Duration::from_micros(self.rng.random_range(200..5000));
                self.put(delay, Packet::Connected { to, life, peer });
            };
            if other == new {
                connected(new, life, None);
            } else {
                connected(new, life, Some(other));
                connected(other, other_life, Some(new));
            }
        }
    }

    /// Calls the process, if it is still the one that is meant, and carries out what it wants, at
    /// once or after more has come.
    pub(super) fn with_process(
        &mut self,
        id: ServerId,
        life: Option<u64>,
        call: impl FnOnce(&mut Process),
    ) {
        let pause = Duration::from_micros(match self.rng.random_range(0..4) {
            0 => self.rng.random_range(0..1000),
            _ => 0,
        });
        let site = self.sites.get_mut(&id).expect("a server of the cluster");
        let Some(process) = &mut site.process else {
            return;
        };
        if life.is_some_and(|life| life != process.life) {
            return;
        }
        call(process);
        process.acts_at.get_or_insert(self.now + pause);
        self.act_if_due(id);
    }

    /// Lets a process do what is due by itself.
    pub(super) fn run_process(&mut self, id: ServerId) {
        let now = self.now;
        let Some(process) = self.running(id) else {
            return;
        };
        if process.synced_at.is_some_and(|at| at <= now) {
            self.sync(id);
        }
        self.act_if_due(id);
        let Some(process) = self.running(id) else {
            return;
        };
        let local = process.local(now);
        if process.server.next_tick() <= local {
            process.server.tick(local);
            process.acts_at = Some(now);
            self.act_if_due(id);
        }
        let Some(process) = self.running(id) else {
            return;
        };
        if process.server.drained(process.local(now)) {
            self.trace.note(now, format_args!("{id} stops"));
            self.end_process(id);
        }
    }

    pub(super) fn running(&mut self, id: ServerId) -> Option<&mut Process> {
        let site = self.sites.get_mut(&id)?;
        site.process.as_mut().filter(|process| !process.paused)
    }

    fn sync(&mut self, id: ServerId) {
        let now = self.now;
        let Some(process) = self.running(id) else {
            return;
        };
        process.synced_at = None;
        let Some((number, records, checkpoint)) = process.take_writes() else {
            return;
        };
        let mut located = process.writer.commit(&records).expect("the disk works");
        if let Some(checkpoint) = checkpoint {
            let again = process.writer.checkpoint(checkpoint);
            located.extend(again.expect("the disk works"));
        }
        while let Some(work) = process.writer.upkeep() {
            work.run().expect("the disk works");
        }
        let local = process.local(now);
        process.server.persisted(local, number, &located);
        if process.writer.checkpoint_is_due() {
            process.server.want_checkpoint();
        }
        while let Some(unread) = &mut process.unread
            && unread.read_next().expect("a sound log")
        {}
        if !process.writes.is_empty() {
            process.synced_at = Some(now + Duration::from_micros(100));
        }
        process.acts_at = Some(now);
        self.judge.became_durable(id, &records);
    }

    fn act_if_due(&mut self, id: ServerId) {
        let now = self.now;
        let Some(process) = self.running(id) else {
            return;
        };
        if process.acts_at.is_none_or(|at| at > now) {
            return;
        }
        process.acts_at = None;
        let output = take_output(process, now);
        let mut outputs = VecDeque::from([output]);
        while let Some(output) = outputs.pop_front() {
            self.look_at_chosen(id, &output, &mut outputs);
            self.carry_out(id, output);
        }
    }

    /// Asks the server for the slots that it says are chosen, before what depends on them leaves.
    fn look_at_chosen(&mut self, id: ServerId, output: &Output, more: &mut VecDeque<Output>) {
        let now = self.now;
        let upto = output.events.iter().find_map(|event| match event {
            Event::Chosen { upto } => Some(*upto),
            _ => None,
        });
        let (Some(upto), Some(process)) = (upto, self.running(id)) else {
            return;
        };
        let mut chosen = Vec::new();
        while process.chosen < upto {
            let from = process.chosen.next();
            let local = process.local(now);
            let asked = process
                .server
                .client(local, OBSERVER, ClientMessage::Slots { from });
            asked.expect("the log can be read");
            let mut answer = take_output(process, now);
            let mut slots = Vec::new();
            answer.to_clients.retain(|(conn, message)| match message {
                ServerMessage::Slots { values, .. } if *conn == OBSERVER => {
                    slots.extend(values.iter().cloned());
                    false
                }
                _ => true,
            });
            assert!(!slots.is_empty(), "{id} does not have slot {from}");
            for value in slots {
                let slot = process.chosen.next();
                process.chosen = slot;
                chosen.push((slot, value));
            }
            more.push_back(answer);
        }
        for (slot, value) in chosen {
            self.judge.chose(id, slot, value);
        }
    }

    /// The shell's order: evidence, then the disk, then the network.
    fn carry_out(&mut self, id: ServerId, mut output: Output) {
        let now = self.now;
        for event in &output.events {
            self.trace.note(now, format_args!("{id} {event:?}"));
            self.judge.evidence(id, event);
            if let Event::Leading { .. } = event {
                self.led.push((now, id));
            }
        }
        let takes = Duration::from_micros(match self.chance(self.weather.late) {
            true => self.rng.random_range(1000..30_000),
            false => self.rng.random_range(100..2000),
        });
        let Some(process) = self.running(id) else {
            return;
        };
        let (life, incarnation) = (process.life, process.incarnation);
        if !output.persist.is_empty() || output.checkpoint.is_some() {
            process.write(now, &mut output, takes);
        }
        let to_users: Vec<_> = output
            .to_clients
            .into_iter()
            .map(|(conn, message)| (process.conns.get(&conn).copied(), message))
            .collect();
        for (to, message) in output.to_peers {
            if let PeerMessage::Paxos(message) = &message {
                self.judge.left(id, life, incarnation, message);
            } else if let PeerMessage::Remembered { you } = message {
                self.judge.vouched(id, to, you);
            }
            let packet = Packet::Peer {
                from: id,
                incarnation,
                to,
                message,
            };
            self.transmit(Node::Server(id), Node::Server(to), packet);
        }
        for (user, message) in to_users {
            self.judge.answered(id, &message);
            if let Some(user) = user {
                let packet = Packet::ToUser {
                    user,
                    from: id,
                    message,
                };
                self.transmit(Node::Server(id), Node::User(user), packet);
            }
        }
        for message in output.to_balancer {
            self.send_to_balancer(Node::Server(id), message);
        }
    }

    /// The process is killed; what it had not synced is lost, except what a write that was under
    /// way happened to bring to the disk.
    pub fn kill(&mut self, id: ServerId) {
        let mid_write = self.rng.random_bool(0.5);
        // Somewhere in the write, or in making a checkpoint after it.
        let dies_at = [2, 14].map(|last| self.rng.random_range(1..=last));
        let site = self.sites.get_mut(&id).expect("a server of the cluster");
        let Some(process) = &mut site.process else {
            return;
        };
        let under_way = process.take_writes().filter(|_| mid_write);
        if let Some((_, records, checkpoint)) = under_way {
            let before = read(&site.disk);
            site.disk.die_at(dies_at[usize::from(checkpoint.is_some())]);
            let written = process.writer.commit(&records).is_ok();
            if written
                && let Some(checkpoint) = checkpoint
                && process.writer.checkpoint(checkpoint).is_ok()
            {
                while let Some(work) = process.writer.upkeep() {
                    let _ = work.run();
                }
            }
            let rng = &mut self.rng;
            let torn = site.disk.fork();
            torn.crash_keeping(&mut |_| rng.random_bool(0.7));
            // A torn group that looks as if one byte had changed is a matter of the log's own tests.
            match Log::read_only(Arc::new(torn.fork())) {
                Ok(_) => site.disk = torn,
                Err(_) => site.disk.crash(),
            }
            if written || read(&site.disk) != before {
                self.judge.became_durable(id, &records);
            }
        } else {
            site.disk.crash();
        }
        self.trace.note(self.now, format_args!("{id} is killed"));
        self.end_process(id);
    }

    /// The process is gone, and everyone who was connected notices.
    fn end_process(&mut self, id: ServerId) {
        let restart_at = self.now + Duration::from_millis(self.rng.random_range(20..1500));
        let site = self.sites.get_mut(&id).expect("a server of the cluster");
        let Some(process) = site.process.take() else {
            return;
        };
        site.restart_at = Some(restart_at);
        let others = (self.sites.iter()).filter(|(_, site)| site.process.is_some());
        let others: Vec<_> = others.map(|(&to, site)| (to, site.lives)).collect();
        for (to, life) in others {
            let gone = Packet::Disconnected { to, life, peer: id };
            self.put(Duration::from_millis(1), gone);
        }
        for (conn, user) in process.conns {
            let server = id;
            let gone = Packet::ServerGone { user, server, conn };
            self.put(Duration::from_millis(1), gone);
        }
        if let Some(balancer) = &self.balancer {
            let life = balancer.life;
            let conns = balancer.conns.iter();
            let gone: Vec<ConnId> = conns
                .filter(|(_, node)| **node == Node::Server(id))
                .map(|(&conn, _)| conn)
                .collect();
            for conn in gone {
                self.put(Duration::from_millis(1), Packet::SenderGone { conn, life });
            }
        }
    }
}

fn take_output(process: &mut Process, now: Duration) -> Output {
    let local = process.local(now);
    let output = process.server.take_output(local);
    output.expect("the log can be read")
}

/// What a restart would find, apart from how it is found.
pub(super) fn read(
    disk: &paxosctl_node::log::MemoryDisk,
) -> Option<paxosctl_node::log::RecoveredLog> {
    let read = Log::read_only(Arc::new(disk.fork())).expect("a sound log");
    read.map(|log| paxosctl_node::log::RecoveredLog {
        cut_bytes: 0,
        ..log.recovered
    })
}
