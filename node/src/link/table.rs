//! The table's form in the node's directory: written by paxosctl, loaded by the node.

use serde::{Deserialize, Serialize};

use super::Kind;

/// Everything that is wrong with a node's links at the moment. An empty table is a sound network.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Grows with every table written for the cluster; the node reports which one is in force.
    pub generation: u64,
    pub rules: Vec<Rule>,
}

/// One disturbance of one direction between two nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Names the fault that it belongs to; the counters are kept under it.
    pub id: String,
    /// The sender: a node's name, or `*` for any.
    pub from: String,
    /// The receiver: a node's name, or `*` for any.
    pub to: String,
    /// The kinds concerned; empty for all.
    #[serde(default)]
    pub kinds: Vec<Kind>,
    /// Where it acts: at the sender as the message leaves, or at the receiver as it arrives.
    pub on: Side,
    /// From 0 to 1: the share of messages that are affected.
    pub probability: f64,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Send,
    Receive,
}

/// What happens to an affected message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It is lost.
    Drop,
    /// It comes later by `by_us` on the average, in microseconds, holding back no other.
    Delay {
        by_us: u64,
        /// How far it strays from that, as the distribution says.
        jitter_us: u64,
        #[serde(default)]
        distribution: Distribution,
    },
    /// It comes so many times in all, each copy on its own way.
    Duplicate { copies: u32 },
    /// It is held back for up to `within_us`, so that later ones overtake it.
    Reorder { within_us: u64 },
}

/// How the delays of a [`What::Delay`] are spread. All have the mean `by` and none is negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Evenly from `by - jitter` to `by + jitter`.
    #[default]
    Uniform,
    /// The bell curve with the standard deviation `jitter`, cut off at three of them on both sides
    /// (and at `by` on both, so that no message is early).
    Normal,
    /// `by - jitter` at least, and often not much more: beyond that exponential with the mean and
    /// the standard deviation `jitter`, cut off at `by + 10 jitter`.
    Exponential,
    /// `by - jitter` at least, with a heavy tail: beyond that a Pareto (Lomax) distribution of shape
    /// 3 with the mean `jitter`, cut off at `by + 50 jitter`. One message in a hundred comes later
    /// than `by + 6 jitter`.
    Pareto,
}
