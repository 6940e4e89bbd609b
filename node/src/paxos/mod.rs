//! Multi-Paxos as a state machine.
//!
//! [`Replica`] follows "Paxos Made Simple" with one ballot for all open slots: phase 1 runs once per
//! leader, phase 2 once per slot. It is split by role; each file is the part of every replica that
//! plays that role.
//!
//! | file | role |
//! |---|---|
//! | `acceptor` | promises and acceptances, the only memory that agreement rests on |
//! | `election` | whether and when to stand: timeouts, pre-votes, back-off |
//! | `phase1` | the candidate: gathers promises, decides what must be proposed |
//! | `leader` | phase 2, heartbeats, and the leader's doubt in itself |
//! | `learner` | what is chosen, and fetching what was missed |
//! | `push` | what the leader teaches a follower that stays behind |
//! | `forward` | client messages on their way to a slot, each once |
//! | `read` | linearizable reads |
//! | `hand_over` | a leader that stops passes its place on |

mod acceptor;
mod config;
mod effects;
mod election;
mod forward;
mod hand_over;
mod leader;
mod learner;
mod message;
mod outbox;
mod phase1;
mod push;
mod quorum;
mod read;
mod recovered;
mod replica;
mod sessions;
#[cfg(test)]
mod tests;

pub use config::{Config, Limits, Timing};
pub use effects::{Applied, Chosen, Effects, Led, ReadReady, Serve};
pub use message::Message;
pub use quorum::Quorum;
pub use recovered::Recovered;
pub use replica::Replica;
pub use sessions::{Sessions, Stored};
