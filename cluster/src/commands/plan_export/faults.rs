//! From what was done to faults, each with its end.

use paxosctl_chaos::target::Change;

use crate::state::{Record, TypedFault};

/// A fault as a plan has it; times as they were recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    pub at_us: u64,
    /// None: it was never healed.
    pub ends_us: Option<u64>,
    /// Nothing is left to be healed.
    pub is_over_at_once: bool,
    /// `kill: "s1"`.
    pub item: String,
    /// As it was typed.
    pub words: String,
    /// Clients that it names.
    pub clients: Vec<String>,
}

/// What changed something, in the order of time. Nodes that one fault hit and that were healed at
/// different times become faults of their own.
pub(super) fn of(records: &[Record]) -> Vec<Done> {
    let mut faults = Vec::new();
    for (place, record) in records.iter().enumerate() {
        let Record::Break {
            at_us,
            fault,
            typed,
            words,
            resolved,
            changes,
            ..
        } = record
        else {
            continue;
        };
        let later = &records[place + 1..];
        let done = |ends_us, item| Done {
            at_us: *at_us,
            ends_us,
            is_over_at_once: false,
            item,
            words: words.clone(),
            clients: Vec::new(),
        };
        let node_fault = |is_hit: &dyn Fn(&Change, &str) -> bool,
                          is_end: &dyn Fn(&Change, &str) -> bool| {
            let hit: Vec<&String> = resolved
                .iter()
                .filter(|node| changes.iter().any(|change| is_hit(change, node)))
                .collect();
            let mut groups: Vec<(Option<u64>, Vec<String>)> = Vec::new();
            for node in hit {
                let ends = later
                    .iter()
                    .find(|record| record.changes().iter().any(|change| is_end(change, node)))
                    .map(Record::at_us);
                match groups.iter_mut().find(|(other, _)| *other == ends) {
                    Some((_, nodes)) => nodes.push(node.clone()),
                    None => groups.push((ends, vec![node.clone()])),
                }
            }
            let items = groups.into_iter().map(|(ends, nodes)| {
                let item = typed.yaml(&[nodes.join(",")]);
                done(ends, item)
            });
            items.collect::<Vec<_>>()
        };
        match typed.verb.as_str() {
            "kill" | "stop" => {
                faults.extend(node_fault(&exited, &started));
            }
            "pause" => faults.extend(node_fault(&paused, &goes_on)),
            // One that was down just came back: that ends what took it down.
            "restart" => {
                let done = node_fault(&exited, &exited).into_iter();
                faults.extend(done.map(|done| Done {
                    ends_us: None,
                    is_over_at_once: true,
                    ..done
                }));
            }
            _ if changes.iter().any(sets_links) => {
                let ends = later.iter().find_map(|record| match record {
                    Record::Heal { at_us, links, .. } if links.contains(fault) => Some(*at_us),
                    _ => None,
                });
                faults.push(Done {
                    clients: strangers(resolved),
                    ..done(ends, links_item(typed, resolved))
                });
            }
            _ => {}
        }
    }
    faults
}

/// A mode names the servers that it met. A partition in its own words when they name nodes alone; else, and for all other link faults, the
/// links that it turned out to be. Losing all on a link is what a partition does.
fn links_item(typed: &TypedFault, resolved: &[String]) -> String {
    if typed.options.is_none() {
        let words = typed
            .on
            .replace("<->", " ")
            .replace("->", " ")
            .replace("<-", " ");
        let mut words = words
            .split(|letter: char| letter.is_whitespace() || letter == '|' || letter == ',')
            .filter(|word| !word.is_empty());
        if typed.verb == "partition" && words.all(|word| word == "rest" || is_own_node(word)) {
            return typed.yaml(std::slice::from_ref(&typed.on));
        }
        let cut = TypedFault {
            verb: "drop".to_owned(),
            options: Some(Vec::new()),
            ..typed.clone()
        };
        return cut.yaml(&both_ways(resolved));
    }
    if typed.verb == "mode" {
        return typed.yaml(resolved);
    }
    typed.yaml(&both_ways(resolved))
}

/// `s1->s2` and `s2->s1` are one: `s1<->s2`.
fn both_ways(links: &[String]) -> Vec<String> {
    let mut shown = Vec::new();
    let mut done: Vec<String> = Vec::new();
    for link in links {
        let (from, to) = ends_of(link);
        let back = format!("{to}->{from}");
        if done.contains(link) {
            continue;
        }
        if links.contains(&back) {
            shown.push(format!("{from}<->{to}"));
            done.push(back);
        } else {
            shown.push(link.clone());
        }
    }
    shown
}

fn ends_of(link: &str) -> (&str, &str) {
    link.split_once("->").unwrap_or((link, ""))
}

fn is_own_node(name: &str) -> bool {
    let is_server = name
        .strip_prefix('s')
        .is_some_and(|number| number.parse::<u16>().is_ok());
    is_server || name == "balancer"
}

fn strangers(links: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for link in links {
        let (from, to) = ends_of(link);
        for node in [from, to] {
            let is_new = !node.is_empty() && !found.iter().any(|other| other == node);
            if is_new && !is_own_node(node) {
                found.push(node.to_owned());
            }
        }
    }
    found
}

fn exited(change: &Change, name: &str) -> bool {
    matches!(change, Change::Exited { node, .. } if node == name)
}

fn started(change: &Change, name: &str) -> bool {
    matches!(change, Change::Started { node, .. } if node == name)
}

fn paused(change: &Change, name: &str) -> bool {
    matches!(change, Change::Paused { node } if node == name)
}

/// A kill ends a pause too.
fn goes_on(change: &Change, name: &str) -> bool {
    matches!(change, Change::Resumed { node } if node == name) || exited(change, name)
}

fn sets_links(change: &Change) -> bool {
    matches!(change, Change::Links { .. } | Change::LinksLater { .. })
}
