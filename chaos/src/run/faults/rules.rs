//! From a link fault to the rules of the nodes' link tables.

use paxosctl_node::link::{Rule, Side, What};

use crate::history::micros;
use crate::plan::{LinkEffect, LinkFault, Verb};

/// The rules by which the fault called `fault` disturbs `links`. A cut acts at both ends, so that it
/// holds at once and also while one of the two cannot load its table; all else acts once, at the
/// sender.
pub fn rules(fault: &str, verb: &Verb, links: &[(String, String)]) -> Vec<Rule> {
    let (what, kinds, probability) = match verb {
        Verb::Links(LinkFault {
            kinds,
            probability,
            effect,
            ..
        }) => (what(effect), kinds.clone(), *probability),
        _ => (What::Drop, Vec::new(), 1.0),
    };
    let sides: &[Side] = if what == What::Drop && probability >= 1.0 {
        &[Side::Send, Side::Receive]
    } else {
        &[Side::Send]
    };
    let mut rules = Vec::new();
    for (from, to) in links {
        for side in sides {
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
        LinkEffect::Delay { by, jitter } => What::Delay {
            by_us: micros(*by),
            jitter_us: micros(*jitter),
        },
    }
}

/// The links that rules act on, each once.
pub(super) fn names_of(rules: &[Rule]) -> Vec<String> {
    let mut names = Vec::new();
    for rule in rules {
        let name = format!("{}->{}", rule.from, rule.to);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
