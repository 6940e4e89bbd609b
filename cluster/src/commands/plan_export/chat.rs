//! What people said in the chat meanwhile, from a server's log.

use std::time::Duration;

use paxosctl_chaos::plan::can_name_client;

use crate::observer::Observer;
use crate::real::BALANCER;
use crate::state::RunningCluster;

/// How long a server may take for each page of its log.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// The longest text of a plan, in bytes.
const LONGEST_BYTES: usize = 16 * 1024;

/// A message, and when it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// Since the cluster was ready, by the speaker's clock.
    pub at_us: u64,
    pub name: String,
    pub text: String,
}

/// The messages since the cluster was ready, as far as a server that is up knows them and a plan can
/// say them; none when no server answers.
pub(super) fn said(cluster: &RunningCluster, ready_ms: u64) -> Vec<Said> {
    let servers = cluster.nodes.iter().filter(|node| node.name != BALANCER);
    let logs = servers
        .filter(|node| !node.identity.is_stopped())
        .filter_map(|node| {
            let mut observer =
                Observer::connect(node.address?, cluster.id(), ANSWER_WITHIN).ok()?;
            observer.log().ok()
        });
    let Some(log) = logs.max_by_key(Vec::len) else {
        return Vec::new();
    };
    let mut said: Vec<Said> = log
        .iter()
        .flat_map(|value| value.commands())
        .filter(|command| command.at_ms >= ready_ms)
        .filter(|command| can_name_client(&command.name))
        .filter(|command| !command.text.trim().is_empty() && command.text.len() <= LONGEST_BYTES)
        .map(|command| Said {
            at_us: (command.at_ms - ready_ms) * 1000,
            name: command.name.clone(),
            text: command.text.clone(),
        })
        .collect();
    said.sort_by_key(|said| said.at_us);
    said
}
