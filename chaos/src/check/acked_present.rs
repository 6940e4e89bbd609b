//! Durability: every acknowledged message is in the log of every replica that is level, at the
//! index and in the slot that its acknowledgement named (P2). What was acknowledged while the logs
//! were being read may stand behind the end of what was read.

use super::context::Context;
use super::findings::Findings;
use crate::history::{Ack, Message, Replica};
use crate::report::{CheckResult, Violation, count};

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "acked-present");
    let evidence = context.evidence;
    let acked = evidence
        .messages
        .iter()
        .filter(|message| message.ack.is_some())
        .count() as u64;
    for stray in &evidence.stray_acks {
        findings.say(Some(stray.ack.at_us), || {
            format!(
                "message {} of client {} was acknowledged, and nobody said it",
                stray.seq, stray.client
            )
        });
    }
    for (message, ack) in &evidence.conflicting_acks {
        let message = &evidence.messages[*message as usize];
        findings.say(Some(ack.at_us), || conflict(context, message, ack));
    }
    // A replica that lags is for `convergence` to name; here it would only repeat that.
    let longest = evidence
        .replicas
        .iter()
        .filter(|replica| Context::readable(replica))
        .map(|replica| replica.values.len())
        .max();
    let level: Vec<&Replica> = context
        .live()
        .filter(|replica| Some(replica.values.len()) == longest)
        .collect();
    if level.is_empty() && acked > 0 {
        findings.undecided(match longest {
            None => "no replica's log could be read".to_string(),
            Some(_) => "no live replica has the longest log".to_string(),
        });
    }
    // Replicas that share a chat are looked at once.
    let mut chats: Vec<usize> = level.iter().map(|replica| replica.chat).collect();
    chats.sort_unstable();
    chats.dedup();
    for chat in chats {
        let holders: Vec<&str> = level
            .iter()
            .filter(|replica| replica.chat == chat)
            .map(|replica| replica.name.as_str())
            .collect();
        let applied = &evidence.chats[chat];
        for message in &evidence.messages {
            let Some(ack) = &message.ack else { continue };
            let client = evidence.sessions[message.session as usize].client;
            let there = usize::try_from(ack.index)
                .ok()
                .and_then(|index| applied.get(index.checked_sub(1)?));
            let right = there.is_some_and(|applied| {
                applied.client == client && applied.seq == message.seq && applied.slot == ack.slot
            });
            if !right {
                let found = applied
                    .iter()
                    .position(|applied| applied.client == client && applied.seq == message.seq)
                    .map(|place| (place as u64 + 1, applied[place].slot));
                let is_within = (1..=applied.len() as u64).contains(&ack.index);
                if found.is_none() && !is_within && context.is_after_reads(ack.at_us) {
                    continue;
                }
                findings.violate(|| missing(context, message, ack, found, &holders));
            }
        }
    }
    findings.finish(format!(
        "{} × {}",
        count(acked, "acknowledged message"),
        count(level.len() as u64, "replica")
    ))
}

fn conflict(context: &Context, message: &Message, ack: &Ack) -> String {
    let first = message
        .ack
        .map(|ack| format!(" and before at index {} (slot {})", ack.index, ack.slot))
        .unwrap_or_default();
    format!(
        "{} was acknowledged at index {} (slot {}){first}",
        context.name(message),
        ack.index,
        ack.slot
    )
}

fn missing(
    context: &Context,
    message: &Message,
    ack: &Ack,
    found: Option<(u64, u64)>,
    holders: &[&str],
) -> Violation {
    let place = match ack.names_place() {
        true => format!(" at index {} (slot {})", ack.index, ack.slot),
        false => String::new(),
    };
    let promised = format!(
        "{} was acknowledged by {}{place}",
        context.name(message),
        ack.server,
    );
    let truth = match found {
        Some((index, slot)) => format!("stands at index {index} (slot {slot})"),
        None => "is missing from the log".to_string(),
    };
    Violation {
        message: format!("{promised}, and {truth} on {}", holders.join(", ")),
        slot: ack.names_place().then_some(ack.slot),
        servers: holders.iter().map(|name| name.to_string()).collect(),
        at_us: Some(ack.at_us),
        ..Violation::default()
    }
}
