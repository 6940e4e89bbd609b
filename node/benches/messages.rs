//! What a message costs in three servers, apart from the system's part: their state machines, the
//! frames between them and with the clients, and the bytes of their logs, over memory.
//!
//! `cargo bench -p paxosctl-node --bench messages`; `-- 64 200000` for so many sessions and messages.
//! Prints nanoseconds; a profiler that counts instructions says more on a busy machine.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use paxosctl_node::ids::{ClientId, ConnId, ServerId};
use paxosctl_node::log::{Identity, Log, LogWriter, MemoryDisk};
use paxosctl_node::server::{Server, Start};
use paxosctl_node::value::Command;
use paxosctl_node::wire::frame::{self, FrameDecoder};
use paxosctl_node::wire::{ClientMessage, PeerMessage, ServerMessage};

const SERVERS: u16 = 3;
/// Virtual time between two rounds: so little that no session falls silent meanwhile.
const ROUND: Duration = Duration::from_micros(100);

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Node {
    id: ServerId,
    server: Server,
    writer: LogWriter,
    /// Frames from each peer and from all clients.
    from_peers: Vec<(ServerId, Vec<u8>)>,
    from_clients: VecDeque<(ConnId, Vec<u8>)>,
}

fn main() -> Outcome<()> {
    let numbers: Vec<usize> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let messages = numbers.get(1).copied().unwrap_or(400_000);
    let mut out = io::stdout().lock();
    writeln!(out, "sessions   messages   ns a message")?;
    for sessions in numbers.first().map_or(vec![16, 64, 1024], |&one| vec![one]) {
        let (said, taken) = run(sessions, messages)?;
        let each_ns = taken.as_nanos() / said as u128;
        writeln!(out, "{sessions:>8} {said:>10} {each_ns:>14}")?;
    }
    Ok(())
}

/// Says so many messages, each session one at a time. Returns how many were acknowledged, and how
/// long that took.
fn run(sessions: usize, messages: usize) -> Outcome<(usize, Duration)> {
    let mut nodes = (1..=SERVERS)
        .map(|id| start(ServerId(id)))
        .collect::<Outcome<Vec<Node>>>()?;
    let mut now = Duration::ZERO;
    for node in &mut nodes {
        for peer in (1..=SERVERS).map(ServerId).filter(|&peer| peer != node.id) {
            node.server.connected(now, peer);
        }
    }
    let mut acks = Vec::new();
    // Until they have formed, and one leads.
    for _ in 0..10_000 {
        now += ROUND;
        round(&mut nodes, now, &mut acks)?;
    }
    for session in 0..sessions {
        let message = ClientMessage::Join {
            client: client(session),
            name: "bench".into(),
            seen: None,
        };
        ask(&mut nodes, session, &message)?;
    }
    now += ROUND;
    round(&mut nodes, now, &mut acks)?;

    let begun = Instant::now();
    let (mut said, mut acked) = (0, 0);
    acks = (0..sessions).map(|session| (session, 0)).collect();
    while acked < messages {
        for (session, seq) in std::mem::take(&mut acks) {
            acked += usize::from(seq > 0);
            said += 1;
            let command = Command {
                client: client(session),
                seq: seq + 1,
                name: "bench".into(),
                at_ms: 0,
                text: "x".repeat(64),
            };
            ask(&mut nodes, session, &ClientMessage::Say(command))?;
        }
        now += ROUND;
        round(&mut nodes, now, &mut acks)?;
    }
    assert!(said >= messages, "sessions speak when they are answered");
    Ok((acked, begun.elapsed()))
}

fn start(id: ServerId) -> Outcome<Node> {
    let identity = Identity {
        cluster: 1,
        server: id,
        servers: SERVERS,
    };
    let incarnation = u64::from(id.0);
    let opened = Log::open(Arc::new(MemoryDisk::new()), identity, incarnation)?;
    let start = Start {
        me: id,
        servers: SERVERS,
        address: format!("127.0.0.1:{id}"),
        first_leader: None,
        seed: incarnation,
        first_read: 0,
        recovered: opened.recovered,
        history: opened.history,
    };
    Ok(Node {
        id,
        server: Server::new(start, Duration::ZERO)?,
        writer: opened.writer,
        from_peers: Vec::new(),
        from_clients: VecDeque::new(),
    })
}

fn client(session: usize) -> ClientId {
    // Spread like drawn ones.
    ClientId((session as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn ask(nodes: &mut [Node], session: usize, message: &ClientMessage) -> Outcome<()> {
    let mut bytes = Vec::new();
    frame::encode(message, &mut bytes)?;
    let node = &mut nodes[session % usize::from(SERVERS)];
    node.from_clients.push_back((ConnId(session as u64), bytes));
    Ok(())
}

/// Every server takes what came, has it written, and sends what follows, until nothing does.
fn round(nodes: &mut [Node], now: Duration, acks: &mut Vec<(usize, u64)>) -> Outcome<()> {
    for node in nodes.iter_mut() {
        node.server.tick(now);
    }
    loop {
        let mut idle = true;
        for at in 0..nodes.len() {
            let node = &mut nodes[at];
            for (peer, bytes) in std::mem::take(&mut node.from_peers) {
                let mut decoder = FrameDecoder::new();
                decoder.extend(&bytes);
                while let Some(body) = decoder.next_frame(frame::PEER_LIMIT_BYTES)? {
                    let message: PeerMessage = frame::decode(body)?;
                    node.server.peer(now, peer, u64::from(peer.0), message);
                }
            }
            for (conn, bytes) in std::mem::take(&mut node.from_clients) {
                let mut decoder = FrameDecoder::new();
                decoder.extend(&bytes);
                while let Some(body) = decoder.next_frame(frame::REQUEST_LIMIT_BYTES)? {
                    node.server.client(now, conn, frame::decode(body)?)?;
                }
            }
            idle &= !carry_out(nodes, at, now, acks)?;
        }
        if idle {
            return Ok(());
        }
    }
}

/// Whether there was anything to do.
fn carry_out(
    nodes: &mut [Node],
    at: usize,
    now: Duration,
    acks: &mut Vec<(usize, u64)>,
) -> Outcome<bool> {
    let node = &mut nodes[at];
    let output = node.server.take_output(now)?;
    let mut active = !output.persist.is_empty();
    if active {
        let located = node.writer.commit(&output.persist)?;
        node.server.persisted(now, output.write, &located);
    }
    for event in &output.events {
        std::hint::black_box(serde_json::to_vec(event)?);
    }
    for (_, message) in output.to_clients {
        let mut bytes = Vec::new();
        frame::encode(&message, &mut bytes)?;
        std::hint::black_box(bytes);
        if let ServerMessage::Ack {
            client: to, seq, ..
        } = message
        {
            let session = to.0.wrapping_mul(0xf1de_83e1_9937_733d).wrapping_sub(1);
            acks.push((session as usize, seq));
        }
    }
    let from = nodes[at].id;
    for (to, message) in output.to_peers {
        active = true;
        let to = &mut nodes[usize::from(to.0) - 1];
        match to.from_peers.last_mut() {
            Some((last, bytes)) if *last == from => frame::encode(&message, bytes)?,
            _ => {
                let mut bytes = Vec::new();
                frame::encode(&message, &mut bytes)?;
                to.from_peers.push((from, bytes));
            }
        }
    }
    Ok(active)
}
