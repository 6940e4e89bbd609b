//! The servers' protocol records.

use paxosctl_node::event::{Acceptance, Event};
use paxosctl_node::ids::{Ballot, Slot};

use super::{Builder, MAX_SLOT, machine, open, server_of};
use crate::history::evidence::{Accepted, Leadership, Recovery, ServerEvent, What};

impl Builder {
    /// Takes a protocol record of a server; others are none of its business.
    pub(super) fn protocol(
        &mut self,
        at_us: u64,
        node: u32,
        name: &str,
        event: Event,
    ) -> Result<(), String> {
        let what = match event {
            Event::Accepted(acceptance) => What::Accepted(self.accepted(acceptance)?),
            Event::Chosen { upto } => What::Chosen(slot_number(upto)?),
            Event::ChosenOnDisk { upto } => What::ChosenOnDisk(slot_number(upto)?),
            Event::Promised { ballot } => What::Promised(self.ballot(ballot)),
            Event::SteppedDown { ballot } => What::SteppedDown(self.ballot(ballot)),
            Event::Leading {
                ballot,
                promised_by,
                after,
            } => {
                let leadership = Leadership {
                    ballot: self.ballot(ballot),
                    promised_by,
                    after: slot_number(after)?,
                };
                let server = server_of(open(&mut self.evidence, self.ended)?, name)?;
                server.leaderships.push(leadership);
                What::Leading(server.leaderships.len() as u32 - 1)
            }
            Event::Recovered {
                promised,
                accepted,
                chosen,
                incarnation,
                formed,
                cut_bytes,
            } => {
                let accepted: Result<Vec<Accepted>, String> = accepted
                    .into_iter()
                    .map(|acceptance| self.accepted(acceptance))
                    .collect();
                let recovery = Recovery {
                    promised: self.ballot(promised),
                    accepted: accepted?,
                    chosen: slot_number(chosen)?,
                    incarnation,
                    formed,
                };
                let evidence = open(&mut self.evidence, self.ended)?;
                if cut_bytes > 0 {
                    machine(evidence, node).cuts.push((at_us, cut_bytes));
                }
                let server = server_of(evidence, name)?;
                server.formed |= formed;
                server.recoveries.push(recovery);
                What::Recovered(server.recoveries.len() as u32 - 1)
            }
            Event::Formed => {
                server_of(open(&mut self.evidence, self.ended)?, name)?.formed = true;
                What::Formed
            }
            Event::NotVoting { reason } => {
                let server = server_of(open(&mut self.evidence, self.ended)?, name)?;
                server.not_voting = Some(reason);
                server.not_voting_us.get_or_insert(at_us);
                What::NotVoting
            }
            _ => return Ok(()),
        };
        let server = server_of(open(&mut self.evidence, self.ended)?, name)?;
        server.events.push(ServerEvent { at_us, what });
        Ok(())
    }

    fn accepted(&mut self, acceptance: Acceptance) -> Result<Accepted, String> {
        Ok(Accepted {
            ballot: self.ballot(acceptance.ballot),
            slot: slot_number(acceptance.slot)?,
            digest: acceptance.digest,
        })
    }

    fn ballot(&mut self, ballot: Ballot) -> u32 {
        let Some(evidence) = &mut self.evidence else {
            return 0;
        };
        // Nearly always that of the record before.
        if evidence.ballots.get(self.last_ballot as usize) == Some(&ballot) {
            return self.last_ballot;
        }
        self.last_ballot = *self.ballot_of.entry(ballot).or_insert_with(|| {
            evidence.ballots.push(ballot);
            evidence.ballots.len() as u32 - 1
        });
        self.last_ballot
    }
}

fn slot_number(slot: Slot) -> Result<u32, String> {
    if slot.0 > MAX_SLOT {
        return Err(format!("slot {slot} is out of range"));
    }
    Ok(slot.0 as u32)
}
