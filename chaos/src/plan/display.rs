//! Parts of a plan as a plan writes them.

use std::fmt;

use paxosctl_node::link::{Distribution, Side};

use super::words::{distribution_name, kind_names, show_duration, show_share};
use super::{
    Learned, Link, LinkEffect, LinkFault, Member, Nodes, Partition, ServerMode, Shape, Verb,
};

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Nodes::Named(names) => f.write_str(&names.join(",")),
            Nodes::Leader => f.write_str("leader"),
            Nodes::Follower => f.write_str("follower"),
            Nodes::Followers => f.write_str("followers"),
            Nodes::Servers => f.write_str("servers"),
            Nodes::Clients => f.write_str("clients"),
            Nodes::Balancer => f.write_str("balancer"),
            Nodes::Random(count) => write!(f, "random({count})"),
            Nodes::ServerOf(client) => write!(f, "server-of({client})"),
            Nodes::All => f.write_str("all"),
            Nodes::Rest => f.write_str("rest"),
            Nodes::Several(targets) => write_list(f, targets, ","),
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}->{}", self.from, self.to)
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Member::Nodes(nodes) => nodes.fmt(f),
            Member::Rest => f.write_str("rest"),
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Partition::Groups(groups) => {
                for (index, group) in groups.iter().enumerate() {
                    if index > 0 {
                        f.write_str(" | ")?;
                    }
                    write_list(f, group, ",")?;
                }
                Ok(())
            }
            Partition::OneWay { from, to } => {
                write_list(f, from, ",")?;
                f.write_str(" -> ")?;
                write_list(f, to, ",")
            }
            Partition::Shape(shape) => shape.fmt(f),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Halves => f.write_str("halves"),
            Shape::Bridge(None) => f.write_str("bridge"),
            Shape::Bridge(Some(hub)) => write!(f, "bridge({hub})"),
            Shape::Chain(order) if order.is_empty() => f.write_str("chain"),
            Shape::Chain(order) => write!(f, "chain({})", order.join(",")),
            Shape::MajoritiesRing => f.write_str("majorities-ring"),
            Shape::Isolate(nodes) => write!(f, "isolate({nodes})"),
        }
    }
}

/// `kill leader`, `delay s1->s2 by 150ms`, `partition leader | rest`.
impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verb::Kill(nodes) => write!(f, "kill {nodes}"),
            Verb::Stop(nodes) => write!(f, "stop {nodes}"),
            Verb::Restart(nodes) => write!(f, "restart {nodes}"),
            Verb::Pause(nodes) => write!(f, "pause {nodes}"),
            Verb::Links(fault) => fault.fmt(f),
            Verb::Partition(partition) => write!(f, "partition {partition}"),
            Verb::Machine(fault) => fault.fmt(f),
            Verb::Damage(fault) => fault.fmt(f),
            Verb::Mode(modes) => {
                f.write_str("mode ")?;
                write_list(f, modes, ", ")
            }
        }
    }
}

/// `learned by s1 after 30s and within 33s`
impl fmt::Display for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "learned by {}", self.by.join(","))?;
        if let Some(after) = self.after {
            write!(f, " after {}", show_duration(after))?;
        }
        if let Some(within) = self.within {
            let and = if self.after.is_some() { " and" } else { "" };
            write!(f, "{and} within {}", show_duration(within))?;
        }
        Ok(())
    }
}

impl fmt::Display for ServerMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.servers, self.mode)
    }
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.effect {
            LinkEffect::Drop => "drop ",
            LinkEffect::Delay { .. } => "delay ",
            LinkEffect::Duplicate { .. } => "duplicate ",
            LinkEffect::Reorder { .. } => "reorder ",
        })?;
        f.write_str(&link_texts(&self.links).join(", "))?;
        match self.effect {
            LinkEffect::Drop => {}
            LinkEffect::Delay {
                by,
                jitter,
                distribution,
            } => {
                write!(f, " by {}", show_duration(by))?;
                if !jitter.is_zero() {
                    write!(f, " ± {}", show_duration(jitter))?;
                }
                if distribution != Distribution::Uniform {
                    write!(f, " {}", distribution_name(distribution))?;
                }
            }
            LinkEffect::Duplicate { copies: 2 } => {}
            LinkEffect::Duplicate { copies } => write!(f, " into {copies}")?,
            LinkEffect::Reorder { within } => write!(f, " within {}", show_duration(within))?,
        }
        write_limits(f, self)
    }
}

/// `a<->b` was read as two links: shown as one again.
pub(super) fn link_texts(links: &[Link]) -> Vec<String> {
    let mut texts = Vec::new();
    let mut links = links.iter().peekable();
    while let Some(link) = links.next() {
        let back = links.next_if(|back| back.from == link.to && back.to == link.from);
        texts.push(match back {
            Some(_) => format!("{}<->{}", link.from, link.to),
            None => link.to_string(),
        });
    }
    texts
}

fn write_limits(f: &mut fmt::Formatter<'_>, fault: &LinkFault) -> fmt::Result {
    if !fault.kinds.is_empty() {
        write!(f, " ({} only)", kind_names(&fault.kinds).join(", "))?;
    }
    if fault.probability < 1.0 {
        write!(f, ", {} of messages", show_share(fault.probability))?;
    }
    match fault.side {
        None => Ok(()),
        Some(Side::Send) => f.write_str(", on sending"),
        Some(Side::Receive) => f.write_str(", on receiving"),
    }
}

fn write_list<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    separator: &str,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        item.fmt(f)?;
    }
    Ok(())
}
