//! A history in memory, indexed for the checks.
//!
//! Everything is held once, in vectors that refer to each other by number, so that a run of
//! millions of messages fits in memory and every check is a linear walk.

use std::collections::HashMap;

use paxosctl_node::ids::{Ballot, ClientId, ServerId};
use paxosctl_node::value::{Command, Value};

use super::{ActionLine, ByClient, Phase, RunHeader};
use crate::target::LogSource;

/// In [`Replica::values`]: the saved log does not have this slot.
pub const HOLE: u32 = u32::MAX;

/// In [`Applied::message`]: nobody said it.
pub const NO_MESSAGE: u32 = u32::MAX;

/// All that is known of a run. Times are microseconds since the cluster was ready.
#[derive(Debug)]
pub struct Evidence {
    pub header: RunHeader,
    pub ending: Ending,
    /// The latest time in the history.
    pub end_us: u64,
    pub phases: Vec<(u64, Phase)>,
    /// Every process that reported anything, by first report.
    pub nodes: Vec<Node>,
    pub sessions: Vec<Session>,
    /// Every message handed to a session, in the order of the history.
    pub messages: Vec<Message>,
    /// Acknowledgements of messages that nobody said.
    pub stray_acks: Vec<StrayAck>,
    /// Second acknowledgements that differ from the first in index or slot.
    pub conflicting_acks: Vec<(u32, Ack)>,
    /// Messages said under a sequence number that their session had used before.
    pub repeated_says: Vec<u32>,
    /// Every different value that any replica holds in any slot.
    pub values: Vec<Value>,
    /// One for each server of the plan, in its order.
    pub replicas: Vec<Replica>,
    /// What the session rule makes of the replicas' logs. Replicas whose logs agree share one; the
    /// first is that of the longest log.
    pub chats: Vec<Vec<Applied>>,
    /// Ballots, named by their place here in [`ServerEvent`].
    pub ballots: Vec<Ballot>,
    /// One for each server of the plan, in its order.
    pub servers: Vec<Server>,
    pub actions: Vec<ActionLine>,
    pub deaths: Vec<Death>,
    pub(super) session_of: ByClient<u32>,
    pub(super) node_of: HashMap<String, u32>,
}

/// How a history ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Complete,
    /// Somebody stopped the run.
    Interrupted,
    /// The `end` line is missing: the run was killed.
    CutShort,
}

/// A process.
#[derive(Debug, Default)]
pub struct Node {
    pub name: String,
    /// When it started, each time.
    pub started_us: Vec<u64>,
    /// When it said that it was about to exit, and why.
    pub stopping: Vec<(u64, String)>,
    /// Link table generation, rule and how many messages the rule affected, as reported.
    pub link_hits: Vec<(u64, String, u64)>,
    /// Link tables that it could not use.
    pub links_refused: Vec<(u64, String)>,
    /// What is wrong with its machine, and what that did.
    pub machine: MachineRecord,
}

/// What a server reported of the machine under it, in the order of the reports.
#[derive(Debug, Default)]
pub struct MachineRecord {
    pub strikes: Vec<DiskStrike>,
    pub clocks: Vec<ClockSet>,
    /// When a damaged log was set aside, and where the damage was.
    pub set_aside: Vec<(u64, String)>,
    /// When a torn tail of the log was cut off, and how many bytes.
    pub cuts: Vec<(u64, u64)>,
}

/// A rule did something to a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskStrike {
    pub at_us: u64,
    pub generation: u64,
    pub rule: String,
    /// How often by then.
    pub hits: u64,
    pub what: String,
}

/// A clock was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSet {
    pub at_us: u64,
    pub generation: u64,
    /// How far it was ahead of the truth, and is from now on.
    pub before_us: i64,
    pub after_us: i64,
    pub rate_permille: u32,
}

/// One client session: one for a chat client's life, many for a load.
#[derive(Debug)]
pub struct Session {
    pub client: ClientId,
    /// In [`Evidence::nodes`].
    pub node: u32,
    /// The name that the speaker goes by.
    pub name: String,
    /// Sequence number and place in [`Evidence::messages`], by sequence number.
    pub messages: Vec<(u64, u32)>,
    pub joins: Vec<Join>,
    pub reroutes: Vec<Reroute>,
    pub told: Vec<Told>,
    /// In the order in which the client reported them.
    pub deliveries: Vec<Delivery>,
    pub reads: Vec<Read>,
    pub pages: Vec<Page>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    pub at_us: u64,
    pub server: ServerId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reroute {
    pub at_us: u64,
    pub from: Option<ServerId>,
    pub reason: String,
}

/// A client was told whether messages can be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub at_us: u64,
    pub majority: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub at_us: u64,
    pub index: u64,
    pub from: ClientId,
    pub seq: u64,
    /// CRC32C of the text.
    pub digest: u32,
}

/// A page of the chat that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub at_us: u64,
    /// The index of its first message, and how many there are.
    pub first: u64,
    pub count: u64,
    /// [`paxosctl_node::event::page_digest`] of them.
    pub digest: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub id: u64,
    pub asked_us: u64,
    /// When it was answered, with what length, by whom.
    pub done: Option<(u64, u64, ServerId)>,
}

/// A message that a client said.
#[derive(Debug)]
pub struct Message {
    /// In [`Evidence::sessions`].
    pub session: u32,
    pub seq: u64,
    pub said_us: u64,
    /// The name under which it was said, where that is not the session's.
    pub other_name: Option<Box<str>>,
    pub text: Box<str>,
    /// `None`: unknown. It may be in the log, or not.
    pub ack: Option<Ack>,
}

/// A server that answers a retry of an older message knows that it is stored, but not where, and
/// gives index and slot as 0. Then they are taken from the log, where the message must be; both
/// stay 0 if it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    pub at_us: u64,
    pub index: u64,
    pub slot: u64,
    pub server: ServerId,
}

impl Ack {
    /// Whether the place is known.
    pub fn names_place(&self) -> bool {
        self.index != 0
    }
}

#[derive(Debug)]
pub struct StrayAck {
    pub client: ClientId,
    pub seq: u64,
    pub ack: Ack,
}

/// One replica's log as it was read at the end.
#[derive(Debug)]
pub struct Replica {
    pub server: ServerId,
    pub name: String,
    pub source: LogSource,
    /// The chosen index that the replica gave.
    pub chosen: u64,
    /// For slot 1, 2, …: the place in [`Evidence::values`], or [`HOLE`].
    pub values: Vec<u32>,
    /// What is wrong with the log as a log: a slot twice, or out of order; each with its slot.
    pub disorder: Vec<(u64, String)>,
    /// In [`Evidence::chats`].
    pub chat: usize,
    /// How many messages of that chat this replica has.
    pub messages: usize,
}

/// A message that takes effect, at the index that is its place in the chat plus one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub client: ClientId,
    pub seq: u64,
    pub slot: u64,
    /// In [`Evidence::values`], and which of its messages.
    pub value: u32,
    pub offset: u32,
    /// In [`Evidence::messages`], or [`NO_MESSAGE`].
    pub message: u32,
    /// CRC32C of the text.
    pub digest: u32,
}

/// A server's protocol record.
#[derive(Debug, Default)]
pub struct Server {
    /// In the order in which the server reported them, through all its lives.
    pub events: Vec<ServerEvent>,
    /// What [`What::Recovered`] refers to.
    pub recoveries: Vec<Recovery>,
    /// What [`What::Leading`] refers to.
    pub leaderships: Vec<Leadership>,
    pub formed: bool,
    pub not_voting: Option<String>,
    /// From when on it said so.
    pub not_voting_us: Option<u64>,
}

/// An acceptance. The ballot is a place in [`Evidence::ballots`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    pub ballot: u32,
    pub slot: u32,
    /// [`Value::digest`] of the value.
    pub digest: u32,
}

/// What a server found on its disk when it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// In [`Evidence::ballots`].
    pub promised: u32,
    /// Above `chosen`, ascending by slot.
    pub accepted: Vec<Accepted>,
    pub chosen: u32,
    pub incarnation: u64,
    /// Whether it votes.
    pub formed: bool,
}

/// A completed phase 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// In [`Evidence::ballots`].
    pub ballot: u32,
    /// Whose promises were counted.
    pub promised_by: Vec<ServerId>,
    /// The leader knew all slots up to this one as chosen.
    pub after: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerEvent {
    pub at_us: u64,
    pub what: What,
}

/// Ballots are places in [`Evidence::ballots`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Started,
    /// In [`Server::recoveries`].
    Recovered(u32),
    Formed,
    NotVoting,
    Promised(u32),
    Accepted(Accepted),
    Chosen(u32),
    ChosenOnDisk(u32),
    /// In [`Server::leaderships`].
    Leading(u32),
    SteppedDown(u32),
}

/// A process that ended unasked.
#[derive(Debug, Clone)]
pub struct Death {
    pub at_us: u64,
    pub node: String,
    pub status: String,
    pub last_lines: Vec<String>,
}

impl Server {
    /// How far a server knew the log as chosen, where an event says so.
    pub fn chosen_by(&self, what: What) -> Option<u32> {
        match what {
            What::Chosen(upto) => Some(upto),
            What::Recovered(place) => Some(self.recoveries[place as usize].chosen),
            _ => None,
        }
    }

    /// When it recovered another log than before: all that it had promised was lost by then.
    pub fn new_logs(&self) -> impl Iterator<Item = u64> {
        self.events.iter().filter_map(|event| {
            let What::Recovered(place) = event.what else {
                return None;
            };
            let place = place as usize;
            let before = &self.recoveries[place.checked_sub(1)?];
            (before.incarnation != self.recoveries[place].incarnation).then_some(event.at_us)
        })
    }
}

impl Session {
    /// The message under this sequence number.
    pub fn message(&self, seq: u64) -> Option<u32> {
        // Sequence numbers are dense from 1 in any sound run, so the first look nearly always hits.
        let guess = usize::try_from(seq).ok()?.checked_sub(1)?;
        if let Some(&(found, message)) = self.messages.get(guess)
            && found == seq
        {
            return Some(message);
        }
        self.messages
            .binary_search_by_key(&seq, |&(seq, _)| seq)
            .ok()
            .map(|place| self.messages[place].1)
    }
}

impl Evidence {
    /// The session of a client id.
    pub fn session(&self, client: ClientId) -> Option<&Session> {
        self.session_of
            .get(&client)
            .map(|&place| &self.sessions[place as usize])
    }

    /// The process of this name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.node_of
            .get(name)
            .map(|&place| &self.nodes[place as usize])
    }

    /// The sessions of the process of this name, in the order in which they appeared.
    pub fn sessions_of(&self, node: &str) -> impl Iterator<Item = &Session> {
        let place = self.node_of.get(node).copied();
        self.sessions
            .iter()
            .filter(move |session| Some(session.node) == place)
    }

    /// The name of the process that said the message.
    pub fn speaker(&self, message: &Message) -> &str {
        let session = &self.sessions[message.session as usize];
        &self.nodes[session.node as usize].name
    }

    /// The number of servers of the plan, and how many of them are a majority.
    pub fn majority(&self) -> usize {
        self.header.servers.len() / 2 + 1
    }

    /// The command that took effect.
    pub fn command(&self, applied: &Applied) -> &Command {
        &self.values[applied.value as usize].commands()[applied.offset as usize]
    }

    /// The chat of the longest log: what the run is judged by. Empty when no log could be read.
    pub fn chat(&self) -> &[Applied] {
        self.chats.first().map_or(&[], Vec::as_slice)
    }

    /// The messages that one replica has.
    pub fn chat_of(&self, replica: &Replica) -> &[Applied] {
        self.chats
            .get(replica.chat)
            .map_or(&[], |chat| &chat[..replica.messages])
    }

    /// When the phase began, the first time.
    pub fn phase(&self, wanted: Phase) -> Option<u64> {
        self.phases
            .iter()
            .find(|(_, phase)| *phase == wanted)
            .map(|&(at_us, _)| at_us)
    }
}
