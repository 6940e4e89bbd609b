//! What travels between nodes.

mod message;

pub use message::{
    BalancerAnswer, BalancerMessage, ClientInfo, ClientMessage, Hello, LinkCount, Role,
    ServerMessage, ServerReport, ServerStatus, Welcome,
};
