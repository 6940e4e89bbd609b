//! The tokio shell around the state machines: sockets, disks, clocks and signals, and nothing else.

mod config;
mod real_disk;

pub use config::{
    BalancerConfig, ClientCommand, ClientConfig, ClientWork, LoadConfig, ServerConfig,
};
pub use real_disk::RealDisk;
