//! A server's promise never goes down, not even over a restart; it accepts nothing below its
//! promise; and each ballot is opened once, and leads once, at its own server only ("The Part-Time
//! Parliament", section 2.2, B1 to B3; "Paxos Made Simple", P1a).

use std::collections::BTreeMap;

use super::context::Context;
use super::findings::Findings;
use crate::history::What;
use crate::report::{CheckResult, Violation, count};
use paxosctl_node::ids::Ballot;

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "ballots");
    let evidence = context.evidence;
    let mut events = 0;
    // Which server led a ballot first.
    let mut leaders: BTreeMap<Ballot, usize> = BTreeMap::new();
    for (place, server) in evidence.servers.iter().enumerate() {
        let name = &evidence.header.servers[place];
        let me = evidence.replicas[place].server;
        events += server.events.len() as u64;
        let ballot_of = |number: u32| evidence.ballots[number as usize];
        // By disk: another disk has made no promise, and does not vote either, see `voters`.
        let mut others: BTreeMap<u64, Ballot> = BTreeMap::new();
        let mut disk = server.recoveries.first().map_or(0, |r| r.incarnation);
        let mut promised = Ballot::ZERO;
        for event in &server.events {
            let mut violate = |message: String| {
                findings.violate(|| Violation {
                    message,
                    servers: vec![name.clone()],
                    at_us: Some(event.at_us),
                    ..Violation::default()
                });
            };
            match event.what {
                What::Recovered(place) => {
                    let recovery = &server.recoveries[place as usize];
                    if recovery.incarnation != disk {
                        others.insert(disk, promised);
                        disk = recovery.incarnation;
                        promised = others.remove(&disk).unwrap_or_default();
                    }
                    let found = ballot_of(recovery.promised);
                    if found < promised {
                        violate(format!(
                            "{name} came back with the promise {found}, having promised {promised} before: it forgot"
                        ));
                    }
                    promised = promised.max(found);
                }
                What::Promised(ballot) => {
                    let ballot = ballot_of(ballot);
                    if ballot < promised {
                        violate(format!("{name} promised {ballot} after {promised}"));
                    } else if ballot == promised && ballot.owner() == Some(me) {
                        violate(format!("{name} opened its ballot {ballot} a second time"));
                    }
                    promised = promised.max(ballot);
                }
                What::Accepted(accepted) => {
                    let ballot = ballot_of(accepted.ballot);
                    if ballot < promised {
                        violate(format!(
                            "{name} accepted slot {} in ballot {ballot} after it had promised {promised}",
                            accepted.slot
                        ));
                    }
                    // To accept in a ballot is to promise it.
                    promised = promised.max(ballot);
                }
                What::Leading(leading) => {
                    let ballot = ballot_of(server.leaderships[leading as usize].ballot);
                    if ballot.owner() != Some(me) {
                        violate(format!(
                            "{name} leads in ballot {ballot}, which is not its own"
                        ));
                    }
                    if let Some(first) = leaders.insert(ballot, place) {
                        violate(format!(
                            "{name} leads in ballot {ballot}, in which {} led before",
                            evidence.header.servers[first]
                        ));
                    }
                }
                What::Started
                | What::Formed
                | What::NotVoting
                | What::Chosen(_)
                | What::ChosenOnDisk(_)
                | What::SteppedDown(_) => {}
            }
        }
    }
    if events == 0 {
        return findings.not_judged("no protocol records");
    }
    findings.finish(format!(
        "{} of {}, {} led",
        count(events, "record"),
        count(evidence.servers.len() as u64, "server"),
        count(leaders.len() as u64, "ballot")
    ))
}
