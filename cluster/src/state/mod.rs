//! What is kept under `.paxosctl`: clusters that are up, and runs that were made.

mod by_hand;
mod cluster;
mod run_dir;

pub use by_hand::{Beginning, DisturbedLinks, InForce, Record, TypedFault};
pub use cluster::{Clusters, Formation, Lock, RunningCluster, RunningNode};
pub use run_dir::{RunDir, RunPlace};

use std::path::PathBuf;

/// The directory that everything lives below, in the working directory.
pub fn home() -> PathBuf {
    PathBuf::from(".paxosctl")
}
