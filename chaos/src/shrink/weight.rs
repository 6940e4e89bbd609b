//! How much there is to understand of a fault.

use paxosctl_node::link::Distribution;

use crate::plan::{LinkEffect, MachineTrouble, Member, Nodes, Partition, Shape, Verb};

/// Only what weighs less is tried in place of a fault.
pub(super) fn weight(verb: &Verb) -> u32 {
    match verb {
        Verb::Kill(on) | Verb::Stop(on) | Verb::Restart(on) | Verb::Pause(on) => of_nodes(on),
        Verb::Damage(fault) => of_nodes(&fault.servers),
        Verb::Mode(modes) => modes.iter().map(|mode| 1 + of_nodes(&mode.servers)).sum(),
        Verb::Machine(fault) => {
            let what = match fault.what {
                MachineTrouble::SlowDisk {
                    jitter,
                    probability,
                    ..
                } => u32::from(!jitter.is_zero()) + u32::from(probability < 1.0),
                MachineTrouble::DiskFull { after_bytes } => u32::from(after_bytes > 0),
                _ => 0,
            };
            what + of_nodes(&fault.servers)
        }
        Verb::Links(fault) => {
            let links = fault.links.iter();
            let links: u32 = links
                .map(|link| of_nodes(&link.from) + of_nodes(&link.to))
                .sum();
            let effect = match fault.effect {
                LinkEffect::Delay {
                    jitter,
                    distribution,
                    ..
                } => {
                    u32::from(!jitter.is_zero()) + u32::from(distribution != Distribution::Uniform)
                }
                LinkEffect::Duplicate { copies } => copies,
                _ => 0,
            };
            links
                + effect
                + fault.kinds.len() as u32
                + u32::from(fault.probability < 1.0)
                + u32::from(fault.side.is_some())
        }
        Verb::Partition(Partition::Groups(groups)) => {
            groups.iter().map(|group| of_group(group)).sum()
        }
        Verb::Partition(Partition::OneWay { from, to }) => of_group(from) + of_group(to),
        Verb::Partition(Partition::Shape(Shape::Isolate(on))) => A_SET + of_nodes(on),
        Verb::Partition(Partition::Shape(_)) => A_SHAPE,
    }
}

/// What a word for a set of nodes weighs: more than all of them by name.
const A_SET: u32 = 20;
/// More than any groups.
const A_SHAPE: u32 = 10_000;

fn of_group(group: &[Member]) -> u32 {
    let members = group.iter();
    members
        .map(|member| match member {
            Member::Rest => 1,
            Member::Nodes(on) => of_nodes(on),
        })
        .sum()
}

fn of_nodes(on: &Nodes) -> u32 {
    match on {
        Nodes::Named(names) => names.len() as u32,
        Nodes::Balancer => 1,
        Nodes::Leader | Nodes::Follower | Nodes::ServerOf(_) => 2,
        Nodes::Random(count) => 1 + u32::from(*count),
        Nodes::Followers | Nodes::Servers | Nodes::Clients | Nodes::Rest => A_SET,
        Nodes::All => A_SET + 1,
        Nodes::Several(several) => 1 + several.iter().map(of_nodes).sum::<u32>(),
    }
}
