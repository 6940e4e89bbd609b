//! What a node process is told when it starts.
//!
//! Every node prints its events on standard output, one JSON object a line ([`crate::event`]), and
//! words for people on standard error. Its directory holds its link table (`links.json`, loaded at
//! the start and on SIGUSR1) and, for a server, its log (`log/`) and its machine table
//! (`machine.json`, loaded with the link table).

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::client::{Arrivals, Burst, Mix};
use crate::ids::{ClientId, ServerId};
use crate::link::Mode;

/// A server process.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The id that keeps this cluster's nodes apart from others'.
    pub cluster: u64,
    pub server: ServerId,
    /// Every server of the cluster, itself included: where it listens.
    pub members: Vec<(ServerId, SocketAddr)>,
    pub balancer: SocketAddr,
    pub dir: PathBuf,
    /// The server that stands first in a new cluster, so that tests and plans can name it.
    pub first_leader: Option<ServerId>,
    /// Feeds the election timeouts.
    pub seed: u64,
    /// What it puts off, or that it is dead; as long as the process lives.
    pub mode: Option<Mode>,
    pub on_damage: OnDamage,
}

/// What a server does when it finds its log damaged. It never votes on what it lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnDamage {
    /// It sets the log aside and comes back with a new one, as a replica that learns everything from
    /// its peers and does not vote.
    #[default]
    Repair,
    /// It stops with an error that says where the damage is.
    Stop,
}

/// A balancer process.
#[derive(Debug, Clone)]
pub struct BalancerConfig {
    pub cluster: u64,
    pub listen: SocketAddr,
    /// The number of servers of the plan: s1 … sN.
    pub servers: u16,
    pub dir: PathBuf,
}

/// A client process.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    pub cluster: u64,
    /// The node's name in link rules, and the speaker's name.
    pub name: String,
    /// The session's id; drawn at random when not given.
    pub client: Option<ClientId>,
    pub balancer: SocketAddr,
    pub dir: PathBuf,
    pub work: ClientWork,
}

/// What a client process does.
#[derive(Debug, Clone)]
pub enum ClientWork {
    /// Reads [`ClientCommand`]s as JSON lines from standard input, until its end.
    Scripted,
    /// Says generated messages from many sessions, then goes on listening until standard input
    /// ends.
    Load(LoadConfig),
}

/// A stream of generated operations, see [`crate::client::Load`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadConfig {
    pub sessions: u32,
    pub rate: Option<f64>,
    #[serde(default)]
    pub arrivals: Arrivals,
    #[serde(default)]
    pub burst: Option<Burst>,
    #[serde(default)]
    pub mix: Mix,
    /// Text length in bytes, both ends included.
    pub bytes: (u32, u32),
    pub lasts_ms: u64,
    pub seed: u64,
}

/// A command to a scripted client, a JSON line such as `{"say":{"text":"hello"}}` or `"read"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCommand {
    Say {
        text: String,
    },
    /// A linearizable read of the chat's length.
    Read,
    /// Answers what is open, then ends the session and the process.
    Leave,
}
