//! Sessions against a small model of a cluster, under random faults.
//!
//! The model keeps one chat by the session rule (a message is stored only as the next of its
//! client) and servers that know a prefix of it each. Its network loses, repeats, delays and
//! reorders; its servers crash with or without notice, freeze, lose their majority and send
//! sessions away; its balancer dies, and names dead servers. Then everything heals, and every
//! session must have everything settled: each message stored and acknowledged once, the whole chat
//! delivered.

mod cluster;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::wire::{BalancerAnswer, ServerMessage};

const SERVERS: u16 = 3;
const CLIENTS: u64 = 2;
const TROUBLE_ENDS: Duration = Duration::from_secs(20);
const SETTLED_BY: Duration = Duration::from_secs(30);
const SERVERS_WORK_EVERY: Duration = Duration::from_millis(20);
const MESSAGES_EACH: u64 = 40;

fn address(server: ServerId) -> String {
    format!("127.0.0.1:2100{}", server.0)
}

#[derive(Debug, Clone)]
enum Packet {
    ToServer(ServerId, ClientMessage),
    FromServer(ServerId, ServerMessage),
    ToBalancer(Option<ServerId>),
    FromBalancer(BalancerAnswer),
    ServerFailed(ServerId),
    BalancerFailed,
}

#[derive(Debug, Default)]
struct Server {
    down: bool,
    frozen: bool,
    cut_off: bool,
    /// How much of the chat it knows.
    applied: usize,
    /// The sessions here: the last index pushed to each, if it listens.
    sessions: BTreeMap<ClientId, Option<u64>>,
    /// Messages whose acknowledgement waits until they are applied here.
    owed: BTreeSet<(ClientId, u64)>,
}

/// A session with what its user knows.
struct User {
    session: Session,
    acked: BTreeSet<u64>,
    delivered: u64,
    /// For each open read, the length of the chat when it was asked.
    reads: BTreeMap<u64, u64>,
    asked_at: Option<Duration>,
    majority: bool,
}

struct World {
    rng: ChaCha8Rng,
    now: Duration,
    chat: Vec<Command>,
    servers: BTreeMap<ServerId, Server>,
    balancer_down: bool,
    users: BTreeMap<ClientId, User>,
    /// By time of arrival; the number tells apart what arrives together.
    wire: BTreeMap<(Duration, u64), (ClientId, Packet)>,
    packets: u64,
    servers_work_at: Duration,
    trouble_at: Duration,
}

impl World {
    fn new(seed: u64) -> World {
        let users = (1..=CLIENTS).map(|id| {
            let config = Config {
                client: ClientId(id),
                name: format!("client {id}"),
                seen: Some(0),
                seed: seed ^ id,
                timing: Timing::default(),
            };
            let user = User {
                session: Session::new(config, Duration::ZERO),
                acked: BTreeSet::new(),
                delivered: 0,
                reads: BTreeMap::new(),
                asked_at: None,
                majority: true,
            };
            (ClientId(id), user)
        });
        World {
            rng: ChaCha8Rng::seed_from_u64(seed),
            now: Duration::ZERO,
            chat: Vec::new(),
            servers: (1..=SERVERS)
                .map(|id| (ServerId(id), Server::default()))
                .collect(),
            balancer_down: false,
            users: users.collect(),
            wire: BTreeMap::new(),
            packets: 0,
            servers_work_at: Duration::ZERO,
            trouble_at: Duration::ZERO,
        }
    }

    fn in_trouble(&self) -> bool {
        self.now < TROUBLE_ENDS
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    /// True with some probability while there is trouble, false after it.
    fn mishap(&mut self, percent: u32) -> bool {
        self.in_trouble() && self.chance(percent)
    }

    fn any_server(&mut self) -> ServerId {
        ServerId(self.rng.random_range(1..=SERVERS))
    }

    fn any_client(&mut self) -> ClientId {
        ClientId(self.rng.random_range(1..=CLIENTS))
    }

    fn transmit(&mut self, client: ClientId, packet: Packet) {
        let copies = match self.mishap(15) {
            true => 0,
            false => 1 + u32::from(self.mishap(15)),
        };
        for _ in 0..copies {
            let longest_ms = if self.mishap(10) { 900 } else { 30 };
            let delay = Duration::from_micros(self.rng.random_range(1..=longest_ms * 1000));
            self.packets += 1;
            let arrival = (self.now + delay, self.packets);
            self.wire.insert(arrival, (client, packet.clone()));
        }
    }

    fn answer(&mut self, client: ClientId, server: ServerId, message: ServerMessage) {
        self.transmit(client, Packet::FromServer(server, message));
    }

    /// Goes on to the next thing that happens.
    fn step(&mut self) {
        let ticks = self
            .users
            .values()
            .filter_map(|user| user.session.next_tick());
        let arrival = self.wire.keys().next().map(|&(at, _)| at);
        let next = (ticks.chain(arrival))
            .chain([self.servers_work_at, self.trouble_at])
            .min()
            .unwrap_or(self.now);
        self.now = self.now.max(next);
        if self.now >= self.trouble_at {
            match self.in_trouble() {
                true => self.make_trouble(),
                false => self.heal(),
            }
        }
        if self.now >= self.servers_work_at {
            self.servers_work_at = self.now + SERVERS_WORK_EVERY;
            (1..=SERVERS).for_each(|id| self.serve(ServerId(id)));
        }
        if let Some(entry) = self.wire.first_entry()
            && entry.key().0 <= self.now
        {
            let (client, packet) = entry.remove();
            self.arrive(client, packet);
        }
        for id in 1..=CLIENTS {
            self.tick(ClientId(id));
        }
    }

    fn make_trouble(&mut self) {
        self.trouble_at = self.now + Duration::from_millis(self.rng.random_range(20..300));
        let server = self.any_server();
        let client = self.any_client();
        match self.rng.random_range(0..12) {
            0 => self.crash(server),
            1 | 2 => self.server(server).down = false,
            3 => {
                let frozen = self.chance(40);
                self.server(server).frozen = frozen;
            }
            4 => {
                let cut_off = self.chance(40);
                self.server(server).cut_off = cut_off;
            }
            5 => self.balancer_down = self.chance(30),
            6 => {
                let reason = "stopping".to_owned();
                let message = ServerMessage::GoElsewhere { client, reason };
                self.server(server).sessions.remove(&client);
                self.answer(client, server, message);
            }
            7 => {
                let (now, length) = (self.now, self.chat.len() as u64);
                let user = self.user(client);
                let id = user.session.read(now);
                user.reads.insert(id, length);
            }
            _ => self.say(client),
        }
    }

    /// Everything works from now on, and what was not said yet is said.
    fn heal(&mut self) {
        self.trouble_at = Duration::MAX;
        self.balancer_down = false;
        for server in self.servers.values_mut() {
            server.down = false;
            server.frozen = false;
            server.cut_off = false;
        }
        for id in 1..=CLIENTS {
            while self.user(ClientId(id)).session.last_said() < MESSAGES_EACH {
                self.say(ClientId(id));
            }
        }
    }

    fn say(&mut self, client: ClientId) {
        let burst = self.rng.random_range(1..=3);
        for _ in 0..burst {
            let now = self.now;
            let user = self.user(client);
            if user.session.last_said() == MESSAGES_EACH {
                return;
            }
            let seq = user.session.last_said() + 1;
            let said = user.session.say(now, seq, format!("{client} says {seq}"));
            assert_eq!(said, seq);
        }
    }

    fn crash(&mut self, server: ServerId) {
        let lost = std::mem::replace(
            self.server(server),
            Server {
                down: true,
                ..Server::default()
            },
        );
        for &client in lost.sessions.keys() {
            if self.chance(70) {
                self.transmit(client, Packet::ServerFailed(server));
            }
        }
    }

    fn server(&mut self, server: ServerId) -> &mut Server {
        self.servers.get_mut(&server).expect("servers are s1 to s3")
    }

    fn user(&mut self, client: ClientId) -> &mut User {
        self.users.get_mut(&client).expect("clients are 1 and 2")
    }

    fn stored(&self, client: ClientId) -> u64 {
        (self.chat.iter())
            .filter(|command| command.client == client)
            .count() as u64
    }

    fn arrive(&mut self, client: ClientId, packet: Packet) {
        let now = self.now;
        match packet {
            Packet::ToServer(server, message) => self.at_server(client, server, message),
            Packet::FromServer(server, message) => {
                self.user(client).session.from_server(now, server, message);
            }
            Packet::ToBalancer(avoid) => self.at_balancer(client, avoid),
            Packet::FromBalancer(answer) => {
                self.user(client).session.from_balancer(now, answer);
            }
            Packet::ServerFailed(server) => {
                self.user(client).session.server_failed(now, server);
            }
            Packet::BalancerFailed => self.user(client).session.balancer_failed(now),
        }
    }

    fn tick(&mut self, client: ClientId) {
        let now = self.now;
        let user = self.user(client);
        if user.session.next_tick().is_some_and(|at| at <= now) {
            user.session.tick(now);
        }
        let next = user.session.next_tick();
        assert!(
            next.is_some_and(|at| at > now),
            "the session wants a tick at once, again: {next:?} at {now:?}"
        );
        for effect in user.session.take_effects() {
            self.carry_out(client, effect);
        }
    }

    fn carry_out(&mut self, client: ClientId, effect: Effect) {
        match effect {
            Effect::AskBalancer { avoid } => {
                let now = self.now;
                let before = self.user(client).asked_at.replace(now);
                assert!(
                    before.is_none_or(|at| now - at >= Timing::default().ask_spacing),
                    "the balancer is asked at {before:?} and {now:?}"
                );
                self.transmit(client, Packet::ToBalancer(avoid));
            }
            Effect::Send {
                server,
                address: to,
                message,
            } => {
                assert_eq!(*to, address(server));
                self.transmit(client, Packet::ToServer(server, message));
            }
            Effect::Drop { .. } => {}
            Effect::Happened(news) => self.happened(client, news),
        }
    }

    fn happened(&mut self, client: ClientId, news: Happened) {
        match news {
            Happened::Acked {
                seq, index, slot, ..
            } => {
                let stored = match index {
                    0 => self
                        .chat
                        .iter()
                        .any(|at| (at.client, at.seq) == (client, seq)),
                    _ => {
                        let at = &self.chat[index as usize - 1];
                        assert_eq!(slot, Slot(index * 2));
                        (at.client, at.seq) == (client, seq)
                    }
                };
                assert!(
                    stored,
                    "{client} got an Ack of {seq}, not stored at {index}"
                );
                assert!(self.user(client).acked.insert(seq), "{seq} is acked twice");
            }
            Happened::Delivered { index, command } => {
                let expected = self.user(client).delivered + 1;
                assert_eq!(index, expected, "{client} missed or repeated a message");
                assert_eq!(command, self.chat[index as usize - 1]);
                self.user(client).delivered = index;
            }
            Happened::ReadDone { id, length, .. } => {
                let now_there = self.chat.len() as u64;
                let asked = self.user(client).reads.remove(&id);
                let asked = asked.expect("a read is answered once");
                assert!((asked..=now_there).contains(&length));
            }
            Happened::Majority(majority) => {
                assert_ne!(self.user(client).majority, majority, "told twice");
                self.user(client).majority = majority;
            }
            Happened::Joined { .. }
            | Happened::Rerouting { .. }
            | Happened::NotReady { .. }
            | Happened::Page { .. } => {}
        }
    }

    fn is_settled(&self) -> bool {
        let length = self.chat.len() as u64;
        !self.in_trouble()
            && (self.users.values()).all(|user| {
                let session = &user.session;
                session.last_said() == MESSAGES_EACH
                    && session.is_settled()
                    && user.delivered == length
                    && user.majority
                    && session.server().is_some()
            })
    }
}

fn run(seed: u64) -> World {
    let mut world = World::new(seed);
    for id in 1..=CLIENTS {
        world.tick(ClientId(id));
    }
    while !world.is_settled() {
        world.step();
        assert!(
            world.now < SETTLED_BY,
            "not settled at {:?}: {:#?}",
            world.now,
            (world.users.values())
                .map(|user| &user.session)
                .collect::<Vec<_>>()
        );
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn everything_said_is_stored_and_acknowledged_once_and_everything_stored_is_heard(seed: u64) {
        let world = run(seed);
        for (&client, user) in &world.users {
            let said: Vec<u64> = (world.chat.iter())
                .filter(|command| command.client == client)
                .map(|command| command.seq)
                .collect();
            prop_assert_eq!(said, Vec::from_iter(1..=MESSAGES_EACH));
            prop_assert_eq!(user.acked.len() as u64, MESSAGES_EACH);
            prop_assert_eq!(user.delivered, world.chat.len() as u64);
            prop_assert!(user.reads.is_empty());
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn the_same_seed_gives_the_same_run(seed: u64) {
        let (once, again) = (run(seed), run(seed));
        prop_assert_eq!(once.packets, again.packets);
        prop_assert_eq!(once.now, again.now);
        prop_assert_eq!(once.chat, again.chat);
    }
}
