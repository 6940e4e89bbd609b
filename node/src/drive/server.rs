//! A server process: the [`Server`] state machine between its sockets and its disk.

mod dial;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::converse::{Talk, Terms, converse};
use super::disk::{self, Write, Written};
use super::door::{Door, Owner};
use super::gate::Gate;
use super::machine::LoadedMachine;
use super::net::{self, Connection, Reading};
use super::open_log::open_log;
use super::outbox::{LastFrame, Outbox};
use super::reporter::Reporter;
use super::room::Room;
use super::{NodeError, ServerConfig, links, process};
use crate::event::Event;
use crate::ids::{ConnId, ServerId};
use crate::link::{MODE_RULE, NodeLinks};
use crate::log::{LogError, Opened};
use crate::server::{Output, Registration, Server, Start};
use crate::wire::frame;
use crate::wire::{
    BalancerAnswer, BalancerMessage, ClientMessage, Hello, PeerMessage, Role, ServerMessage,
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

/// What reaches the state machine.
enum Input {
    Peer {
        from: ServerId,
        incarnation: u64,
        message: PeerMessage,
    },
    Client {
        conn: ConnId,
        talk: Talk<ServerMessage, ClientMessage>,
    },
    Balancer(BalancerAnswer),
    /// What is sent to the peer may arrive from now on.
    PeerConnected(ServerId),
    /// The connection on which the peer sends has ended.
    PeerDisconnected(ServerId),
    BalancerConnected,
    Written(Written),
    Fatal(String),
    /// Something in the log has changed that opening had not read.
    Damaged(LogError),
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
    let name = config.server.to_string();
    let mode = config.mode.as_ref();
    let permanent = mode.map_or(Vec::new(), |mode| mode.rules(MODE_RULE, &name));
    let gate = process::begin(&name, &config.dir, permanent, reporter);
    let machine = LoadedMachine::begin(&name, &config.dir, reporter);
    let opened = open_log(&config, &machine, reporter)?;
    process::runtime()?.block_on(serve(config, opened, gate, machine, reporter))
}

async fn serve(
    config: ServerConfig,
    opened: Opened,
    gate: Gate,
    mut machine: LoadedMachine,
    reporter: Reporter,
) -> Result<(), NodeError> {
    let me = config.server;
    let address = own_address(&config)?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| NodeError::Listen { address, source })?;
    let mut terminate = signal(SignalKind::terminate()).map_err(NodeError::Start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(NodeError::Start)?;
    let mut tables_changed = signal(SignalKind::user_defined1()).map_err(NodeError::Start)?;

    let recovered = opened.recovered;
    reporter.event(recovered.evidence());
    if recovered.cut_bytes > 0 {
        reporter.say(format_args!(
            "cut {} bytes of an unfinished write off the end of the log",
            recovered.cut_bytes
        ));
    }
    if let Some(why) = opened.refused_checkpoint {
        reporter.say(format_args!(
            "the log's checkpoint is of no use: {why}; the whole log was read"
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
        machine.now(),
    )?;

    let (inputs, mut arriving) = mpsc::channel(INPUTS);
    let (written, failed) = (inputs.clone(), inputs.clone());
    let log = disk::start(
        opened.writer,
        move |done| drop(written.blocking_send(Input::Written(done))),
        move |error| drop(failed.blocking_send(Input::Fatal(error))),
    )
    .map_err(NodeError::Start)?;
    if let Some(unread) = opened.unread {
        let damaged = inputs.clone();
        let tell = move |error| drop(damaged.blocking_send(Input::Damaged(error)));
        disk::read_afterwards(unread, tell).map_err(NodeError::Start)?;
    }

    let door = Door::new(
        Owner {
            title: me.to_string(),
            cluster: config.cluster,
            members: config.members.iter().map(|&(server, _)| server).collect(),
        },
        gate.clone(),
        reporter,
    );
    let shared = Shared {
        config: Arc::new(config),
        incarnation,
        gate: gate.clone(),
        reporter,
        inputs,
        door: door.clone(),
        client_room: Room::new(CLIENT_ROOM_BYTES, CLIENTS_ROOM_BYTES),
    };
    let mut world = World {
        reporter,
        gate: gate.clone(),
        log,
        peers: BTreeMap::new(),
        last_frame: LastFrame::default(),
        clients: BTreeMap::new(),
        balancer: dial::balancer(&shared),
        registration: Registration::default(),
        syncs: 0,
    };
    for &(peer, address) in &shared.config.members {
        if peer != me {
            world.peers.insert(peer, dial::peer(&shared, peer, address));
        }
    }
    tokio::spawn(door.open(listener, move |connection, hello, conn| {
        serve_connection(shared.clone(), connection, hello, conn)
    }));
    reporter.event(Event::Ready {
        address: address.to_string(),
    });

    loop {
        let wake = machine.moment_of(server.next_tick());
        tokio::select! {
            biased;
            _ = terminate.recv() => server.drain(machine.now()),
            _ = interrupt.recv() => server.drain(machine.now()),
            _ = tables_changed.recv() => {
                links::reload(&gate, &dir, reporter);
                machine.reload();
            }
            Some(input) = arriving.recv() => {
                let (now, truth) = (machine.now(), machine.truth());
                world.take(&mut server, now, truth, input)?;
                for _ in 0..GATHER {
                    let Ok(input) = arriving.try_recv() else { break };
                    world.take(&mut server, now, truth, input)?;
                }
            }
            () = tokio::time::sleep_until(wake) => {}
        }
        let now = machine.now();
        if now >= server.next_tick() {
            server.tick(now);
        }
        let output = server.take_output(now)?;
        world.carry_out(output)?;
        if server.drained(now) {
            machine.report_so_far();
            process::end(&gate, reporter);
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
    last_frame: LastFrame<PeerMessage>,
    clients: BTreeMap<ConnId, Outbox<ServerMessage>>,
    balancer: Outbox<BalancerMessage>,
    registration: Registration,
    syncs: u64,
}

impl World {
    /// `now` is what the server's clock shows, `truth` the time since its start.
    fn take(
        &mut self,
        server: &mut Server,
        now: Duration,
        truth: Duration,
        input: Input,
    ) -> Result<(), NodeError> {
        match input {
            Input::Peer {
                from,
                incarnation,
                message,
            } => server.peer(now, from, incarnation, message),
            Input::Client { conn, talk } => match talk {
                Talk::Open(outbox) => {
                    self.clients.insert(conn, outbox);
                }
                // What was delayed may come after the end of its connection.
                Talk::Message(message) if self.clients.contains_key(&conn) => {
                    server.client(now, conn, message)?;
                }
                Talk::Message(_) => {}
                Talk::Closed => {
                    self.clients.remove(&conn);
                    server.closed(conn);
                }
            },
            Input::Balancer(answer) => {
                let noted = self.registration.note(truth, &answer);
                let refused = noted.map_err(NodeError::RefusedByBalancer)?;
                if let (false, BalancerAnswer::Refused { reason }) = (refused.is_empty(), &answer) {
                    self.reporter
                        .say(format_args!("refused by the balancer: {reason}"));
                }
                self.reporter.events(refused);
                server.balancer(&answer);
            }
            Input::PeerConnected(peer) => server.connected(now, peer),
            Input::PeerDisconnected(peer) => server.disconnected(now, peer),
            Input::BalancerConnected => server.balancer_connected(now),
            Input::Written(written) => {
                self.syncs = written.syncs;
                server.persisted(now, written.number, &written.located);
                if written.checkpoint_is_due {
                    server.want_checkpoint();
                }
            }
            Input::Damaged(error) => return Err(NodeError::Log(error)),
            Input::Fatal(error) => return Err(NodeError::Disk(error)),
        }
        Ok(())
    }

    /// Evidence first, then the disk, then the network.
    fn carry_out(&mut self, output: Output) -> Result<(), NodeError> {
        self.reporter.events(output.events);
        if !output.persist.is_empty() || output.checkpoint.is_some() {
            self.log
                .send(Write {
                    number: output.write,
                    records: output.persist,
                    checkpoint: output.checkpoint,
                })
                .map_err(|_| NodeError::Disk("the log's thread ended".into()))?;
        }
        for (to, message) in output.to_peers {
            if let Some(outbox) = self.peers.get(&to) {
                outbox.send_one_of_many(message, &mut self.last_frame);
            }
        }
        for (conn, mut message) in output.to_clients {
            if let ServerMessage::Status(status) = &mut message {
                let links = |links: &mut NodeLinks| (links.generation(), links.counts());
                (status.links, status.link_counts) = self.gate.with_links(links);
                status.syncs = self.syncs;
            }
            if let Some(outbox) = self.clients.get(&conn) {
                outbox.send(&message);
            }
        }
        for message in output.to_balancer {
            self.balancer.send(&message);
        }
        Ok(())
    }
}

/// Serves a peer, a client or an observer that came.
async fn serve_connection(shared: Shared, connection: Connection, hello: Hello, conn: ConnId) {
    match hello.role {
        Role::Server {
            server,
            incarnation,
        } => serve_peer(shared, connection, server, incarnation).await,
        Role::Client | Role::Observer => serve_client(shared, connection, hello.node, conn).await,
    }
}

async fn serve_peer(shared: Shared, mut connection: Connection, from: ServerId, incarnation: u64) {
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
    drop(shared.inputs.send(Input::PeerDisconnected(from)).await);
}

async fn serve_client(shared: Shared, connection: Connection, name: String, conn: ConnId) {
    let terms = Terms {
        gate: &shared.gate,
        door: &shared.door,
        room: &shared.client_room,
        limit_bytes: frame::REQUEST_LIMIT_BYTES,
        idle_limit: CLIENT_IDLE_LIMIT,
    };
    converse(connection, &name, terms, &shared.inputs, |talk| {
        Input::Client { conn, talk }
    })
    .await;
}
