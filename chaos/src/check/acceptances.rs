//! Who accepted what, by slot: the servers' records, and what they found on their disks.
//!
//! A server records an acceptance when it is on disk and before its answer leaves. The one gap is a
//! server that dies between the write and the record; but then no answer left either, and the next
//! life says first what it found on the disk. So at every moment all acceptances that anybody can
//! have counted are on record.

use std::collections::BTreeMap;

use crate::history::{Accepted, Evidence, What};

/// "No acceptance recorded."
const NONE: u32 = u32::MAX;

/// An acceptance of a slot by a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acceptance {
    /// In [`Evidence::ballots`].
    pub ballot: u32,
    pub digest: u32,
    /// When it was on record.
    pub at_us: u64,
}

/// Every acceptance of a run.
pub(crate) struct Acceptances {
    servers: usize,
    majority: usize,
    /// One more than the highest slot with an acceptance.
    pub slots: usize,
    /// The first acceptance of each slot by each server, `servers` places a slot.
    first: Vec<Acceptance>,
    /// Later ones that differ in ballot or value: slot, server, acceptance; by slot.
    later: Vec<(u32, usize, Acceptance)>,
}

impl Acceptances {
    pub fn of(evidence: &Evidence) -> Acceptances {
        let servers = evidence.servers.len();
        let mut records = 0;
        let mut slots = 0;
        each(evidence, |_, _, accepted| {
            records += 1;
            slots = slots.max(accepted.slot as usize + 1);
        });
        // A slot far beyond all others is damage, and no reason to run out of memory.
        let dense = slots.min(2 * records + 1024);
        let none = Acceptance {
            ballot: NONE,
            digest: 0,
            at_us: u64::MAX,
        };
        let mut first = vec![none; dense * servers];
        let mut later = Vec::new();
        each(evidence, |server, at_us, accepted| {
            let acceptance = Acceptance {
                ballot: accepted.ballot,
                digest: accepted.digest,
                at_us,
            };
            match first.get_mut(accepted.slot as usize * servers + server) {
                Some(place) if place.ballot == NONE => *place = acceptance,
                Some(place)
                    if (place.ballot, place.digest) == (accepted.ballot, accepted.digest) => {}
                _ => later.push((accepted.slot, server, acceptance)),
            }
        });
        later.sort_by_key(|&(slot, server, of)| (slot, server, of.ballot, of.digest, of.at_us));
        later.dedup_by_key(|&mut (slot, server, of)| (slot, server, of.ballot, of.digest));
        Acceptances {
            servers,
            majority: evidence.majority(),
            slots,
            first,
            later,
        }
    }

    /// Whether there is any.
    pub fn any(&self) -> bool {
        self.slots > 0
    }

    /// Every acceptance of the slot with its server: each ballot and value once for a server.
    pub fn in_slot(&self, slot: u64) -> impl Iterator<Item = (usize, Acceptance)> {
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

    /// The digest of a value that a majority had accepted in the slot in one ballot by this time,
    /// if `wanted` takes it.
    pub fn majority_by(&self, slot: u64, at_us: u64, wanted: impl Fn(u32) -> bool) -> Option<u32> {
        let by_then = |&(_, of): &(usize, Acceptance)| of.at_us <= at_us && wanted(of.digest);
        // Nearly always the first is one of them.
        let (_, first) = self.in_slot(slot).find(by_then)?;
        let alike = |of: Acceptance, other: Acceptance| {
            (of.ballot, of.digest) == (other.ballot, other.digest)
        };
        let count = self
            .in_slot(slot)
            .filter(|other| by_then(other) && alike(first, other.1))
            .count();
        if count >= self.majority {
            return Some(first.digest);
        }
        let mut groups: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        for (_, of) in self.in_slot(slot).filter(by_then) {
            *groups.entry((of.ballot, of.digest)).or_default() += 1;
        }
        groups
            .into_iter()
            .find(|&(_, count)| count >= self.majority)
            .map(|((_, digest), _)| digest)
    }

    /// Who had accepted the slot by this time, for a person: `s1 in ballot 1.s1, s2 in …`; and which
    /// value, where that differs.
    pub fn describe(&self, evidence: &Evidence, slot: u64, at_us: u64) -> String {
        let accepted: Vec<(usize, Acceptance)> = self
            .in_slot(slot)
            .filter(|(_, acceptance)| acceptance.at_us <= at_us)
            .collect();
        let same = accepted
            .windows(2)
            .all(|pair| pair[0].1.digest == pair[1].1.digest);
        let mut by: Vec<String> = accepted
            .into_iter()
            .map(|(server, acceptance)| {
                let ballot = evidence.ballots[acceptance.ballot as usize];
                let value = match same {
                    true => String::new(),
                    false => format!(" (digest {:08x})", acceptance.digest),
                };
                format!(
                    "{} in ballot {ballot}{value}",
                    evidence.header.servers[server]
                )
            })
            .collect();
        by.sort();
        by.dedup();
        if by.is_empty() {
            return "no server".to_string();
        }
        by.join(", ")
    }
}

/// Calls `take` with server, time and acceptance, in the order of each server's records.
fn each(evidence: &Evidence, mut take: impl FnMut(usize, u64, Accepted)) {
    for (server, record) in evidence.servers.iter().enumerate() {
        for event in &record.events {
            match event.what {
                What::Accepted(accepted) => take(server, event.at_us, accepted),
                What::Recovered(place) => {
                    for &accepted in &record.recoveries[place as usize].accepted {
                        take(server, event.at_us, accepted);
                    }
                }
                _ => {}
            }
        }
    }
}
