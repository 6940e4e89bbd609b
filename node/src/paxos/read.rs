//! Linearizable reads (Ongaro, "Consensus: Bridging Theory and Practice", section 6.4).
//!
//! The leader notes a slot that covers everything acknowledged so far, then makes sure that it was
//! still the leader after the question came: a majority answers a heartbeat sent after that. Had
//! another leader acknowledged anything before the question, a majority would have promised its
//! higher ballot before, and one of them would refuse the heartbeat. No clock is trusted.

use std::collections::BTreeMap;
use std::time::Duration;

use super::forward::HOPS;
use super::replica::{Replica, Role};
use super::{Message, ReadReady};
use crate::ids::{ServerId, Slot};
use crate::planted::{self, Bug};

/// A read that the leader has not confirmed yet.
#[derive(Debug, Clone, Hash)]
pub(super) struct PendingRead {
    /// Who passed the question on, if it was not asked here.
    via: Option<ServerId>,
    slot: Slot,
    /// A majority must answer this round of heartbeats or a later one.
    probe: u64,
}

/// The reads asked of this replica, with the slot to wait for once the leader named it.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Asked {
    reads: BTreeMap<u64, Option<Slot>>,
}

impl Replica {
    /// Asks for a linearizable read. It is answered through [`Effects::reads`](super::Effects), or
    /// not at all if messages are lost or there is no leader: the caller asks again, under the same
    /// id or another.
    ///
    /// This server must not use an id again for another read, not even after a restart: a delayed
    /// answer to the old one would pass for an answer to the new one.
    pub fn read(&mut self, now: Duration, id: u64) {
        self.advance_clock(now);
        let me = self.me();
        if self.asked.reads.len() >= self.config.limits.queue_messages {
            // More than anyone waits for: the oldest were given up.
            self.asked.reads.pop_first();
        }
        if self.leads() {
            self.asked.reads.entry(id).or_insert(None);
            self.confirm_read(me, id, None);
        } else if let Some(to) = self.towards_leader() {
            self.asked.reads.entry(id).or_insert(None);
            self.outbox.send(
                to,
                Message::ReadIndex {
                    origin: me.0,
                    id,
                    hops: HOPS - 1,
                },
            );
        }
    }

    pub(super) fn on_read_index(&mut self, from: ServerId, origin: ServerId, id: u64, hops: u8) {
        if self.leads() {
            self.confirm_read(origin, id, Some(from));
            return;
        }
        let onwards = self
            .towards_leader()
            .filter(|&to| hops > 0 && to != from && to != origin);
        if let Some(to) = onwards {
            self.outbox.send(
                to,
                Message::ReadIndex {
                    origin: origin.0,
                    id,
                    hops: hops - 1,
                },
            );
        }
    }

    fn confirm_read(&mut self, origin: ServerId, id: u64, via: Option<ServerId>) {
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        if leading.reads.len() >= self.config.limits.queue_messages {
            return;
        }
        // What earlier leaders acknowledged may still be in flight here, up to the barrier.
        let slot = self.learner.chosen.max(leading.barrier);
        let probe = leading.probe + 1;
        leading
            .reads
            .entry((origin, id))
            .or_insert(PendingRead { via, slot, probe });
    }

    /// One round of heartbeats for all reads that came since the last.
    pub(super) fn probe_for_reads(&mut self) {
        let Role::Leading(leading) = &self.role else {
            return;
        };
        if leading
            .reads
            .values()
            .any(|read| read.probe > leading.probe)
        {
            self.heartbeat();
        }
    }

    pub(super) fn on_read_index_reply(&mut self, origin: ServerId, id: u64, slot: Slot) {
        if origin != self.me() {
            if self.peers().contains(&origin) {
                let origin_id = origin.0;
                self.outbox.send(
                    origin,
                    Message::ReadIndexReply {
                        origin: origin_id,
                        id,
                        slot,
                    },
                );
            }
        } else if let Some(wait_for) = self.asked.reads.get_mut(&id) {
            *wait_for = Some(slot);
        }
    }

    /// Answers what is confirmed and applied.
    pub(super) fn answer_reads(&mut self) {
        if let Role::Leading(leading) = &self.role
            && !leading.reads.is_empty()
        {
            let leased = planted::is(Bug::ClockLease) && self.live_leader().is_some();
            let confirmed = match leased || planted::is(Bug::UnconfirmedReads) {
                true => u64::MAX,
                false => self.majority_probe(leading),
            };
            self.answer_confirmed_reads(confirmed);
        }
        let chosen = self.learner.chosen;
        let outbox = &mut self.outbox;
        self.asked.reads.retain(|&id, wait_for| match *wait_for {
            Some(slot) if slot <= chosen => {
                outbox.read(ReadReady { id, slot: chosen });
                false
            }
            _ => true,
        });
    }

    fn answer_confirmed_reads(&mut self, confirmed: u64) {
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        let asked = &mut self.asked.reads;
        let outbox = &mut self.outbox;
        leading.reads.retain(|&(origin, id), read| {
            if read.probe > confirmed {
                return true;
            }
            match read.via {
                None => {
                    asked.insert(id, Some(read.slot));
                }
                Some(via) => outbox.send(
                    via,
                    Message::ReadIndexReply {
                        origin: origin.0,
                        id,
                        slot: read.slot,
                    },
                ),
            }
            false
        });
    }
}
