//! What travels between nodes.

mod message;

pub use message::{
    BalancerAnswer, BalancerMessage, ClientInfo, ClientMessage, Hello, LinkCount, PeerMessage, Role,
    ServerMessage, ServerReport, ServerStatus, Welcome,
};
