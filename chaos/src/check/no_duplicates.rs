//! Exactly once: a message takes effect once, however often its client retries or is rerouted (P3).
//!
//! A retry may stand in the log again; the session rule ignores it. What must never happen is that
//! one thing said takes effect twice: under one name, seen by the places that servers gave it, or
//! under two names, seen by the number of times that the plan lets its client say it.

use std::collections::HashMap;

use super::context::Context;
use super::findings::Findings;
use crate::history::{ByClient, NO_MESSAGE};
use crate::plan::Say;
use crate::report::{CheckResult, clip, count};

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "no-duplicates");
    let evidence = context.evidence;
    seen_twice(context, &mut findings);

    let mut planned: HashMap<(&str, &str), u64> = HashMap::new();
    for traffic in &context.plan.traffic {
        if let Say::Say { client, text, .. } = &traffic.what {
            *planned.entry((client, text)).or_insert(0) += 1;
        }
    }
    let speaks: Vec<bool> = evidence
        .nodes
        .iter()
        .map(|node| planned.keys().any(|(client, _)| *client == node.name))
        .collect();
    let mut stored: HashMap<(&str, &str), u64> = HashMap::new();
    for (place, applied) in evidence.chat().iter().enumerate() {
        if applied.message == NO_MESSAGE {
            continue;
        }
        let message = &evidence.messages[applied.message as usize];
        let node = evidence.sessions[message.session as usize].node as usize;
        // Only what a plan tells a client to say can be counted; a load says what it likes.
        if !speaks[node] {
            continue;
        }
        let key = (evidence.nodes[node].name.as_str(), &*message.text);
        let times = stored.entry(key).or_insert(0);
        *times += 1;
        let times = *times;
        let wanted = planned.get(&key).copied().unwrap_or(0);
        if times > wanted {
            findings.say(Some(message.said_us), || {
                format!(
                    "{} says \"{}\" {} in the plan, and index {} of the log is its number {times}",
                    clip(key.0, 40),
                    clip(key.1, 40),
                    count(wanted, "time"),
                    place + 1,
                )
            });
        }
    }
    let repeats: u64 = evidence.chats.first().map_or(0, |chat| {
        let longest = evidence
            .replicas
            .iter()
            .find(|replica| replica.chat == 0 && replica.messages == chat.len());
        longest.map_or(0, |replica| {
            let physical: usize = replica
                .values
                .iter()
                .filter_map(|&id| evidence.values.get(id as usize))
                .map(|value| value.commands().len())
                .sum();
            (physical - chat.len()) as u64
        })
    });
    findings.finish(format!(
        "{}, {} ignored",
        count(evidence.chat().len() as u64, "message"),
        count(repeats, "repeat")
    ))
}

/// A client that is shown one message at two indexes saw it take effect twice.
fn seen_twice(context: &Context, findings: &mut Findings) {
    let evidence = context.evidence;
    for session in &evidence.sessions {
        let mut last: ByClient<(u64, u64)> = ByClient::default();
        for delivery in &session.deliveries {
            // In a gapless prefix each sender's numbers ascend by one, so remembering the last is
            // enough to see a number come back.
            let (seq, index) = last.entry(delivery.from).or_insert((0, 0));
            if delivery.seq <= *seq && delivery.index > *index {
                findings.say(Some(delivery.at_us), || {
                    format!(
                        "{} was shown message {} of {} again at index {}",
                        clip(&session.name, 40),
                        delivery.seq,
                        evidence
                            .session(delivery.from)
                            .map_or_else(|| delivery.from.to_string(), |from| clip(&from.name, 40)),
                        delivery.index
                    )
                });
            }
            *seq = (*seq).max(delivery.seq);
            *index = (*index).max(delivery.index);
        }
    }
}
