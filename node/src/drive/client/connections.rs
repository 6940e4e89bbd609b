//! A client process's connections: one to the balancer, one to each server that a session uses.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Input;
use crate::client::{Host, HostEffect, News};
use crate::drive::gate::Gate;
use crate::drive::net::{self, Linked, NetError, Reading};
use crate::drive::outbox::{self, Outbox};
use crate::drive::room::Room;
use crate::ids::ServerId;
use crate::wire::frame;
use crate::wire::{BalancerMessage, ClientMessage, Hello, Role};

/// Bytes that may wait for one connection.
const ROOM_BYTES: usize = 64 << 20;

/// The other end of a connection. The balancer comes before every server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    Balancer,
    Server(ServerId),
}

/// A connection that ended, or could not be made.
#[derive(Debug)]
pub struct Closed {
    pub peer: Peer,
    /// Tells it from other connections to the same peer.
    number: u64,
}

pub struct Connections {
    hello: Hello,
    gate: Gate,
    balancer: SocketAddr,
    inputs: mpsc::Sender<Input>,
    to_balancer: Option<(u64, Outbox<BalancerMessage>)>,
    to_servers: BTreeMap<ServerId, ToServer>,
    opened: u64,
}

struct ToServer {
    number: u64,
    address: Arc<str>,
    outbox: Outbox<ClientMessage>,
}

impl Connections {
    pub fn new(
        cluster: u64,
        gate: Gate,
        balancer: SocketAddr,
        inputs: mpsc::Sender<Input>,
    ) -> Connections {
        Connections {
            hello: Hello {
                cluster,
                node: gate.me().to_string(),
                role: Role::Client,
            },
            gate,
            balancer,
            inputs,
            to_balancer: None,
            to_servers: BTreeMap::new(),
            opened: 0,
        }
    }

    /// Does what the host wants, in order.
    pub fn carry_out(&mut self, host: &mut Host, news: &mut dyn FnMut(News)) {
        for effect in host.take_effects() {
            match effect {
                HostEffect::ToBalancer(message) => self.send_to_balancer(message),
                HostEffect::ToServer {
                    server,
                    address,
                    message,
                } => self.send_to_server(server, &address, message),
                HostEffect::ForgetServer(server) => self.forget_server(server),
                HostEffect::News(told) => news(told),
            }
        }
    }

    /// Hands on what came through a connection.
    pub fn take(&mut self, host: &mut Host, now: Duration, input: Input) {
        match input {
            Input::Server { server, message } => host.from_server(now, server, message),
            Input::Balancer(answer) => host.from_balancer(now, answer),
            Input::Refused { peer, reason } => host.refused(peer, reason),
            Input::Closed(closed) if self.closed(&closed) => match closed.peer {
                Peer::Balancer => host.balancer_gone(now),
                Peer::Server(server) => host.server_gone(now, server),
            },
            Input::Closed(_) => {}
        }
    }

    /// Sends to the balancer, connecting first if need be.
    fn send_to_balancer(&mut self, message: BalancerMessage) {
        if self.to_balancer.is_none() {
            let opened = self.open(Peer::Balancer, self.balancer, Input::Balancer);
            self.to_balancer = Some(opened);
        }
        if let Some((_, outbox)) = &self.to_balancer {
            outbox.send(&message);
        }
    }

    /// Sends to a server, connecting first if need be.
    fn send_to_server(&mut self, server: ServerId, address: &Arc<str>, message: ClientMessage) {
        let known = self.to_servers.get(&server);
        if known.is_none_or(|known| known.address != *address) {
            let Ok(parsed) = address.parse() else { return };
            let wrap = move |message| Input::Server { server, message };
            let (number, outbox) = self.open(Peer::Server(server), parsed, wrap);
            let to_server = ToServer {
                number,
                address: address.clone(),
                outbox,
            };
            self.to_servers.insert(server, to_server);
        }
        if let Some(known) = self.to_servers.get(&server) {
            known.outbox.send(&message);
        }
    }

    /// No session needs the connection any more: it ends when its outbox is empty.
    fn forget_server(&mut self, server: ServerId) {
        self.to_servers.remove(&server);
    }

    /// Takes note of a connection's end. False if a newer one took its place.
    fn closed(&mut self, closed: &Closed) -> bool {
        match closed.peer {
            Peer::Balancer => {
                let current = self.to_balancer.as_ref().map(|(number, _)| *number);
                if current == Some(closed.number) {
                    self.to_balancer = None;
                }
                current == Some(closed.number)
            }
            Peer::Server(server) => {
                let current = self.to_servers.get(&server).map(|known| known.number);
                if current == Some(closed.number) {
                    self.to_servers.remove(&server);
                }
                current == Some(closed.number)
            }
        }
    }

    /// Starts a connection: what is left in the outbox is sent once it stands, what arrives comes
    /// through `wrap`, and its end as [`Input::Closed`].
    fn open<Out: Linked, In: Linked>(
        &mut self,
        peer: Peer,
        address: SocketAddr,
        wrap: impl Fn(In) -> Input + Send + 'static,
    ) -> (u64, Outbox<Out>) {
        self.opened += 1;
        let number = self.opened;
        let name = match peer {
            Peer::Balancer => "balancer".to_string(),
            Peer::Server(server) => server.to_string(),
        };
        let (outbox, mut queue) =
            Outbox::new(&name, &self.gate, &Room::new(ROOM_BYTES, usize::MAX));
        let (hello, gate, inputs) = (self.hello.clone(), self.gate.clone(), self.inputs.clone());
        tokio::spawn(async move {
            match net::dial(address, &name, &hello, &gate).await {
                Ok(mut connection) => {
                    let reading = Reading {
                        limit_bytes: frame::CLIENT_LIMIT_BYTES,
                        from: &name,
                        gate: &gate,
                        answers: None,
                        idle_limit: None,
                    };
                    let read = net::read_all(&mut connection.reader, reading, &inputs, wrap);
                    // Whichever ends first: why does not matter to the sessions.
                    tokio::select! {
                        _ = outbox::write_all(&mut queue, &mut connection.writer) => {}
                        _ = read => {}
                    }
                }
                Err(NetError::Refused { peer, reason }) => {
                    drop(inputs.send(Input::Refused { peer, reason }).await);
                }
                // Down or cut off: another will do, or it comes back.
                Err(_) => {}
            }
            let closed = Closed { peer, number };
            drop(inputs.send(Input::Closed(closed)).await);
        });
        (number, outbox)
    }
}
