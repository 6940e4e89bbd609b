//! The learner: which slots are chosen, and fetching those that were missed.
//!
//! Chosen values leave through the effects and are not kept; the host reads them from its log when
//! a peer asks.

use std::time::Duration;

use super::replica::{NEVER, Replica, Role};
use super::{Chosen, Message, Serve, Sessions};
use crate::ids::{Ballot, ServerId, Slot};
use crate::log::Record;
use crate::planted::{self, Bug};
use crate::value::Value;

/// The exponent at which the time between two questions without an answer stops doubling.
const MAX_DOUBLINGS: u32 = 3;

#[derive(Debug, Clone, Hash)]
pub(super) struct Learner {
    /// Every slot up to this one is chosen and applied.
    pub chosen: Slot,
    pub sessions: Sessions,
    /// The highest slot that some peer said is chosen.
    pub known: Slot,
    /// The peer that said so last.
    source: Option<ServerId>,
    ask_at: Duration,
    /// Questions since the chosen index last moved.
    asked: u32,
    /// The chosen index that was last emitted as a record.
    recorded: Slot,
    /// When to emit the next one if nothing else is written until then.
    record_at: Duration,
}

impl Learner {
    pub fn new(chosen: Slot, sessions: Sessions) -> Learner {
        Learner {
            chosen,
            sessions,
            known: chosen,
            source: None,
            ask_at: Duration::ZERO,
            asked: 0,
            recorded: chosen,
            record_at: NEVER,
        }
    }
}

impl Replica {
    /// The leader of `ballot` says that all slots up to `chosen` are chosen. It says nothing of the
    /// values, and they need not be those that this replica accepted: only what it accepted in that
    /// very ballot is what that leader proposed. A Commit of a ballot below the promise is no less
    /// true.
    pub(super) fn on_commit(&mut self, from: ServerId, ballot: Ballot, chosen: Slot) {
        if ballot.owner() != Some(from) {
            return;
        }
        if ballot >= self.acceptor.promised {
            self.hear_leader(ballot);
        }
        let before = self.learner.chosen;
        while self.learner.chosen < chosen {
            let slot = self.learner.chosen.next();
            match self.acceptor.accepted.get(&slot) {
                Some((accepted_in, value))
                    if *accepted_in == ballot
                        || planted::is(Bug::ChosenIndexOfAnotherBallot)
                            && ballot >= self.acceptor.promised =>
                {
                    let value = value.clone();
                    self.choose(slot, value);
                }
                None if planted::is(Bug::GapApplied) && !self.acceptor.accepted.is_empty() => {
                    let value = Value::Noop;
                    self.outbox.persist(Record::Learned { slot, value });
                    self.choose(slot, Value::Noop);
                }
                _ => break,
            }
        }
        if self.learner.chosen > before {
            self.lead_when_caught_up();
        }
        self.fall_behind(from, chosen);
    }

    /// Chosen slots that a peer read from its log. Anyone's are as good: chosen is chosen.
    pub(super) fn on_learn(
        &mut self,
        from: ServerId,
        first: Slot,
        values: Vec<Value>,
        chosen: Slot,
    ) {
        let before = self.learner.chosen;
        if first > Slot(0) && first <= before.next() {
            let known = (before.0 + 1 - first.0) as usize;
            for value in values.into_iter().skip(known) {
                if self.disk_is_behind() {
                    break;
                }
                let slot = self.learner.chosen.next();
                self.learned_while_leading(slot, &value);
                if self.learner.chosen == before {
                    // On disk, too, slots are learned in order: after a crash a learned slot always
                    // follows a chosen one.
                    self.record_chosen_index();
                }
                self.outbox.persist(Record::Learned {
                    slot,
                    value: value.clone(),
                });
                self.choose(slot, value);
            }
        }
        if self.learner.chosen > before {
            // An answer that helped: the rest is asked for at once.
            self.learner.ask_at = self.now;
            self.lead_when_caught_up();
        }
        self.fall_behind(from, chosen);
    }

    /// Takes the value as chosen in the next slot.
    pub(super) fn choose(&mut self, slot: Slot, value: Value) {
        assert_eq!(
            slot,
            self.learner.chosen.next(),
            "slots are chosen in order"
        );
        self.learner.chosen = slot;
        self.learner.asked = 0;
        self.learner.record_at = self
            .learner
            .record_at
            .min(self.now + self.config.timing.retransmit);
        self.acceptor.accepted.remove(&slot);
        let applied = self.learner.sessions.apply(slot, &value);
        if let Role::Leading(leading) = &mut self.role {
            assert!(
                slot < leading.next,
                "a slot was chosen before it was proposed in"
            );
            assert!(
                !leading.in_flight.contains_key(&slot),
                "a chosen slot is still in flight"
            );
            for command in value.commands() {
                let next = self.learner.sessions.next_seq(command.client);
                if leading.expected.get(&command.client) == Some(&next) {
                    leading.expected.remove(&command.client);
                }
            }
        }
        self.outbox.chosen(Chosen {
            slot,
            value,
            applied,
        });
    }

    /// `source` says that all slots up to `known` are chosen. Asks it for those that are missing.
    pub(super) fn fall_behind(&mut self, source: ServerId, known: Slot) {
        if known <= self.learner.chosen {
            return;
        }
        self.learner.known = self.learner.known.max(known);
        self.learner.source = Some(source);
        if self.now >= self.learner.ask_at {
            self.ask_for_missing();
        }
    }

    pub(super) fn on_catch_up(&mut self, from: ServerId, slot: Slot) {
        if slot > Slot(0) && slot <= self.learner.chosen {
            self.outbox.serve(Serve {
                to: from,
                from: slot,
            });
            self.note_served(from);
        }
    }

    /// Emits the chosen index as a record, unless it is emitted already.
    pub(super) fn record_chosen_index(&mut self) {
        self.learner.record_at = NEVER;
        if self.learner.recorded < self.learner.chosen {
            self.learner.recorded = self.learner.chosen;
            self.outbox.persist(Record::Chosen {
                upto: self.learner.chosen,
            });
        }
    }

    pub(super) fn tick_learner(&mut self) {
        if self.now >= self.learner.record_at {
            self.record_chosen_index();
        }
        if self.now >= self.question_due() {
            self.ask_for_missing();
        }
    }

    pub(super) fn learner_due(&self) -> Duration {
        self.learner.record_at.min(self.question_due())
    }

    fn question_due(&self) -> Duration {
        if self.learner.known > self.learner.chosen && self.learner.source.is_some() {
            self.learner.ask_at
        } else {
            NEVER
        }
    }

    fn ask_for_missing(&mut self) {
        let Some(source) = self.learner.source else {
            return;
        };
        let wait = self.config.timing.retransmit * (1 << self.learner.asked.min(MAX_DOUBLINGS));
        self.learner.ask_at = self.now + wait;
        self.learner.asked += 1;
        let from = self.learner.chosen.next();
        self.outbox.send(source, Message::CatchUp { from });
    }
}
