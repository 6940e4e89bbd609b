//! No acknowledgement without a majority: when a message is acknowledged, a majority of the servers
//! has durably accepted its slot in one ballot (P2, P4; "Paxos Made Simple", section 2.2).
//!
//! This is exact, not a sample: a server records an acceptance when it is on disk and before its
//! answer leaves, the leader counts answers before it acknowledges, and all processes of a run
//! share one clock.
//!
//! The second half needs no protocol record, only what was observed of processes and links: between
//! being said and being acknowledged, a message can have come from one server, in one life of its
//! process, to a majority, and the word of their acceptances to one place. They need not have been
//! up or connected all at once, for what a server accepted is on its disk when it is gone. It is
//! tried where no majority was connected at any moment; elsewhere it holds anyway.

use super::context::Context;
use super::findings::Findings;
use crate::history::{Ack, Message};
use crate::report::{CheckResult, Violation, count, moment};

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "ack-majority");
    let evidence = context.evidence;
    let acked: Vec<(&Message, Ack)> = evidence
        .messages
        .iter()
        .filter_map(|message| Some((message, message.ack?)))
        // Without a place it is missing from the log, which `acked-present` names.
        .filter(|(_, ack)| ack.names_place())
        .collect();
    if acked.is_empty() {
        return findings.not_judged("nothing was acknowledged");
    }
    if !context.acceptances.any() {
        findings.undecided("no server recorded any acceptance".to_string());
    } else if !context.is_cut_short() {
        for (message, ack) in &acked {
            let majority = context
                .acceptances
                .majority_by(ack.slot, ack.at_us, |_| true);
            if majority.is_none() {
                findings.violate(|| lacking(context, message, ack));
            }
        }
    }

    let windows = context.reach.surely_no_majority();
    let mut tried = 0;
    for message in &evidence.messages {
        let next = windows.partition_point(|&(_, to_us)| to_us <= message.said_us);
        let Some(&(from_us, to_us)) = windows.get(next) else {
            continue;
        };
        // Said strictly within: what was under way before may still be answered.
        if message.said_us <= from_us {
            continue;
        }
        tried += 1;
        if let Some(ack) = message.ack
            && ack.at_us < to_us
            && !context
                .reach
                .may_be_chosen_within(message.said_us, ack.at_us)
        {
            findings.violate(|| Violation {
                message: format!(
                    "{} was said at {} and acknowledged by {} at {}, while no majority of the servers could exchange messages ({} to {}), not even one after the other",
                    context.name(message),
                    moment(message.said_us),
                    ack.server,
                    moment(ack.at_us),
                    moment(from_us),
                    if to_us == u64::MAX { "the end".to_string() } else { moment(to_us) },
                ),
                slot: Some(ack.slot),
                servers: vec![ack.server.to_string()],
                at_us: Some(ack.at_us),
                ..Violation::default()
            });
        }
    }
    let mut text = count(acked.len() as u64, "acknowledgement");
    if tried > 0 {
        text.push_str(&format!("; {tried} said without a majority"));
    }
    findings.finish(text)
}

fn lacking(context: &Context, message: &Message, ack: &Ack) -> Violation {
    let evidence = context.evidence;
    Violation {
        message: format!(
            "{} was acknowledged by {} at {}, when slot {} was accepted by {}; {} of {} servers are a majority",
            context.name(message),
            ack.server,
            moment(ack.at_us),
            ack.slot,
            context.acceptances.describe(evidence, ack.slot, ack.at_us),
            evidence.majority(),
            evidence.servers.len()
        ),
        slot: Some(ack.slot),
        servers: vec![ack.server.to_string()],
        at_us: Some(ack.at_us),
        ..Violation::default()
    }
}
