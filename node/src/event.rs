//! What a node reports of itself: one JSON object a line in `events.jsonl` of its directory.
//!
//! These lines are the evidence on which a run is judged, so a server writes a protocol event
//! before the message that depends on it leaves.

use serde::{Deserialize, Serialize};

use crate::ids::{Ballot, ClientId, ServerId, Slot};
use crate::wire::LinkCount;

/// An event with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEvent {
    /// Microseconds of the machine's monotonic clock, which all nodes of one machine share.
    pub at_us: u64,
    #[serde(flatten)]
    pub event: Event,
}

/// What a server accepted in a slot. A leader accepts what it proposes, but others may do so before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    pub ballot: Ballot,
    pub slot: Slot,
    /// [`Value::digest`](crate::value::Value::digest) of the value.
    pub digest: u32,
}

/// Something that happened in a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    // Any node.
    /// The process runs. `links` is the generation of the link table that it started with.
    Started {
        pid: u32,
        links: u64,
    },
    /// It listens (a server, the balancer) or is connected (a client).
    Ready {
        address: String,
    },
    /// A link table was loaded and is in force.
    Links {
        generation: u64,
    },
    /// What each rule did since it came into force; written when a table is replaced, and on exit.
    LinkCounts {
        generation: u64,
        counts: Vec<LinkCount>,
    },
    /// The link table file could not be used; the old one stays in force.
    LinksRefused {
        reason: String,
    },
    /// A peer, client or server was turned away, or this node was.
    Refused {
        peer: String,
        reason: String,
    },
    /// It is about to exit by itself.
    Stopping {
        reason: String,
    },

    // Servers: the machine under them.
    /// A machine table was loaded and is in force.
    Machine {
        generation: u64,
    },
    /// The machine table file could not be used; the old one stays in force.
    MachineRefused {
        reason: String,
    },
    /// A rule of the machine table did something to the log's disk. Written at its first time, and
    /// with how often in all when it ends and on an orderly exit.
    DiskTrouble {
        generation: u64,
        rule: String,
        hits: u64,
        what: String,
    },
    /// The clock was set by the machine table: how far it was ahead of the true time before and
    /// after, and at how many thousandths of the true speed it runs.
    ClockSet {
        generation: u64,
        before_us: i64,
        after_us: i64,
        rate_permille: u32,
    },
    /// The log on disk was damaged at that place. It was set aside, and the server begins a new one
    /// from nothing.
    LogSetAside {
        file: String,
        offset: u64,
        what: String,
        to: String,
    },

    // Servers: the protocol, recorded when durable.
    /// What it found on its disk when it started: the first of its protocol lines in every life.
    Recovered {
        promised: Ballot,
        /// The last acceptance in each slot above `chosen`, ascending.
        accepted: Vec<Acceptance>,
        chosen: Slot,
        incarnation: u64,
        /// Whether every member had confirmed every other: only then does it vote.
        formed: bool,
        /// The length of the torn tail that was cut off.
        #[serde(default)]
        cut_bytes: u64,
    },
    /// Every member confirmed every other: the server votes.
    Formed,
    /// Its peers know it under another incarnation: it will never vote.
    NotVoting {
        reason: String,
    },
    Promised {
        ballot: Ballot,
    },
    Accepted(Acceptance),
    /// Every slot up to this one is known to be chosen here.
    Chosen {
        upto: Slot,
    },
    /// It is known on disk, too: no later life of the server knows less.
    ChosenOnDisk {
        upto: Slot,
    },
    /// It leads from now on: phase 1 is complete. Written before its first proposal leaves.
    Leading {
        ballot: Ballot,
        /// The servers whose promises it counted, itself among them.
        promised_by: Vec<ServerId>,
        /// It knew all slots up to this one as chosen, and proposes in those behind it.
        after: Slot,
    },
    /// It leads no more.
    SteppedDown {
        ballot: Ballot,
    },
    /// It hears a leader, or none.
    Follows {
        leader: Option<Ballot>,
    },
    /// Whether it hears a leader that a majority follows.
    Majority {
        majority: bool,
    },

    // The balancer.
    Registered {
        server: ServerId,
    },
    Lost {
        server: ServerId,
    },
    Opened,
    Routed {
        client: ClientId,
        name: String,
        server: ServerId,
    },

    // Clients.
    /// The session is joined at a server.
    Joined {
        client: ClientId,
        name: String,
        server: ServerId,
    },
    /// The session lost its server, and why.
    Rerouting {
        client: ClientId,
        from: Option<ServerId>,
        reason: String,
    },
    /// The client was told that messages cannot be stored now, or that they can again.
    ToldMajority {
        client: ClientId,
        majority: bool,
    },
    /// A message was handed to the session. The text is kept once, here.
    Say {
        client: ClientId,
        name: String,
        seq: u64,
        at_ms: u64,
        text: String,
    },
    /// It was acknowledged.
    Acked {
        client: ClientId,
        seq: u64,
        index: u64,
        slot: Slot,
        server: ServerId,
    },
    /// The chat message at `index` was shown to the client. `digest` is the CRC32C of the text.
    Delivered {
        client: ClientId,
        index: u64,
        from: ClientId,
        seq: u64,
        digest: u32,
    },
    ReadAsked {
        client: ClientId,
        id: u64,
    },
    ReadDone {
        client: ClientId,
        id: u64,
        length: u64,
        server: ServerId,
    },
    /// A page of the chat was shown: `count` messages from index `first` on, with the
    /// [`page_digest`] of them.
    Page {
        client: ClientId,
        first: u64,
        count: u64,
        digest: u32,
    },
    /// A load run ended: no more will be said.
    LoadDone {
        said: u64,
        acked: u64,
    },
}

/// The digest of a page of the chat: CRC32C over each message's client and sequence number and the
/// CRC32C of its text, little endian.
pub fn page_digest(messages: impl Iterator<Item = (ClientId, u64, u32)>) -> u32 {
    messages.fold(0, |digest, (client, seq, text)| {
        let digest = crc32c::crc32c_append(digest, &client.0.to_le_bytes());
        let digest = crc32c::crc32c_append(digest, &seq.to_le_bytes());
        crc32c::crc32c_append(digest, &text.to_le_bytes())
    })
}
