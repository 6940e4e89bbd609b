//! What a server accepted it still holds after a restart, unless the slot is chosen by then: an
//! acceptor never forgets ("Paxos Made Simple", section 2.5; "The Part-Time Parliament", section 3.1).
//!
//! It may come back with more than its records told: it may have died between the write and the
//! record. Another disk has other memories, and does not vote, which is for `voters` to check.

use std::collections::BTreeMap;

use super::context::Context;
use super::findings::Findings;
use super::held::Held;
use crate::history::{Accepted, Recovery, What};
use crate::report::{CheckResult, Violation, count};

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "acceptances-kept");
    let evidence = context.evidence;
    let mut restarts = 0;
    let mut kept = 0;
    for (place, server) in evidence.servers.iter().enumerate() {
        let name = &evidence.header.servers[place];
        let mut disks: BTreeMap<u64, Held> = BTreeMap::new();
        // What came before a first word about the disk was with the disk that it names.
        let first = server.recoveries.first().map_or(0, |r| r.incarnation);
        let mut disk = first;
        for event in &server.events {
            match event.what {
                What::Accepted(accepted) => disks.entry(disk).or_default().accept(accepted),
                What::Recovered(place) => {
                    let recovery = &server.recoveries[place as usize];
                    disk = recovery.incarnation;
                    if let Some(held) = disks.get(&disk) {
                        restarts += 1;
                        for accepted in held.above(recovery.chosen) {
                            kept += 1;
                            let Some(problem) = problem(context, recovery, accepted) else {
                                continue;
                            };
                            findings.violate(|| Violation {
                                message: format!(
                                    "{name} had accepted slot {} in ballot {}, and came back {problem}",
                                    accepted.slot,
                                    evidence.ballots[accepted.ballot as usize],
                                ),
                                slot: Some(accepted.slot.into()),
                                servers: vec![name.clone()],
                                at_us: Some(event.at_us),
                                ..Violation::default()
                            });
                        }
                    }
                    let held = disks.entry(disk).or_default();
                    for &accepted in &recovery.accepted {
                        held.accept(accepted);
                    }
                }
                _ => {}
            }
        }
    }
    if restarts == 0 {
        return findings.not_judged("no restarts");
    }
    findings.finish(format!(
        "{} over {}",
        count(kept, "open acceptance"),
        count(restarts, "restart")
    ))
}

/// What is wrong with a recovery in the slot of an earlier acceptance.
fn problem(context: &Context, recovery: &Recovery, before: Accepted) -> Option<String> {
    let ballot_of = |accepted: &Accepted| context.evidence.ballots[accepted.ballot as usize];
    let found = recovery
        .accepted
        .binary_search_by_key(&before.slot, |accepted| accepted.slot)
        .ok()
        .map(|place| recovery.accepted[place]);
    match found {
        None => Some("without it: it forgot".to_string()),
        Some(found) if ballot_of(&found) < ballot_of(&before) => Some(format!(
            "with an older acceptance, in ballot {}: it forgot",
            ballot_of(&found)
        )),
        Some(found) if found.ballot == before.ballot && found.digest != before.digest => {
            Some("with another value there".to_string())
        }
        Some(_) => None,
    }
}
