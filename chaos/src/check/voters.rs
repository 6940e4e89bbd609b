//! A server votes with one disk only, and once every member remembers that disk: it never votes on
//! what it lost (P2; "Paxos Made Simple", section 2.5: acceptors have stable storage).

use super::context::Context;
use super::findings::Findings;
use crate::history::What;
use crate::report::{CheckResult, Violation, count};

/// What a server knows of the disk that it runs on.
#[derive(Clone, Copy)]
struct Disk {
    incarnation: u64,
    formed: bool,
    barred: bool,
}

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "voters");
    let evidence = context.evidence;
    let mut lives = 0;
    for (place, server) in evidence.servers.iter().enumerate() {
        let name = &evidence.header.servers[place];
        let mut disk: Option<Disk> = None;
        // The disk with which it voted first.
        let mut voted_with = None;
        for event in &server.events {
            let what = match event.what {
                What::Recovered(place) => {
                    let recovery = &server.recoveries[place as usize];
                    lives += 1;
                    disk = Some(Disk {
                        incarnation: recovery.incarnation,
                        formed: recovery.formed,
                        barred: false,
                    });
                    continue;
                }
                What::Formed => {
                    if let Some(disk) = &mut disk {
                        disk.formed = true;
                    }
                    continue;
                }
                What::NotVoting => {
                    if let Some(disk) = &mut disk {
                        disk.barred = true;
                    }
                    continue;
                }
                What::Promised(ballot) => Vote::Promised(ballot),
                What::Accepted(accepted) => Vote::Accepted(accepted.slot, accepted.ballot),
                What::Started
                | What::Chosen(_)
                | What::ChosenOnDisk(_)
                | What::Leading(_)
                | What::SteppedDown(_) => continue,
            };
            let Some(disk) = disk else { continue };
            let first = *voted_with.get_or_insert(disk.incarnation);
            let problem = if disk.incarnation != first {
                "with another disk than it had voted with: what it promised before is lost"
            } else if disk.barred {
                "though it had found that it may not vote"
            } else if !disk.formed {
                "before every member had confirmed its disk"
            } else {
                continue;
            };
            let ballot_of = |ballot: u32| evidence.ballots[ballot as usize];
            findings.violate(|| Violation {
                message: match what {
                    Vote::Promised(ballot) => {
                        format!("{name} promised {} {problem}", ballot_of(ballot))
                    }
                    Vote::Accepted(slot, ballot) => format!(
                        "{name} accepted slot {slot} in ballot {} {problem}",
                        ballot_of(ballot)
                    ),
                },
                servers: vec![name.clone()],
                at_us: Some(event.at_us),
                ..Violation::default()
            });
        }
    }
    if lives == 0 {
        return findings.not_judged("no server said what its disk held");
    }
    let silent = evidence.servers.iter().filter(|s| s.not_voting.is_some());
    let mut text = count(lives, "life");
    if lives > 1 {
        text = format!("{lives} lives");
    }
    text.push_str(&format!(
        " of {}",
        count(evidence.servers.len() as u64, "server")
    ));
    match silent.count() {
        0 => {}
        silent => text.push_str(&format!(", {silent} not voting")),
    }
    findings.finish(text)
}

enum Vote {
    Promised(u32),
    Accepted(u32, u32),
}
