//! `chat`: finds the cluster that a person wants to chat in.

use std::net::SocketAddr;
use std::path::PathBuf;

use paxosctl_node::ids::ServerId;

use nix::unistd::{User, getuid};

use crate::chat::{self, ChatError, ChatOptions};
use crate::cli::ChatArgs;
use crate::exit::{Failure, Outcome};
use crate::real::BALANCER;
use crate::state::Clusters;

/// A person joins the chat of a running cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatRequest {
    /// The name that the person speaks under.
    pub name: String,
    /// The cluster's id.
    pub cluster: u64,
    pub cluster_name: String,
    pub balancer: SocketAddr,
    /// The cluster's directory, for what a chat window keeps.
    pub dir: PathBuf,
}

impl ChatRequest {
    pub(super) fn new(typed: ChatArgs, clusters: &Clusters) -> Result<ChatRequest, Failure> {
        let name = match typed.name {
            Some(name) if name.trim().is_empty() => {
                return Err(Failure::Usage("--name is empty".into()));
            }
            Some(name) => name,
            None => std::env::var("USER")
                .ok()
                .filter(|user| !user.is_empty())
                .or_else(|| Some(User::from_uid(getuid()).ok()??.name))
                .ok_or_else(|| {
                    Failure::Usage("under which name? `paxosctl chat --name NAME`".into())
                })?,
        };
        // Links are named after nodes: a chatter by such a name would share a server's faults.
        if name == BALANCER || name.parse::<ServerId>().is_ok() {
            return Err(Failure::Usage(format!(
                "`{name}` is a node of the cluster; choose another name"
            )));
        }
        let how = "paxosctl chat --cluster NAME";
        let cluster = clusters
            .pick(typed.cluster.as_deref(), how)?
            .filter(|cluster| cluster.is_up());
        match cluster {
            Some(cluster) => Ok(ChatRequest {
                name,
                cluster: cluster.id(),
                balancer: cluster.balancer,
                dir: clusters.dir_of(&cluster.name),
                cluster_name: cluster.name,
            }),
            None => Err(Failure::Cluster(match typed.cluster {
                None => "no cluster is up here; start one: `paxosctl up PLAN -d`".into(),
                Some(name) => format!(
                    "no cluster `{name}` is up here; `paxosctl ps` shows what runs, `paxosctl up \
                     PLAN -d --name {name}` starts it"
                ),
            })),
        }
    }
}

pub fn chat(request: &ChatRequest) -> Result<Outcome, Failure> {
    chat::run(ChatOptions {
        name: request.name.clone(),
        cluster: request.cluster,
        cluster_name: request.cluster_name.clone(),
        balancer: request.balancer,
        dir: request.dir.clone(),
    })
    .map_err(|error| match error {
        ChatError::Name { .. } => Failure::Usage(error.to_string()),
        other => Failure::Cluster(other.to_string()),
    })?;
    Ok(Outcome::Success)
}
