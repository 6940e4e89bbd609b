//! A client as state machines: its chat sessions, what they say, ask and hear, through any number of
//! servers.
//!
//! [`Session`] keeps a server: it asks the balancer for one ([`asking`]), joins it, notices when it
//! fails ([`home`]), and moves on. Three parts know nothing of servers: [`outbox`] holds what was
//! said and is not acknowledged, [`questions`] holds the open reads and pages, [`inbox`] puts what
//! arrives in order. Everything that is sent is sent again until it is answered ([`retry`]), so no
//! message, in either direction, needs to arrive.
//!
//! A client process is a [`Host`] of sessions of one name: one that a script or a person speaks
//! through, or many that say what a [`Generator`] makes. A [`Teller`] turns its news into evidence.

mod addressee;
mod asking;
mod generator;
mod home;
mod host;
mod inbox;
mod outbox;
mod questions;
mod retry;
mod session;
mod teller;

use std::sync::Arc;
use std::time::Duration;

pub use addressee::{addressee, answer_addressee};
pub use generator::{Arrivals, Burst, Deed, Generator, Load, Mix};
pub use host::{FAREWELL, Host, HostConfig, HostEffect};
pub use session::Session;
pub use teller::{Teller, Told};

use crate::ids::{ClientId, ServerId, Slot};
use crate::value::Command;
use crate::wire::{ClientInfo, ClientMessage};

/// What a session is told when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Never used by another session of the cluster, before or after.
    pub client: ClientId,
    /// The name that the speaker goes by.
    pub name: String,
    /// The last chat index that the client has: it hears everything after that; 0 for the whole
    /// chat. `None` for a session that does not listen.
    pub seen: Option<u64>,
    /// Feeds the jitter of all waiting times.
    pub seed: u64,
    pub timing: Timing,
}

/// How long things last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// What is not answered is sent again after this…
    pub retransmit: Duration,
    /// …then after twice as long each time, up to this. The balancer is asked again, and a join
    /// repeated, in the same rhythm.
    pub retransmit_most: Duration,
    /// A server that said nothing for so long is asked for a sign of life.
    pub ping_after: Duration,
    /// It is asked that often however much it says, to tell it that the session lives.
    pub ping_at_least: Duration,
    /// A server that said nothing for so long has failed…
    pub silent_after: Duration,
    /// …if it also had so long to answer. A client that was stopped itself does not blame the
    /// server for that.
    pub answer_within: Duration,
    /// The balancer is never asked twice within this, whatever happens.
    pub ask_spacing: Duration,
    /// When it answers that the cluster is not ready, it is asked again after this.
    pub not_ready_again: Duration,
    /// When there is no majority, or no better server, it is asked again after this.
    pub no_majority_again: Duration,
    /// Messages that a server refused because of a gap are not resent because of another one for
    /// so long: one lost message makes as many refusals as there are messages behind it.
    pub gap_quiet: Duration,
    /// What a server had no room for is sent again after this, then after twice as long each time.
    pub busy_again: Duration,
    /// When messages of the chat are missing and none came for so long, the server is asked to push
    /// from there.
    pub resume_after: Duration,
    /// All waiting times but the detection of silence vary by up to so many percent, both ways.
    pub jitter_percent: u32,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            retransmit: Duration::from_millis(300),
            retransmit_most: Duration::from_secs(1),
            ping_after: Duration::from_millis(250),
            ping_at_least: Duration::from_secs(1),
            silent_after: Duration::from_secs(1),
            answer_within: Duration::from_millis(500),
            ask_spacing: Duration::from_millis(50),
            not_ready_again: Duration::from_millis(100),
            no_majority_again: Duration::from_millis(500),
            gap_quiet: Duration::from_millis(50),
            busy_again: Duration::from_millis(25),
            resume_after: Duration::from_millis(300),
            jitter_percent: 20,
        }
    }
}

/// What a session asks of its host, to be carried out in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask the balancer for a server, under the session's client id and name.
    AskBalancer { avoid: Option<ServerId> },
    /// Send to this server, dialling it first when there is no connection. A server that restarted
    /// may have another address than before.
    Send {
        server: ServerId,
        address: Arc<str>,
        message: ClientMessage,
    },
    /// The session needs the connection no more, once what was to be sent is sent. Others may.
    Drop { server: ServerId },
    /// Something that the user of the session wants to know.
    Happened(Happened),
}

/// News of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// The session is open at this server, for the first time or again.
    Joined { server: ServerId },
    /// The session lost its server, and why; it goes on when the next `Joined` comes.
    Rerouting {
        from: Option<ServerId>,
        reason: String,
    },
    /// Messages cannot be stored now (they are kept, and sent later), or they can again. Reported
    /// on change; true is taken for granted at the start.
    Majority(bool),
    /// A message is chosen and stands at `index` of the chat, in `slot` of the log; both are 0 when
    /// the server does not know the place any more. Once for each message.
    Acked {
        seq: u64,
        index: u64,
        slot: Slot,
        server: ServerId,
    },
    /// The next message of the chat: indexes are consecutive.
    Delivered { index: u64, command: Command },
    /// The chat held `length` messages at some moment since the read was asked.
    ReadDone {
        id: u64,
        length: u64,
        server: ServerId,
    },
    /// The cluster is not complete yet. Reported on change.
    NotReady { registered: u16, servers: u16 },
    /// A page of the chat that was asked for; `last` is the last index that the server knew.
    Page {
        first: u64,
        messages: Vec<Command>,
        last: u64,
    },
}

/// What the user of a client wants of its (first) session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// At most [`Command::MAX_TEXT_BYTES`].
    Say(String),
    /// A linearizable read of the chat's length.
    Read,
    /// A page of the chat, answered by [`Happened::Page`].
    History { from: u64, limit: u32 },
    /// Who is chatting where, answered by [`News::Who`].
    Who,
    /// Answer what is open (for a few seconds at most), then end.
    Leave,
}

/// What the user of a client hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    Said {
        client: ClientId,
        seq: u64,
        at_ms: u64,
        text: String,
    },
    ReadAsked {
        client: ClientId,
        id: u64,
    },
    Happened {
        client: ClientId,
        what: Happened,
    },
    Who(Vec<(ServerId, ClientInfo)>),
    /// A node refused the connection. Told once for each reason.
    Refused {
        peer: String,
        reason: String,
    },
    /// All generated messages are said.
    LoadDone {
        said: u64,
        acked: u64,
    },
    /// The sessions have left; nothing follows.
    Ended,
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
