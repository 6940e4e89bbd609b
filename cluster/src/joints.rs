//! Where this half of the program meets parts that are written beside it. Each function hands over
//! to the part of the same name.

use paxosctl_node::drive::{BalancerConfig, ClientConfig, ServerConfig};

use crate::commands::ChatRequest;
use crate::exit::Failure;

fn absent(part: &str) -> Failure {
    Failure::Cluster(format!("this build has no {part}"))
}

pub fn server(_: ServerConfig) -> Result<(), Failure> {
    Err(absent("server"))
}

pub fn balancer(_: BalancerConfig) -> Result<(), Failure> {
    Err(absent("balancer"))
}

pub fn client(_: ClientConfig) -> Result<(), Failure> {
    Err(absent("client"))
}

pub fn chat(_: &ChatRequest) -> Result<(), Failure> {
    Err(absent("chat window"))
}
