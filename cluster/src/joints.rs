//! Where this half of the program meets parts that are written beside it. Each function hands over
//! to the part of the same name.

use paxosctl_node::drive::{BalancerConfig, ClientConfig, ServerConfig};

use crate::commands::ChatRequest;
use crate::exit::Failure;

fn absent(part: &str) -> Failure {
    Failure::Cluster(format!("this build has no {part}"))
}

pub fn server(config: ServerConfig) -> Result<(), Failure> {
    paxosctl_node::drive::run_server(config).map_err(|e| Failure::Cluster(e.to_string()))
}

pub fn balancer(config: BalancerConfig) -> Result<(), Failure> {
    paxosctl_node::drive::run_balancer(config).map_err(|e| Failure::Cluster(e.to_string()))
}

pub fn client(config: ClientConfig) -> Result<(), Failure> {
    paxosctl_node::drive::run_client(config).map_err(|e| Failure::Cluster(e.to_string()))
}

pub fn chat(_: &ChatRequest) -> Result<(), Failure> {
    Err(absent("chat window"))
}
