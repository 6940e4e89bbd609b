//! The acceptor: promises and acceptances ("Paxos Made Simple", section 2.2, P1a).
//!
//! What it says here must never be forgotten, so every Promise and every Accepted leaves through
//! `send_after_persist`, behind the record that makes it durable.

use std::collections::BTreeMap;

use super::Message;
use super::replica::Replica;
use super::replica::Role;
use crate::ids::{Ballot, ServerId, Slot};
use crate::log::Record;
use crate::planted::{self, Bug};
use crate::value::Value;

#[derive(Debug, Clone, Hash)]
pub(super) struct Acceptor {
    /// Nothing below this ballot is accepted or promised any more. At least the ballot of every
    /// acceptance.
    pub promised: Ballot,
    /// The last acceptance in each slot above the chosen index.
    pub accepted: BTreeMap<Slot, (Ballot, Value)>,
}

impl Acceptor {
    pub fn new(promised: Ballot, accepted: Vec<(Slot, Ballot, Value)>, chosen: Slot) -> Acceptor {
        for (slot, ballot, _) in &accepted {
            assert!(
                *slot > chosen,
                "slot {slot} is recovered as open, but chosen"
            );
            assert!(
                *ballot <= promised,
                "slot {slot} was accepted above the promise"
            );
        }
        Acceptor {
            promised,
            accepted: accepted
                .into_iter()
                .map(|(slot, ballot, value)| (slot, (ballot, value)))
                .collect(),
        }
    }

    pub fn accepted_from(&self, from: Slot) -> Vec<(Slot, Ballot, Value)> {
        self.accepted
            .range(from..)
            .map(|(slot, (ballot, value))| (*slot, *ballot, value.clone()))
            .collect()
    }
}

impl Replica {
    /// Phase 1b.
    pub(super) fn on_prepare(&mut self, from: ServerId, ballot: Ballot, slot: Slot) {
        if !self.voting || ballot.owner() != Some(from) {
            return;
        }
        if ballot < self.acceptor.promised {
            self.reject(from, ballot);
            return;
        }
        if ballot > self.acceptor.promised {
            self.raise_promise(ballot);
            if !planted::is(Bug::PromiseNotPersisted) {
                self.outbox.persist(Record::Promised { ballot });
            }
            self.give_candidate_time();
        }
        // A repeated Prepare finds its record emitted already, and the answer waits for it too.
        let promise = Message::Promise {
            ballot,
            chosen: self.learner.chosen,
            accepted: self.acceptor.accepted_from(slot),
        };
        self.outbox.send_after_persist(from, promise);
    }

    /// Phase 2b.
    pub(super) fn on_accept(&mut self, from: ServerId, ballot: Ballot, slot: Slot, value: Value) {
        if !self.voting || ballot.owner() != Some(from) || slot == Slot(0) {
            return;
        }
        if ballot < self.acceptor.promised {
            if !planted::is(Bug::OlderBallotAccepted) {
                self.reject(from, ballot);
                return;
            }
            self.acceptor.promised = ballot;
        }
        self.hear_leader(ballot);
        if slot <= self.learner.chosen {
            // The acceptance need not be written. The slot is chosen: a majority holds its value on
            // disk in one ballot, where every later candidate finds it, whether this acceptor
            // remembers or not. And counting it is right: the acceptor promised nothing above
            // `ballot`, so it might as well have accepted, and then agreement says that this leader
            // proposes the chosen value here or cannot get another one chosen.
            if ballot > self.acceptor.promised {
                self.raise_promise(ballot);
                self.outbox.persist(Record::Promised { ballot });
            }
        } else if slot.0 - self.learner.chosen.0 > self.config.limits.open_slots() {
            // Too far ahead to hold. The leader repeats it; until then this replica has to learn.
            self.fall_behind(from, Slot(slot.0 - self.config.limits.open_slots()));
            return;
        } else if self.disk_is_behind() {
            // As if it were lost: the leader repeats it.
            return;
        } else {
            self.accept(ballot, slot, value);
        }
        self.outbox
            .send_after_persist(from, Message::Accepted { ballot, slot });
    }

    /// Accepts in memory and emits the record, unless that was done before. Returns the number of
    /// the newest record, behind which an answer has to wait.
    ///
    /// # Panics
    /// If the ballot proposed another value in the slot before: two leaders in one ballot, or one
    /// that forgot. Going on would lose agreement.
    pub(super) fn accept(&mut self, ballot: Ballot, slot: Slot, value: Value) -> u64 {
        assert!(
            ballot >= self.acceptor.promised,
            "accepting below the promise"
        );
        assert!(slot > self.learner.chosen, "accepting in a chosen slot");
        if let Some((accepted, known)) = self.acceptor.accepted.get(&slot) {
            assert!(
                *accepted <= ballot || planted::any(),
                "accepted above the promise in slot {slot}"
            );
            if *accepted == ballot {
                assert!(
                    *known == value || planted::any(),
                    "ballot {ballot} proposes two values in slot {slot}"
                );
                return self.outbox.records();
            }
        }
        // An acceptance is a promise too: had this acceptor gone on to answer a lower ballot's
        // Prepare, that candidate would not have to respect this value, and could not know it. The
        // one record stands for both: recovery takes the highest ballot of all promises and
        // acceptances.
        if ballot > self.acceptor.promised && !planted::is(Bug::AcceptDoesNotRaisePromise) {
            self.raise_promise(ballot);
        }
        self.acceptor.accepted.insert(slot, (ballot, value.clone()));
        self.outbox.persist(Record::Accepted {
            slot,
            ballot,
            value,
        })
    }

    /// Raises the promise in memory. The caller emits the record that makes it durable.
    pub(super) fn raise_promise(&mut self, ballot: Ballot) {
        assert!(
            ballot > self.acceptor.promised || planted::is(Bug::BallotReused),
            "a promise is never lowered"
        );
        self.acceptor.promised = ballot;
        self.election.saw(ballot);
        if self.own_ballot().is_some_and(|own| own < ballot) {
            self.step_down();
        }
        if matches!(self.role, Role::Canvassing(_)) {
            self.follow_nobody();
        }
        self.forget_leader_below(ballot);
    }

    /// Refuses a ballot below the promise.
    pub(super) fn reject(&mut self, to: ServerId, ballot: Ballot) {
        let promised = self.acceptor.promised;
        let follows = self.hears_leader_in(promised);
        self.outbox.send(
            to,
            Message::Reject {
                ballot,
                promised,
                follows,
            },
        );
    }
}
