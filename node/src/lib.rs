//! One node of a Paxos-replicated chat cluster.
//!
//! The crate has two halves. Everything except [`drive`] is a set of state machines: events go in,
//! effects come out, and no clock, file, socket, thread or global random generator is touched. The
//! thin tokio shell in [`drive`] feeds them from real sockets and real disks; a simulation can feed
//! the very same code from virtual ones.

#[cfg(test)]
mod arbitrary;
pub mod balancer;
pub mod client;
pub mod drive;
pub mod event;
pub mod ids;
pub mod link;
pub mod log;
pub mod machine;
pub mod paxos;
pub mod planted;
pub mod server;
pub mod value;
pub mod wire;
