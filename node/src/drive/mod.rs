//! The tokio shell around the state machines: sockets, disks, clocks and signals, and nothing else.

mod config;

pub use config::{
    BalancerConfig, ClientCommand, ClientConfig, ClientWork, LoadConfig, ServerConfig,
};
