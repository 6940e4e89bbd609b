//! What matters of a trace around a violation.

use std::collections::BTreeSet;

use paxosctl_node::event::Event;

use super::{Fate, TraceStep, TraceWhat};
use crate::report::{RunResult, Violation};

/// Steps that are shown before the violation, and after it.
const BEFORE: usize = 90;
const AFTER: usize = 6;

/// The steps around the first violation of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    /// In the order of time.
    pub steps: Vec<TraceStep>,
    /// When the violation shows, in microseconds, and what it is.
    pub at_us: u64,
    pub violation: String,
    /// Steps between the first and the last shown that say nothing of it.
    pub left_out: usize,
}

/// Picks the steps around the first violation; None if there is none, or nothing was noted.
pub fn sequence(steps: &[TraceStep], result: &RunResult) -> Option<Sequence> {
    let violation = result.violations().next()?;
    let at_us = moment(steps, violation)?;
    // What is said again and again is no news.
    let mut said = BTreeSet::new();
    let is_news = |step: &&TraceStep| match &step.what {
        TraceWhat::Sent {
            from,
            to,
            message,
            fate,
            ..
        } => {
            let is_dropped = *fate == Fate::DroppedArriving;
            said.insert((from.clone(), to.clone(), message.clone(), is_dropped))
        }
        _ => true,
    };
    let told: Vec<&TraceStep> = steps
        .iter()
        .filter(|step| matters(step, violation))
        .filter(is_news)
        .collect();
    let end = told.partition_point(|step| step.at_us <= at_us);
    let shown = &told[end.saturating_sub(BEFORE)..told.len().min(end + AFTER)];
    let (first, last) = (shown.first()?.at_us, shown.last()?.at_us);
    let between = steps
        .iter()
        .filter(|step| (first..=last).contains(&step.at_us))
        .count();
    Some(Sequence {
        left_out: between.saturating_sub(shown.len()),
        steps: shown.iter().map(|step| (*step).clone()).collect(),
        at_us,
        violation: format!(
            "{}: {}",
            violation.property,
            violation.message.lines().next().unwrap_or_default()
        ),
    })
}

/// When the violation shows: when it says so, or when the last of its servers took its slot for
/// chosen, or at the end.
fn moment(steps: &[TraceStep], violation: &Violation) -> Option<u64> {
    let chose = |step: &&TraceStep| match (&step.what, violation.slot) {
        (
            TraceWhat::Event {
                node,
                event: Event::Chosen { upto },
            },
            Some(slot),
        ) => upto.0 >= slot && (violation.servers.is_empty() || violation.servers.contains(node)),
        _ => false,
    };
    let chosen = || {
        let mut first: Vec<(&str, u64)> = Vec::new();
        for step in steps.iter().filter(chose) {
            if let TraceWhat::Event { node, .. } = &step.what
                && !first.iter().any(|(known, _)| known == node)
            {
                first.push((node, step.at_us));
            }
        }
        first.into_iter().map(|(_, at_us)| at_us).max()
    };
    violation
        .at_us
        .or_else(chosen)
        .or_else(|| steps.last().map(|step| step.at_us))
}

/// Checks of what servers promised, accepted and chose: clients have no part in them.
const OF_SERVERS: [&str; 9] = [
    "ballots",
    "promises",
    "proposals",
    "one-value",
    "acceptances-kept",
    "chosen-index",
    "voters",
    "chosen-majority",
    "failed-disk",
];

/// Whether a step may have to do with the violation.
fn matters(step: &TraceStep, violation: &Violation) -> bool {
    let with_clients = !OF_SERVERS.contains(&violation.property.as_str());
    let servers = &violation.servers;
    match &step.what {
        TraceWhat::Action { .. } | TraceWhat::Ended { .. } => true,
        TraceWhat::Sent {
            quiet,
            message,
            from,
            to,
            ..
        } => {
            let is_theirs = servers.is_empty() || servers.contains(from) || servers.contains(to);
            let of_servers = is_server(from) && is_server(to);
            // Who only hears the chat has no part in what is chosen.
            let is_chat = message.starts_with("Deliver") || message.starts_with("Page");
            let of_chat = violation.property == "prefix" || violation.property == "pages";
            !*quiet && is_theirs && (of_servers || with_clients) && (!is_chat || of_chat)
        }
        TraceWhat::Event { event, .. } => match event {
            Event::Say { .. }
            | Event::Acked { .. }
            | Event::ReadAsked { .. }
            | Event::ReadDone { .. } => with_clients,
            Event::Delivered { .. } | Event::Page { .. } => {
                violation.property == "prefix" || violation.property == "pages"
            }
            Event::Started { .. }
            | Event::Recovered { .. }
            | Event::Formed
            | Event::NotVoting { .. }
            | Event::Promised { .. }
            | Event::Accepted(_)
            | Event::Chosen { .. }
            | Event::Leading { .. }
            | Event::SteppedDown { .. }
            | Event::DiskTrouble { .. }
            | Event::ClockSet { .. } => true,
            _ => false,
        },
    }
}

fn is_server(name: &str) -> bool {
    name.parse::<paxosctl_node::ids::ServerId>().is_ok()
}
