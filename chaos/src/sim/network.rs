//! Connections between nodes, and what becomes of the messages on them.
//!
//! A connection is made as by the shell: connect, hello, welcome, within the handshake's time; each
//! frame of it passes the link tables of both ends. Messages keep their order on a connection unless
//! the weather or a link table says otherwise.

use std::collections::VecDeque;
use std::time::Duration;

use paxosctl_node::ids::ServerId;
use paxosctl_node::link::{Kind, Redial, Side, Verdict};
use paxosctl_node::wire::{
    BalancerAnswer, BalancerMessage, ClientMessage, PeerMessage, ServerMessage,
};

use super::queue::{End, Happening, Life, NodeIndex};
use super::weather::chance;
use super::world::World;
use crate::history::micros;
use crate::trace::Fate;

/// A side that does not finish the handshake in this time gives up.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub(super) enum Packet {
    Peer(PeerMessage),
    ToServer(ClientMessage),
    ToClient(ServerMessage),
    ToBalancer(BalancerMessage),
    FromBalancer(BalancerAnswer),
}

impl Packet {
    pub fn kind(&self) -> Kind {
        match self {
            Packet::Peer(message) => message.kind(),
            Packet::ToServer(message) => message.kind(),
            Packet::ToClient(message) => message.kind(),
            Packet::ToBalancer(_) | Packet::FromBalancer(_) => Kind::Control,
        }
    }
}

/// What a node makes a connection for. Each has at most one connection of each at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    /// A server's to the balancer, or a client's.
    Balancer,
    /// A server's to a peer, or a client's to its server.
    Server(ServerId),
}

/// How a line stands.
#[derive(Debug, Default)]
pub(super) struct LineState {
    pub to: Standing,
    /// What waits for the connection. Servers let nothing wait.
    pub waiting: VecDeque<Packet>,
    pub redial: Redial,
    /// It ends as soon as nothing waits any more.
    pub given_up: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is to be dialled again, or is not needed.
    #[default]
    Down,
    Dialling(u64),
    Open(usize),
}

#[derive(Debug)]
pub(super) struct Conn {
    pub ends: [Life; 2],
    /// The line of the end that dialled.
    pub line: Line,
    /// Whether each end takes it for open.
    pub open: [bool; 2],
    /// What is on its way is lost.
    broken: bool,
    /// When the last message from each end arrives: the next arrives later.
    last_us: [u64; 2],
    /// Of the dialling server's disk.
    pub incarnation: u64,
}

#[derive(Debug)]
pub(super) struct Dial {
    from: Life,
    to: NodeIndex,
    line: Line,
    conn: Option<usize>,
}

impl World {
    /// Starts to make a connection.
    pub(super) fn dial(&mut self, from: Life, line: Line) {
        let to = self.at_end_of(line);
        self.dialled += 1;
        let number = self.dialled;
        let peer = self.nodes[to].name.clone();
        let Some(process) = self.running(from) else {
            return;
        };
        let state = process.lines.entry(line).or_default();
        state.to = Standing::Dialling(number);
        let sent = process.links.handshake(Side::Send, &peer);
        let dial = Dial {
            from,
            to,
            line,
            conn: None,
        };
        self.dials.insert(number, dial);
        let over = self.now_us + micros(HANDSHAKE_LIMIT);
        self.queue.plan(over, Happening::DialOver { dial: number });
        if let Some(delay) = sent {
            let way = self.latency() + self.latency() + self.latency();
            let at = self.now_us + micros(delay) + way;
            self.queue.plan(at, Happening::Hello { dial: number });
        }
    }

    fn at_end_of(&self, line: Line) -> NodeIndex {
        match line {
            Line::Balancer => 0,
            Line::Server(server) => usize::from(server.0),
        }
    }

    /// The node at which a dial has arrived.
    pub(super) fn dialled_node(&self, dial: u64) -> Option<NodeIndex> {
        self.dials.get(&dial).map(|dial| dial.to)
    }

    pub(super) fn dialler(&self, dial: u64) -> Option<Life> {
        self.dials.get(&dial).map(|dial| dial.from)
    }

    pub(super) fn hello(&mut self, number: u64) {
        let Some(dial) = self.dials.get(&number) else {
            return;
        };
        let (to, name) = (dial.to, self.nodes[dial.from.node].name.clone());
        let listener = self.nodes[to].life();
        let Some(process) = self.listening(listener) else {
            // Nobody listens.
            let at = self.now_us + self.latency();
            self.queue.plan(at, Happening::DialOver { dial: number });
            return;
        };
        let taken = process.links.handshake(Side::Receive, &name);
        let answered = process.links.handshake(Side::Send, &name);
        if let (Some(taken), Some(answered)) = (taken, answered) {
            let at = self.now_us + micros(taken + answered);
            let dial = number;
            self.queue.plan(at, Happening::Accept { dial, listener });
        }
    }

    pub(super) fn accept(&mut self, number: u64, listener: Life) {
        let Some(dial) = self.dials.get(&number) else {
            return;
        };
        let (from, line) = (dial.from, dial.line);
        if self.listening(listener).is_none() {
            return;
        }
        let incarnation = self.incarnation_of(from);
        let conn = self.conns.len();
        self.conns.push(Conn {
            ends: [from, listener],
            line,
            // The dialler does not know yet.
            open: [false, true],
            broken: false,
            last_us: [0, 0],
            incarnation,
        });
        if let Some(dial) = self.dials.get_mut(&number) {
            dial.conn = Some(conn);
        }
        self.accepted(listener, conn);
        let at = self.now_us + self.latency();
        self.queue.plan(at, Happening::Answered { dial: number });
    }

    pub(super) fn answered(&mut self, number: u64) {
        let Some(dial) = self.dials.get(&number) else {
            return;
        };
        let (from, to) = (dial.from, self.nodes[dial.to].name.clone());
        let Some(process) = self.running(from) else {
            return;
        };
        if let Some(delay) = process.links.handshake(Side::Receive, &to) {
            let at = self.now_us + micros(delay);
            self.queue.plan(at, Happening::Established { dial: number });
        }
    }

    pub(super) fn established(&mut self, number: u64) {
        let Some(dial) = self.dials.remove(&number) else {
            return;
        };
        let Some(conn) = dial.conn else { return };
        let known = &self.conns[conn];
        // The other end may be gone already, and the news of it came before there was a line to lose.
        let is_left = !known.open[1];
        if known.ends[0].node != dial.from.node || known.broken || is_left {
            return self.line_failed(dial.from, dial.line);
        }
        let Some(process) = self.running(dial.from) else {
            return;
        };
        let state = process.lines.entry(dial.line).or_default();
        state.to = Standing::Open(conn);
        state.redial.reset();
        let waiting = std::mem::take(&mut state.waiting);
        let given_up = state.given_up;
        self.conns[conn].open[0] = true;
        for packet in waiting {
            self.put(conn, 0, Box::new(packet));
        }
        if given_up {
            return self.drop_line(dial.from, dial.line);
        }
        self.line_stands(dial.from, dial.line);
    }

    /// The dialler gives up, if it still waits.
    pub(super) fn dial_over(&mut self, number: u64) {
        let Some(dial) = self.dials.remove(&number) else {
            return;
        };
        if let Some(conn) = dial.conn {
            self.close_from(conn, 0);
        }
        self.line_failed(dial.from, dial.line);
    }

    /// The node needs the line no more: it ends when what was sent has left.
    pub(super) fn drop_line(&mut self, of: Life, line: Line) {
        let Some(process) = self.running(of) else {
            return;
        };
        let Some(state) = process.lines.get_mut(&line) else {
            return;
        };
        match state.to {
            Standing::Open(conn) => {
                process.lines.remove(&line);
                self.close_from(conn, 0);
            }
            Standing::Dialling(_) if !state.waiting.is_empty() => state.given_up = true,
            Standing::Dialling(_) | Standing::Down => {
                process.lines.remove(&line);
            }
        }
    }

    /// One end closes a connection; the other hears of it after what was sent.
    pub(super) fn close_from(&mut self, conn: usize, end: End) {
        let at = self.now_us + self.latency();
        let known = &mut self.conns[conn];
        known.open[end] = false;
        let at = at.max(known.last_us[end] + 1);
        let end = 1 - end;
        self.queue.plan(at, Happening::Closed { conn, end });
    }

    /// A connection breaks: both ends hear of it, and what is on its way is lost.
    pub(super) fn break_one(&mut self) {
        use rand::RngExt;
        let Some(every_us) = self.weather.break_every_us else {
            return;
        };
        let next = self.now_us + self.rng.random_range(0..=2 * every_us);
        self.queue.plan(next, Happening::Break);
        let open: Vec<usize> = (0..self.conns.len())
            .rev()
            .filter(|&conn| self.conns[conn].open == [true, true])
            .take(64)
            .collect();
        if open.is_empty() {
            return;
        }
        let conn = open[self.rng.random_range(0..open.len())];
        self.conns[conn].broken = true;
        for end in [0, 1] {
            let at = self.now_us + self.latency();
            self.queue.plan(at, Happening::Closed { conn, end });
        }
    }

    /// Sends over the line, if it stands; a client's messages wait until it does.
    pub(super) fn send_over(&mut self, from: Life, line: Line, packet: Packet) {
        let to = self.at_end_of(line);
        let name = self.nodes[to].name.clone();
        let Some(process) = self.running(from) else {
            return;
        };
        let waits = process.lets_wait();
        let Some(state) = process.lines.get_mut(&line) else {
            return;
        };
        match state.to {
            Standing::Open(conn) => self.send(conn, 0, packet),
            Standing::Dialling(_) if waits => {
                let copies = process.links.sending(&name, packet.kind()).copies().len();
                state.waiting.extend(std::iter::repeat_n(packet, copies));
            }
            Standing::Dialling(_) | Standing::Down => {}
        }
    }

    /// Sends on a connection, through the sender's link table.
    pub(super) fn send(&mut self, conn: usize, from: End, packet: Packet) {
        let known = &self.conns[conn];
        let (sender, receiver) = (known.ends[from], known.ends[1 - from].node);
        if !known.open[from] {
            return;
        }
        let name = std::mem::take(&mut self.nodes[receiver].name);
        let verdict = match self.running(sender) {
            Some(process) => process.links.sending(&name, packet.kind()),
            None => Verdict::Dropped,
        };
        self.nodes[receiver].name = name;
        match verdict {
            Verdict::Untouched => self.put(conn, from, Box::new(packet)),
            Verdict::Dropped => {
                self.trace_message(conn, from, &packet, Fate::DroppedLeaving);
            }
            Verdict::Copies(delays) => {
                for delay in delays {
                    let packet = Box::new(packet.clone());
                    if delay.is_zero() {
                        self.put(conn, from, packet);
                    } else {
                        let at = self.now_us + micros(delay);
                        self.queue.plan(at, Happening::Leave { conn, from, packet });
                    }
                }
            }
        }
    }

    /// A message leaves the sender.
    pub(super) fn put(&mut self, conn: usize, from: End, packet: Box<Packet>) {
        if !self.conns[conn].open[from] {
            return;
        }
        if chance(&mut self.rng, self.weather.lost) {
            self.trace_message(conn, from, &packet, Fate::Lost);
            return;
        }
        if chance(&mut self.rng, self.weather.repeated) {
            self.put_once(conn, from, packet.clone());
        }
        self.put_once(conn, from, packet);
    }

    fn put_once(&mut self, conn: usize, from: End, packet: Box<Packet>) {
        use rand::RngExt;
        let mut at = self.now_us + self.latency();
        if chance(&mut self.rng, self.weather.overtaken) {
            at += self.rng.random_range(0..=self.weather.overtaken_us);
        } else {
            let last = &mut self.conns[conn].last_us[from];
            at = at.max(*last + 1);
            *last = at;
        }
        self.trace_message(conn, from, &packet, Fate::Arrives { at_us: at });
        self.queue
            .plan(at, Happening::Arrive { conn, from, packet });
    }

    /// A message arrives, and passes the receiver's link table.
    pub(super) fn arrive(&mut self, conn: usize, from: End, packet: Box<Packet>) {
        let known = &self.conns[conn];
        let (sender, receiver) = (known.ends[from].node, known.ends[1 - from]);
        if !known.open[1 - from] || known.broken {
            return;
        }
        let name = std::mem::take(&mut self.nodes[sender].name);
        let verdict = match self.running(receiver) {
            Some(process) => process.links.receiving(&name, packet.kind()),
            None => Verdict::Untouched,
        };
        self.nodes[sender].name = name;
        match verdict {
            Verdict::Untouched => self.take(conn, from, *packet),
            Verdict::Dropped => {
                self.trace_message(conn, from, &packet, Fate::DroppedArriving);
            }
            Verdict::Copies(delays) => {
                for delay in delays {
                    let packet = packet.clone();
                    if delay.is_zero() {
                        self.take(conn, from, *packet);
                    } else {
                        let at = self.now_us + micros(delay);
                        self.queue.plan(at, Happening::Take { conn, from, packet });
                    }
                }
            }
        }
    }

    /// An end hears that its connection is closed.
    pub(super) fn closed(&mut self, conn: usize, end: End) {
        let known = &mut self.conns[conn];
        if !std::mem::take(&mut known.open[end]) {
            return;
        }
        let (of, line) = (known.ends[end], known.line);
        if end == 1 {
            return self.lost(of, conn);
        }
        let Some(process) = self.running(of) else {
            return;
        };
        let current = process.lines.get(&line).map(|state| state.to);
        if current == Some(Standing::Open(conn)) {
            self.line_failed(of, line);
        }
    }

    /// The process is gone: so are its connections.
    pub(super) fn close_all(&mut self, of: Life) {
        // Those of other lives are closed already, and most are old.
        for conn in (0..self.conns.len()).rev() {
            for end in [0, 1] {
                if self.conns[conn].ends[end] == of && self.conns[conn].open[end] {
                    self.close_from(conn, end);
                }
            }
        }
    }

    pub(super) fn latency(&mut self) -> u64 {
        self.weather.link.draw(&mut self.rng)
    }
}
