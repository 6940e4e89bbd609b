//! The messages between clients, servers and the balancer, and the handshake of every connection.
//!
//! Links may lose, repeat, delay and reorder any of them, so every exchange can be repeated and
//! nothing relies on the order of arrival.

use serde::{Deserialize, Serialize};

use crate::ids::{Ballot, ClientId, ServerId, Slot};
use crate::link::Kind;
use crate::paxos::Message;
use crate::value::{Command, Value};

/// The first frame of a connection, from the side that dialled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Drawn when the cluster was created; a node of another cluster is refused.
    pub cluster: u64,
    /// The node's name, as link rules know it: `s1`, `balancer`, `ann`.
    pub node: String,
    pub role: Role,
}

/// Who dials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A server, to a peer or to the balancer.
    Server { server: ServerId, incarnation: u64 },
    /// A chat client, to its server or to the balancer. One connection may carry many sessions.
    Client,
    /// paxosctl itself: status, logs. Takes part in nothing.
    Observer,
}

/// The answer to a [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Welcome {
    Accepted {
        node: String,
    },
    /// Why the connection closes now, for a person to read.
    Refused {
        reason: String,
    },
}

/// From a server to a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerMessage {
    Paxos(Message),
    /// "Remember my incarnation for ever." Repeated by a new server until every peer did.
    Introduce {
        incarnation: u64,
    },
    /// The receiver's incarnation `you` is on the sender's disk.
    Remembered {
        you: u64,
    },
    /// The receiver introduced itself under another incarnation than the sender remembers.
    Stranger {
        remembered: u64,
    },
}

impl PeerMessage {
    /// The kind under which the link table knows it.
    pub fn kind(&self) -> Kind {
        match self {
            PeerMessage::Paxos(message) => message.kind(),
            PeerMessage::Introduce { .. }
            | PeerMessage::Remembered { .. }
            | PeerMessage::Stranger { .. } => Kind::Control,
        }
    }
}

/// From a client to its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientMessage {
    /// Opens a session on this connection, or repeats that. `seen` is the last chat index that the
    /// client has: the server pushes what follows it. `None` for a session that does not listen.
    Join {
        client: ClientId,
        name: String,
        seen: Option<u64>,
    },
    /// The session goes elsewhere or ends.
    Leave { client: ClientId },
    /// Say something. Repeated until acknowledged.
    Say(Command),
    /// A linearizable read: the number of messages in the chat.
    Read { client: ClientId, id: u64 },
    /// A page of the chat from `from` on, at most `limit` messages.
    History {
        client: ClientId,
        from: u64,
        limit: u32,
    },
    /// Asks for a Pong; the client's sign of life too.
    Ping { client: ClientId, seen: Option<u64> },
    /// From an observer.
    Status,
    /// From an observer: the chosen slots from `from` on, a bounded chunk.
    Slots { from: Slot },
}

impl ClientMessage {
    /// The kind under which the link table knows it.
    pub fn kind(&self) -> Kind {
        match self {
            ClientMessage::Say(_) | ClientMessage::Read { .. } => Kind::Request,
            ClientMessage::History { .. } | ClientMessage::Slots { .. } => Kind::LogRead,
            ClientMessage::Join { .. }
            | ClientMessage::Leave { .. }
            | ClientMessage::Ping { .. }
            | ClientMessage::Status => Kind::Session,
        }
    }
}

/// From a server to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerMessage {
    /// The session is open here. `next_seq` is the next sequence number that the log will apply for
    /// this client; `last` the last index of the chat known here.
    Joined {
        client: ClientId,
        next_seq: u64,
        last: u64,
    },
    /// The message is chosen and stands at `index` of the chat, in `slot` of the log; both are 0
    /// when the place of a repeated message is not kept.
    Ack {
        client: ClientId,
        seq: u64,
        index: u64,
        slot: Slot,
    },
    /// A message came before its predecessor: the client resends from `next_seq` on.
    Gap { client: ClientId, next_seq: u64 },
    /// Messages of the chat at consecutive indexes from `first` on.
    Deliver {
        client: ClientId,
        first: u64,
        messages: Vec<Command>,
    },
    /// The answer to History; `last` is the last index of the chat known here.
    Page {
        client: ClientId,
        first: u64,
        messages: Vec<Command>,
        last: u64,
    },
    /// The answer to Read: the chat holds `length` messages.
    ReadResult {
        client: ClientId,
        id: u64,
        length: u64,
    },
    /// The answer to Ping, and sent unasked when `majority` changes. `majority` is false when the
    /// server has known no leader that a majority follows for a while.
    Pong {
        client: ClientId,
        last: u64,
        majority: bool,
    },
    /// The server is stopping, or does not serve this session: ask the balancer for another.
    GoElsewhere { client: ClientId, reason: String },
    /// To an observer. Boxed, so that the messages that come by the thousand stay small.
    Status(Box<ServerStatus>),
    /// To an observer: chosen values of consecutive slots from `from` on; `chosen` is the last
    /// chosen slot known here.
    Slots {
        from: Slot,
        values: Vec<Value>,
        chosen: Slot,
    },
    /// There is no room for what the client asked: it asks again in a moment.
    Busy { client: ClientId, asked: Asked },
}

/// What a client asked of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    Say { seq: u64 },
    Read { id: u64 },
}

impl ServerMessage {
    /// The kind under which the link table knows it: that of the question, for an answer.
    pub fn kind(&self) -> Kind {
        match self {
            ServerMessage::Ack { .. }
            | ServerMessage::Gap { .. }
            | ServerMessage::Busy { .. }
            | ServerMessage::ReadResult { .. } => Kind::Request,
            ServerMessage::Page { .. } | ServerMessage::Slots { .. } => Kind::LogRead,
            ServerMessage::Joined { .. }
            | ServerMessage::Deliver { .. }
            | ServerMessage::Pong { .. }
            | ServerMessage::GoElsewhere { .. }
            | ServerMessage::Status(_) => Kind::Session,
        }
    }
}

/// How a server is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    pub server: ServerId,
    pub incarnation: u64,
    /// Whether it may vote; a server that lost its disk may not.
    pub voting: bool,
    pub promised: Ballot,
    /// The ballot of the leader that it hears (its own when it leads).
    pub leader: Option<Ballot>,
    pub majority: bool,
    pub chosen: Slot,
    /// Messages in the chat.
    pub messages: u64,
    /// How often the process synced its log.
    pub syncs: u64,
    pub clients: Vec<ClientInfo>,
    /// The generation of the link table in force, and what each of its rules did.
    pub links: u64,
    pub link_counts: Vec<LinkCount>,
}

/// What one rule of the link table did so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCount {
    /// The rule's id, as the table gives it.
    pub rule: String,
    /// Messages that the rule affected.
    pub hits: u64,
}

/// A client session, for `/who` and `ps`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientInfo {
    pub client: ClientId,
    pub name: String,
}

/// To the balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BalancerMessage {
    /// A server registers and says how it is, again and again.
    Report(ServerReport),
    /// A client asks for a server. `avoid` is the one that just failed it.
    Route {
        client: ClientId,
        name: String,
        avoid: Option<ServerId>,
    },
    /// Who is chatting where.
    Who,
}

/// A server's registration and heartbeat to the balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerReport {
    pub server: ServerId,
    pub incarnation: u64,
    /// Where clients reach it, `127.0.0.1:21001`.
    pub address: String,
    pub clients: Vec<ClientInfo>,
    /// Whether it hears a leader that a majority follows.
    pub majority: bool,
    /// Whether it leads.
    pub leads: bool,
    /// Whether all members confirmed each other at the first formation.
    pub formed: bool,
    /// Whether clients were admitted before: then the cluster need not be complete again.
    pub opened: bool,
    /// It is stopping: route nobody here.
    pub draining: bool,
}

/// From the balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BalancerAnswer {
    /// To a server: registered. `opened` says that clients are being admitted.
    Registered { opened: bool },
    /// To a server: not welcome, and why.
    Refused { reason: String },
    /// To a client: go there.
    GoTo {
        client: ClientId,
        server: ServerId,
        address: String,
    },
    /// To a client: not all servers have registered yet.
    NotReady {
        client: ClientId,
        registered: u16,
        servers: u16,
    },
    /// To a client: fewer than a majority of the servers are up.
    NoMajority {
        client: ClientId,
        up: u16,
        servers: u16,
    },
    /// The answer to Who: every session and its server.
    Who(Vec<(ServerId, ClientInfo)>),
}
