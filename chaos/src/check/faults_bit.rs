//! Every planned firing of every fault was carried out and had its effect, and at least half of what
//! each `random` drew; otherwise the run proves nothing about it, and is inconclusive (P6).
//!
//! What is drawn may meet a cluster in which it can change nothing: a server that is down already, or
//! a leader that is yet to be elected.

use std::collections::BTreeMap;

use super::context::Context;
use super::findings::Findings;
use super::machine_bit;
use crate::history::{ActionLine, Firing};
use crate::report::{CheckResult, count, plain};
use crate::target::{Action, Change};

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "faults-bit");
    let mut planned = 0;
    // Of each `random`: how much was drawn, how much of it in vain, and why the first of that.
    let mut drawn: BTreeMap<&str, (u64, Vec<String>)> = BTreeMap::new();
    for fault in &context.plan.faults {
        for number in 1..=fault.times {
            planned += 1;
            let fired = context
                .firings
                .iter()
                .find(|firing| firing.fault == fault.id && firing.number == number);
            let problem = match fired {
                None => Some("it was never fired".to_string()),
                Some(firing) => problem(context, firing),
            };
            let problem = problem.map(|problem| {
                let which = if fault.times > 1 {
                    format!("{}, firing {number} of {}", fault.id, fault.times)
                } else {
                    fault.id.clone()
                };
                let what = fired.map_or_else(String::new, |f| format!(" ({})", f.planned));
                format!("{which}{what}: {problem}")
            });
            if let Some(random) = &fault.drawn_by {
                let (all, vain) = drawn.entry(random).or_default();
                *all += 1;
                vain.extend(problem);
            } else if let Some(problem) = problem {
                findings.undecided(problem);
            }
        }
    }
    let mut in_vain = 0;
    for (random, (all, vain)) in &drawn {
        in_vain += vain.len() as u64;
        if vain.len() as u64 * 2 > *all {
            findings.undecided(format!(
                "{} of {} drawn by {random} were in vain, the first: {}",
                vain.len(),
                count(*all, "fault"),
                vain[0]
            ));
        }
    }
    for random in &context.plan.random {
        findings.undecided(format!(
            "nothing could be drawn by {}: at no time of it may a server fail beside what the other faults take",
            random.id
        ));
    }
    if planned == 0 && context.plan.random.is_empty() {
        return findings.not_judged("no faults planned");
    }
    let mut text = format!(
        "{} of {}",
        count(planned, "firing"),
        count(context.plan.faults.len() as u64, "fault")
    );
    if in_vain > 0 {
        text.push_str(&format!(", {in_vain} drawn in vain"));
    }
    findings.finish(text)
}

/// Why a firing is taken not to have done what was planned.
pub(crate) fn problem(context: &Context, firing: &Firing) -> Option<String> {
    let steps = firing.breaks.iter().map(|line| (line, "broken"));
    // A heal of no node is none: another fault took the node over, and heals it.
    let own_heals = firing
        .heals
        .iter()
        .filter(|line| line.fault == firing.fault && !line.action.is_of_no_node());
    for (line, word) in steps.chain(own_heals.map(|line| (line, "healed"))) {
        if let Some(error) = &line.error {
            return Some(plain(error));
        }
        if let Some(problem) = no_effect(line, word) {
            return Some(problem);
        }
    }
    if firing.on_links() {
        return no_hits(context, firing);
    }
    machine_bit::problem(context, firing)
}

fn no_effect(line: &ActionLine, word: &str) -> Option<String> {
    for change in &line.changes {
        if let Change::Nothing { node, reason } = change {
            return Some(format!("nothing changed at {node}: {}", plain(reason)));
        }
    }
    if line.changes.is_empty() {
        return Some(format!("nothing was observed to be {word}"));
    }
    let nodes = line.action.nodes()?;
    let missing = nodes.iter().find(|node| {
        !line
            .changes
            .iter()
            .any(|change| match (&line.action, change) {
                (
                    Action::Kill { .. } | Action::Stop { .. } | Action::Fall { .. },
                    Change::Exited { node: at, .. },
                )
                | (
                    Action::Damage { .. },
                    Change::Flipped { node: at, .. } | Change::Wiped { node: at, .. },
                )
                | (Action::Start { .. }, Change::Started { node: at, .. })
                | (Action::Pause { .. }, Change::Paused { node: at })
                | (Action::Resume { .. }, Change::Resumed { node: at }) => at == *node,
                _ => false,
            })
    });
    match missing {
        Some(node) => Some(format!("{node} was not observed to be {word}")),
        None if nodes.is_empty() => Some("the target was no node at all".to_string()),
        None => None,
    }
}

/// A link fault bit if its rules affected at least one message, counted by the nodes in the link
/// tables that were in force from this firing's break to its heal.
fn no_hits(context: &Context, firing: &Firing) -> Option<String> {
    let generation = |line: &&ActionLine| {
        line.changes
            .iter()
            .filter_map(|change| match change {
                Change::Links { generation, .. } | Change::LinksLater { generation, .. } => {
                    Some(*generation)
                }
                _ => None,
            })
            .max()
    };
    let from = firing.breaks.iter().filter_map(generation).min();
    let to = firing.heals.iter().filter_map(generation).min();
    let hits = hits(
        context,
        firing.fault,
        from.unwrap_or(0),
        to.unwrap_or(u64::MAX),
    );
    (hits == 0).then(|| "its rules affected no message".to_string())
}

/// How many messages the rules of a fault affected in the tables from one generation until before
/// another.
pub(crate) fn hits(context: &Context, fault: &str, from: u64, to: u64) -> u64 {
    context
        .evidence
        .nodes
        .iter()
        .flat_map(|node| &node.link_hits)
        .filter(|(generation, rule, _)| rule == fault && (from..to).contains(generation))
        .map(|(_, _, hits)| hits)
        .sum()
}
