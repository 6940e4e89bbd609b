//! `node`: one node in the foreground, until it is told to stop.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use paxosctl_node::drive::{
    self, BalancerConfig, ClientConfig, ClientWork, OnDamage, ServerConfig,
};
use paxosctl_node::ids::{ClientId, ServerId};
use paxosctl_node::planted::{self, UnknownBug};

use crate::cli::{CompanionArgs, NodeTyped, OnDamageTyped};
use crate::exit::{Failure, Outcome};
use crate::runtime::{become_tied, die_with_parent};

/// The bug to plant in a node's process, in a build that has them.
const PLANTED_BUG: &str = "PAXOSCTL_PLANTED_BUG";

/// A node to run.
#[derive(Debug, Clone)]
pub struct NodeRequest {
    pub dir: PathBuf,
    /// The process that it must not outlive.
    pub parent: Option<u32>,
    pub kind: NodeKind,
}

#[derive(Debug, Clone)]
pub enum NodeKind {
    Server(ServerConfig),
    Balancer(BalancerConfig),
    Client(ClientConfig),
    Companion(Companion),
}

/// A program that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    program: OsString,
    arguments: Vec<OsString>,
}

impl Companion {
    /// Turns this process into the program's; comes back only if that fails. What its environment
    /// says of etcd would be mixed with what it is told here.
    fn become_it(self, parent: Option<u32>) -> Failure {
        if let Some(parent) = parent
            && let Err(error) = become_tied(parent)
        {
            return Failure::Cluster(error.to_string());
        }
        let mut command = std::process::Command::new(&self.program);
        command.args(self.arguments);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ETCD_") && name != "ETCD_UNSUPPORTED_ARCH" {
                command.env_remove(name);
            }
        }
        Failure::file("run", self.program.as_ref(), command.exec())
    }
}

/// Finds out what was meant.
pub(super) fn lower(typed: NodeTyped) -> Result<NodeRequest, Failure> {
    let (node, kind) = match typed {
        NodeTyped::Companion(companion) => return Ok(companion_of(companion)),
        NodeTyped::Server(server) => {
            let id = ServerId(server.id);
            if !server.members.iter().any(|(member, _)| *member == id) {
                return Err(Failure::Usage(format!(
                    "--members does not say where {id} listens; it lists every server, this one \
                     included"
                )));
            }
            check_members(&server.members)?;
            let config = ServerConfig {
                cluster: server.node.cluster,
                server: id,
                members: server.members,
                balancer: server.balancer,
                dir: server.node.dir.clone(),
                first_leader: server.first_leader,
                seed: server.seed,
                on_damage: match server.on_damage {
                    OnDamageTyped::Repair => OnDamage::Repair,
                    OnDamageTyped::Stop => OnDamage::Stop,
                },
                mode: server.mode,
            };
            (server.node, NodeKind::Server(config))
        }
        NodeTyped::Balancer(balancer) => {
            let config = BalancerConfig {
                cluster: balancer.node.cluster,
                listen: balancer.listen,
                servers: balancer.servers,
                dir: balancer.node.dir.clone(),
            };
            (balancer.node, NodeKind::Balancer(config))
        }
        NodeTyped::Client(client) => {
            let config = ClientConfig {
                cluster: client.node.cluster,
                name: client.name,
                client: client.id.map(ClientId),
                balancer: client.balancer,
                dir: client.node.dir.clone(),
                work: client.load.map_or(ClientWork::Scripted, ClientWork::Load),
            };
            (client.node, NodeKind::Client(config))
        }
    };
    Ok(NodeRequest {
        dir: node.dir,
        parent: node.die_with_parent,
        kind,
    })
}

fn companion_of(typed: CompanionArgs) -> NodeRequest {
    let mut command = typed.command.into_iter();
    NodeRequest {
        dir: typed.dir,
        parent: typed.die_with_parent,
        kind: NodeKind::Companion(Companion {
            program: command.next().unwrap_or_default(),
            arguments: command.collect(),
        }),
    }
}

/// The servers are s1 to sN, each of them once.
fn check_members(members: &[(ServerId, SocketAddr)]) -> Result<(), Failure> {
    let mut listed: Vec<ServerId> = members.iter().map(|(server, _)| *server).collect();
    listed.sort_unstable();
    if (1..)
        .map(ServerId)
        .zip(&listed)
        .all(|(id, &member)| id == member)
    {
        return Ok(());
    }
    let listed: Vec<String> = listed.iter().map(ServerId::to_string).collect();
    Err(Failure::Usage(format!(
        "--members lists {}; a cluster of {} has s1 to s{}, each of them once",
        listed.join(", "),
        listed.len(),
        listed.len()
    )))
}

pub fn node(request: NodeRequest) -> Result<Outcome, Failure> {
    if planted::AVAILABLE {
        plant_bug()?;
    }
    std::fs::create_dir_all(&request.dir)
        .map_err(|error| Failure::file("make", &request.dir, error))?;
    let tie = || match request.parent {
        Some(parent) => die_with_parent(parent, &request.dir)
            .map_err(|error| Failure::Cluster(error.to_string())),
        None => Ok(()),
    };
    match request.kind {
        NodeKind::Server(config) => tie().map(|()| drive::run_server(config)),
        NodeKind::Balancer(config) => tie().map(|()| drive::run_balancer(config)),
        NodeKind::Client(config) => tie().map(|()| drive::run_client(config)),
        // It is tied in a way that outlasts becoming another program.
        NodeKind::Companion(companion) => return Err(companion.become_it(request.parent)),
    }?
    .map_err(|error| Failure::Cluster(error.to_string()))?;
    Ok(Outcome::Success)
}

fn plant_bug() -> Result<(), Failure> {
    let Some(name) = std::env::var_os(PLANTED_BUG) else {
        return Ok(());
    };
    let usage = |error: UnknownBug| Failure::Usage(format!("{PLANTED_BUG}: {error}"));
    let bug = name.to_string_lossy().parse().map_err(usage)?;
    planted::plant_in_process(bug).map_err(|error| Failure::Usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(servers: &[u16]) -> Vec<(ServerId, SocketAddr)> {
        let address: SocketAddr = ([127, 0, 0, 1], 7001).into();
        servers.iter().map(|&id| (ServerId(id), address)).collect()
    }

    #[test]
    fn members_are_numbered_without_holes_or_repeats() {
        assert!(check_members(&members(&[2, 1, 3])).is_ok());
        for wrong in [&[1, 2, 9][..], &[1, 1, 2], &[0, 1, 2], &[2, 3]] {
            assert!(check_members(&members(wrong)).is_err(), "{wrong:?}");
        }
        let error = check_members(&members(&[1, 2, 9])).expect_err("a hole");
        assert!(error.to_string().contains("s1, s2, s9"), "{error}");
    }
}
