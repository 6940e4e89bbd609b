//! The bounds of a search.

use paxosctl_node::ids::{ClientId, ServerId};
use paxosctl_node::link::Kind;
use paxosctl_node::value::Command;

pub const SERVERS: u16 = 3;

/// What may happen, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    pub name: &'static str,
    /// How often each server may stand for election. Together, the number of ballots.
    pub stands: [u8; SERVERS as usize],
    /// How many messages clients say to each server.
    pub says: [u8; SERVERS as usize],
    /// How often servers crash, all together.
    pub crashes: u8,
    /// How often something happens to a server while its disk still writes, all together.
    pub waits: u8,
    /// Kinds of messages that are always lost.
    pub lost: &'static [Kind],
}

/// How values come to be chosen; nobody is told.
pub const ELECTIONS: Scope = Scope {
    name: "elections",
    stands: [1, 1, 0],
    says: [1, 1, 0],
    crashes: 1,
    waits: 0,
    lost: &[
        Kind::Heartbeat,
        Kind::Commit,
        Kind::CatchUp,
        Kind::Learn,
        Kind::Forward,
    ],
};

/// Two slots in flight, of which others may hold the second only.
pub const HOLES: Scope = Scope {
    name: "holes",
    says: [2, 0, 0],
    crashes: 0,
    ..ELECTIONS
};

pub const AGAIN: Scope = Scope {
    name: "again",
    stands: [2, 1, 0],
    says: [1, 0, 0],
    crashes: 0,
    ..ELECTIONS
};

pub const SLOW_DISKS: Scope = Scope {
    name: "slow disks",
    says: [1, 0, 0],
    waits: 2,
    ..ELECTIONS
};

/// How servers learn what is chosen.
pub const LEARNING: Scope = Scope {
    name: "learning",
    says: [1, 0, 0],
    lost: &[Kind::Heartbeat, Kind::Forward],
    ..ELECTIONS
};

impl Scope {
    /// What the clients of `server` say as their message number `index`, from 0.
    pub fn command(server: ServerId, index: u8) -> Command {
        let client = u64::from(server.0) * 10 + u64::from(index);
        Command {
            client: ClientId(client),
            seq: 1,
            name: format!("c{client}"),
            at_ms: 0,
            text: String::new(),
        }
    }

    pub fn delivers(&self, kind: Kind) -> bool {
        !self.lost.contains(&kind)
    }
}
