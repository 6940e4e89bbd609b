//! The network: what becomes of a packet, and who gets it.

use std::time::Duration;

use paxosctl_node::ids::{ConnId, ServerId};
use paxosctl_node::wire::{
    BalancerAnswer, BalancerMessage, ClientMessage, PeerMessage, ServerMessage,
};
use rand::RngExt;

use super::{Node, World};

/// Something under way. A `life` names the process for which it is meant: a connection does not
/// survive its process. Only messages between servers may reach a later life.
#[derive(Debug, Clone)]
pub(super) enum Packet {
    Peer {
        from: ServerId,
        incarnation: u64,
        to: ServerId,
        message: PeerMessage,
    },
    ToServer {
        to: ServerId,
        life: u64,
        conn: ConnId,
        message: ClientMessage,
    },
    ToUser {
        user: usize,
        from: ServerId,
        message: ServerMessage,
    },
    ToBalancer {
        conn: ConnId,
        life: u64,
        message: BalancerMessage,
    },
    FromBalancer {
        to: Node,
        life: u64,
        answer: BalancerAnswer,
    },
    /// What `to` sends to the peer, or to the balancer if there is none, may arrive from now on.
    Connected {
        to: ServerId,
        life: u64,
        peer: Option<ServerId>,
    },
    /// The connection on which the peer sends to `to` ended.
    Disconnected {
        to: ServerId,
        life: u64,
        peer: ServerId,
    },
    /// The user's connection to the server ended.
    ServerGone {
        user: usize,
        server: ServerId,
        conn: ConnId,
    },
    /// A connection to the server ended.
    UserGone {
        server: ServerId,
        life: u64,
        conn: ConnId,
    },
    /// A connection to the balancer ended.
    SenderGone { conn: ConnId, life: u64 },
    /// The balancer cannot be reached.
    BalancerGone { user: usize },
}

/// How bad the links are, in thousandths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    pub loss: u32,
    pub repeat: u32,
    pub late: u32,
    pub latest: Duration,
}

impl Weather {
    pub fn fair() -> Weather {
        Weather {
            loss: 0,
            repeat: 0,
            late: 0,
            latest: Duration::ZERO,
        }
    }
}

impl World {
    /// Sends a packet over the link, which may lose, repeat and delay it.
    pub(super) fn transmit(&mut self, from: Node, to: Node, packet: Packet) {
        if self.cuts.contains(&(from, to)) || self.chance(self.weather.loss) {
            return;
        }
        let copies = if self.chance(self.weather.repeat) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let mut delay = Duration::from_micros(self.rng.random_range(100..1000));
            if self.chance(self.weather.late) {
                let latest = self.weather.latest.as_micros() as u64;
                delay += Duration::from_micros(self.rng.random_range(0..=latest));
            }
            self.put(delay, packet.clone());
        }
    }

    /// What is told after `delay` whatever the links do.
    pub(super) fn put(&mut self, delay: Duration, packet: Packet) {
        self.packets += 1;
        self.wire.insert((self.now + delay, self.packets), packet);
    }

    pub(super) fn chance(&mut self, thousandths: u32) -> bool {
        thousandths > 0 && self.rng.random_range(0..1000) < thousandths
    }

    pub(super) fn arrive(&mut self, packet: Packet) {
        // A paused process gets everything when it goes on.
        if let Some(server) = packet.server()
            && let Some(site) = self.sites.get_mut(&server)
            && let Some(process) = &mut site.process
            && process.paused
        {
            process.backlog.push(packet);
            return;
        }
        let now = self.now;
        match packet {
            Packet::Peer {
                from,
                incarnation,
                to,
                message,
            } => self.with_process(to, None, |process| {
                process
                    .server
                    .peer(process.local(now), from, incarnation, message);
            }),
            Packet::ToServer {
                to,
                life,
                conn,
                message,
            } => self.with_process(to, Some(life), |process| {
                let taken = process.server.client(process.local(now), conn, message);
                taken.expect("the log can be read");
            }),
            Packet::UserGone { server, life, conn } => {
                self.with_process(server, Some(life), |process| {
                    process.conns.remove(&conn);
                    process.server.closed(conn);
                });
            }
            Packet::Connected { to, life, peer } => {
                self.with_process(to, Some(life), |process| match peer {
                    Some(peer) => process.server.connected(process.local(now), peer),
                    None => process.server.balancer_connected(process.local(now)),
                });
            }
            Packet::Disconnected { to, life, peer } => {
                self.with_process(to, Some(life), |process| {
                    process.server.disconnected(process.local(now), peer);
                });
            }
            Packet::FromBalancer {
                to: Node::Server(server),
                life,
                answer,
            } => self.with_process(server, Some(life), |process| {
                process.server.balancer(&answer);
            }),
            Packet::FromBalancer { to, answer, .. } => {
                if let Node::User(user) = to {
                    self.users[user].session.from_balancer(now, answer);
                    self.carry_out_user(user);
                }
            }
            Packet::ToUser {
                user,
                from,
                message,
            } => {
                self.users[user].session.from_server(now, from, message);
                self.carry_out_user(user);
            }
            Packet::ServerGone { user, server, conn } => {
                let conns = &mut self.users[user].conns;
                if conns.get(&server).is_some_and(|known| known.conn == conn) {
                    conns.remove(&server);
                    self.users[user].session.server_failed(now, server);
                    self.carry_out_user(user);
                }
            }
            Packet::BalancerGone { user } => {
                self.users[user].session.balancer_failed(now);
                self.carry_out_user(user);
            }
            Packet::ToBalancer {
                conn,
                life,
                message,
            } => {
                let Some(process) = self.balancer.as_mut().filter(|p| p.life == life) else {
                    return;
                };
                let effects = match message {
                    BalancerMessage::Report(report) => process.balancer.report(now, conn, report),
                    BalancerMessage::Route {
                        client,
                        name,
                        avoid,
                    } => process.balancer.route(now, conn, client, name, avoid),
                    BalancerMessage::Who => process.balancer.who(conn),
                };
                self.carry_out_balancer(effects);
            }
            Packet::SenderGone { conn, life } => {
                let Some(process) = self.balancer.as_mut().filter(|p| p.life == life) else {
                    return;
                };
                process.conns.remove(&conn);
                let effects = process.balancer.closed(now, conn);
                self.carry_out_balancer(effects);
            }
        }
    }
}

impl Packet {
    /// The server that gets it, if one does.
    fn server(&self) -> Option<ServerId> {
        match *self {
            Packet::Peer { to, .. }
            | Packet::ToServer { to, .. }
            | Packet::Connected { to, .. }
            | Packet::Disconnected { to, .. } => Some(to),
            Packet::UserGone { server, .. } => Some(server),
            Packet::FromBalancer {
                to: Node::Server(server),
                ..
            } => Some(server),
            _ => None,
        }
    }
}
