//! Multi-Paxos as a state machine.

mod effects;
mod message;

pub use effects::{Applied, Chosen, Effects, ReadReady, Serve};
pub use message::Message;
