//! A message of the plan with `seen_by` was shown to each of those clients within its time
//! (the plan's demand; without `within`, by the end of the run).

use std::collections::HashMap;

use super::context::Context;
use super::findings::Findings;
use crate::history::micros;
use crate::plan::Say;
use crate::report::{CheckResult, Violation, clip, count, time};

pub(crate) fn check(context: &Context) -> Option<CheckResult> {
    let mut findings = Findings::new(context, "seen-by");
    let evidence = context.evidence;
    let demanded = |what: &Say| matches!(what, Say::Say { seen_by, .. } if !seen_by.is_empty());
    if !context.plan.traffic.iter().any(|t| demanded(&t.what)) {
        return None;
    }
    // The n-th line of a client with a text is the n-th message that it said with that text.
    let mut said: HashMap<(&str, &str), Vec<u32>> = HashMap::new();
    for (place, message) in evidence.messages.iter().enumerate() {
        said.entry((evidence.speaker(message), &message.text))
            .or_default()
            .push(place as u32);
    }
    let mut taken: HashMap<(&str, &str), usize> = HashMap::new();
    let mut demands = 0;
    let mut slowest_us = 0;
    for traffic in &context.plan.traffic {
        let Say::Say {
            client,
            text,
            seen_by,
            within,
        } = &traffic.what
        else {
            continue;
        };
        let taken = taken.entry((client, text)).or_insert(0);
        let number = *taken;
        *taken += 1;
        if seen_by.is_empty() {
            continue;
        }
        demands += seen_by.len() as u64;
        let Some(&place) = said
            .get(&(client.as_str(), text.as_str()))
            .and_then(|said| said.get(number))
        else {
            findings.undecided(format!(
                "{} never said \"{}\" (line {} of the plan)",
                clip(client, 40),
                clip(text, 40),
                traffic.line
            ));
            continue;
        };
        let message = &evidence.messages[place as usize];
        let from = evidence.sessions[message.session as usize].client;
        for viewer in seen_by {
            let seen_us = evidence
                .sessions_of(viewer)
                .flat_map(|session| &session.deliveries)
                .filter(|delivery| delivery.from == from && delivery.seq == message.seq)
                .map(|delivery| delivery.at_us)
                .min();
            let took_us = seen_us.map(|at_us| at_us.saturating_sub(message.said_us));
            let problem = match (took_us, within.map(micros)) {
                (Some(took_us), Some(limit_us)) if took_us > limit_us => format!(
                    "was shown to {} after {}; the limit is {}",
                    clip(viewer, 40),
                    time(took_us),
                    time(limit_us)
                ),
                (Some(took_us), _) => {
                    slowest_us = slowest_us.max(took_us);
                    continue;
                }
                (None, _) => format!("was never shown to {}", clip(viewer, 40)),
            };
            findings.violate(|| Violation {
                message: format!(
                    "{} {problem} (line {} of the plan)",
                    context.name(message),
                    traffic.line
                ),
                at_us: Some(message.said_us + within.map_or(0, micros)),
                ..Violation::default()
            });
        }
    }
    Some(findings.finish(format!(
        "{}, slowest {}",
        count(demands, "demand"),
        time(slowest_us)
    )))
}
