//! Agreement: no slot of the log holds different values on two replicas, dead ones included; and
//! no replica lacks a slot that it says is chosen (P1; "The Part-Time Parliament", theorem 1).

use super::context::{Context, value_text};
use super::findings::Findings;
use crate::history::{Ending, HOLE, Replica, State};
use crate::report::{CheckResult, HeldValue, Violation, count};
use crate::target::LogSource;

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "agreement");
    let evidence = context.evidence;
    let mut readable = Vec::new();
    for replica in &evidence.replicas {
        if let LogSource::Unreadable { reason } = &replica.source {
            unreadable(context, &mut findings, replica, reason);
        } else {
            readable.push(replica);
        }
    }
    for replica in &readable {
        for (slot, what) in &replica.disorder {
            findings.violate(|| Violation {
                message: what.clone(),
                slot: Some(*slot),
                servers: vec![replica.name.clone()],
                ..Violation::default()
            });
        }
    }
    let slots = readable
        .iter()
        .map(|replica| replica.values.len())
        .max()
        .unwrap_or(0);
    let mut first_divergence = None;
    for place in 0..slots {
        let held = |replica: &&Replica| replica.values.get(place).copied();
        let mut present = readable.iter().filter_map(held).filter(|&id| id != HOLE);
        let first = present.next();
        let differ = first.is_some_and(|first| present.any(|id| id != first));
        let hole = readable.iter().any(|replica| held(replica) == Some(HOLE));
        if differ || hole {
            let slot = place as u64 + 1;
            let first = *first_divergence.get_or_insert(slot);
            findings.violate(|| disagreement(context, &readable, slot, differ, first));
        }
    }
    let read = format!(
        "{} × {}",
        count(slots as u64, "slot"),
        count(readable.len() as u64, "replica")
    );
    findings.finish(read)
}

/// A log that cannot be read proves nothing. If its server is down, its disk is damaged, and no
/// plan asks for that; if it is up, it failed to answer.
fn unreadable(context: &Context, findings: &mut Findings, replica: &Replica, reason: &str) {
    let text = format!("the log of {} cannot be read: {reason}", replica.name);
    let down = context.reach.lifetimes.at_end(&replica.name) == State::Down;
    if down && context.evidence.ending == Ending::Complete {
        findings.violate(|| Violation {
            message: text,
            servers: vec![replica.name.clone()],
            ..Violation::default()
        });
    } else {
        findings.undecided(text);
    }
}

fn disagreement(
    context: &Context,
    readable: &[&Replica],
    slot: u64,
    differ: bool,
    first_divergence: u64,
) -> Violation {
    let place = slot as usize - 1;
    let values: Vec<HeldValue> = readable
        .iter()
        .filter_map(|replica| {
            let value = match *replica.values.get(place)? {
                HOLE => "nothing, though it says the slot is chosen".to_string(),
                id => value_text(&context.evidence.values[id as usize]),
            };
            Some(HeldValue {
                server: replica.name.clone(),
                value,
            })
        })
        .collect();
    let servers: Vec<String> = values.iter().map(|held| held.server.clone()).collect();
    let message = if differ {
        format!(
            "slot {slot} holds different values on {}",
            servers.join(", ")
        )
    } else {
        let lacking: Vec<&str> = readable
            .iter()
            .filter(|replica| replica.values.get(place) == Some(&HOLE))
            .map(|replica| replica.name.as_str())
            .collect();
        format!(
            "{} holds nothing in slot {slot}, which is below its chosen index",
            lacking.join(", ")
        )
    };
    Violation {
        message,
        slot: Some(slot),
        at_us: chosen_at(context, slot),
        servers,
        values,
        first_divergence: Some(first_divergence),
        ..Violation::default()
    }
}

/// When the slot was chosen in the eyes of the last server to say so: by then they differed.
pub(crate) fn chosen_at(context: &Context, slot: u64) -> Option<u64> {
    context
        .evidence
        .servers
        .iter()
        .filter_map(|server| {
            server
                .events
                .iter()
                .find(|event| {
                    let chosen = server.chosen_by(event.what);
                    chosen.is_some_and(|upto| u64::from(upto) >= slot)
                })
                .map(|event| event.at_us)
        })
        .max()
}
