//! The connections that a server makes: to each peer, for sending, and to the balancer.

use std::net::SocketAddr;

use super::{Input, Shared};
use crate::drive::net::{self, Reading};
use crate::drive::outbox::{self, Outbox};
use crate::drive::reporter::Reporter;
use crate::drive::room::Room;
use crate::event::Event;
use crate::ids::ServerId;
use crate::link::Redial;
use crate::wire::frame;
use crate::wire::{BalancerAnswer, BalancerMessage, Hello, PeerMessage, Role, Welcome};

/// Bytes that may wait for one peer: the largest message fits in several times.
const ROOM_BYTES: usize = 32 << 20;

fn room() -> Room {
    Room::new(ROOM_BYTES, usize::MAX)
}

fn hello(shared: &Shared) -> Hello {
    Hello {
        cluster: shared.config.cluster,
        node: shared.gate.me().to_string(),
        role: Role::Server {
            server: shared.config.server,
            incarnation: shared.incarnation,
        },
    }
}

/// Keeps a connection to a peer, for sending.
pub fn peer(shared: &Shared, peer: ServerId, address: SocketAddr) -> Outbox<PeerMessage> {
    let (outbox, mut queue) = Outbox::new(&peer.to_string(), &shared.gate, &room());
    let shared = shared.clone();
    tokio::spawn(async move {
        let name = peer.to_string();
        let mut complaint = Complaint::default();
        let mut redial = Redial::default();
        loop {
            let hello = hello(&shared);
            let dialled = net::dial(address, &name, &hello, &shared.gate);
            match outbox::discarding(&mut queue, dialled).await {
                Ok(mut connection) => {
                    complaint = Complaint::default();
                    redial.reset();
                    drop(shared.inputs.send(Input::PeerConnected(peer)).await);
                    // The peer says nothing on this connection; the end of it is the news.
                    let silence = connection
                        .reader
                        .next::<Welcome>(frame::HANDSHAKE_LIMIT_BYTES);
                    tokio::select! {
                        _ = outbox::write_all(&mut queue, &mut connection.writer) => {}
                        _ = silence => {}
                    }
                }
                Err(error) => complaint.about(&shared.reporter, &name, &error),
            }
            outbox::discarding(&mut queue, tokio::time::sleep(redial.pause())).await;
        }
    });
    outbox
}

/// Keeps a connection to the balancer.
pub fn balancer(shared: &Shared) -> Outbox<BalancerMessage> {
    let (outbox, mut queue) = Outbox::new("balancer", &shared.gate, &room());
    let shared = shared.clone();
    tokio::spawn(async move {
        let mut redial = Redial::default();
        loop {
            let hello = hello(&shared);
            let dialled = net::dial(shared.config.balancer, "balancer", &hello, &shared.gate);
            match outbox::discarding(&mut queue, dialled).await {
                Ok(mut connection) => {
                    redial.reset();
                    drop(shared.inputs.send(Input::BalancerConnected).await);
                    let read = net::read_all(
                        &mut connection.reader,
                        Reading {
                            limit_bytes: frame::CLIENT_LIMIT_BYTES,
                            from: "balancer",
                            gate: &shared.gate,
                            answers: None,
                            idle_limit: None,
                        },
                        &shared.inputs,
                        Input::Balancer,
                    );
                    tokio::select! {
                        _ = outbox::write_all(&mut queue, &mut connection.writer) => {}
                        _ = read => {}
                    }
                }
                Err(net::NetError::Refused { reason, .. }) => {
                    let refused = BalancerAnswer::Refused { reason };
                    drop(shared.inputs.send(Input::Balancer(refused)).await);
                }
                // Down or cut off: it may come back, and a running chat does not need it.
                Err(_) => {}
            }
            outbox::discarding(&mut queue, tokio::time::sleep(redial.pause())).await;
        }
    });
    outbox
}

/// Reports a refusal once, not at every attempt.
#[derive(Default)]
struct Complaint {
    last: Option<String>,
}

impl Complaint {
    fn about(&mut self, reporter: &Reporter, peer: &str, error: &net::NetError) {
        let net::NetError::Refused { reason, .. } = error else {
            return;
        };
        if self.last.as_ref() != Some(reason) {
            self.last = Some(reason.clone());
            reporter.say(format_args!("refused by {peer}: {reason}"));
            reporter.event(Event::Refused {
                peer: peer.to_string(),
                reason: reason.clone(),
            });
        }
    }
}
