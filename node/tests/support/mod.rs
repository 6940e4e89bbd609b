//! A cluster of replicas in memory, for tests: its network and disks do what the test says.

#![allow(dead_code)] // Each test uses its part.

mod audit;
mod cluster;
mod recovery;
pub mod text;

pub use audit::Audit;
pub use cluster::{Cluster, Envelope};
