//! The items of `faults`.

use std::collections::BTreeMap;
use std::time::Duration;

use paxosctl_node::link::{Distribution, Side};

use super::text::{Map, list, one_or_list, quoted, word};
use crate::plan::display::link_texts;
use crate::plan::words::{
    distribution_name, kind_names, show_bytes, show_duration, show_duration_range, show_share,
};
use crate::plan::{
    Damage, DamageFault, Fault, LinkEffect, LinkFault, MachineFault, MachineTrouble, Nodes,
    Partition, Place, Plan, RandomFaults, RandomKind, Shape, Verb,
};

/// Both kinds of faults, in the order of the lines that they came from.
pub(super) fn items(plan: &Plan, notes: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    let mut number = 0;
    let mut add = |id: &str, item: &dyn Fn(Option<&str>) -> Map| {
        number += 1;
        // Without a name a fault is called by its place.
        let name = (id != format!("f{number}")).then_some(id);
        text += &item(name).item(notes.get(id).map(String::as_str));
    };
    let mut random = plan.random.iter().peekable();
    for fault in &plan.faults {
        while let Some(random) = random.next_if(|random| random.line < fault.line) {
            add(&random.id, &|name| of_random(random, plan, name));
        }
        add(&fault.id, &|name| of_fault(fault, name));
    }
    for random in random {
        add(&random.id, &|name| of_random(random, plan, name));
    }
    text
}

fn of_fault(fault: &Fault, name: Option<&str>) -> Map {
    let mut map = Map::default();
    map.put("at", show_duration(fault.at));
    if let Some(every) = fault.every {
        map.put("every", show_duration(every));
        map.put("times", fault.times.to_string());
    }
    let lasts = fault.lasts.map(show_duration);
    let (before, behind) = match starts_again(&fault.verb) {
        true => (None, lasts),
        false => (lasts, None),
    };
    map.put_some("for", before);
    map.put_some("name", name.map(word));
    let (key, value) = verb(&fault.verb);
    map.put(key, value);
    map.put_some("restart_after", behind);
    map
}

/// Whether the fault ends its target, so that it lasts until that starts again.
fn starts_again(verb: &Verb) -> bool {
    match verb {
        Verb::Kill(_) | Verb::Stop(_) | Verb::Damage(_) => true,
        Verb::Machine(fault) => matches!(
            fault.what,
            MachineTrouble::FailFsync | MachineTrouble::TornWrite
        ),
        _ => false,
    }
}

fn verb(verb: &Verb) -> (&'static str, String) {
    match verb {
        Verb::Kill(nodes) => ("kill", of_nodes(nodes)),
        Verb::Stop(nodes) => ("stop", of_nodes(nodes)),
        Verb::Restart(nodes) => ("restart", of_nodes(nodes)),
        Verb::Pause(nodes) => ("pause", of_nodes(nodes)),
        Verb::Links(fault) => of_links(fault),
        Verb::Partition(Partition::Shape(Shape::Isolate(nodes))) => ("isolate", of_nodes(nodes)),
        Verb::Partition(partition) => ("partition", word(&partition.to_string())),
        Verb::Mode(modes) => {
            let mut map = Map::default();
            for mode in modes {
                map.put(&of_nodes(&mode.servers), quoted(&mode.mode.to_string()));
            }
            ("mode", map.flow())
        }
        Verb::Machine(fault) => of_machine(fault),
        Verb::Damage(fault) => of_damage(fault),
    }
}

fn of_nodes(nodes: &Nodes) -> String {
    word(&nodes.to_string())
}

fn of_links(fault: &LinkFault) -> (&'static str, String) {
    let mut map = Map::default();
    map.put("link", one_or_list(&link_texts(&fault.links)));
    let key = match fault.effect {
        LinkEffect::Drop => "drop",
        LinkEffect::Delay {
            by,
            jitter,
            distribution,
        } => {
            map.put("by", show_duration(by));
            map.put_some("jitter", unless_zero(jitter));
            if distribution != Distribution::Uniform {
                map.put("distribution", distribution_name(distribution));
            }
            "delay"
        }
        LinkEffect::Duplicate { copies } => {
            if copies != 2 {
                map.put("copies", copies.to_string());
            }
            "duplicate"
        }
        LinkEffect::Reorder { within } => {
            map.put("within", show_duration(within));
            "reorder"
        }
    };
    if !fault.kinds.is_empty() {
        map.put("kinds", one_or_list(&kind_names(&fault.kinds)));
    }
    map.put_some("probability", unless_certain(fault.probability));
    map.put_some(
        "side",
        fault.side.map(|side| match side {
            Side::Send => "send".to_owned(),
            Side::Receive => "receive".to_owned(),
        }),
    );
    (key, map.flow())
}

fn of_machine(fault: &MachineFault) -> (&'static str, String) {
    let servers = of_nodes(&fault.servers);
    let mut map = Map::default();
    map.put("node", servers.clone());
    let key = match fault.what {
        MachineTrouble::FailFsync => return ("fail_fsync", servers),
        MachineTrouble::TornWrite => return ("torn_write", servers),
        MachineTrouble::DiskFull { after_bytes: 0 } => return ("disk_full", servers),
        MachineTrouble::DiskFull { after_bytes } => {
            map.put("after", show_bytes(after_bytes));
            "disk_full"
        }
        MachineTrouble::SlowDisk {
            by,
            jitter,
            probability,
        } => {
            map.put("by", show_duration(by));
            map.put_some("jitter", unless_zero(jitter));
            map.put_some("probability", unless_certain(probability));
            "slow_disk"
        }
        MachineTrouble::ClockJump { by, back } => {
            let sign = if back { "-" } else { "" };
            map.put("jump", format!("{sign}{}", show_duration(by)));
            "clock"
        }
        MachineTrouble::ClockRate { permille } => {
            map.put("rate", (f64::from(permille) / 1000.0).to_string());
            "clock"
        }
    };
    (key, map.flow())
}

fn of_damage(fault: &DamageFault) -> (&'static str, String) {
    let servers = of_nodes(&fault.servers);
    let Damage::FlipByte { place } = fault.damage else {
        return ("wipe", servers);
    };
    match Place::NAMES.iter().find(|(_, known)| *known == place) {
        None => ("flip_byte", servers),
        Some((name, _)) => ("flip_byte", format!("{{node: {servers}, where: {name}}}")),
    }
}

fn unless_zero(duration: Duration) -> Option<String> {
    (!duration.is_zero()).then(|| show_duration(duration))
}

fn unless_certain(probability: f64) -> Option<String> {
    (probability != 1.0).then(|| show_share(probability))
}

fn of_random(random: &RandomFaults, plan: &Plan, name: Option<&str>) -> Map {
    let mut inner = Map::default();
    let kinds: Vec<RandomKind> = random.pick.iter().map(|(kind, _)| *kind).collect();
    if kinds != RandomKind::all_that_heal(plan.cluster.servers, random.spare_majority) {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        inner.put("pick", list(&names));
    }
    let mut weights = Map::default();
    for (kind, weight) in random.pick.iter().filter(|(_, weight)| *weight != 1) {
        weights.put(kind.name(), weight.to_string());
    }
    if !weights.is_empty() {
        inner.put("weights", weights.flow());
    }
    inner.put("every", show_duration_range(random.every));
    if random.each_lasts != RandomFaults::usual_length(random.every) {
        inner.put("lasts", show_duration_range(random.each_lasts));
    }
    if !random.spare_majority {
        inner.put("spare", "none");
    }
    if random.swarm {
        inner.put("swarm", "true");
    }
    let mut map = Map::default();
    map.put("at", show_duration(random.at));
    map.put("for", show_duration(random.lasts));
    map.put_some("name", name.map(word));
    map.put("random", inner.flow());
    map
}
