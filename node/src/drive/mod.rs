//! The tokio shell around the state machines: sockets, disks, clocks and signals, and nothing else.

mod balancer;
mod client;
mod config;
mod converse;
mod disk;
mod door;
mod error;
mod gate;
mod links;
mod machine;
mod net;
mod open_log;
mod outbox;
mod process;
mod real_disk;
mod reporter;
mod room;
mod server;

pub use balancer::run_balancer;
pub use client::{Answered, Client, Crowd, Look, look_in, run_client, run_crowd};
pub use config::{
    BalancerConfig, ClientCommand, ClientConfig, ClientWork, LoadConfig, OnDamage, ServerConfig,
};
pub use error::NodeError;
pub use links::LINKS_FILE;
pub use machine::MACHINE_FILE;
pub use real_disk::RealDisk;
pub use reporter::monotonic;
pub use server::run_server;

pub use crate::client::{Ask, News};
use crate::link::Kind;
use crate::wire::{BalancerAnswer, BalancerMessage, ClientMessage, PeerMessage, ServerMessage};

impl net::Linked for PeerMessage {
    fn kind(&self) -> Kind {
        PeerMessage::kind(self)
    }
}

impl net::Linked for ClientMessage {
    fn kind(&self) -> Kind {
        ClientMessage::kind(self)
    }
}

impl net::Linked for ServerMessage {
    fn kind(&self) -> Kind {
        ServerMessage::kind(self)
    }
}

impl net::Linked for BalancerMessage {
    fn kind(&self) -> Kind {
        Kind::Control
    }
}

impl net::Linked for BalancerAnswer {
    fn kind(&self) -> Kind {
        Kind::Control
    }
}
