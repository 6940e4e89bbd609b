//! No acknowledgement without a majority: when a message is acknowledged, a majority of the servers
//! has durably accepted its slot in one ballot (P2, P4; "Paxos Made Simple", section 2.2).
//!
//! This is exact, not a sample: a server records an acceptance when it is on disk and before its
//! answer leaves, the leader counts answers before it acknowledges, and all processes of a run
//! share one clock. The one gap is a server that dies between the write and the record; such an
//! acceptance is granted to a server that recovered while the message was open, and is counted.
//!
//! The second half needs no protocol record: while no majority of servers can exchange messages,
//! by what was observed of processes and links, nothing said is acknowledged.

use super::context::Context;
use super::findings::Findings;
use crate::history::{Ack, Message, What};
use crate::report::{CheckResult, Violation, count, moment};

/// "No acceptance recorded."
const NONE: u32 = u32::MAX;

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
    let acceptances = Acceptances::of(context);
    let mut granted = 0;
    if acceptances.any {
        let mut per_ballot = Vec::new();
        for (message, ack) in &acked {
            if acceptances.majority_by(ack.slot, ack.at_us, &mut per_ballot) {
                continue;
            }
            if acceptances.with_recovered(context, message, ack) {
                granted += 1;
                continue;
            }
            findings.violate(|| lacking(context, &acceptances, message, ack));
        }
    } else {
        findings.undecided("no server recorded any acceptance".to_string());
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
        {
            findings.violate(|| Violation {
                message: format!(
                    "{} was said at {} and acknowledged by {} at {}, while no majority of the servers could exchange messages ({} to {})",
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
    if granted > 0 {
        text.push_str(&format!(", {granted} with a recovered server"));
    }
    if tried > 0 {
        text.push_str(&format!("; {tried} said without a majority"));
    }
    findings.finish(text)
}

/// One recorded acceptance of a slot.
#[derive(Clone, Copy)]
struct Acceptance {
    ballot: u32,
    at_us: u64,
}

/// Who accepted what, by slot.
struct Acceptances {
    any: bool,
    servers: usize,
    majority: usize,
    /// The first acceptance of each slot by each server, `servers` places a slot.
    first: Vec<Acceptance>,
    /// Later ones in other ballots: slot, server, acceptance; by slot.
    later: Vec<(u32, usize, Acceptance)>,
}

impl Acceptances {
    fn of(context: &Context) -> Acceptances {
        let evidence = context.evidence;
        let servers = evidence.servers.len();
        let mut slots = 0;
        for event in evidence.servers.iter().flat_map(|server| &server.events) {
            if let What::Accepted { slot, .. } = event.what {
                slots = slots.max(slot as usize + 1);
            }
        }
        let none = Acceptance {
            ballot: NONE,
            at_us: u64::MAX,
        };
        let mut first = vec![none; slots * servers];
        let mut later = Vec::new();
        for (server, record) in evidence.servers.iter().enumerate() {
            for event in &record.events {
                let What::Accepted { ballot, slot } = event.what else {
                    continue;
                };
                let acceptance = Acceptance {
                    ballot,
                    at_us: event.at_us,
                };
                let place = &mut first[slot as usize * servers + server];
                if place.ballot == NONE {
                    *place = acceptance;
                } else if place.ballot != ballot {
                    later.push((slot, server, acceptance));
                }
            }
        }
        later.sort_by_key(|&(slot, _, _)| slot);
        Acceptances {
            any: slots > 0,
            servers,
            majority: evidence.majority(),
            first,
            later,
        }
    }

    /// Every acceptance of the slot with its server.
    fn in_slot(&self, slot: u64) -> impl Iterator<Item = (usize, Acceptance)> {
        let slot = usize::try_from(slot).unwrap_or(usize::MAX);
        let start = slot.saturating_mul(self.servers);
        let first = self
            .first
            .get(start..start.saturating_add(self.servers))
            .unwrap_or(&[]);
        let later = self
            .later
            .partition_point(|&(other, _, _)| (other as usize) < slot);
        first
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, acceptance)| acceptance.ballot != NONE)
            .chain(
                self.later[later..]
                    .iter()
                    .take_while(move |&&(other, _, _)| other as usize == slot)
                    .map(|&(_, server, acceptance)| (server, acceptance)),
            )
    }

    /// Whether a majority had accepted the slot in one ballot by this time. `per_ballot` is
    /// scratch space.
    fn majority_by(&self, slot: u64, at_us: u64, per_ballot: &mut Vec<(u32, usize)>) -> bool {
        per_ballot.clear();
        for (_, acceptance) in self.in_slot(slot).filter(|(_, a)| a.at_us <= at_us) {
            let known = per_ballot
                .iter_mut()
                .find(|(ballot, _)| *ballot == acceptance.ballot);
            let number = match known {
                Some((_, number)) => {
                    *number += 1;
                    *number
                }
                None => {
                    per_ballot.push((acceptance.ballot, 1));
                    1
                }
            };
            if number >= self.majority {
                return true;
            }
        }
        false
    }

    /// The same, with every server that came back from its disk while the message was open.
    fn with_recovered(&self, context: &Context, message: &Message, ack: &Ack) -> bool {
        let recovered = |server: usize| {
            let server = &context.evidence.servers[server];
            server.events.iter().any(|event| {
                matches!(event.what, What::Recovered { .. })
                    // A new log brings back nothing.
                    && !server.new_logs.contains(&event.at_us)
                    && event.at_us >= message.said_us
                    && event.at_us <= ack.at_us
            })
        };
        let by_then: Vec<(usize, Acceptance)> = self
            .in_slot(ack.slot)
            .filter(|(_, acceptance)| acceptance.at_us <= ack.at_us)
            .collect();
        by_then.iter().any(|(_, of)| {
            (0..self.servers)
                .filter(|&server| {
                    let accepted = by_then
                        .iter()
                        .any(|(other, a)| *other == server && a.ballot == of.ballot);
                    accepted || recovered(server)
                })
                .count()
                >= self.majority
        })
    }
}

fn lacking(
    context: &Context,
    acceptances: &Acceptances,
    message: &Message,
    ack: &Ack,
) -> Violation {
    let evidence = context.evidence;
    let mut by: Vec<String> = acceptances
        .in_slot(ack.slot)
        .filter(|(_, acceptance)| acceptance.at_us <= ack.at_us)
        .map(|(server, acceptance)| {
            format!(
                "{} in ballot {}",
                evidence.header.servers[server], evidence.ballots[acceptance.ballot as usize]
            )
        })
        .collect();
    by.sort();
    let by = if by.is_empty() {
        "no server".to_string()
    } else {
        by.join(", ")
    };
    Violation {
        message: format!(
            "{} was acknowledged by {} at {}, when slot {} was accepted by {by}; {} of {} servers are a majority",
            context.name(message),
            ack.server,
            moment(ack.at_us),
            ack.slot,
            acceptances.majority,
            acceptances.servers
        ),
        slot: Some(ack.slot),
        servers: vec![ack.server.to_string()],
        at_us: Some(ack.at_us),
        ..Violation::default()
    }
}
