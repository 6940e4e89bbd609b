//! A client of the cluster: a session, its connections, and what its user does.

use std::collections::BTreeMap;
use std::time::Duration;

use paxosctl_node::client::{Config, Effect, Happened, Session, Timing};
use paxosctl_node::ids::{ClientId, ConnId, ServerId};
use paxosctl_node::value::Command;
use paxosctl_node::wire::BalancerMessage;
use rand::RngExt;

use super::network::Packet;
use super::{Node, TROUBLE_ENDS, World};

pub(super) struct User {
    pub session: Session,
    pub client: ClientId,
    /// Its connections.
    pub conns: BTreeMap<ServerId, Connection>,
    /// The last chat index that it heard.
    pub delivered: u64,
    /// When it says or asks something next.
    pub acts_at: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Connection {
    pub conn: ConnId,
    /// Of the server's process.
    pub life: u64,
}

impl User {
    pub fn new(number: u64, seed: u64) -> User {
        let client = ClientId(100 + number);
        let config = Config {
            client,
            name: format!("user {number}"),
            seen: Some(0),
            seed: seed ^ number,
            timing: Timing::default(),
        };
        User {
            session: Session::new(config, Duration::ZERO),
            client,
            conns: BTreeMap::new(),
            delivered: 0,
            acts_at: Some(Duration::ZERO),
        }
    }

    pub fn next_event(&self) -> Option<Duration> {
        [self.session.next_tick(), self.acts_at]
            .into_iter()
            .flatten()
            .min()
    }
}

impl World {
    /// Lets a user do what is due.
    pub(super) fn run_user(&mut self, user: usize) {
        let now = self.now;
        if self.users[user].acts_at.is_some_and(|at| at <= now) {
            self.act(user);
        }
        // A session may be due again at once, but a host gives the others a turn in between.
        if (self.users[user].session.next_tick()).is_some_and(|at| at <= now) {
            self.users[user].session.tick(now);
            self.carry_out_user(user);
        }
    }

    fn act(&mut self, user: usize) {
        let now = self.now;
        let pause = Duration::from_millis(self.rng.random_range(20..400));
        let acting = &mut self.users[user];
        acting.acts_at = Some(now + pause).filter(|&at| at < TROUBLE_ENDS);
        if self.rng.random_range(0..5) == 0 {
            let id = acting.session.read(now);
            self.judge.asked(acting.client, id);
        } else {
            for _ in 0..self.rng.random_range(1..4) {
                let at_ms = now.as_millis() as u64;
                let command = Command {
                    client: acting.client,
                    seq: acting.session.last_said() + 1,
                    name: acting.session.name().to_owned(),
                    at_ms,
                    text: format!("{} at {at_ms}", acting.client),
                };
                self.judge.said(&command);
                acting.session.say(now, at_ms, command.text);
            }
        }
        self.carry_out_user(user);
    }

    pub(super) fn carry_out_user(&mut self, user: usize) {
        let client = self.users[user].client;
        for effect in self.users[user].session.take_effects() {
            match effect {
                Effect::AskBalancer { avoid } => {
                    let name = self.users[user].session.name().to_owned();
                    let route = BalancerMessage::Route {
                        client,
                        name,
                        avoid,
                    };
                    self.send_to_balancer(Node::User(user), route);
                }
                Effect::Send {
                    server, message, ..
                } => {
                    let Some(Connection { conn, life }) = self.connect(user, server) else {
                        continue;
                    };
                    let packet = Packet::ToServer {
                        to: server,
                        life,
                        conn,
                        message,
                    };
                    self.transmit(Node::User(user), Node::Server(server), packet);
                }
                Effect::Drop { server } => {
                    if let Some(Connection { conn, life }) = self.users[user].conns.remove(&server)
                    {
                        let gone = Packet::UserGone { server, life, conn };
                        self.put(Duration::from_millis(1), gone);
                    }
                }
                Effect::Happened(what) => {
                    self.trace.note(self.now, format_args!("{client} {what:?}"));
                    self.happened(user, what);
                }
            }
        }
    }

    fn happened(&mut self, user: usize, what: Happened) {
        let client = self.users[user].client;
        match what {
            Happened::Acked {
                seq, index, slot, ..
            } => self.judge.acked(client, seq, index, slot),
            Happened::Delivered { index, command } => {
                self.users[user].delivered += 1;
                assert_eq!(
                    index, self.users[user].delivered,
                    "{client} misses messages"
                );
                self.judge.delivered(client, index, &command);
            }
            Happened::ReadDone { id, length, .. } => self.judge.read(client, id, length),
            Happened::Joined { .. }
            | Happened::Rerouting { .. }
            | Happened::Majority(_)
            | Happened::NotReady { .. }
            | Happened::Page { .. } => {}
        }
    }

    /// The user's connection to the server, made if need be; none when nobody listens there.
    fn connect(&mut self, user: usize, server: ServerId) -> Option<Connection> {
        if let Some(known) = self.users[user].conns.get(&server) {
            return Some(*known);
        }
        let site = self.sites.get_mut(&server)?;
        let Some(process) = &mut site.process else {
            let conn = ConnId(0);
            let life = 0;
            let refused = Connection { conn, life };
            self.users[user].conns.insert(server, refused);
            let gone = Packet::ServerGone { user, server, conn };
            self.put(Duration::from_millis(1), gone);
            return None;
        };
        let connection = Connection {
            conn: process.accept(user),
            life: process.life,
        };
        self.users[user].conns.insert(server, connection);
        Some(connection)
    }
}
