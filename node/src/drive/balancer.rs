//! A balancer process: the [`Balancer`] state machine behind its socket.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::gate::Gate;
use super::net::{self, NetError, Outbox};
use super::reporter::Reporter;
use super::{BalancerConfig, NodeError, links};
use crate::balancer::{Balancer, Config, Effects, Timing};
use crate::event::Event;
use crate::ids::ConnId;
use crate::wire::frame;
use crate::wire::{BalancerAnswer, BalancerMessage, Hello, Role, Welcome};

/// Inputs that may wait for the state machine; more hold their connections back.
const INPUTS: usize = 8192;

/// Answers that may wait for one connection.
const OUTBOX: usize = 1024;

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
    reporter: Reporter,
    inputs: mpsc::Sender<Input>,
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
        reporter,
        inputs,
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
                tokio::spawn(serve_connection(shared.clone(), stream, from, ConnId(last)));
            }
            // Out of descriptors, most likely: others go on, and this one may come again.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn serve_connection(shared: Shared, stream: TcpStream, from: SocketAddr, conn: ConnId) {
    let (mut connection, hello) =
        match net::greet(stream, &shared.gate, |hello| judge(&shared, hello)).await {
            Ok(taken) => taken,
            Err(error) => return net::note_bad_start(shared.reporter, from, &error),
        };
    let (outbox, mut queue) = Outbox::new(&hello.node, &shared.gate, OUTBOX);
    let open = Input::Open { conn, outbox };
    if shared.inputs.send(open).await.is_err() {
        return;
    }
    let read = net::read_all(
        &mut connection.reader,
        frame::CLIENT_LIMIT_BYTES,
        &hello.node,
        &shared.gate,
        &shared.inputs,
        |message| Input::Message { conn, message },
    );
    tokio::select! {
        _ = net::write_all(&mut queue, &mut connection.writer) => {}
        end = read => {
            if let NetError::Frame(error) = end {
                shared.reporter.say(format_args!(
                    "closed the connection from {}: {error}", hello.node
                ));
            }
        }
    }
    drop(shared.inputs.send(Input::Closed { conn }).await);
}

fn judge(shared: &Shared, hello: &Hello) -> Welcome {
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
    Welcome::Accepted {
        node: "balancer".into(),
    }
}
