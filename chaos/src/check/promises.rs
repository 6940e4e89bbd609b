//! Who leads counted the promises of a majority of different servers, each of which had that promise
//! on its disk by then (phase 1; "Paxos Made Simple", section 2.2; "The Part-Time Parliament", B2).

use std::collections::HashMap;

use super::context::Context;
use super::findings::Findings;
use crate::history::{Evidence, What};
use crate::report::{CheckResult, Violation, count};

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "promises");
    let evidence = context.evidence;
    if context.is_cut_short() {
        return findings.not_judged("the history is cut short");
    }
    let promised = promised_at(evidence);
    let mut led = 0;
    let mut promises = 0;
    for (place, server) in evidence.servers.iter().enumerate() {
        let name = &evidence.header.servers[place];
        for event in &server.events {
            let What::Leading(leading) = event.what else {
                continue;
            };
            let leading = &server.leaderships[leading as usize];
            let ballot = evidence.ballots[leading.ballot as usize];
            led += 1;
            let mut violate = |message: String| {
                findings.violate(|| Violation {
                    message,
                    servers: vec![name.clone()],
                    at_us: Some(event.at_us),
                    ..Violation::default()
                });
            };
            let mut by = leading.promised_by.clone();
            by.sort_unstable();
            by.dedup();
            for server in &by {
                promises += 1;
                let known = evidence.replicas.iter().position(|r| r.server == *server);
                let problem = match known {
                    None => "is no server of this cluster",
                    Some(place) => match promised.get(&(place, leading.ballot)) {
                        Some(&at_us) if at_us <= event.at_us => continue,
                        Some(_) => "had it on disk only later",
                        None => "never had it on disk",
                    },
                };
                violate(format!(
                    "{name} led in ballot {ballot} with a promise of {server}, which {problem}"
                ));
            }
            if by.len() < evidence.majority() {
                violate(format!(
                    "{name} led in ballot {ballot} with the promises of {}; {} of {} servers are a majority",
                    count(by.len() as u64, "server"),
                    evidence.majority(),
                    evidence.servers.len()
                ));
            }
        }
    }
    if led == 0 {
        return findings.not_judged("no server led");
    }
    findings.finish(format!(
        "{} for {}",
        count(promises, "promise"),
        count(led, "leadership")
    ))
}

/// When each server first had its promise of a ballot on record. A server that died between the
/// write and the record says with its recovery what its disk holds.
fn promised_at(evidence: &Evidence) -> HashMap<(usize, u32), u64> {
    let mut promised = HashMap::new();
    for (place, server) in evidence.servers.iter().enumerate() {
        for event in &server.events {
            let ballot = match event.what {
                What::Promised(ballot) => ballot,
                What::Recovered(place) => server.recoveries[place as usize].promised,
                _ => continue,
            };
            promised.entry((place, ballot)).or_insert(event.at_us);
        }
    }
    promised
}
