//! A balancer process: the [`Balancer`] state machine behind its socket.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::converse::{Talk, Terms, converse};
use super::door::{Door, Owner};
use super::gate::Gate;
use super::net::Connection;
use super::outbox::Outbox;
use super::reporter::Reporter;
use super::room::Room;
use super::{BalancerConfig, NodeError, links, process};
use crate::balancer::{Balancer, Config, Timing};
use crate::event::Event;
use crate::ids::{ConnId, ServerId};
use crate::wire::frame;
use crate::wire::{BalancerAnswer, BalancerMessage, Hello};

/// Inputs that may wait for the state machine; more hold their connections back.
const INPUTS: usize = 8192;

/// Bytes that may wait for one connection, and for all of them.
const ROOM_BYTES: usize = 2 << 20;
const ROOMS_BYTES: usize = 64 << 20;

/// A connection on which nothing came for so long ends. Servers report much more often, and a
/// client that has a server needs the balancer no more.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// The longest sleep.
const IDLE: Duration = Duration::from_secs(3600);

struct Input {
    conn: ConnId,
    talk: Talk<BalancerAnswer, BalancerMessage>,
}

#[derive(Clone)]
struct Shared {
    gate: Gate,
    inputs: mpsc::Sender<Input>,
    door: Door,
    room: Room,
}

/// Runs a balancer until SIGTERM or a failure.
pub fn run_balancer(config: BalancerConfig) -> Result<(), NodeError> {
    let reporter = Reporter;
    let gate = process::begin("balancer", &config.dir, Vec::new(), reporter);
    process::runtime()?.block_on(serve(config, gate, reporter))
}

async fn serve(config: BalancerConfig, gate: Gate, reporter: Reporter) -> Result<(), NodeError> {
    let started = Instant::now();
    let address = config.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| NodeError::Listen { address, source })?;
    let mut terminate = signal(SignalKind::terminate()).map_err(NodeError::Start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(NodeError::Start)?;
    let mut links_changed = signal(SignalKind::user_defined1()).map_err(NodeError::Start)?;
    let (inputs, mut arriving) = mpsc::channel(INPUTS);
    let door = Door::new(
        Owner {
            title: "the balancer".into(),
            cluster: config.cluster,
            members: (1..=config.servers).map(ServerId).collect(),
        },
        gate.clone(),
        reporter,
    );
    let shared = Shared {
        gate: gate.clone(),
        inputs,
        door: door.clone(),
        room: Room::new(ROOM_BYTES, ROOMS_BYTES),
    };
    tokio::spawn(door.open(listener, move |connection, hello, conn| {
        serve_connection(shared.clone(), connection, hello, conn)
    }));
    let mut balancer = Balancer::new(Config {
        servers: config.servers,
        timing: Timing::default(),
    });
    let mut connections: BTreeMap<ConnId, Outbox<BalancerAnswer>> = BTreeMap::new();
    reporter.event(Event::Ready {
        address: address.to_string(),
    });

    loop {
        let wake = match balancer.next_tick() {
            Some(at) => started + at,
            None => Instant::now() + IDLE,
        };
        let effects = tokio::select! {
            biased;
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = links_changed.recv() => {
                links::reload(&gate, &config.dir, reporter);
                continue;
            }
            Some(Input { conn, talk }) = arriving.recv() => {
                let now = started.elapsed();
                match talk {
                    Talk::Open(outbox) => {
                        connections.insert(conn, outbox);
                        continue;
                    }
                    Talk::Message(message) if connections.contains_key(&conn) => {
                        balancer.take(now, conn, message)
                    }
                    // It was delayed, and came after the end of its connection.
                    Talk::Message(_) => continue,
                    Talk::Closed => {
                        connections.remove(&conn);
                        balancer.closed(now, conn)
                    }
                }
            }
            () = tokio::time::sleep_until(wake) => balancer.tick(started.elapsed()),
        };
        reporter.events(effects.events);
        for (conn, answer) in effects.answers {
            if let Some(outbox) = connections.get(&conn) {
                outbox.send(&answer);
            }
        }
    }
    process::end(&gate, reporter);
    Ok(())
}

async fn serve_connection(shared: Shared, connection: Connection, hello: Hello, conn: ConnId) {
    let terms = Terms {
        gate: &shared.gate,
        door: &shared.door,
        room: &shared.room,
        limit_bytes: frame::CLIENT_LIMIT_BYTES,
        idle_limit: IDLE_LIMIT,
    };
    converse(connection, &hello.node, terms, &shared.inputs, |talk| {
        Input { conn, talk }
    })
    .await;
}
