//! The leader: phase 2 for each slot, heartbeats, and doubt in itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::hand_over::HandingOver;
use super::phase1::Report;
use super::push::{Push, Told};
use super::read::PendingRead;
use super::replica::{NEVER, Replica, Role};
use super::{Led, Message};
use crate::ids::{Ballot, ClientId, ServerId, Slot};
use crate::planted::{self, Bug};
use crate::value::Value;

/// The most Accepts repeated at a time, lowest slots first: the others cannot be chosen before.
const RESEND_SLOTS: usize = 16;
/// The exponent at which the time between repeats stops doubling.
const MAX_DOUBLINGS: u32 = 3;

#[derive(Debug, Clone, Hash)]
pub(super) struct Leading {
    pub ballot: Ballot,
    /// The first slot in which nothing is proposed yet.
    pub next: Slot,
    /// Everything chosen before this leadership lies at or below this slot.
    pub barrier: Slot,
    /// Proposed and not chosen yet: the slots from the chosen index to `next`, without holes.
    pub in_flight: BTreeMap<Slot, Proposal>,
    /// The sequence number that will take effect next for each client with messages queued or in
    /// flight: the session table as it will be when those are applied.
    pub expected: BTreeMap<ClientId, u64>,
    pub peers: BTreeMap<ServerId, Peer>,
    pub told: Told,
    /// The number of the last round of heartbeats.
    pub probe: u64,
    heartbeat_at: Duration,
    /// The chosen index that was last sent to all.
    announced: Slot,
    pub reads: BTreeMap<(ServerId, u64), PendingRead>,
    pub handing_over: Option<HandingOver>,
    /// When to open a higher ballot, because some server refuses this one.
    renew_at: Duration,
}

/// A value on its way to being chosen.
#[derive(Debug, Clone, Hash)]
pub(super) struct Proposal {
    pub value: Value,
    accepted_by: BTreeSet<ServerId>,
    /// The record of the leader's own acceptance.
    own_record: u64,
    resend_at: Duration,
    resends: u32,
}

/// What the leader knows of another server.
#[derive(Debug, Clone, Hash)]
pub(super) struct Peer {
    /// When it last answered in this ballot; zero if it never did.
    answered_at: Duration,
    /// The latest round of heartbeats that it answered.
    probe: u64,
    chosen: Slot,
    /// It promised a higher ballot, but follows nobody in it.
    refuses: bool,
    pub push: Push,
}

impl Leading {
    /// Moves on when each peer that answered was last heard.
    pub fn excuse_silence(&mut self, later: impl Fn(Duration) -> Duration) {
        for peer in self.peers.values_mut() {
            if peer.answered_at > Duration::ZERO {
                peer.answered_at = later(peer.answered_at);
            }
        }
    }
}

impl Replica {
    /// Phase 1 is complete: proposes what must be proposed, then serves.
    pub(super) fn lead(
        &mut self,
        ballot: Ballot,
        promises: &BTreeMap<ServerId, Report>,
        proposals: Vec<(Slot, Value)>,
    ) {
        assert_eq!(self.acceptor.promised, ballot, "leading in a lower ballot");
        let peers = self.peers().into_iter().map(|server| {
            let promise = promises.get(&server);
            let peer = Peer {
                answered_at: promise.map_or(Duration::ZERO, |_| self.now),
                probe: 0,
                chosen: promise.map_or(Slot(0), |report| report.chosen),
                refuses: false,
                push: Push::default(),
            };
            (server, peer)
        });
        let chosen = self.learner.chosen;
        self.outbox.led(Led {
            ballot,
            promised_by: promises.keys().copied().collect(),
            after: chosen,
        });
        self.role = Role::Leading(Box::new(Leading {
            ballot,
            next: chosen.next(),
            barrier: proposals.last().map_or(chosen, |(slot, _)| *slot),
            in_flight: BTreeMap::new(),
            expected: BTreeMap::new(),
            peers: peers.collect(),
            told: Told::default(),
            probe: 0,
            heartbeat_at: self.now,
            announced: Slot(0),
            reads: BTreeMap::new(),
            handing_over: None,
            renew_at: NEVER,
        }));
        for (slot, value) in proposals {
            self.expect(&value);
            self.propose_value(slot, value);
        }
        self.heartbeat();
        let waiting = self.queue.take();
        self.enqueue(waiting);
    }

    /// Phase 2a. The Accepts leave at once; the leader's own acceptance counts when it is durable.
    pub(super) fn propose_value(&mut self, slot: Slot, value: Value) {
        let resend_at = self.now + self.config.timing.retransmit;
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        assert_eq!(slot, leading.next, "slots are proposed in without holes");
        leading.next = slot.next();
        let ballot = leading.ballot;
        let own_record = self.accept(ballot, slot, value.clone());
        let message = Message::Accept {
            ballot,
            slot,
            value: value.clone(),
        };
        self.broadcast(&message);
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        leading.in_flight.insert(
            slot,
            Proposal {
                value,
                accepted_by: BTreeSet::new(),
                own_record,
                resend_at,
                resends: 0,
            },
        );
    }

    pub(super) fn on_accepted(&mut self, from: ServerId, ballot: Ballot, slot: Slot) {
        let now = self.now;
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        if leading.ballot != ballot {
            return;
        }
        if let Some(peer) = leading.peers.get_mut(&from) {
            peer.answered_at = now;
        }
        if let Some(proposal) = leading.in_flight.get_mut(&slot) {
            proposal.accepted_by.insert(from);
            self.choose_accepted();
        }
    }

    pub(super) fn own_acceptances_durable(&mut self) {
        let me = self.me();
        let durable = self.durable;
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        for proposal in leading.in_flight.values_mut() {
            if proposal.own_record <= durable {
                proposal.accepted_by.insert(me);
            }
        }
        self.choose_accepted();
    }

    /// A value that a majority accepted in one ballot is chosen. Slots are taken in order.
    fn choose_accepted(&mut self) {
        loop {
            let Role::Leading(leading) = &mut self.role else {
                return;
            };
            let Some(first) = leading.in_flight.first_entry() else {
                return;
            };
            let accepted_by = &first.get().accepted_by;
            let own_is_enough =
                planted::is(Bug::AcksWithoutMajority) && accepted_by.contains(&self.config.me);
            if !self.quorum.is_majority(accepted_by.len()) && !own_is_enough {
                return;
            }
            let (slot, proposal) = first.remove_entry();
            self.choose(slot, proposal.value);
        }
    }

    /// A peer taught that `value` is chosen in the first open slot. If that is not what this leader
    /// proposes there, it was chosen in a higher ballot, and this leadership is over: what is
    /// chosen in a lower one, phase 1 found.
    pub(super) fn learned_while_leading(&mut self, slot: Slot, value: &Value) {
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        match leading.in_flight.remove(&slot) {
            Some(proposal) if proposal.value == *value => {}
            _ => self.step_down(),
        }
    }

    /// One round of heartbeats, with the chosen index, so that a lost Commit is made good.
    pub(super) fn heartbeat(&mut self) {
        let chosen = self.learner.chosen;
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        leading.probe += 1;
        leading.heartbeat_at = self.now + self.config.timing.heartbeat;
        leading.announced = chosen;
        let (ballot, probe) = (leading.ballot, leading.probe);
        leading.told.note(probe, chosen);
        self.broadcast(&Message::Heartbeat { ballot, probe });
        if chosen > Slot(0) {
            self.broadcast(&Message::Commit { ballot, chosen });
        }
    }

    pub(super) fn announce_chosen(&mut self) {
        let chosen = self.learner.chosen;
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        if leading.announced < chosen {
            leading.announced = chosen;
            let ballot = leading.ballot;
            self.broadcast(&Message::Commit { ballot, chosen });
        }
    }

    pub(super) fn on_heartbeat_reply(
        &mut self,
        from: ServerId,
        ballot: Ballot,
        probe: u64,
        chosen: Slot,
    ) {
        let now = self.now;
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        if leading.ballot != ballot {
            return;
        }
        let Some(peer) = leading.peers.get_mut(&from) else {
            return;
        };
        peer.answered_at = now;
        peer.chosen = peer.chosen.max(chosen);
        // An answer that others overtook says nothing of the present.
        if probe > peer.probe {
            peer.probe = probe;
            self.push_missing(from, probe, chosen);
        }
    }

    /// A server promised a higher ballot to a candidate that does not lead. While it refuses, it is
    /// lost to this leader: a higher ballot includes it again. That waits one heartbeat, because if
    /// the candidate is about to lead, its majority refuses too, and then standing against it would
    /// only start a duel.
    pub(super) fn note_refusal(&mut self, from: ServerId) {
        let renew_at = self.now + self.config.timing.heartbeat;
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        if let Some(peer) = leading.peers.get_mut(&from) {
            peer.refuses = true;
        }
        leading.renew_at = leading.renew_at.min(renew_at);
        let refusing = leading.peers.values().filter(|peer| peer.refuses).count();
        if !self.quorum.is_possible_without(refusing) {
            self.back_off();
        }
    }

    /// The latest time at which a majority, this leader included, was known to follow.
    pub(super) fn majority_answered_at(&self, leading: &Leading) -> Duration {
        let mut times: Vec<Duration> = leading
            .peers
            .values()
            .map(|peer| peer.answered_at)
            .collect();
        times.push(self.now);
        self.quorum.reached(times)
    }

    /// The latest round of heartbeats that a majority, this leader included, answered.
    pub(super) fn majority_probe(&self, leading: &Leading) -> u64 {
        let mut probes: Vec<u64> = leading.peers.values().map(|peer| peer.probe).collect();
        probes.push(u64::MAX);
        self.quorum.reached(probes)
    }

    /// The live peer that knows most, the lowest id among equals.
    pub(super) fn best_successor(&self, leading: &Leading) -> Option<ServerId> {
        let patience = self.config.timing.election_min;
        leading
            .peers
            .iter()
            .filter(|(_, peer)| {
                peer.probe > 0 && self.now.saturating_sub(peer.answered_at) < patience
            })
            .max_by_key(|(server, peer)| (peer.chosen, std::cmp::Reverse(**server)))
            .map(|(server, _)| *server)
    }

    pub(super) fn tick_leader(&mut self) {
        let Role::Leading(leading) = &self.role else {
            return;
        };
        if self.now >= self.doubt_due(leading) {
            // Nobody may be listening. Whoever reaches a majority should have its turn.
            self.step_down();
        } else if self.now >= leading.renew_at {
            self.stand();
        } else {
            if self.now >= leading.heartbeat_at {
                self.heartbeat();
            }
            self.resend_accepts();
        }
    }

    fn doubt_due(&self, leading: &Leading) -> Duration {
        if self.quorum.is_majority(1) || planted::is(Bug::AcksWithoutMajority) {
            return NEVER;
        }
        self.majority_answered_at(leading) + self.config.timing.election_max
    }

    /// Repeats Accepts to those who did not answer. A slot that is chosen without them is not
    /// repeated: they learn it from the chosen index.
    fn resend_accepts(&mut self) {
        let now = self.now;
        let retransmit = self.config.timing.retransmit;
        let all = self.peers();
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        for (slot, proposal) in leading.in_flight.iter_mut().take(RESEND_SLOTS) {
            if now < proposal.resend_at {
                continue;
            }
            proposal.resends += 1;
            proposal.resend_at = now + retransmit * (1 << proposal.resends.min(MAX_DOUBLINGS));
            for peer in &all {
                if !proposal.accepted_by.contains(peer) {
                    let message = Message::Accept {
                        ballot: leading.ballot,
                        slot: *slot,
                        value: proposal.value.clone(),
                    };
                    self.outbox.send(*peer, message);
                }
            }
        }
    }

    pub(super) fn leader_due(&self) -> Duration {
        let Role::Leading(leading) = &self.role else {
            return NEVER;
        };
        let resend = leading
            .in_flight
            .values()
            .take(RESEND_SLOTS)
            .map(|proposal| proposal.resend_at)
            .min()
            .unwrap_or(NEVER);
        leading
            .heartbeat_at
            .min(self.queue_due())
            .min(self.doubt_due(leading))
            .min(leading.renew_at)
            .min(resend)
    }
}
