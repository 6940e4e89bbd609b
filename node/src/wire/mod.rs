//! What travels between nodes.

pub mod frame;
mod message;

pub use frame::{
    CLIENT_LIMIT_BYTES, FrameDecoder, FrameError, HANDSHAKE_LIMIT_BYTES, PEER_LIMIT_BYTES,
    PROTOCOL_VERSION,
};
pub use message::{
    Asked, BalancerAnswer, BalancerMessage, ClientInfo, ClientMessage, Hello, LinkCount,
    PeerMessage, Role, ServerMessage, ServerReport, ServerStatus, Welcome,
};
