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
    /// It comes later by `by_us` ± up to `jitter_us`, in microseconds, holding back no other.
    Delay { by_us: u64, jitter_us: u64 },
    /// It comes twice.
    Duplicate,
    /// It is held back for up to 50 ms, so that later ones overtake it.
    Reorder,
}
