//! A plan as a person would write it: what [`super::parse`] reads, it gives back.
//!
//! What was drawn becomes ordinary faults. They keep their names (`storm.3`), because by its name a
//! fault draws what `random(1)` means; so they do the same at the same times. Loads are named by
//! their order in the text, so those of the plan must be `load1`, `load2`, … all of them.
//!
//! Two things can be in a [`Plan`] that was computed, and in no text: times above 24 hours, and
//! a burst that does not fit into its load, both by [`Plan::scaled`]. The text of such a plan is
//! refused when it is read.

mod faults;
mod text;
mod traffic;

use std::collections::BTreeMap;

use text::{Map, comment, list, word};

use super::words::{show_duration, show_share};
use super::{AckLatency, Cluster, Expect, LeastTraffic, Plan};

/// What a written plan says beside the plan itself.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// Comments at the top, one a line.
    pub head: Vec<String>,
    /// What stands behind a fault, by the fault's id.
    pub faults: BTreeMap<String, String>,
}

/// The text of a plan.
pub fn yaml(plan: &Plan) -> String {
    yaml_with(plan, &Notes::default())
}

/// The text of a plan, with comments.
pub fn yaml_with(plan: &Plan, notes: &Notes) -> String {
    let mut text = String::new();
    for line in &notes.head {
        text += &format!("# {}\n", comment(line));
    }
    text += &format!("version: 1\nname: {}\n", word(&plan.name));
    if let Some(seed) = plan.seed {
        text += &format!("seed: {seed}\n");
    }
    text += &format!("cluster:\n{}", cluster(&plan.cluster).block());
    text += &section("traffic", &traffic::items(plan));
    text += &section("faults", &faults::items(plan, &notes.faults));
    text += &format!("settle: {}\n", show_duration(plan.settle));
    text + &section("expect", &expect(&plan.expect).block())
}

/// Nothing for an empty one.
fn section(key: &str, lines: &str) -> String {
    match lines {
        "" => String::new(),
        lines => format!("{key}:\n{lines}"),
    }
}

fn cluster(cluster: &Cluster) -> Map {
    let mut map = Map::default();
    map.put("servers", cluster.servers.to_string());
    map.put_some(
        "first_leader",
        cluster.first_leader.map(|leader| leader.to_string()),
    );
    if !cluster.clients.is_empty() {
        map.put("clients", list(&cluster.clients));
    }
    let mut ports = Map::default();
    let number = |port: Option<u16>| port.map(|port| port.to_string());
    ports.put_some("balancer", number(cluster.balancer_port));
    ports.put_some("servers", number(cluster.server_port));
    if !ports.is_empty() {
        map.put("ports", ports.flow());
    }
    map
}

fn expect(expect: &Expect) -> Map {
    let Expect {
        converged_within,
        acked,
        unavailable_max,
        ack_latency,
        no_ack_during,
        told_no_majority,
        rerouted,
        recovered_within,
        traffic,
        nothing_chosen_during,
    } = expect;
    let mut map = Map::default();
    map.put_some("converged_within", converged_within.map(show_duration));
    map.put_some("acked", acked.map(show_share));
    map.put_some(
        "unavailable",
        unavailable_max.map(|max| format!("{{max: {}}}", show_duration(max))),
    );
    map.put_some("recovered_within", recovered_within.map(show_duration));
    let AckLatency { p50, p95, p99, max } = *ack_latency;
    let mut limits = Map::default();
    for (key, limit) in [("p50", p50), ("p95", p95), ("p99", p99), ("max", max)] {
        limits.put_some(key, limit.map(show_duration));
    }
    let LeastTraffic {
        before,
        during,
        after,
    } = *traffic;
    let mut least = Map::default();
    for (key, number) in [("before", before), ("during", during), ("after", after)] {
        least.put_some(key, number.map(|number| number.to_string()));
    }
    for (key, inner) in [("ack_latency", limits), ("traffic", least)] {
        if !inner.is_empty() {
            map.put(key, inner.flow());
        }
    }
    for (key, names) in [
        ("no_ack_during", no_ack_during),
        ("nothing_chosen_during", nothing_chosen_during),
        ("told_no_majority", told_no_majority),
        ("rerouted", rerouted),
    ] {
        if !names.is_empty() {
            map.put(key, list(names));
        }
    }
    map
}
