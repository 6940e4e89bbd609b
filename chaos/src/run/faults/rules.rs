//! From a link fault to the rules of the nodes' link tables.

use paxosctl_node::link::{Rule, Side, What};

use crate::history::micros;
use crate::plan::{LinkEffect, LinkFault, Verb};
use crate::schedule::Resolved;

/// The rules by which the fault called `fault` disturbs `links`. A cut acts at both ends unless the
/// plan says where, so that it holds at once and also while one of the two cannot load its table;
/// all else acts once.
pub fn rules(fault: &str, verb: &Verb, resolved: &Resolved) -> Vec<Rule> {
    let links = match resolved {
        Resolved::Nodes(_) => return Vec::new(),
        Resolved::Modes(modes) => {
            let of_each = modes.iter();
            return of_each
                .flat_map(|(server, mode)| mode.rules(fault, server))
                .collect();
        }
        Resolved::Links(links) => links,
    };
    let (what, kinds, probability, side) = match verb {
        Verb::Links(LinkFault {
            kinds,
            probability,
            side,
            effect,
            ..
        }) => (what(effect), kinds.clone(), *probability, *side),
        _ => (What::Drop, Vec::new(), 1.0, None),
    };
    let sides = match side {
        Some(side) => vec![side],
        None if what == What::Drop && probability >= 1.0 => vec![Side::Send, Side::Receive],
        None => vec![Side::Send],
    };
    let mut rules = Vec::new();
    for (from, to) in links {
        for side in &sides {
            rules.push(Rule {
                id: fault.to_owned(),
                from: from.clone(),
                to: to.clone(),
                kinds: kinds.clone(),
                on: *side,
                probability,
                what,
            });
        }
    }
    rules
}

fn what(effect: &LinkEffect) -> What {
    match effect {
        LinkEffect::Drop => What::Drop,
        LinkEffect::Delay {
            by,
            jitter,
            distribution,
        } => What::Delay {
            by_us: micros(*by),
            jitter_us: micros(*jitter),
            distribution: *distribution,
        },
        LinkEffect::Duplicate { copies } => What::Duplicate { copies: *copies },
        LinkEffect::Reorder { within } => What::Reorder {
            within_us: micros(*within),
        },
    }
}

/// The links that rules act on, each once; where a rule is for all links of a node, the node.
pub(super) fn names_of(rules: &[Rule]) -> Vec<String> {
    let mut names = Vec::new();
    for rule in rules {
        let name = match (rule.from.as_str(), rule.to.as_str()) {
            ("*", node) | (node, "*") => node.to_owned(),
            (from, to) => format!("{from}->{to}"),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
