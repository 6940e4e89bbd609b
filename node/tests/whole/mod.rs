//! A whole cluster in memory and in virtual time: the server, balancer and session state machines
//! that ship, over logs on memory disks and a network that a seed decides about.
//!
//! [`World`] carries out what the state machines ask; `process` is one run of a server over its
//! disk, `user` a client, `trouble` what goes wrong, and `judge` what must hold at every step.

#[allow(dead_code)] // Reads are judged from the clients' side here.
#[path = "../support/audit.rs"]
mod audit;
mod judge;
mod network;
mod process;
mod trouble;
mod user;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use paxosctl_node::balancer::{self, Balancer};
use paxosctl_node::ids::{ConnId, ServerId};
use paxosctl_node::log::MemoryDisk;
use paxosctl_node::wire::{BalancerAnswer, BalancerMessage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use judge::Judge;
use network::{Packet, Weather};
use process::Process;
use trouble::Trouble;
pub use trouble::Wipes;
use user::User;

/// When everything is mended.
const TROUBLE_ENDS: Duration = Duration::from_secs(4);
/// By when everything that was said must be stored everywhere after that.
const SETTLED_WITHIN: Duration = Duration::from_secs(12);
/// How long a run goes on after its trouble when nothing more is demanded.
const CALM: Duration = Duration::from_secs(2);

/// A node, as far as links are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Server(ServerId),
    User(usize),
    Balancer,
}

/// What a run is like.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub servers: u16,
    pub users: u64,
    pub seed: u64,
    pub wipes: Wipes,
    /// Whether the servers' clocks jump and run wrong.
    pub clocks: bool,
    /// Whether to keep the trace as text.
    pub verbose: bool,
}

/// The place of one server: its disk, and the process that runs over it.
struct Site {
    disk: MemoryDisk,
    process: Option<Process>,
    /// Processes so far.
    lives: u64,
    /// The disk was emptied after the cluster formed.
    wiped: bool,
    /// Its log was damaged and set aside.
    lost: bool,
    restart_at: Option<Duration>,
}

struct BalancerProcess {
    balancer: Balancer,
    life: u64,
    last_conn: u64,
    conns: BTreeMap<ConnId, Node>,
}

pub struct World {
    setting: Setting,
    rng: ChaCha8Rng,
    now: Duration,
    sites: BTreeMap<ServerId, Site>,
    users: Vec<User>,
    balancer: Option<BalancerProcess>,
    balancer_lives: u64,
    balancer_restart_at: Option<Duration>,
    wire: BTreeMap<(Duration, u64), Packet>,
    packets: u64,
    cuts: BTreeSet<(Node, Node)>,
    weather: Weather,
    trouble: Trouble,
    judge: Judge,
    /// Who began to lead, and when.
    led: Vec<(Duration, ServerId)>,
    trace: Trace,
    /// Starts of a server that a checkpoint saved reading.
    from_checkpoint: u64,
}

/// What happened, as text if it is wanted and always as a number.
struct Trace {
    lines: Option<Vec<String>>,
    digest: u64,
}

impl Trace {
    fn note(&mut self, now: Duration, line: std::fmt::Arguments<'_>) {
        let line = format!("{:>10} {line}", now.as_micros());
        // FNV-1a, for want of anything simpler that notices a swap.
        for byte in line.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub messages: u64,
    pub crashes: u64,
    pub wipes: u64,
    pub clocks: u64,
    pub from_checkpoint: u64,
    pub digest: u64,
    pub trace: Vec<String>,
}

impl World {
    pub fn new(setting: Setting) -> World {
        let mut rng = ChaCha8Rng::seed_from_u64(setting.seed);
        let sites = (1..=setting.servers).map(|server| {
            let site = Site {
                disk: MemoryDisk::new(),
                process: None,
                lives: 0,
                wiped: false,
                lost: false,
                restart_at: Some(Duration::from_micros(rng.random_range(0..20_000))),
            };
            (ServerId(server), site)
        });
        let sites = sites.collect();
        let users = (0..setting.users).map(|number| User::new(number, setting.seed));
        World {
            setting,
            sites,
            users: users.collect(),
            balancer: None,
            balancer_lives: 0,
            balancer_restart_at: Some(Duration::ZERO),
            wire: BTreeMap::new(),
            packets: 0,
            cuts: BTreeSet::new(),
            weather: Weather::fair(),
            trouble: Trouble::new(setting.wipes),
            led: Vec::new(),
            judge: Judge::new(setting.servers),
            trace: Trace {
                lines: setting.verbose.then(Vec::new),
                digest: 0xcbf2_9ce4_8422_2325,
            },
            now: Duration::ZERO,
            from_checkpoint: 0,
            rng,
        }
    }

    /// No trouble but what is asked for.
    pub fn without_trouble(setting: Setting) -> World {
        let mut world = World::new(setting);
        world.trouble.end();
        world
    }

    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.next_event() < end {
            self.step();
        }
        self.now = end;
    }

    /// Who began to lead so far, and when.
    pub fn led(&self) -> &[(Duration, ServerId)] {
        &self.led
    }

    pub fn now(&self) -> Duration {
        self.now
    }

    /// Trouble, and a while without, in which nothing is demanded but that nothing goes wrong.
    pub fn run(mut self) -> Summary {
        while self.now < TROUBLE_ENDS + CALM {
            self.step();
        }
        self.summary()
    }

    /// Trouble, then none, and everything has to be settled in time.
    pub fn run_until_settled(mut self) -> Summary {
        while !self.trouble.is_over() || !self.is_settled() {
            assert!(
                self.now < TROUBLE_ENDS + SETTLED_WITHIN,
                "not settled: {}",
                self.missing()
            );
            self.step();
        }
        self.summary()
    }

    fn summary(self) -> Summary {
        self.judge.finish();
        Summary {
            messages: self.judge.messages(),
            crashes: self.trouble.crashes,
            wipes: self.trouble.wiped,
            clocks: self.trouble.clocks,
            from_checkpoint: self.from_checkpoint,
            digest: self.trace.digest,
            trace: self.trace.lines.unwrap_or_default(),
        }
    }

    /// Everything said is acknowledged and delivered, and every server has the whole log.
    fn is_settled(&self) -> bool {
        self.missing().is_empty()
    }

    fn missing(&self) -> String {
        let mut missing = Vec::new();
        let (slots, messages) = (self.judge.chosen(), self.judge.messages());
        for (server, site) in &self.sites {
            match &site.process {
                Some(process) if process.chosen() == slots => {}
                Some(process) => missing.push(format!(
                    "{server} has {} of {slots} slots{}",
                    process.chosen(),
                    if site.wiped { " (wiped)" } else { "" }
                )),
                None => missing.push(format!("{server} is down")),
            }
        }
        for user in &self.users {
            if !user.session.is_settled() || user.delivered < messages {
                missing.push(format!(
                    "{} has {} open, heard {} of {messages}, at {:?}",
                    user.session.name(),
                    user.session.unacknowledged(),
                    user.delivered,
                    user.session.server(),
                ));
            }
        }
        missing.join("; ")
    }

    /// Goes to the next moment at which something happens, and lets it happen.
    fn step(&mut self) {
        self.now = self.next_event().max(self.now);
        self.make_trouble();
        self.restart_what_is_due();
        while let Some((&(at, number), _)) = self.wire.first_key_value()
            && at <= self.now
        {
            if let Some(packet) = self.wire.remove(&(at, number)) {
                self.arrive(packet);
            }
        }
        for server in (1..=self.setting.servers).map(ServerId) {
            self.run_process(server);
        }
        for user in 0..self.users.len() {
            self.run_user(user);
        }
        let (now, effects) = (self.now, self.balancer.as_mut());
        if let Some(process) = effects
            && process.balancer.next_tick().is_some_and(|at| at <= now)
        {
            let effects = process.balancer.tick(now);
            self.carry_out_balancer(effects);
        }
    }

    fn next_event(&self) -> Duration {
        let wire = self.wire.first_key_value().map(|(&(at, _), _)| at);
        let processes = self.sites.values().filter_map(|site| {
            let process = site.process.as_ref();
            process.map_or(site.restart_at, |process| process.next_event(self.now))
        });
        let users = self.users.iter().filter_map(User::next_event);
        let balancer = match &self.balancer {
            Some(process) => process.balancer.next_tick(),
            None => self.balancer_restart_at,
        };
        let earliest = processes.chain(users).chain(wire).chain(balancer).min();
        let earliest = earliest.unwrap_or(self.now + Duration::from_millis(1));
        earliest.min(self.trouble.next_at(self.now))
    }

    fn restart_what_is_due(&mut self) {
        if self.balancer.is_none() && self.balancer_restart_at.is_some_and(|at| at <= self.now) {
            self.balancer_lives += 1;
            self.balancer = Some(BalancerProcess {
                balancer: Balancer::new(balancer::Config {
                    servers: self.setting.servers,
                    timing: balancer::Timing::default(),
                }),
                life: self.balancer_lives,
                last_conn: 0,
                conns: BTreeMap::new(),
            });
        }
        for server in (1..=self.setting.servers).map(ServerId) {
            let site = &self.sites[&server];
            if site.process.is_none() && site.restart_at.is_some_and(|at| at <= self.now) {
                self.start_process(server);
            }
        }
    }

    fn carry_out_balancer(&mut self, effects: balancer::Effects) {
        for event in effects.events {
            self.trace
                .note(self.now, format_args!("balancer {event:?}"));
        }
        let Some(process) = &self.balancer else {
            return;
        };
        let answers: Vec<(Node, BalancerAnswer)> = effects
            .answers
            .into_iter()
            .filter_map(|(conn, answer)| Some((*process.conns.get(&conn)?, answer)))
            .collect();
        for (to, answer) in answers {
            let life = match to {
                Node::Server(server) => self.sites[&server].lives,
                _ => 0,
            };
            self.transmit(
                Node::Balancer,
                to,
                Packet::FromBalancer { to, life, answer },
            );
        }
    }

    /// Sends to the balancer over the sender's connection, which is made if need be.
    fn send_to_balancer(&mut self, from: Node, message: BalancerMessage) {
        let Some(process) = &mut self.balancer else {
            if let Node::User(user) = from {
                let refused = Packet::BalancerGone { user };
                self.put(Duration::from_millis(1), refused);
            }
            return;
        };
        let known = process.conns.iter().rev().find(|(_, node)| **node == from);
        let conn = match known {
            Some((&conn, _)) => conn,
            None => {
                process.last_conn += 1;
                process.conns.insert(ConnId(process.last_conn), from);
                ConnId(process.last_conn)
            }
        };
        let life = process.life;
        self.transmit(
            from,
            Node::Balancer,
            Packet::ToBalancer {
                conn,
                life,
                message,
            },
        );
    }
}
