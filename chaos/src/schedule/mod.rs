//! From a plan to a timeline: what fires when, and on which nodes.
//!
//! Everything here is a pure function of its arguments. What a target such as `leader` means is
//! found out when the fault fires, by [`resolve`] over a [`View`] of the cluster; what is drawn at
//! random depends on the seed, the fault and the firing alone, so that one more fault in a plan
//! does not change what the others hit.

mod budget;
mod drawn;
mod dry_run;
mod resolve;
mod shapes;

use std::time::Duration;

pub use drawn::drawn;
pub use dry_run::{Row, dry_run, link_names};
pub use resolve::{Resolved, Unresolved, View, resolve};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::fnv::fnv1a;
use crate::history::Step;
use crate::plan::{Plan, Say};

/// When each fault breaks and heals.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// In the order of time; at the same time what heals comes first, then the order of the plan.
    pub steps: Vec<TimelineStep>,
    /// When the last traffic and the last step are over. What no step heals is healed then.
    pub ends_at: Duration,
}

/// One step of one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineStep {
    pub at: Duration,
    /// Index in the plan's faults.
    pub fault: usize,
    /// From 1.
    pub firing: u32,
    pub step: Step,
}

/// The timeline of a plan.
pub fn timeline(plan: &Plan) -> Timeline {
    let mut steps = Vec::new();
    for (index, fault) in plan.faults.iter().enumerate() {
        for firing in 1..=fault.times {
            let at = fault.firing(firing);
            let step = |at, step| TimelineStep {
                at,
                fault: index,
                firing,
                step,
            };
            steps.push(step(at, Step::Break));
            if let Some(lasts) = fault.lasts {
                steps.push(step(at + lasts, Step::Heal));
            }
        }
    }
    steps.sort_by_key(|step| (step.at, step.step == Step::Break, step.fault, step.firing));
    let last_step = steps.last().map(|step| step.at);
    let traffic = plan.traffic.iter().map(|traffic| traffic.ends());
    let ends_at = traffic.chain(last_step).max().unwrap_or_default();
    Timeline { steps, ends_at }
}

/// The random generator of one firing of one fault.
pub fn firing_rng(seed: u64, fault: &str, firing: u32) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(derive_seed(seed, fault, firing.into()))
}

/// A seed for one part of a run, from the seed of the run: FNV-1a over all three.
pub fn derive_seed(seed: u64, name: &str, number: u64) -> u64 {
    let bytes = seed
        .to_le_bytes()
        .into_iter()
        .chain(name.bytes())
        .chain(number.to_le_bytes());
    fnv1a(bytes)
}

/// Every client of the plan, those that join later and loads too.
pub fn clients(plan: &Plan) -> Vec<String> {
    let mut clients = plan.cluster.clients.clone();
    for traffic in &plan.traffic {
        let (Say::Join { client: name } | Say::Load { name, .. }) = &traffic.what else {
            continue;
        };
        if !clients.contains(name) {
            clients.push(name.clone());
        }
    }
    clients
}

/// The names of the servers: s1 … sN.
pub fn servers(plan: &Plan) -> Vec<String> {
    (1..=plan.cluster.servers)
        .map(|n| format!("s{n}"))
        .collect()
}

#[cfg(test)]
mod tests;
