//! What is allowed in a plan and cannot do anything: only what is certain to disturb no message,
//! whoever leads and whatever is drawn.

use std::collections::BTreeSet;

use paxosctl_node::link::Kind;

use super::{Fault, Member, Nodes, Partition, Plan, Verb};

/// Something that a plan says in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// In the plan's file, from 1.
    pub line: usize,
    pub message: String,
    pub help: String,
}

/// What a node can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Server,
    Balancer,
    Client,
}

/// The faults of the plan that cannot bite, in the order of the plan.
pub fn doubts(plan: &Plan) -> Vec<Doubt> {
    plan.faults.iter().filter_map(doubt).collect()
}

fn doubt(fault: &Fault) -> Option<Doubt> {
    let (pairs, kinds) = match &fault.verb {
        Verb::Links(links) => {
            let pairs = links
                .links
                .iter()
                .map(|link| (roles(&link.from), roles(&link.to)));
            (across(pairs), links.kinds.as_slice())
        }
        Verb::Partition(Partition::OneWay { from, to }) => {
            (across([(roles_of(from), roles_of(to))]), &[][..])
        }
        Verb::Partition(Partition::Groups(groups)) => {
            let groups: Vec<_> = groups.iter().map(|group| roles_of(group)).collect();
            let pairs = groups.iter().enumerate().flat_map(|(place, one)| {
                let others = groups[place + 1..].iter();
                others.map(move |other| (one.clone(), other.clone()))
            });
            (across(pairs), &[][..])
        }
        _ => return None,
    };
    if pairs.iter().any(|pair| talk(*pair, kinds)) {
        return None;
    }
    let all_silent = pairs.iter().all(|pair| !talk(*pair, &[]));
    let help = if all_silent {
        "clients talk to servers and to the balancer, never to each other"
    } else {
        "servers send each other prepare to forward, clients and servers request and log-read, and \
         to the balancer goes control alone"
    };
    Some(Doubt {
        line: fault.line,
        message: format!("`{}` can disturb no message", fault.verb),
        help: help.to_owned(),
    })
}

fn across(
    sides: impl IntoIterator<Item = (BTreeSet<Role>, BTreeSet<Role>)>,
) -> BTreeSet<(Role, Role)> {
    let mut pairs = BTreeSet::new();
    for (from, to) in sides {
        for one in &from {
            pairs.extend(to.iter().map(|other| (*one.min(other), *one.max(other))));
        }
    }
    pairs
}

/// Whether two such nodes, the lesser role first, exchange a message of one of the kinds; of any kind
/// when there are none.
fn talk(pair: (Role, Role), kinds: &[Kind]) -> bool {
    let of_clients = |kind: &Kind| matches!(kind, Kind::Request | Kind::LogRead | Kind::Session);
    // It opens every connection.
    let control = |kind: &Kind| *kind == Kind::Control;
    match pair {
        (Role::Server, Role::Server) => kinds.is_empty() || !kinds.iter().all(of_clients),
        (Role::Server, Role::Client) => {
            kinds.is_empty() || kinds.iter().any(|kind| of_clients(kind) || control(kind))
        }
        (Role::Client, Role::Client) | (Role::Balancer, Role::Balancer) => false,
        _ => kinds.is_empty() || kinds.iter().any(control),
    }
}

fn roles_of(members: &[Member]) -> BTreeSet<Role> {
    let of = |member: &Member| match member {
        Member::Nodes(nodes) => roles(nodes),
        Member::Rest => BTreeSet::from([Role::Server]),
    };
    members.iter().flat_map(of).collect()
}

fn roles(nodes: &Nodes) -> BTreeSet<Role> {
    match nodes {
        Nodes::Named(names) => names.iter().map(|name| role(name)).collect(),
        Nodes::Clients => BTreeSet::from([Role::Client]),
        Nodes::Balancer => BTreeSet::from([Role::Balancer]),
        Nodes::All => BTreeSet::from([Role::Server, Role::Balancer, Role::Client]),
        Nodes::Several(several) => several.iter().flat_map(roles).collect(),
        // All others are some of the servers.
        _ => BTreeSet::from([Role::Server]),
    }
}

fn role(name: &str) -> Role {
    match name {
        "balancer" => Role::Balancer,
        _ if super::targets::looks_like_server(name) => Role::Server,
        _ => Role::Client,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn doubts_of(fault: &str) -> Vec<Doubt> {
        let text = format!(
            "version: 1
cluster: {{servers: 3, clients: [ann, bob]}}
traffic:
  - {{at: 1s, for: 9s, load: {{clients: 2}}}}
faults:
  - {{at: 2s, kill: s1, restart_after: 1s}}
  - {{at: 2s, for: 1s, {fault}}}
"
        );
        let plan = crate::plan::parse(Path::new("test.yaml"), &text);
        doubts(&plan.unwrap_or_else(|errors| panic!("{errors}")))
    }

    #[test]
    fn a_fault_between_those_who_never_talk_is_doubted() {
        for fault in [
            "drop: {link: \"ann <-> bob\"}",
            "delay: {link: \"clients -> load1\", by: 5ms}",
            "partition: \"ann | bob\"",
            "partition: \"ann -> bob,load1\"",
        ] {
            let doubts = doubts_of(fault);
            assert_eq!(doubts.len(), 1, "{fault}");
            assert_eq!(doubts[0].line, 7);
            assert!(doubts[0].help.contains("never to each other"));
        }
    }

    #[test]
    fn kinds_that_never_pass_a_link_are_doubted() {
        for fault in [
            "drop: {link: \"ann -> s1\", kinds: [accept, commit]}",
            "drop: {link: \"s1 -> s2\", kinds: [request]}",
            "delay: {link: \"balancer <-> servers\", kinds: [heartbeat], by: 5ms}",
        ] {
            let doubts = doubts_of(fault);
            assert_eq!(doubts.len(), 1, "{fault}");
            assert!(doubts[0].help.contains("control alone"), "{doubts:?}");
        }
    }

    #[test]
    fn what_may_disturb_a_message_is_not_doubted() {
        for fault in [
            "drop: {link: \"s2 -> s3\"}",
            "drop: {link: \"ann -> all\"}",
            "drop: {link: \"ann,s1 -> s2\", kinds: [accept]}",
            "drop: {link: \"server-of(ann) <-> ann\", kinds: [client]}",
            "drop: {link: \"balancer -> ann\", kinds: [control]}",
            "partition: \"ann | bob,s1\"",
            "partition: \"leader | rest\"",
            "partition: halves",
            "pause: ann",
        ] {
            assert_eq!(doubts_of(fault), [], "{fault}");
        }
    }
}
