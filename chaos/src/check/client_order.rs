//! One client's messages are numbered in the order in which it said them, are acknowledged at
//! ascending places in that order, and stand in the log without a hole up to the last acknowledged
//! one (P3, FIFO order of a session).

use super::context::Context;
use super::findings::Findings;
use crate::report::{CheckResult, Violation, count};

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "client-order");
    let evidence = context.evidence;
    for &message in &evidence.repeated_says {
        let message = &evidence.messages[message as usize];
        findings.say(Some(message.said_us), || {
            format!(
                "{} was said under a number that its session had used before",
                context.name(message)
            )
        });
    }
    let mut sessions = 0;
    for session in evidence.sessions.iter().filter(|s| !s.messages.is_empty()) {
        sessions += 1;
        let last_acked = session
            .messages
            .iter()
            .rev()
            .find(|(_, message)| {
                let ack = evidence.messages[*message as usize].ack;
                ack.is_some_and(|ack| !context.is_after_reads(ack.at_us))
            })
            .map_or(0, |&(seq, _)| seq);
        let mut expected_seq = 1;
        let mut last_said_us = 0;
        let mut last_place = (0, 0);
        for &(seq, place) in &session.messages {
            let message = &evidence.messages[place as usize];
            if seq != expected_seq {
                findings.say(Some(message.said_us), || {
                    format!(
                        "{} follows number {}: the numbers between were never said",
                        context.name(message),
                        expected_seq - 1
                    )
                });
            }
            expected_seq = seq + 1;
            if message.said_us < last_said_us {
                findings.say(Some(message.said_us), || {
                    format!(
                        "{} was said before the message that has the number before it",
                        context.name(message)
                    )
                });
            }
            last_said_us = message.said_us;
            if let Some(ack) = message.ack {
                // Without a place it is missing from the log, which `acked-present` names.
                if !ack.names_place() {
                    continue;
                }
                // One batch may carry several: then the slot is the same and the index ascends.
                if ack.index <= last_place.0 || ack.slot < last_place.1 {
                    findings.violate(|| Violation {
                        message: format!(
                            "{} was acknowledged at index {} (slot {}), not behind the message before it, at index {} (slot {})",
                            context.name(message),
                            ack.index,
                            ack.slot,
                            last_place.0,
                            last_place.1
                        ),
                        slot: Some(ack.slot),
                        at_us: Some(ack.at_us),
                        ..Violation::default()
                    });
                }
                last_place = (ack.index, ack.slot);
            } else if seq < last_acked
                && context.index_of[place as usize] == 0
                && !evidence.chat().is_empty()
            {
                findings.say(Some(message.said_us), || {
                    format!(
                        "{} is not in the log, though its message {last_acked} was acknowledged",
                        context.name(message)
                    )
                });
            }
        }
    }
    findings.finish(count(sessions, "session"))
}
