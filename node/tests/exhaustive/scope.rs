//! The bounds of one search.

use paxosctl_node::ids::{ClientId, ServerId};
use paxosctl_node::link::Kind;
use paxosctl_node::paxos::Message;
use paxosctl_node::value::Command;

pub const SERVERS: u16 = 3;

/// What may happen, and how often. Loss, repetition, delay and reordering have no bound.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    pub name: &'static str,
    /// How often each server may stand for election: the number of ballots.
    pub stands: [u8; SERVERS as usize],
    /// How many messages clients say at each server.
    pub says: [u8; SERVERS as usize],
    /// Whether every server is told the same messages, as by clients that went from one to another.
    pub same: bool,
    /// How often servers crash, all together.
    pub crashes: u8,
    pub waits: u8,
    /// Kinds of messages that are always lost.
    pub lost: &'static [Kind],
}

impl Scope {
    /// What the clients of `server` say as their message number `index`, from 0.
    pub fn command(&self, server: ServerId, index: u8) -> Command {
        let speaker = if self.same { 0 } else { server.0 };
        Command {
            client: ClientId(u64::from(speaker) * 10 + u64::from(index)),
            seq: 1,
            name: String::new(),
            at_ms: 0,
            text: String::new(),
        }
    }

    pub fn is_delivered(&self, message: &Message) -> bool {
        // A candidate is granted its votes by the search itself.
        let is_pre_vote = matches!(
            message,
            Message::PreVote { .. } | Message::PreVoteReply { .. }
        );
        !is_pre_vote && !self.lost.contains(&message.kind())
    }
}
