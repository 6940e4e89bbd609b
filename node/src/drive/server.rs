//! A server process: the [`Server`] state machine between its sockets and its disk.

mod dial;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::disk::{self, Write, Written};
use super::door::{Door, Place};
use super::gate::Gate;
use super::net::{self, Outbox, Reading};
use super::real_disk::RealDisk;
use super::reporter::Reporter;
use super::room::Room;
use super::{NodeError, ServerConfig, links};
use crate::event::Event;
use crate::ids::{ConnId, ServerId};
use crate::log::{Identity, Log, Opened};
use crate::server::{Output, Server, Start};
use crate::wire::frame;
use crate::wire::{
    BalancerAnswer, BalancerMessage, ClientMessage, Hello, PeerMessage, Role, ServerMessage,
    Welcome,
};

/// Inputs that may wait for the state machine; more hold their connections back.
const INPUTS: usize = 8192;

/// Inputs taken before their effects are carried out together.
const GATHER: usize = 512;

/// Bytes that may wait for one client, and for all of them.
const CLIENT_ROOM_BYTES: usize = 8 << 20;
const CLIENTS_ROOM_BYTES: usize = 128 << 20;

/// A client's connection on which nothing came for so long ends. Clients ask for a sign of life
/// much more often.
const CLIENT_IDLE_LIMIT: Duration = Duration::from_secs(60);

/// The pause after a connection could not be taken.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// A server that the balancer has never accepted gives up after being refused for so long.
const REFUSED_LIMIT: Duration = Duration::from_secs(3);

/// What reaches the state machine.
enum Input {
    Peer {
        from: ServerId,
        incarnation: u64,
        message: PeerMessage,
    },
    ClientOpen {
        conn: ConnId,
        outbox: Outbox<ServerMessage>,
    },
    Client {
        conn: ConnId,
        message: ClientMessage,
    },
    ClientClosed {
        conn: ConnId,
    },
    Balancer(BalancerAnswer),
    /// What is sent to the peer may arrive from now on.
    PeerConnected(ServerId),
    BalancerConnected,
    Written(Written),
    Fatal(String),
}

/// What the tasks of a server share.
#[derive(Clone)]
struct Shared {
    config: Arc<ServerConfig>,
    incarnation: u64,
    gate: Gate,
    reporter: Reporter,
    inputs: mpsc::Sender<Input>,
    door: Door,
    client_room: Room,
}

/// Runs a server until SIGTERM (drains, hands leadership over, returns) or a failure.
pub fn run_server(config: ServerConfig) -> Result<(), NodeError> {
    let reporter = Reporter;
    let gate = links::open_gate(&config.server.to_string(), &config.dir, reporter);
    reporter.event(Event::Started {
        pid: std::process::id(),
        links: gate.generation(),
    });
    let opened = open_log(&config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(NodeError::Start)?;
    runtime.block_on(serve(config, opened, gate, reporter))
}

fn open_log(config: &ServerConfig) -> Result<Opened, NodeError> {
    let disk = RealDisk::open(&config.dir.join("log"))?;
    let identity = Identity {
        cluster: config.cluster,
        server: config.server,
        servers: config.members.len() as u16,
    };
    Ok(Log::open(Arc::new(disk), identity, rand::random())?)
}

async fn serve(
    config: ServerConfig,
    opened: Opened,
    gate: Gate,
    reporter: Reporter,
) -> Result<(), NodeError> {
    let started = Instant::now();
    let me = config.server;
    let address = own_address(&config)?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| NodeError::Listen { address, source })?;
    let mut terminate = signal(SignalKind::terminate()).map_err(NodeError::Start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(NodeError::Start)?;
    let mut links_changed = signal(SignalKind::user_defined1()).map_err(NodeError::Start)?;

    let recovered = opened.recovered;
    reporter.event(Event::Recovered {
        promised: recovered.promised,
        accepted: recovered.accepted.len() as u64,
        chosen: recovered.chosen,
        incarnation: recovered.incarnation,
    });
    if recovered.cut_bytes > 0 {
        reporter.say(format_args!(
            "cut {} bytes of an unfinished write off the end of the log",
            recovered.cut_bytes
        ));
    }
    let dir = config.dir.clone();
    let incarnation = recovered.incarnation;
    let mut server = Server::new(
        Start {
            me,
            servers: config.members.len() as u16,
            address: address.to_string(),
            first_leader: config.first_leader,
            seed: config.seed,
            // Half the range is left to count on in.
            first_read: rand::random::<u64>() >> 1,
            recovered,
            history: opened.history,
        },
        Duration::ZERO,
    )?;

    let (inputs, mut arriving) = mpsc::channel(INPUTS);
    let (written, failed) = (inputs.clone(), inputs.clone());
    let log = disk::start(
        opened.writer,
        move |done| drop(written.blocking_send(Input::Written(done))),
        move |error| drop(failed.blocking_send(Input::Fatal(error))),
    )
    .map_err(NodeError::Start)?;

    let shared = Shared {
        config: Arc::new(config),
        incarnation,
        gate: gate.clone(),
        reporter,
        inputs,
        door: Door::new(reporter),
        client_room: Room::new(CLIENT_ROOM_BYTES, CLIENTS_ROOM_BYTES),
    };
    let mut world = World {
        reporter,
        gate: gate.clone(),
        log,
        peers: BTreeMap::new(),
        clients: BTreeMap::new(),
        balancer: dial::balancer(&shared),
        registration: Registration::default(),
    };
    for &(peer, address) in &shared.config.members {
        if peer != me {
            world.peers.insert(peer, dial::peer(&shared, peer, address));
        }
    }
    tokio::spawn(accept(shared.clone(), listener));
    reporter.event(Event::Ready {
        address: address.to_string(),
    });

    loop {
        let wake = started + server.next_tick();
        tokio::select! {
            biased;
            _ = terminate.recv() => server.drain(started.elapsed()),
            _ = interrupt.recv() => server.drain(started.elapsed()),
            _ = links_changed.recv() => links::reload(&gate, &dir, reporter),
            Some(input) = arriving.recv() => {
                let now = started.elapsed();
                world.take(&mut server, now, input)?;
                for _ in 0..GATHER {
                    let Ok(input) = arriving.try_recv() else { break };
                    world.take(&mut server, now, input)?;
                }
            }
            () = tokio::time::sleep_until(wake) => {}
        }
        let now = started.elapsed();
        if now >= server.next_tick() {
            server.tick(now);
        }
        let output = server.take_output(now)?;
        world.carry_out(output)?;
        if server.drained(now) {
            links::report_counts(&gate, reporter);
            reporter.event(Event::Stopping {
                reason: "asked to stop".into(),
            });
            // Lets the last frames leave.
            tokio::time::sleep(Duration::from_millis(20)).await;
            return Ok(());
        }
    }
}

fn own_address(config: &ServerConfig) -> Result<SocketAddr, NodeError> {
    config
        .members
        .iter()
        .find(|(server, _)| *server == config.server)
        .map(|&(_, address)| address)
        .ok_or_else(|| NodeError::NotAMember {
            server: config.server,
            members: config.members.iter().map(|(server, _)| *server).collect(),
        })
}

/// The world as the state machine's outputs reach it.
struct World {
    reporter: Reporter,
    gate: Gate,
    log: std::sync::mpsc::Sender<Write>,
    peers: BTreeMap<ServerId, Outbox<PeerMessage>>,
    clients: BTreeMap<ConnId, Outbox<ServerMessage>>,
    balancer: Outbox<BalancerMessage>,
    registration: Registration,
}

/// How the balancer takes this server.
#[derive(Default)]
struct Registration {
    accepted: bool,
    refused_since: Option<Duration>,
}

impl Registration {
    /// Notes an answer. A server that was never accepted gives up after a while: it is a stranger,
    /// or another server runs under its id.
    fn note(
        &mut self,
        now: Duration,
        answer: &BalancerAnswer,
        reporter: Reporter,
    ) -> Result<(), NodeError> {
        let BalancerAnswer::Refused { reason } = answer else {
            self.accepted = true;
            self.refused_since = None;
            return Ok(());
        };
        if self.refused_since.is_none() {
            reporter.say(format_args!("refused by the balancer: {reason}"));
            reporter.event(Event::Refused {
                peer: "balancer".into(),
                reason: reason.clone(),
            });
        }
        let since = *self.refused_since.get_or_insert(now);
        if !self.accepted && now.saturating_sub(since) >= REFUSED_LIMIT {
            return Err(NodeError::RefusedByBalancer(reason.clone()));
        }
        Ok(())
    }
}

impl World {
    fn take(&mut self, server: &mut Server, now: Duration, input: Input) -> Result<(), NodeError> {
        match input {
            Input::Peer {
                from,
                incarnation,
                message,
            } => server.peer(now, from, incarnation, message),
            Input::ClientOpen { conn, outbox } => {
                self.clients.insert(conn, outbox);
            }
            // What was delayed may come after the end of its connection.
            Input::Client { conn, message } if self.clients.contains_key(&conn) => {
                server.client(now, conn, message)?;
            }
            Input::Client { .. } => {}
            Input::ClientClosed { conn } => {
                self.clients.remove(&conn);
                server.closed(conn);
            }
            Input::Balancer(answer) => {
                self.registration.note(now, &answer, self.reporter)?;
                server.balancer(&answer);
            }
            Input::PeerConnected(peer) => server.connected(peer),
            Input::BalancerConnected => server.balancer_connected(now),
            Input::Written(written) => server.persisted(now, written.number, &written.located),
            Input::Fatal(error) => return Err(NodeError::Disk(error)),
        }
        Ok(())
    }

    /// Evidence first, then the disk, then the network.
    fn carry_out(&mut self, output: Output) -> Result<(), NodeError> {
        self.reporter.events(output.events);
        if !output.persist.is_empty() {
            self.log
                .send(Write {
                    number: output.write,
                    records: output.persist,
                })
                .map_err(|_| NodeError::Disk("the log's thread ended".into()))?;
        }
        for (to, message) in output.to_peers {
            if let Some(outbox) = self.peers.get(&to) {
                outbox.send(message);
            }
        }
        for (conn, mut message) in output.to_clients {
            if let ServerMessage::Status(status) = &mut message {
                status.links = self.gate.generation();
                status.link_counts = self.gate.counts();
            }
            if let Some(outbox) = self.clients.get(&conn) {
                outbox.send(message);
            }
        }
        for message in output.to_balancer {
            self.balancer.send(message);
        }
        Ok(())
    }
}

/// Takes connections from peers, clients and observers.
async fn accept(shared: Shared, listener: TcpListener) {
    let mut last = 0;
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                last += 1;
                // Without a place the connection is closed at once.
                if let Some(place) = shared.door.let_in() {
                    let task = take_connection(shared.clone(), stream, from, place, ConnId(last));
                    tokio::spawn(task);
                }
            }
            // Out of descriptors, most likely: others go on, and this one may come again.
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
        }
    }
}

async fn take_connection(
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
    let (connection, hello) = match judged {
        Ok(taken) => taken,
        Err(error) => return shared.door.note_bad_start(from, &error),
    };
    match hello.role {
        Role::Server {
            server,
            incarnation,
        } => serve_peer(shared, connection, server, incarnation).await,
        Role::Client | Role::Observer => serve_client(shared, connection, hello.node, conn).await,
    }
    drop(place);
}

/// Whether the other end is welcome. If so, `place` is its place.
fn judge(shared: &Shared, hello: &Hello, place: &mut Option<Place>) -> Welcome {
    let me = shared.gate.me();
    if hello.cluster != shared.config.cluster {
        return Welcome::Refused {
            reason: format!(
                "{me} belongs to cluster {:016x}, and {} to cluster {:016x}",
                shared.config.cluster, hello.node, hello.cluster
            ),
        };
    }
    if let Role::Server { server, .. } = hello.role
        && !shared.config.members.iter().any(|(id, _)| *id == server)
    {
        return Welcome::Refused {
            reason: format!(
                "{server} is not a server of this cluster, which has s1 to s{}",
                shared.config.members.len()
            ),
        };
    }
    match shared.door.admit(&hello.role) {
        Ok(given) => *place = Some(given),
        Err(reason) => {
            return Welcome::Refused {
                reason: format!("{me} has {reason}"),
            };
        }
    }
    Welcome::Accepted {
        node: me.to_string(),
    }
}

async fn serve_peer(
    shared: Shared,
    mut connection: net::Connection,
    from: ServerId,
    incarnation: u64,
) {
    let name = from.to_string();
    let wrap = |message| Input::Peer {
        from,
        incarnation,
        message,
    };
    let end = net::read_all(
        &mut connection.reader,
        Reading {
            limit_bytes: frame::PEER_LIMIT_BYTES,
            from: &name,
            gate: &shared.gate,
            answers: None,
            idle_limit: None,
        },
        &shared.inputs,
        wrap,
    )
    .await;
    shared.door.note_end(&name, &end);
}

async fn serve_client(shared: Shared, mut connection: net::Connection, name: String, conn: ConnId) {
    let (outbox, mut queue) = Outbox::new(&name, &shared.gate, &shared.client_room);
    let answers = outbox.queued();
    if shared
        .inputs
        .send(Input::ClientOpen { conn, outbox })
        .await
        .is_err()
    {
        return;
    }
    let read = net::read_all(
        &mut connection.reader,
        Reading {
            limit_bytes: frame::REQUEST_LIMIT_BYTES,
            from: &name,
            gate: &shared.gate,
            answers: Some(answers),
            idle_limit: Some(CLIENT_IDLE_LIMIT),
        },
        &shared.inputs,
        |message| Input::Client { conn, message },
    );
    tokio::select! {
        _ = net::write_all(&mut queue, &mut connection.writer) => {}
        end = read => shared.door.note_end(&name, &end),
    }
    drop(shared.inputs.send(Input::ClientClosed { conn }).await);
}
