//! From a cluster's description to the command lines of its nodes.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use paxosctl_chaos::plan::{Cluster, Load};
use paxosctl_node::drive::LoadConfig;
use paxosctl_node::ids::ServerId;

use crate::ports::{Ports, Wishes};
use crate::runtime::{DIE_WITH_PARENT, NodeSpec};

/// The balancer's node name.
pub const BALANCER: &str = "balancer";

/// A cluster of real processes, before it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterSpec {
    pub servers: u16,
    pub first_leader: Option<ServerId>,
    /// Clients that join before the cluster counts as ready, in this order.
    pub clients: Vec<String>,
    pub wishes: Wishes,
    /// Holds a directory a node.
    pub dir: PathBuf,
    /// Keeps this cluster's nodes apart from all others'.
    pub cluster: u64,
    /// Feeds the election timeouts.
    pub seed: u64,
}

impl ClusterSpec {
    /// What a plan asks for.
    pub fn of_plan(cluster: &Cluster, dir: PathBuf, id: u64, seed: u64) -> ClusterSpec {
        // Wherever paxosctl was called: a list of processes shows whose nodes they are.
        let dir = std::path::absolute(&dir).unwrap_or(dir);
        ClusterSpec {
            servers: cluster.servers,
            first_leader: cluster.first_leader,
            clients: cluster.clients.clone(),
            wishes: Wishes {
                balancer: cluster.balancer_port,
                first_server: cluster.server_port,
            },
            dir,
            cluster: id,
            seed,
        }
    }

    pub fn balancer(&self, ports: &Ports) -> NodeSpec {
        let mut arguments = self.arguments("balancer", BALANCER);
        push(&mut arguments, "--listen", ports.balancer.to_string());
        push(&mut arguments, "--servers", self.servers.to_string());
        self.node(BALANCER, arguments, false)
    }

    pub fn server(&self, server: ServerId, ports: &Ports) -> NodeSpec {
        let name = server.to_string();
        let mut arguments = self.arguments("server", &name);
        let members: Vec<String> = members(ports)
            .map(|(server, address)| format!("{server}={address}"))
            .collect();
        push(&mut arguments, "--id", server.0.to_string());
        push(&mut arguments, "--members", members.join(","));
        push(&mut arguments, "--balancer", ports.balancer.to_string());
        if let Some(first) = self.first_leader {
            push(&mut arguments, "--first-leader", first.to_string());
        }
        // Different for each, or they would all stand for election in the same instant.
        let seed = self.seed.wrapping_add(u64::from(server.0));
        push(&mut arguments, "--seed", seed.to_string());
        self.node(&name, arguments, false)
    }

    pub fn client(&self, name: &str, ports: &Ports) -> NodeSpec {
        let mut arguments = self.arguments("client", name);
        push(&mut arguments, "--name", name.to_owned());
        push(&mut arguments, "--balancer", ports.balancer.to_string());
        self.node(name, arguments, true)
    }

    pub fn load(&self, name: &str, load: &Load, ports: &Ports) -> NodeSpec {
        let mut spec = self.client(name, ports);
        let config = LoadConfig {
            sessions: load.clients,
            rate: load.rate,
            arrivals: load.arrivals,
            burst: load.burst,
            mix: load.mix,
            bytes: load.bytes,
            lasts_ms: u64::try_from(load.lasts.as_millis()).unwrap_or(u64::MAX),
            seed: load.seed,
        };
        let json = serde_json::to_string(&config).expect("plain numbers are JSON");
        push(&mut spec.arguments, "--load", json);
        spec
    }

    fn node(&self, name: &str, arguments: Vec<OsString>, takes_commands: bool) -> NodeSpec {
        NodeSpec {
            name: name.to_owned(),
            arguments,
            dir: self.dir.join(name),
            takes_commands,
        }
    }

    /// The arguments that every node has.
    fn arguments(&self, kind: &str, name: &str) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["node".into(), kind.into()];
        arguments.push("--dir".into());
        arguments.push(self.dir.join(name).into());
        push(
            &mut arguments,
            "--cluster",
            format!("{:016x}", self.cluster),
        );
        push(
            &mut arguments,
            DIE_WITH_PARENT,
            std::process::id().to_string(),
        );
        arguments
    }
}

/// The servers and where they listen.
pub fn members(ports: &Ports) -> impl Iterator<Item = (ServerId, SocketAddr)> + '_ {
    (1..).map(ServerId).zip(ports.servers.iter().copied())
}

fn push(arguments: &mut Vec<OsString>, flag: &str, value: String) {
    arguments.push(flag.into());
    arguments.push(value.into());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;
    use paxosctl_chaos::plan::{Arrivals, Mix};

    use super::*;
    use crate::cli::{Cli, NodeTyped, Typed};

    fn spec() -> ClusterSpec {
        ClusterSpec {
            servers: 3,
            first_leader: Some(ServerId(2)),
            clients: vec!["ann".into()],
            wishes: Wishes::default(),
            dir: "/run dir/nodes".into(),
            cluster: 0xab,
            seed: 42,
        }
    }

    fn parse(spec: &NodeSpec) -> NodeTyped {
        let line = std::iter::once(OsString::from("paxosctl")).chain(spec.arguments.clone());
        match Cli::try_parse_from(line)
            .expect("our own arguments")
            .command
        {
            Typed::Node(node) => node,
            other => panic!("parsed as {other:?}"),
        }
    }

    #[test]
    fn nodes_understand_what_they_are_told() {
        let (spec, ports) = (spec(), Ports::for_tests(3));
        let NodeTyped::Balancer(balancer) = parse(&spec.balancer(&ports)) else {
            panic!("not a balancer");
        };
        assert_eq!((balancer.listen, balancer.servers), (ports.balancer, 3));
        assert_eq!(balancer.node.cluster, 0xab);
        assert_eq!(balancer.node.die_with_parent, Some(std::process::id()));

        let NodeTyped::Server(server) = parse(&spec.server(ServerId(3), &ports)) else {
            panic!("not a server");
        };
        assert_eq!(server.id, 3);
        assert_eq!(server.members, members(&ports).collect::<Vec<_>>());
        assert_eq!(server.balancer, ports.balancer);
        assert_eq!(server.first_leader, Some(ServerId(2)));
        assert_eq!(server.seed, 45);
        assert_eq!(server.node.dir, PathBuf::from("/run dir/nodes/s3"));

        let detached = NodeSpec {
            arguments: spec.server(ServerId(3), &ports).detached_arguments(),
            ..spec.server(ServerId(3), &ports)
        };
        let NodeTyped::Server(server) = parse(&detached) else {
            panic!("not a server");
        };
        assert_eq!(server.node.die_with_parent, None);
        assert_eq!(server.balancer, ports.balancer);

        let load = Load {
            clients: 8,
            rate: Some(200.0),
            arrivals: Arrivals::Poisson,
            burst: None,
            mix: Mix::default(),
            bytes: (32, 256),
            lasts: Duration::from_secs(40),
            seed: 9,
        };
        let NodeTyped::Client(client) = parse(&spec.load("load1", &load, &ports)) else {
            panic!("not a client");
        };
        assert_eq!(client.name, "load1");
        assert_eq!(client.id, None);
        let config = client.load.expect("a load");
        assert_eq!(config.lasts_ms, 40_000);
        assert_eq!((config.sessions, config.rate), (8, Some(200.0)));
    }
}
