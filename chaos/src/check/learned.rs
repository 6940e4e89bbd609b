//! Servers had a message of the plan with `learned` in their logs when the plan says: not before
//! `after`, and by `within`, both counted from when it was said (the plan's demand).
//!
//! A server has it when it first reports a chosen index at or above the message's slot, in whatever
//! life: what it recovers when it starts, it had before. The slot is that of the judged chat.

use super::context::Context;
use super::findings::Findings;
use super::said::said_lines;
use crate::history::{Server, micros};
use crate::plan::{Learned, Say};
use crate::report::{CheckResult, Violation, count, time};

pub(crate) fn check(context: &Context) -> Option<CheckResult> {
    let mut findings = Findings::new(context, "learned");
    let demanded = |what: &Say| matches!(what, Say::Say { learned, .. } if !learned.is_empty());
    if !context.plan.traffic.iter().any(|t| demanded(&t.what)) {
        return None;
    }
    let evidence = context.evidence;
    let mut judged = 0;
    let mut slowest_us = 0;
    for (traffic, message) in said_lines(context, &mut findings, demanded) {
        let Say::Say { learned, .. } = &traffic.what else {
            continue;
        };
        let name = || {
            format!(
                "{} (line {} of the plan)",
                context.name(message),
                traffic.line
            )
        };
        let place = message.session as usize;
        let client = evidence.sessions[place].client;
        let applied = evidence
            .chat()
            .iter()
            .find(|applied| applied.client == client && applied.seq == message.seq);
        for demand in learned {
            let slot = match applied {
                Some(applied) => applied.slot,
                None if demand.within.is_some() && !evidence.chat().is_empty() => {
                    findings.say(Some(message.said_us), || format!("{} is in no log", name()));
                    continue;
                }
                None => {
                    findings.undecided(format!("{} is in no log", name()));
                    continue;
                }
            };
            for by in &demand.by {
                let index = evidence
                    .header
                    .servers
                    .iter()
                    .position(|server| server == by);
                let Some(server) = index.and_then(|index| evidence.servers.get(index)) else {
                    findings.undecided(format!("nothing is known of {by}"));
                    continue;
                };
                judged += 1;
                let had_us = first_had(server, slot);
                let took_us = had_us.map_or(0, |had_us| had_us.saturating_sub(message.said_us));
                slowest_us = slowest_us.max(took_us);
                let end_us = evidence.end_us;
                match judge(demand, message.said_us, had_us, end_us) {
                    Judgement::Holds => {}
                    Judgement::Open => findings.undecided(format!(
                        "{by} had not learned {} when the run ended, before its time was up",
                        name()
                    )),
                    Judgement::Broken { at_us, what } => findings.violate(|| Violation {
                        message: format!("{by} {what}: {}", name()),
                        slot: Some(slot),
                        servers: vec![by.clone()],
                        at_us: Some(at_us),
                        ..Violation::default()
                    }),
                }
            }
        }
    }
    Some(findings.finish(format!(
        "{}, slowest {}",
        count(judged, "demand"),
        time(slowest_us)
    )))
}

enum Judgement {
    Holds,
    /// The run ended too early to tell.
    Open,
    Broken {
        at_us: u64,
        what: String,
    },
}

fn judge(demand: &Learned, said_us: u64, had_us: Option<u64>, end_us: u64) -> Judgement {
    let after_us = demand.after.map(micros);
    let within_us = demand.within.map(micros);
    // What a server reports is in the order of its own clock, which is the clients' too; a message
    // cannot be had before it was said.
    let took_us = had_us.map(|had_us| had_us.saturating_sub(said_us));
    match (took_us, after_us, within_us) {
        (Some(took_us), Some(after_us), _) if took_us < after_us => Judgement::Broken {
            at_us: said_us + took_us,
            what: format!(
                "had it after {}, and should not before {}",
                time(took_us),
                time(after_us)
            ),
        },
        (Some(took_us), _, Some(within_us)) if took_us > within_us => Judgement::Broken {
            at_us: said_us + within_us,
            what: format!(
                "had it after {}; the limit is {}",
                time(took_us),
                time(within_us)
            ),
        },
        (None, _, Some(within_us)) if end_us.saturating_sub(said_us) > within_us => {
            Judgement::Broken {
                at_us: said_us + within_us,
                what: format!("never had it; the limit is {}", time(within_us)),
            }
        }
        (None, _, Some(_)) => Judgement::Open,
        // Never is not before; but a run that ended earlier shows nothing.
        (None, Some(after_us), None) if end_us.saturating_sub(said_us) < after_us => {
            Judgement::Open
        }
        _ => Judgement::Holds,
    }
}

/// When the server first reported that everything up to `slot` is chosen.
fn first_had(server: &Server, slot: u64) -> Option<u64> {
    let has = |upto: u32| u64::from(upto) >= slot;
    let events = server.events.iter();
    let reports = events.filter(|event| server.chosen_by(event.what).is_some_and(has));
    reports.map(|event| event.at_us).min()
}
