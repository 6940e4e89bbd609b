//! The world: its nodes, its time, and what happens next.

use std::collections::BTreeMap;

use paxosctl_node::event::{Event, NodeEvent};
use paxosctl_node::ids::ServerId;
use paxosctl_node::link::Table;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::disk::Power;
use super::network::{Conn, Dial};
use super::node::{Kind, Node, Process, Role, State};
use super::panics::caught;
use super::queue::{Happening, Life, NodeIndex, Queue, Tables};
use super::trace::Trace;
use super::weather::Weather;
use super::{Plant, Setting, Tamper};
use crate::target::{Machines, Observation};

pub(super) struct World {
    pub plant: Option<Plant>,
    pub rng: ChaCha8Rng,
    pub now_us: u64,
    /// When the cluster was ready.
    pub ready_us: Option<u64>,
    pub queue: Queue,
    /// The balancer, s1 to sN, then the clients in the order in which they came.
    pub nodes: Vec<Node>,
    pub conns: Vec<Conn>,
    pub dials: BTreeMap<u64, Dial>,
    pub dialled: u64,
    pub weather: Weather,
    pub servers: u16,
    pub first_leader: Option<ServerId>,
    pub cluster: u64,
    pub pids: u32,
    pub links: Table,
    pub machines: Machines,
    pub inbox: Vec<Observation>,
    /// What the cluster as a whole said so far.
    pub opened: bool,
    pub led: bool,
    pub trace: Option<Trace>,
}

impl World {
    pub fn new(
        setting: &Setting,
        seed: u64,
        servers: u16,
        first_leader: Option<ServerId>,
    ) -> World {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let weather = Weather::draw(&mut rng);
        let mut nodes = vec![Node::new(0, "balancer".into(), Role::Balancer)];
        for server in (1..=servers).map(ServerId) {
            let role = Role::Server(server);
            nodes.push(Node::new(server.0.into(), server.to_string(), role));
        }
        let trace = setting.trace.then(Trace::default);
        let mut world = World {
            plant: setting.plant,
            cluster: rand::Rng::next_u64(&mut rng),
            rng,
            now_us: 0,
            ready_us: None,
            queue: Queue::default(),
            nodes,
            conns: Vec::new(),
            dials: BTreeMap::new(),
            dialled: 0,
            weather,
            servers,
            first_leader,
            pids: 1000,
            links: Table::default(),
            machines: Machines::default(),
            inbox: Vec::new(),
            opened: false,
            led: false,
            trace,
        };
        world.break_one();
        world
    }

    /// The bug that is planted from outside, if one is.
    pub fn tamper(&self) -> Option<Tamper> {
        self.plant.and_then(Plant::tamper)
    }

    pub fn find(&self, name: &str) -> Option<NodeIndex> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// The process, if it still runs.
    pub fn running(&mut self, of: Life) -> Option<&mut Process> {
        let node = &mut self.nodes[of.node];
        match node.lives == of.number {
            true => node.process(),
            false => None,
        }
    }

    fn is_starting(&self, of: Life) -> bool {
        let node = &self.nodes[of.node];
        node.lives == of.number && matches!(node.state, State::Starting)
    }

    /// The process, if it is one that takes connections.
    pub fn listening(&mut self, of: Life) -> Option<&mut Process> {
        self.running(of)
            .filter(|process| !matches!(process.kind, Kind::Client(_)))
    }

    /// The time since the cluster was ready; 0 before.
    pub fn run_us(&self) -> u64 {
        self.now_us - self.ready_us.unwrap_or(self.now_us)
    }

    /// Lets happen what is due until `until_us`, as long as `goes_on` says so. The time is then that
    /// of the last event, or `until_us`.
    pub fn advance(&mut self, until_us: u64, mut goes_on: impl FnMut(&mut World) -> bool) {
        while goes_on(self) {
            match self.queue.next_at() {
                Some(at) if at <= until_us => self.step(),
                _ => {
                    self.now_us = self.now_us.max(until_us);
                    return;
                }
            }
        }
    }

    fn step(&mut self) {
        let Some((at, what)) = self.queue.pop() else {
            return;
        };
        self.now_us = self.now_us.max(at);
        let node = self.node_of(&what);
        if let Some(node) = node
            && self.nodes[node].paused
        {
            self.nodes[node].backlog.push_back(what);
            return;
        }
        if let Err(words) = caught(|| self.happen(what)) {
            // A process that panics is gone, and says why.
            let life = node.map(|node| self.nodes[node].life());
            if let Some(life) = life {
                self.say(life.node, words);
                self.die(life, "exit 101", Power::Stays);
            }
        }
    }

    /// The node whose process has to run for it to happen.
    fn node_of(&self, what: &Happening) -> Option<NodeIndex> {
        let end = |conn: usize, end: usize| Some(self.conns[conn].ends[end].node);
        match what {
            Happening::Leave { conn, from, .. } => end(*conn, *from),
            Happening::Arrive { conn, from, .. } | Happening::Take { conn, from, .. } => {
                end(*conn, 1 - *from)
            }
            Happening::Closed { conn, end: at } => end(*conn, *at),
            Happening::Hello { dial } => self.dialled_node(*dial),
            Happening::Accept { listener, .. } => Some(listener.node),
            Happening::Answered { dial }
            | Happening::Established { dial }
            | Happening::DialOver { dial } => self.dialler(*dial).map(|life| life.node),
            Happening::Redial { of, .. }
            | Happening::Reload { of, .. }
            | Happening::Ask { of, .. } => Some(of.node),
            Happening::Begin(life)
            | Happening::Wake(life)
            | Happening::Act(life)
            | Happening::Written(life)
            | Happening::Terminate(life)
            | Happening::Farewell(life) => Some(life.node),
            // Nobody has to agree.
            Happening::Break | Happening::Die(_) => None,
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Leave { conn, from, packet } => self.put(conn, from, packet),
            Happening::Arrive { conn, from, packet } => self.arrive(conn, from, packet),
            Happening::Take { conn, from, packet } => self.take(conn, from, *packet),
            Happening::Closed { conn, end } => self.closed(conn, end),
            Happening::Break => self.break_one(),
            Happening::Hello { dial } => self.hello(dial),
            Happening::Accept { dial, listener } => self.accept(dial, listener),
            Happening::Answered { dial } => self.answered(dial),
            Happening::Established { dial } => self.established(dial),
            Happening::DialOver { dial } => self.dial_over(dial),
            Happening::Redial { of, line } => {
                if self.running(of).is_some() {
                    self.dial(of, line);
                }
            }
            Happening::Begin(life) => self.begin(life),
            Happening::Wake(life) => self.wake(life),
            Happening::Act(life) => self.act(life),
            Happening::Written(life) => self.written(life),
            Happening::Die(life) => self.die(life, "signal 9", Power::Fails),
            Happening::Terminate(life) => self.terminate(life),
            Happening::Reload { of, tables } => self.reload(of, tables),
            // What is typed before a process reads it waits.
            Happening::Ask { of, ask } if self.is_starting(of) => {
                let at = self.now_us + 500;
                self.queue.plan(at, Happening::Ask { of, ask });
            }
            Happening::Ask { of, ask } => self.ask(of, *ask),
            Happening::Farewell(life) => self.end_in_order(life),
        }
    }

    /// Goes on after a pause: all that happened meanwhile happens now.
    pub fn resume(&mut self, node: NodeIndex) {
        self.nodes[node].paused = false;
        for what in std::mem::take(&mut self.nodes[node].backlog) {
            self.queue.plan(self.now_us, what);
        }
    }

    /// A node's own line.
    pub fn report(&mut self, node: NodeIndex, event: Event) {
        match &event {
            Event::Opened => self.opened = true,
            Event::Leading { .. } => self.led = true,
            Event::Ready { .. } => self.nodes[node].seen.ready = true,
            Event::Joined { .. } => self.nodes[node].seen.joined = true,
            Event::DiskTrouble { rule, .. } => self.nodes[node].seen.struck.push(rule.clone()),
            _ => {}
        }
        self.trace_event(node, &event);
        let event = NodeEvent {
            at_us: self.run_us(),
            event,
        };
        let node = self.nodes[node].name.clone();
        self.inbox.push(Observation::Node { node, event });
    }

    pub fn report_all(&mut self, node: NodeIndex, events: Vec<Event>) {
        for event in events {
            self.report(node, event);
        }
    }

    /// A node's words for people.
    pub fn say(&mut self, node: NodeIndex, words: impl Into<String>) {
        self.nodes[node].say(words.into());
    }

    /// Counts an effect that is about to be carried out. False if the process is gone, killed by this
    /// if its time has come.
    pub fn may_act(&mut self, of: Life) -> bool {
        let Some(process) = self.running(of) else {
            return false;
        };
        match &mut process.fuse {
            None => true,
            Some(0) => {
                self.die(of, "signal 9", Power::Fails);
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// Plans to carry out the effects of what the process took.
    pub fn act_soon(&mut self, of: Life) {
        let pause = self.weather.think.draw(&mut self.rng);
        let at = self.now_us + pause;
        let Some(process) = self.running(of) else {
            return;
        };
        if process.acts_us.is_none() {
            process.acts_us = Some(at);
            self.queue.plan(at, Happening::Act(of));
        }
    }

    /// Sets the timer of the process.
    pub fn wake_at(&mut self, of: Life, at_us: u64) {
        // Nobody acts twice in the same moment.
        let at_us = at_us.max(self.now_us + 5);
        let Some(process) = self.running(of) else {
            return;
        };
        // An earlier one will find that there is nothing to do yet.
        if process.wake_us.is_none_or(|planned| at_us < planned) {
            process.wake_us = Some(at_us);
            self.queue.plan(at_us, Happening::Wake(of));
        }
    }

    fn wake(&mut self, life: Life) {
        let now_us = self.now_us;
        let Some(process) = self.running(life) else {
            return;
        };
        // Another one was planned for an earlier time, and has come.
        if process.wake_us.is_none_or(|planned| planned > now_us) {
            return;
        }
        process.wake_us = None;
        match process.kind {
            Kind::Balancer(_) => self.wake_balancer(life),
            Kind::Server(_) => self.wake_server(life),
            Kind::Client(_) => self.wake_client(life),
        }
    }

    fn act(&mut self, life: Life) {
        let Some(process) = self.running(life) else {
            return;
        };
        process.acts_us = None;
        match process.kind {
            Kind::Balancer(_) => {}
            Kind::Server(_) => self.act_server(life),
            Kind::Client(_) => self.act_client(life),
        }
    }

    /// The process is gone, as a parent sees it.
    pub fn die(&mut self, life: Life, status: &str, power: Power) {
        let node = &mut self.nodes[life.node];
        if node.lives != life.number || node.is_down() {
            return;
        }
        let expected = node.ending.expects(status);
        node.state = State::Down {
            status: status.to_owned(),
        };
        node.paused = false;
        node.backlog.clear();
        let log = node.directory.log();
        log.crash(power, &mut self.rng);
        self.close_all(life);
        self.trace_end(life.node, status);
        if expected {
            return;
        }
        let name = self.nodes[life.node].name.clone();
        let status = status.to_owned();
        let struck = &self.nodes[life.node].seen.struck;
        match self.machines.deadly(&name, struck) {
            Some(rule) => {
                self.machines.struck(&name, &rule);
                self.inbox.push(Observation::Fell {
                    node: name,
                    status,
                    rule,
                });
            }
            None => {
                let last_lines = self.nodes[life.node].last_words();
                self.inbox.push(Observation::Died {
                    node: name,
                    status,
                    last_lines,
                });
            }
        }
    }

    /// The process ends by itself, after it was told to.
    pub fn end_in_order(&mut self, life: Life) {
        let Some(process) = self.running(life) else {
            return;
        };
        let mut events: Vec<Event> = process.links.last_counts().into_iter().collect();
        events.push(Event::Stopping {
            reason: "asked to stop".into(),
        });
        self.report_all(life.node, events);
        self.die(life, "exit 0", Power::Stays);
    }

    fn terminate(&mut self, life: Life) {
        match self.running(life).map(|process| &process.kind) {
            Some(Kind::Server(_)) => self.drain_server(life),
            Some(Kind::Balancer(_) | Kind::Client(_)) => self.end_in_order(life),
            // It had not come so far as to handle signals.
            None => self.die(life, "signal 15", Power::Stays),
        }
    }

    fn reload(&mut self, of: Life, tables: Tables) {
        let table = self.links.clone();
        let Some(process) = self.running(of) else {
            return;
        };
        match tables {
            Tables::Links => {
                let events = process.links.reload(table);
                self.report_all(of.node, events);
            }
            Tables::Machine => self.reload_machine(of),
        }
    }
}
