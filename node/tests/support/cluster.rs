//! Replicas, a network of pending messages, and disks that sync when told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use paxosctl_node::ids::{Ballot, ClientId, ServerId, Slot};
use paxosctl_node::log::Record;
use paxosctl_node::paxos::{Chosen, Config, Effects, Limits, Message, Recovered, Replica, Timing};
use paxosctl_node::value::{Command, Value};

use super::recovery::recover;
use super::{Audit, text};

/// A message on its way.
#[derive(Debug, Clone)]
pub struct Envelope {
    pub from: ServerId,
    pub to: ServerId,
    pub message: Message,
}

/// One server: a replica when it runs, and its disk.
struct Node {
    replica: Option<Replica>,
    /// Counts restarts: a life is one process.
    life: u64,
    voting: bool,
    durable: Vec<Record>,
    unsynced: Vec<Record>,
    /// Messages that wait for that many records to be durable.
    held: Vec<(u64, ServerId, Message)>,
    /// Records emitted in this life, and how many of them are durable.
    emitted: u64,
    synced: u64,
    /// Whether the disk syncs by itself at once.
    autosync: bool,
    /// The chosen values, as the host's log has them.
    log: Vec<Value>,
    /// What takes effect according to a dumb twin of the session table.
    twin: BTreeMap<ClientId, u64>,
    messages: u64,
    leads: Option<Ballot>,
    follows: Option<Ballot>,
}

pub struct Cluster {
    pub now: Duration,
    pub network: Vec<Envelope>,
    pub audit: Audit,
    pub trace: Vec<String>,
    /// Whether messages and records are written to the trace, or only what they led to.
    pub verbose: bool,
    /// Links that lose everything.
    pub cut: BTreeSet<(ServerId, ServerId)>,
    /// The most values in a Learn.
    pub chunk: usize,
    config: Config,
    nodes: Vec<Node>,
}

impl Cluster {
    pub fn new(
        servers: u16,
        first_leader: Option<ServerId>,
        seed: u64,
        timing: Timing,
        limits: Limits,
    ) -> Cluster {
        let config = Config {
            me: ServerId(1),
            servers,
            first_leader,
            seed,
            timing,
            limits,
        };
        let mut cluster = Cluster {
            now: Duration::ZERO,
            network: Vec::new(),
            audit: Audit::new(servers),
            trace: Vec::new(),
            verbose: true,
            cut: BTreeSet::new(),
            chunk: 4,
            config,
            nodes: Vec::new(),
        };
        for _ in 0..servers {
            cluster.nodes.push(Node {
                replica: None,
                life: 0,
                voting: true,
                durable: Vec::new(),
                unsynced: Vec::new(),
                held: Vec::new(),
                emitted: 0,
                synced: 0,
                autosync: true,
                log: Vec::new(),
                twin: BTreeMap::new(),
                messages: 0,
                leads: None,
                follows: None,
            });
        }
        for server in cluster.servers() {
            let replica = Replica::new(cluster.config_of(server), Recovered::empty(), cluster.now);
            cluster.node_mut(server).replica = Some(replica);
        }
        cluster
    }

    pub fn servers(&self) -> Vec<ServerId> {
        (1..=self.config.servers).map(ServerId).collect()
    }

    pub fn alive(&self, server: ServerId) -> bool {
        self.node(server).replica.is_some()
    }

    pub fn replica(&self, server: ServerId) -> Option<&Replica> {
        self.node(server).replica.as_ref()
    }

    pub fn log_of(&self, server: ServerId) -> &[Value] {
        &self.node(server).log
    }

    pub fn disk_of(&self, server: ServerId) -> (&[Record], &[Record]) {
        let node = self.node(server);
        (&node.durable, &node.unsynced)
    }

    pub fn set_autosync(&mut self, server: ServerId, autosync: bool) {
        self.node_mut(server).autosync = autosync;
        if autosync {
            self.sync(server);
        }
    }

    pub fn leaders(&self) -> Vec<ServerId> {
        let leads = |server: &ServerId| self.replica(*server).is_some_and(Replica::leads);
        self.servers().into_iter().filter(leads).collect()
    }

    // What can happen to a server.

    pub fn tick(&mut self, server: ServerId) {
        let now = self.now;
        self.on(server, |replica| replica.tick(now));
    }

    pub fn say(&mut self, server: ServerId, commands: Vec<Command>) {
        let now = self.now;
        for command in &commands {
            self.audit.said(command);
        }
        self.on(server, |replica| replica.propose(now, commands));
    }

    pub fn read(&mut self, server: ServerId, id: u64) {
        let now = self.now;
        self.audit.asked(server, id);
        self.on(server, |replica| replica.read(now, id));
    }

    pub fn hand_over(&mut self, server: ServerId) -> bool {
        let now = self.now;
        let mut under_way = false;
        self.on(server, |replica| under_way = replica.hand_over(now));
        under_way
    }

    /// The server hears that the connection on which `peer` sends has ended.
    pub fn disconnect(&mut self, server: ServerId, peer: ServerId) {
        let now = self.now;
        self.on(server, |replica| replica.disconnected(now, peer));
    }

    /// The server hears that its own connection to `peer` stands.
    pub fn connect(&mut self, server: ServerId, peer: ServerId) {
        let now = self.now;
        self.on(server, |replica| replica.connected(now, peer));
    }

    /// The server finds that it did not run for so long.
    pub fn hold_up(&mut self, server: ServerId, held_up: Duration) {
        let now = self.now;
        self.on(server, |replica| replica.was_held_up(now, held_up));
    }

    pub fn set_voting(&mut self, server: ServerId, voting: bool) {
        self.node_mut(server).voting = voting;
        self.on(server, |replica| replica.set_voting(voting));
    }

    /// The message arrives, unless its link is cut or the receiver is down.
    pub fn arrive(&mut self, envelope: Envelope) {
        let now = self.now;
        let Envelope { from, to, message } = envelope;
        if self.cut.contains(&(from, to)) || !self.alive(to) {
            if self.verbose {
                self.note(format!("{from} -> {to} lost: {}", text::message(&message)));
            }
            return;
        }
        if self.verbose {
            self.note(format!("{to} gets {} from {from}", text::message(&message)));
        }
        self.on(to, |replica| replica.step(now, from, message));
    }

    /// Everything written so far becomes durable, and what waited for it happens.
    pub fn sync(&mut self, server: ServerId) {
        let now = self.now;
        let node = self.node_mut(server);
        if node.replica.is_none() {
            return;
        }
        let synced = std::mem::take(&mut node.unsynced);
        node.synced = node.emitted;
        let upto = node.synced;
        let held = std::mem::take(&mut node.held);
        node.durable.extend(synced.iter().cloned());
        for record in &synced {
            self.audit.became_durable(server, record);
        }
        for (after, to, message) in held {
            assert!(after <= upto);
            self.leave(server, to, message);
        }
        self.on(server, |replica| replica.persisted(now, upto));
    }

    /// The process dies: everything not synced is lost.
    pub fn crash(&mut self, server: ServerId) {
        let node = self.node_mut(server);
        node.replica = None;
        node.unsynced.clear();
        node.held.clear();
        node.leads = None;
        node.follows = None;
    }

    /// Starts a process on the server's disk.
    pub fn restart(&mut self, server: ServerId) {
        assert!(!self.alive(server), "{server} runs already");
        let disk = self.node(server);
        let (recovered, chosen) = recover(&disk.durable, disk.voting);
        let node = self.node_mut(server);
        node.life += 1;
        node.log.clear();
        node.twin.clear();
        node.messages = 0;
        node.emitted = 0;
        node.synced = 0;
        if self.verbose {
            self.note(format!(
                "{server} recovers promised {} chosen {} accepted {}",
                recovered.promised,
                recovered.chosen,
                text::accepted(&recovered.accepted)
            ));
        }
        for chosen in chosen {
            self.take_chosen(server, chosen, false);
        }
        let config = self.config_of(server);
        let replica = Replica::new(config, recovered, self.now);
        self.node_mut(server).replica = Some(replica);
        self.notice_changes(server);
    }

    // How time passes.

    /// The next time at which some replica wants to be called.
    pub fn next_tick(&self) -> Duration {
        self.nodes
            .iter()
            .filter_map(|node| node.replica.as_ref().map(Replica::next_tick))
            .min()
            .unwrap_or(Duration::MAX)
            .max(self.now)
    }

    pub fn tick_due(&mut self) {
        for server in self.servers() {
            let due = self.replica(server).map(Replica::next_tick);
            if due.is_some_and(|due| due <= self.now) {
                self.tick(server);
                let due = self.replica(server).map(Replica::next_tick);
                assert!(
                    due > Some(self.now),
                    "{server} wants a tick after each tick"
                );
            }
        }
    }

    /// Lets `span` pass with all messages waiting.
    pub fn advance(&mut self, span: Duration) {
        let until = self.now + span;
        while self.next_tick() <= until {
            self.now = self.next_tick();
            self.tick_due();
        }
        self.now = until;
    }

    /// Lets `span` pass with all messages arriving after one millisecond, in order.
    pub fn run(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            let arriving = std::mem::take(&mut self.network);
            for envelope in arriving {
                self.arrive(envelope);
            }
            let next = if self.network.is_empty() {
                self.next_tick()
            } else {
                self.now + Duration::from_millis(1)
            };
            if next > until {
                self.now = until;
                return;
            }
            self.now = next;
            self.tick_due();
        }
    }

    /// Delivers everything until nothing is under way. No time passes.
    pub fn stabilize(&mut self) {
        for _ in 0..10_000 {
            if self.network.is_empty() {
                return;
            }
            let envelope = self.network.remove(0);
            self.arrive(envelope);
        }
        panic!("the cluster does not come to rest");
    }

    pub fn note(&mut self, line: String) {
        self.trace.push(line);
    }

    // Carrying out effects.

    fn on(&mut self, server: ServerId, call: impl FnOnce(&mut Replica)) {
        let Some(replica) = &mut self.node_mut(server).replica else {
            return;
        };
        call(replica);
        let effects = replica.take_effects();
        self.carry_out(server, effects);
    }

    fn carry_out(&mut self, server: ServerId, effects: Effects) {
        let Effects {
            led,
            send,
            persist,
            persist_upto,
            send_after_persist,
            chosen,
            serve,
            reads,
        } = effects;
        for led in led {
            assert!(
                led.promised_by.contains(&server) && led.ballot.owner() == Some(server),
                "{server} leads without its own promise, or in a ballot of another"
            );
        }
        for (to, message) in send {
            self.leave(server, to, message);
        }
        if self.verbose {
            for record in &persist {
                self.note(format!("{server} writes {}", text::record(record)));
            }
            let waits = !self.node(server).autosync;
            for (to, message) in send_after_persist.iter().filter(|_| waits) {
                let message = text::message(message);
                self.note(format!("{server} holds back {message} to {to}"));
            }
        }
        let wrote = !persist.is_empty();
        let node = self.node_mut(server);
        node.emitted += persist.len() as u64;
        assert_eq!(node.emitted, persist_upto, "records are counted");
        node.unsynced.extend(persist);
        for (to, message) in send_after_persist {
            node.held.push((persist_upto, to, message));
        }
        let due = wrote || !node.held.is_empty();
        for chosen in chosen {
            self.take_chosen(server, chosen, true);
        }
        for serve in serve {
            let log = &self.node(server).log;
            let first = (serve.from.0 - 1) as usize;
            let values = log[first..].iter().take(self.chunk).cloned().collect();
            let learn = Message::Learn {
                from: serve.from,
                values,
                chosen: Slot(log.len() as u64),
            };
            self.leave(server, serve.to, learn);
        }
        for read in reads {
            self.audit.answered(server, read.id, read.slot);
            self.note(format!(
                "{server} answers read {} at {}",
                read.id, read.slot
            ));
        }
        self.notice_changes(server);
        if due && self.node(server).autosync {
            self.sync(server);
        }
    }

    fn leave(&mut self, from: ServerId, to: ServerId, message: Message) {
        assert_ne!(from, to, "{from} sends to itself");
        self.audit.left(from, self.node(from).life, &message);
        if self.verbose {
            self.note(format!("{from} -> {to} {}", text::message(&message)));
        }
        self.network.push(Envelope { from, to, message });
    }

    fn take_chosen(&mut self, server: ServerId, chosen: Chosen, tell: bool) {
        self.audit.chose(server, &chosen);
        let node = self.node_mut(server);
        assert_eq!(
            chosen.slot.0,
            node.log.len() as u64 + 1,
            "{server}: chosen slots come in order, once"
        );
        let mut applied = Vec::new();
        for command in chosen.value.commands() {
            let last = node.twin.entry(command.client).or_insert(0);
            if command.seq == *last + 1 {
                *last += 1;
                node.messages += 1;
                applied.push((node.messages, command.clone()));
            }
        }
        let reported: Vec<(u64, Command)> = chosen
            .messages()
            .map(|(index, command)| (index, command.clone()))
            .collect();
        assert_eq!(
            reported, applied,
            "{server}: what takes effect in {}",
            chosen.slot
        );
        node.log.push(chosen.value.clone());
        if tell {
            let dropped = chosen.value.commands().len() - applied.len();
            let repeats = match dropped {
                0 => String::new(),
                n => format!(" ({n} without effect)"),
            };
            self.note(format!(
                "{server} chose {}: {}{repeats}",
                chosen.slot,
                text::value(&chosen.value)
            ));
        }
    }

    fn notice_changes(&mut self, server: ServerId) {
        let Some(replica) = self.replica(server) else {
            return;
        };
        let leads = replica.leads().then(|| replica.leader()).flatten();
        let follows = replica.leader().filter(|_| !replica.leads());
        let node = self.node_mut(server);
        let (led, followed) = (node.leads, node.follows);
        node.leads = leads;
        node.follows = follows;
        match (led, leads) {
            (_, Some(ballot)) if leads != led => self.note(format!("{server} leads {ballot}")),
            (Some(ballot), None) => self.note(format!("{server} leads {ballot} no more")),
            _ => {}
        }
        match (followed, follows) {
            (_, Some(ballot)) if follows != followed => {
                self.note(format!("{server} follows {ballot}"));
            }
            (Some(_), None) if leads.is_none() => self.note(format!("{server} follows nobody")),
            _ => {}
        }
    }

    fn config_of(&self, server: ServerId) -> Config {
        Config {
            me: server,
            seed: self.config.seed.wrapping_mul(31) + u64::from(server.0),
            ..self.config.clone()
        }
    }

    fn node(&self, server: ServerId) -> &Node {
        &self.nodes[usize::from(server.0) - 1]
    }

    fn node_mut(&mut self, server: ServerId) -> &mut Node {
        &mut self.nodes[usize::from(server.0) - 1]
    }
}
