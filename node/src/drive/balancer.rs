//! A balancer process: the [`Balancer`] state machine behind its socket.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::door::{Door, Place};
use super::gate::Gate;
use super::net::{self, Outbox, Reading};
use super::reporter::Reporter;
use super::room::Room;
use super::{BalancerConfig, NodeError, links};
use crate::balancer::{Balancer, Config, Effects, Timing};
use crate::event::Event;
use crate::ids::ConnId;
use crate::wire::frame;
use crate::wire::{BalancerAnswer, BalancerMessage, Hello, Role, Welcome};

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

enum Input {
    Open {
        conn: ConnId,
        outbox: Outbox<BalancerAnswer>,
    },
    Message {
        conn: ConnId,
        message: BalancerMessage,
    },
    Closed {
        conn: ConnId,
    },
}

#[derive(Clone)]
struct Shared {
    cluster: u64,
    servers: u16,
    gate: Gate,
    inputs: mpsc::Sender<Input>,
    door: Door,
    room: Room,
}

/// Runs a balancer until SIGTERM or a failure.
pub fn run_balancer(config: BalancerConfig) -> Result<(), NodeError> {
    let reporter = Reporter;
    let gate = links::open_gate("balancer", &config.dir, reporter);
    reporter.event(Event::Started {
        pid: std::process::id(),
        links: gate.generation(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(NodeError::Start)?;
    runtime.block_on(serve(config, gate, reporter))
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
    let shared = Shared {
        cluster: config.cluster,
        servers: config.servers,
        gate: gate.clone(),
        inputs,
        door: Door::new(reporter),
        room: Room::new(ROOM_BYTES, ROOMS_BYTES),
    };
    tokio::spawn(accept(shared, listener));
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
            Some(input) = arriving.recv() => {
                let now = started.elapsed();
                match input {
                    Input::Open { conn, outbox } => {
                        connections.insert(conn, outbox);
                        continue;
                    }
                    Input::Message { conn, message } if connections.contains_key(&conn) => {
                        take(&mut balancer, now, conn, message)
                    }
                    // It was delayed, and came after the end of its connection.
                    Input::Message { .. } => continue,
                    Input::Closed { conn } => {
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
                outbox.send(answer);
            }
        }
    }
    links::report_counts(&gate, reporter);
    reporter.event(Event::Stopping {
        reason: "asked to stop".into(),
    });
    Ok(())
}

fn take(balancer: &mut Balancer, now: Duration, conn: ConnId, message: BalancerMessage) -> Effects {
    match message {
        BalancerMessage::Report(report) => balancer.report(now, conn, report),
        BalancerMessage::Route {
            client,
            name,
            avoid,
        } => balancer.route(now, conn, client, name, avoid),
        BalancerMessage::Who => balancer.who(conn),
    }
}

async fn accept(shared: Shared, listener: TcpListener) {
    let mut last = 0;
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                last += 1;
                // Without a place the connection is closed at once.
                if let Some(place) = shared.door.let_in() {
                    let task = serve_connection(shared.clone(), stream, from, place, ConnId(last));
                    tokio::spawn(task);
                }
            }
            // Out of descriptors, most likely: others go on, and this one may come again.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn serve_connection(
    shared: Shared,
    stream: TcpStream,
    from: SocketAddr,
    stranger: Place,
    conn: ConnId,
) {
    let mut place = None;
    let judged = net::greet(stream, &shared.gate, |hello| {
        judge(&shared, hello, &mut place)
    })
    .await;
    drop(stranger);
    let (mut connection, hello) = match judged {
        Ok(taken) => taken,
        Err(error) => return shared.door.note_bad_start(from, &error),
    };
    let (outbox, mut queue) = Outbox::new(&hello.node, &shared.gate, &shared.room);
    let answers = outbox.queued();
    let open = Input::Open { conn, outbox };
    if shared.inputs.send(open).await.is_err() {
        return;
    }
    let read = net::read_all(
        &mut connection.reader,
        Reading {
            limit_bytes: frame::CLIENT_LIMIT_BYTES,
            from: &hello.node,
            gate: &shared.gate,
            answers: Some(answers),
            idle_limit: Some(IDLE_LIMIT),
        },
        &shared.inputs,
        |message| Input::Message { conn, message },
    );
    tokio::select! {
        _ = net::write_all(&mut queue, &mut connection.writer) => {}
        end = read => shared.door.note_end(&hello.node, &end),
    }
    drop(shared.inputs.send(Input::Closed { conn }).await);
    drop(place);
}

/// Whether the other end is welcome. If so, `place` is its place.
fn judge(shared: &Shared, hello: &Hello, place: &mut Option<Place>) -> Welcome {
    if hello.cluster != shared.cluster {
        return Welcome::Refused {
            reason: format!(
                "this balancer serves cluster {:016x}, and {} belongs to cluster {:016x}",
                shared.cluster, hello.node, hello.cluster
            ),
        };
    }
    if let Role::Server { server, .. } = hello.role
        && (server.0 == 0 || server.0 > shared.servers)
    {
        return Welcome::Refused {
            reason: format!(
                "{server} is not a server of this cluster, which has s1 to s{}",
                shared.servers
            ),
        };
    }
    match shared.door.admit(&hello.role) {
        Ok(given) => *place = Some(given),
        Err(reason) => {
            return Welcome::Refused {
                reason: format!("the balancer has {reason}"),
            };
        }
    }
    Welcome::Accepted {
        node: "balancer".into(),
    }
}
