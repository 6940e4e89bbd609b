//! A server's promise never goes down, not even over a restart; it accepts nothing below its
//! promise; each ballot leads at its own server only; and what a running server knows as chosen
//! never shrinks ("The Part-Time Parliament", section 2.2, B1 to B3; "Paxos Made Simple", P1a).

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
        events += server.events.len() as u64;
        let ballot_of = |number: u32| evidence.ballots[number as usize];
        let mut promised = Ballot::ZERO;
        let mut chosen = 0;
        let mut forgot = false;
        for event in &server.events {
            let mut violate = |message: String| {
                findings.violate(|| Violation {
                    message,
                    servers: vec![name.clone()],
                    at_us: Some(event.at_us),
                    ..Violation::default()
                });
            };
            let votes = matches!(
                event.what,
                What::Promised(_) | What::Accepted { .. } | What::Leading(_)
            );
            if forgot && votes {
                violate(format!(
                    "{name} voted, though what it had promised was lost with its log"
                ));
                forgot = false;
            }
            match event.what {
                What::Started => chosen = 0,
                What::Recovered {
                    promised: found,
                    chosen: upto,
                } => {
                    let found = ballot_of(found);
                    if server.new_logs.contains(&event.at_us) {
                        // What it promised is lost: so it must not vote any more.
                        promised = Ballot::ZERO;
                        forgot = true;
                    }
                    if found < promised {
                        violate(format!(
                            "{name} came back with the promise {found}, having promised {promised} before: it forgot"
                        ));
                    }
                    promised = promised.max(found);
                    chosen = upto;
                }
                What::Promised(ballot) => {
                    let ballot = ballot_of(ballot);
                    if ballot < promised {
                        violate(format!("{name} promised {ballot} after {promised}"));
                    }
                    promised = promised.max(ballot);
                }
                What::Accepted { ballot, slot } => {
                    let ballot = ballot_of(ballot);
                    if ballot < promised {
                        violate(format!(
                            "{name} accepted slot {slot} in ballot {ballot} after it had promised {promised}"
                        ));
                    }
                    // To accept in a ballot is to promise it.
                    promised = promised.max(ballot);
                }
                What::Chosen(upto) => {
                    if upto < chosen {
                        violate(format!(
                            "{name} knew {} as chosen, and then only {upto}",
                            count(u64::from(chosen), "slot")
                        ));
                    }
                    chosen = upto;
                }
                What::Leading(ballot) => {
                    let ballot = ballot_of(ballot);
                    if ballot.owner().map(|owner| owner.to_string()).as_ref() != Some(name) {
                        violate(format!(
                            "{name} leads in ballot {ballot}, which is not its own"
                        ));
                    }
                    let first = *leaders.entry(ballot).or_insert(place);
                    if first != place {
                        violate(format!(
                            "{name} leads in ballot {ballot}, in which {} led before",
                            evidence.header.servers[first]
                        ));
                    }
                }
                What::SteppedDown(_) => {}
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
