//! Why a node process could not run, in words for the person who reads its log.

use std::io;
use std::net::SocketAddr;

use crate::ids::ServerId;
use crate::log::LogError;

#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error("cannot start: {0}")]
    Start(io::Error),
    #[error("cannot listen on {address}: {source}; is another process using the port?")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error(
        "{server} is not among the members {}; give it an id that is, or name it in --members",
        names(members)
    )]
    NotAMember {
        server: ServerId,
        members: Vec<ServerId>,
    },
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(
        "the log cannot be written, so this server must not go on: {0}; mend the disk and start it \
         again: it comes back with everything that it acknowledged"
    )]
    Disk(String),
    #[error("the balancer refused this server: {0}")]
    RefusedByBalancer(String),
    #[error("the name `{name}` is {length} bytes long; at most {limit} are allowed")]
    NameTooLong {
        name: String,
        length: usize,
        limit: usize,
    },
}

fn names(members: &[ServerId]) -> String {
    members
        .iter()
        .map(ServerId::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
