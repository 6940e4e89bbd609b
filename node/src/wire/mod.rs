//! What travels between nodes.

pub mod frame;
mod message;

pub use message::{
    BalancerAnswer, BalancerMessage, ClientInfo, ClientMessage, Hello, LinkCount, PeerMessage,
    Role, ServerMessage, ServerReport, ServerStatus, Welcome,
};
