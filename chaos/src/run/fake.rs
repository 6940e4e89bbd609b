//! A cluster for the tests of the run loop: virtual time, no protocol, exact answers.
//!
//! Every message is acknowledged 5 ms after it was said, while a majority of the servers runs. When
//! the leader goes, the first server that runs leads 300 ms later. A server that starts again knows
//! 50 ms later all that is chosen, if a test does not say when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use paxosctl_node::event::{Event, NodeEvent};
use paxosctl_node::ids::{Ballot, ClientId, ServerId, Slot};
use paxosctl_node::machine::MachineRule;
use paxosctl_node::value::{Command, Value};

use crate::history::micros;
use crate::plan::{Damage, Plan};
use crate::schedule::servers;
use crate::target::{
    Action, Change, Effect, LogSource, Observation, Op, ReplicaLog, Target, TargetError,
};

/// How long it takes until the next message of a backlog is chosen.
const FLOWS_EVERY: Duration = Duration::from_millis(100);

pub struct Fake {
    now: Duration,
    servers: Vec<String>,
    clients: Vec<String>,
    down: BTreeSet<String>,
    paused: BTreeSet<String>,
    /// What will be observed, by time and order.
    coming: BTreeMap<(Duration, u64), Observation>,
    order: u64,
    round: u64,
    leader: Option<String>,
    seqs: BTreeMap<String, u64>,
    log: Vec<Value>,
    generation: u64,
    machines: Vec<MachineRule>,
    /// Operations in the order of their arrival.
    pub ops: Vec<(Duration, Op)>,
    /// How long an action takes.
    pub apply_takes: Duration,
    /// Actions that fail, by their number from 0.
    pub failing: BTreeSet<usize>,
    applied: usize,
    /// The cluster cannot be run from then on.
    pub fails_at: Option<Duration>,
    /// How long a server that starts again takes to know all that is chosen.
    pub learns_in: Duration,
    /// Nobody is ever acknowledged.
    pub mute: bool,
    /// So many messages a load says at once; each is chosen 100 ms after the one before it.
    pub backlog: u32,
    /// The load that says them, and since when.
    flowing: Option<(String, Duration)>,
    /// A server whose log never comes.
    pub unreadable: Option<ServerId>,
}

impl Fake {
    pub fn new(plan: &Plan) -> Fake {
        let mut fake = Fake {
            now: Duration::ZERO,
            servers: servers(plan),
            clients: plan.cluster.clients.clone(),
            down: BTreeSet::new(),
            paused: BTreeSet::new(),
            coming: BTreeMap::new(),
            order: 0,
            round: 0,
            leader: None,
            seqs: BTreeMap::new(),
            log: Vec::new(),
            generation: 0,
            machines: Vec::new(),
            ops: Vec::new(),
            apply_takes: Duration::ZERO,
            failing: BTreeSet::new(),
            applied: 0,
            fails_at: None,
            learns_in: Duration::from_millis(50),
            mute: false,
            backlog: 0,
            flowing: None,
            unreadable: None,
        };
        fake.elect(Duration::ZERO);
        for (index, client) in plan.cluster.clients.iter().enumerate() {
            let server = index as u16 % plan.cluster.servers + 1;
            fake.join(client, ServerId(server));
        }
        fake
    }

    pub fn come(&mut self, at: Duration, observation: Observation) {
        self.order += 1;
        self.coming.insert((at, self.order), observation);
    }

    pub fn tell(&mut self, at: Duration, node: &str, event: Event) {
        let node = node.to_owned();
        let at_us = micros(at);
        let event = NodeEvent { at_us, event };
        self.come(at, Observation::Node { node, event });
    }

    fn join(&mut self, client: &str, server: ServerId) {
        let joined = Event::Joined {
            client: id(client),
            name: client.to_owned(),
            server,
        };
        self.tell(self.now, client, joined);
    }

    fn runs(&self, node: &str) -> bool {
        !self.down.contains(node) && !self.paused.contains(node)
    }

    fn elect(&mut self, at: Duration) {
        self.leader = self.servers.iter().find(|s| self.runs(s)).cloned();
        let Some(leader) = self.leader.clone() else {
            return;
        };
        self.round += 1;
        let server: ServerId = leader.parse().unwrap();
        let ballot = Ballot::new(self.round, server);
        let leading = Event::Leading {
            ballot,
            promised_by: Vec::new(),
            after: Slot(0),
        };
        self.tell(at, &leader, leading);
    }

    /// One change of a node, or why there was none.
    fn change(&mut self, action: &Action, node: &str) -> Change {
        let name = node.to_owned();
        let exited = |status: &str| Change::Exited {
            node: name.clone(),
            status: status.to_owned(),
        };
        let nothing = |reason: &str| Change::Nothing {
            node: name.clone(),
            reason: reason.to_owned(),
        };
        let is_down = self.down.contains(node);
        match action {
            Action::Kill { .. } | Action::Stop { .. } if is_down => nothing("it is down"),
            Action::Stop { .. } if self.paused.contains(node) => nothing("it is paused"),
            Action::Kill { .. } | Action::Stop { .. } => {
                self.down.insert(node.to_owned());
                self.paused.remove(node);
                let kill = matches!(action, Action::Kill { .. });
                exited(if kill { "signal 9" } else { "exit 0" })
            }
            Action::Start { .. } if !is_down => nothing("it is up"),
            Action::Start { .. } => {
                self.down.remove(node);
                if self.servers.contains(&name) {
                    let upto = Slot(self.log.len() as u64);
                    let at = self.now + self.learns_in;
                    self.tell(at, node, Event::Chosen { upto });
                }
                Change::Started { node: name, pid: 7 }
            }
            Action::Pause { .. } if is_down => nothing("it is down"),
            Action::Pause { .. } => {
                self.paused.insert(node.to_owned());
                Change::Paused { node: name }
            }
            Action::Resume { .. } if !self.paused.remove(node) => nothing("it is not paused"),
            Action::Resume { .. } => Change::Resumed { node: name },
            Action::Damage { .. } if !is_down => nothing("it is up"),
            Action::Damage { damage, seed, .. } => match damage {
                Damage::Wipe => Change::Wiped {
                    node: name,
                    bytes: 9,
                },
                Damage::FlipByte { .. } => Change::Flipped {
                    node: name,
                    file: "00000001.log".to_owned(),
                    offset: *seed % 9,
                    from: 1,
                    to: 2,
                },
            },
            Action::Fall { .. } => nothing("nothing is done for it"),
            Action::Machine { .. } if is_down => Change::MachineLater {
                node: name,
                generation: self.generation,
            },
            Action::Machine { .. } => Change::Machine {
                node: name,
                generation: self.generation,
            },
            Action::Links { .. } => {
                let generation = self.generation;
                Change::Links {
                    node: name,
                    generation,
                }
            }
        }
    }

    /// A load says more than can be chosen while it lasts.
    fn flow(&mut self, load: &str) {
        if self.backlog == 0 {
            return;
        }
        self.flowing = Some((load.to_owned(), self.now));
        let client = id(load);
        for number in 1..=self.backlog {
            let seq = u64::from(number);
            let text = format!("message {number}");
            let name = load.to_owned();
            let said = Event::Say {
                client,
                name: name.clone(),
                seq,
                at_ms: 0,
                text: text.clone(),
            };
            self.tell(self.now, load, said);
            self.log.push(Value::batch(vec![Command {
                client,
                seq,
                name,
                at_ms: 0,
                text,
            }]));
            let at = self.now + FLOWS_EVERY * number;
            let slot = Slot(self.log.len() as u64);
            let acked = Event::Acked {
                client,
                seq,
                index: slot.0,
                slot,
                server: ServerId(1),
            };
            self.tell(at, load, acked);
            for listener in self.clients.clone() {
                let delivered = Event::Delivered {
                    client: id(&listener),
                    index: slot.0,
                    from: client,
                    seq,
                    digest: 0,
                };
                self.tell(at, &listener, delivered);
            }
            for server in self.servers.clone() {
                self.tell(at, &server, Event::Chosen { upto: slot });
            }
        }
    }

    /// How much of the log is chosen by now.
    fn chosen(&self) -> usize {
        let Some((_, since)) = &self.flowing else {
            return self.log.len();
        };
        let passed = (self.now - *since).as_millis() / FLOWS_EVERY.as_millis();
        self.log.len().min(passed as usize)
    }

    fn stop_flowing(&mut self, load: &str) {
        if self.flowing.as_ref().is_none_or(|(name, _)| name != load) {
            return;
        }
        self.log.truncate(self.chosen());
        self.flowing = None;
        let now = self.now;
        self.coming.retain(|(at, _), _| *at <= now);
        let stopping = Event::Stopping {
            reason: "asked to stop".to_owned(),
        };
        self.tell(now + Duration::from_millis(20), load, stopping);
    }

    fn say(&mut self, client: &str, text: String) {
        if !self.runs(client) {
            return;
        }
        let seq = self.seqs.entry(client.to_owned()).or_default();
        *seq += 1;
        let seq = *seq;
        let name = client.to_owned();
        let said = Event::Say {
            client: id(client),
            name: name.clone(),
            seq,
            at_ms: 0,
            text: text.clone(),
        };
        self.tell(self.now, client, said);
        let up = self.servers.iter().filter(|s| self.runs(s)).count();
        if self.mute || up * 2 <= self.servers.len() {
            return;
        }
        self.log.push(Value::batch(vec![Command {
            client: id(client),
            seq,
            name,
            at_ms: 0,
            text,
        }]));
        let at = self.now + Duration::from_millis(5);
        let slot = Slot(self.log.len() as u64);
        let acked = Event::Acked {
            client: id(client),
            seq,
            index: slot.0,
            slot,
            server: ServerId(1),
        };
        self.tell(at, client, acked);
        for server in self.servers.clone() {
            if self.runs(&server) {
                self.tell(at, &server, Event::Chosen { upto: slot });
            }
        }
        for listener in self.clients.clone() {
            let delivered = Event::Delivered {
                client: id(&listener),
                index: slot.0,
                from: id(client),
                seq,
                digest: 0,
            };
            self.tell(at, &listener, delivered);
        }
    }
}

/// Some session id for a name.
pub fn id(client: &str) -> ClientId {
    ClientId(client.bytes().map(u64::from).sum())
}

impl Target for Fake {
    fn now(&self) -> Duration {
        self.now
    }

    fn apply(&mut self, action: &Action) -> Result<Effect, TargetError> {
        self.now += self.apply_takes;
        self.applied += 1;
        if self.failing.contains(&(self.applied - 1)) {
            return Err(TargetError("it did not work".to_owned()));
        }
        let nodes = match action {
            Action::Kill { nodes }
            | Action::Stop { nodes }
            | Action::Start { nodes }
            | Action::Pause { nodes }
            | Action::Resume { nodes }
            | Action::Damage { nodes, .. }
            | Action::Fall { nodes } => nodes.clone(),
            Action::Machine { rules } => {
                self.generation += 1;
                let before = std::mem::replace(&mut self.machines, rules.clone());
                let of = |rules: &[MachineRule], node: &str| {
                    let own = rules.iter().filter(|rule| rule.node == node);
                    own.cloned().collect::<Vec<_>>()
                };
                let servers = self.servers.iter();
                servers
                    .filter(|server| of(&before, server) != of(rules, server))
                    .cloned()
                    .collect()
            }
            Action::Links { .. } => {
                self.generation += 1;
                let servers = self.servers.iter();
                servers
                    .filter(|s| !self.down.contains(*s))
                    .cloned()
                    .collect()
            }
        };
        let changes = nodes.iter().map(|node| self.change(action, node)).collect();
        if let Some(leader) = &self.leader
            && !self.runs(leader)
        {
            self.elect(self.now + Duration::from_millis(300));
        } else if self.leader.is_none() {
            self.elect(self.now + Duration::from_millis(300));
        }
        Ok(Effect { changes })
    }

    fn submit(&mut self, op: Op) {
        self.ops.push((self.now, op.clone()));
        match op {
            Op::Say { client, text } => self.say(&client, text),
            Op::Join { client } => {
                self.clients.push(client.clone());
                self.join(&client, ServerId(2));
            }
            Op::Leave { client } => self.clients.retain(|other| *other != client),
            Op::Read { client } => {
                let (client_id, id) = (id(&client), 1);
                let asked = Event::ReadAsked {
                    client: client_id,
                    id,
                };
                self.tell(self.now, &client, asked);
                let done = Event::ReadDone {
                    client: client_id,
                    id,
                    length: self.log.len() as u64,
                    server: ServerId(1),
                };
                self.tell(self.now + Duration::from_millis(5), &client, done);
            }
            Op::Load { name, load } => {
                let done = Event::LoadDone { said: 0, acked: 0 };
                self.tell(self.now + load.lasts, &name, done);
                self.flow(&name);
            }
            Op::EndLoad { name } => self.stop_flowing(&name),
            Op::ReadLogs => {
                let chosen = self.chosen();
                for server in self.servers.clone() {
                    let log = ReplicaLog {
                        source: LogSource::Served,
                        values: self.log[..chosen].to_vec(),
                        chosen: Slot(chosen as u64),
                    };
                    let server: ServerId = server.parse().unwrap();
                    if self.unreadable != Some(server) {
                        self.come(self.now, Observation::Log { server, log });
                    }
                }
            }
        }
    }

    fn poll(&mut self, until: Duration) -> Vec<Observation> {
        if let Some(((at, _), _)) = self.coming.first_key_value() {
            self.now = self.now.max(until.min(*at));
        } else {
            self.now = self.now.max(until);
        }
        let later = self.coming.split_off(&(self.now, u64::MAX));
        let come = std::mem::replace(&mut self.coming, later);
        for observation in come.values() {
            if let Observation::Fell { node, rule, .. } = observation {
                self.down.insert(node.clone());
                self.machines.retain(|known| {
                    (&known.id, &known.node) != (rule, node) || !known.what.is_over_once_it_struck()
                });
            }
        }
        come.into_values().collect()
    }

    fn failure(&self) -> Option<TargetError> {
        self.fails_at
            .filter(|at| *at <= self.now)
            .map(|_| TargetError("the machine is on fire".to_owned()))
    }
}
