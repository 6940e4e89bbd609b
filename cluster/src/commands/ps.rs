//! `ps`: the nodes of a cluster, as they are now.

use std::thread;
use std::time::Duration;

use paxosctl_node::wire::ServerStatus;

use crate::exit::{Failure, Outcome};
use crate::observer::{Observer, ObserverError};
use crate::output::{columns, note, print};
use crate::real::BALANCER;
use crate::state::{Clusters, InForce, RunningCluster, RunningNode};

/// How long a server may take to say how it is.
const ANSWER_WITHIN: Duration = Duration::from_millis(1000);

#[derive(Debug)]
pub struct PsRequest {
    pub cluster: Option<String>,
    pub clusters: Clusters,
}

/// What is known of a node.
#[derive(Debug)]
enum Found {
    Down,
    Paused,
    /// It runs, and is no server.
    Up,
    Server(Box<ServerStatus>),
    /// The process that `up` started is gone, and another answers in its place: somebody started
    /// the server again by hand.
    ByHand(Box<ServerStatus>),
    Unanswered(ObserverError),
}

pub fn ps(request: &PsRequest) -> Result<Outcome, Failure> {
    let how = "paxosctl ps NAME";
    let Some(cluster) = request.clusters.pick(request.cluster.as_deref(), how)? else {
        match &request.cluster {
            None => note("nothing is running"),
            Some(name) => note(&format!("nothing is running under the name `{name}`")),
        }
        return Ok(Outcome::Success);
    };
    let found = look(&cluster);
    print(&format!(
        "cluster {}  plan {}\n{}",
        cluster.name,
        cluster.plan.display(),
        table(&cluster.nodes, &found)
    ))?;
    let in_force = request.clusters.in_force(&cluster.name)?;
    if !in_force.links.is_empty() {
        print(&format!("\n{}", disturbed(&in_force, &found)))?;
    }
    for (node, found) in cluster.nodes.iter().zip(&found) {
        if let Found::Unanswered(error) = found {
            note(&format!("{} does not answer: {error}", node.name));
        }
    }
    if found.iter().all(|found| matches!(found, Found::Down)) {
        let name = &cluster.name;
        note(&format!(
            "every process is gone; `paxosctl down {name}` clears it away, `paxosctl up` starts \
             it again"
        ));
    }
    Ok(Outcome::Success)
}

/// Asks all nodes at the same time.
fn look(cluster: &RunningCluster) -> Vec<Found> {
    let alive: Vec<String> = cluster
        .processes()
        .iter()
        .map(|process| process.name().to_owned())
        .collect();
    thread::scope(|scope| {
        let asked: Vec<_> = cluster
            .nodes
            .iter()
            .map(|node| {
                let is_alive = alive.contains(&node.name);
                scope.spawn(move || look_at(node, is_alive, cluster.id()))
            })
            .collect();
        asked
            .into_iter()
            .map(|thread| thread.join().unwrap_or(Found::Down))
            .collect()
    })
}

fn look_at(node: &RunningNode, is_alive: bool, cluster: u64) -> Found {
    if is_alive && node.identity.is_stopped() {
        return Found::Paused;
    }
    let Some(address) = node.address.filter(|_| node.name != BALANCER) else {
        return if is_alive { Found::Up } else { Found::Down };
    };
    let status = Observer::connect(address, cluster, ANSWER_WITHIN)
        .and_then(|mut observer| observer.status());
    match (status, is_alive) {
        (Ok(status), true) => Found::Server(Box::new(status)),
        (Ok(status), false) if status.server.to_string() == node.name => {
            Found::ByHand(Box::new(status))
        }
        (Err(error), true) => Found::Unanswered(error),
        (_, false) => Found::Down,
    }
}

fn table(nodes: &[RunningNode], found: &[Found]) -> String {
    columns(
        &[
            "NODE", "STATE", "PID", "ADDRESS", "ROLE", "BALLOT", "CHOSEN", "MESSAGES", "CLIENTS",
        ],
        nodes
            .iter()
            .zip(found)
            .map(|(node, found)| row(node, found)),
    )
}

/// The link faults in force, and how many messages each has hit on the servers.
fn disturbed(in_force: &InForce, found: &[Found]) -> String {
    let hits = |fault: &str| -> u64 {
        let statuses = found.iter().filter_map(|found| match found {
            Found::Server(status) | Found::ByHand(status) => Some(status),
            _ => None,
        });
        let counts = statuses.flat_map(|status| &status.link_counts);
        let counts = counts.filter(|count| count.rule == fault);
        counts.map(|count| count.hits).sum()
    };
    columns(
        &["FAULT IN FORCE", "WHAT", "MESSAGES HIT"],
        in_force.links.iter().map(|links| {
            vec![
                links.fault.clone(),
                links.words.clone(),
                hits(&links.fault).to_string(),
            ]
        }),
    )
}

fn row(node: &RunningNode, found: &Found) -> Vec<String> {
    let (state, pid) = match found {
        Found::Down => ("down", "-".to_owned()),
        Found::Paused => ("paused", node.identity.pid.to_string()),
        Found::ByHand(_) => ("up", "by hand".to_owned()),
        _ => ("up", node.identity.pid.to_string()),
    };
    let address = node
        .address
        .map_or_else(|| "-".to_owned(), |address| address.to_string());
    let mut row = vec![node.name.clone(), state.into(), pid, address];
    match found {
        Found::Server(status) | Found::ByHand(status) => {
            let clients: Vec<&str> = status
                .clients
                .iter()
                .map(|client| client.name.as_str())
                .collect();
            row.extend([
                role(status).to_owned(),
                status.promised.to_string(),
                status.chosen.to_string(),
                status.messages.to_string(),
                match clients.len() {
                    0 => "0".to_owned(),
                    count => format!("{count} ({})", clients.join(", ")),
                },
            ]);
        }
        Found::Up => row.push(node.name.clone()),
        Found::Unanswered(_) => row.push("no answer".into()),
        Found::Down | Found::Paused => row.push("-".into()),
    }
    row.resize(9, "-".into());
    row
}

fn role(status: &ServerStatus) -> &'static str {
    if !status.voting {
        return "not voting";
    }
    match status.leader.and_then(|ballot| ballot.owner()) {
        Some(leader) if leader == status.server => "leader",
        Some(_) => "follower",
        None => "no leader",
    }
}

#[cfg(test)]
mod tests {
    use paxosctl_node::ids::{Ballot, ClientId, ServerId, Slot};
    use paxosctl_node::wire::{ClientInfo, LinkCount};

    use super::*;
    use crate::runtime::Identity;
    use crate::state::DisturbedLinks;

    fn node(name: &str) -> RunningNode {
        RunningNode {
            name: name.into(),
            address: "127.0.0.1:7001".parse().ok(),
            dir: "nodes".into(),
            arguments: Vec::new(),
            identity: Identity {
                pid: 77,
                start_ticks: 1,
            },
        }
    }

    fn status(server: u16) -> ServerStatus {
        let ballot = Ballot::new(3, ServerId(1));
        ServerStatus {
            server: ServerId(server),
            incarnation: 5,
            voting: true,
            promised: ballot,
            leader: Some(ballot),
            majority: true,
            chosen: Slot(12),
            syncs: 0,
            messages: 9,
            clients: vec![ClientInfo {
                client: ClientId(1),
                name: "ann".into(),
            }],
            links: 0,
            link_counts: Vec::new(),
        }
    }

    #[test]
    fn faults_in_force_come_with_what_they_hit() {
        let mut in_force = InForce::default();
        in_force.links.push(DisturbedLinks {
            fault: "h2".into(),
            words: "drop s1->s2".into(),
            rules: Vec::new(),
        });
        let mut found = Vec::new();
        for (server, hits) in [(1, 3), (2, 4)] {
            let mut status = status(server);
            let count = |rule: &str, hits| LinkCount {
                rule: rule.into(),
                hits,
            };
            status.link_counts = vec![count("h2", hits), count("h1", 50)];
            found.push(Found::Server(Box::new(status)));
        }
        assert_eq!(
            disturbed(&in_force, &found),
            "FAULT IN FORCE  WHAT         MESSAGES HIT\nh2              drop s1->s2  7\n"
        );
    }

    #[test]
    fn a_row_says_how_a_node_is() {
        let leads = row(&node("s1"), &Found::Server(Box::new(status(1))));
        assert_eq!(
            leads,
            [
                "s1",
                "up",
                "77",
                "127.0.0.1:7001",
                "leader",
                "3.s1",
                "12",
                "9",
                "1 (ann)"
            ]
        );
        let mut empty_disk = status(2);
        empty_disk.voting = false;
        empty_disk.clients.clear();
        let row_of = |found| row(&node("s2"), &found);
        assert_eq!(row_of(Found::Server(Box::new(empty_disk)))[4], "not voting");
        assert_eq!(row_of(Found::Server(Box::new(status(2))))[4], "follower");
        assert_eq!(
            row_of(Found::ByHand(Box::new(status(2))))[1..5],
            ["up", "by hand", "127.0.0.1:7001", "follower"]
        );
        assert_eq!(
            row_of(Found::Paused)[1..5],
            ["paused", "77", "127.0.0.1:7001", "-"]
        );
        assert_eq!(row_of(Found::Down)[1..3], ["down", "-"]);
        assert_eq!(row_of(Found::Down).len(), 9);
    }
}
