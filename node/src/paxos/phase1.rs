//! Phase 1: the candidate, from its Prepare to its first Accept.
//!
//! One Prepare covers every slot from the first that the candidate does not know to be chosen.
//! Slots that some promiser knows to be chosen are fetched from it, never proposed in. In those
//! above, the candidate proposes for each slot the value of the highest ballot that any promiser
//! accepted ("Paxos Made Simple", section 2.2, P2c), and no-ops in the holes (section 3).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Message;
use super::replica::{NEVER, Replica, Role};
use crate::ids::{Ballot, ServerId, Slot};
use crate::log::Record;
use crate::planted::{self, Bug};
use crate::value::Value;

#[derive(Debug, Clone, Hash)]
pub(super) struct Preparing {
    pub ballot: Ballot,
    /// The record of the own promise.
    own_record: u64,
    promises: BTreeMap<ServerId, Report>,
    /// Who promised a higher ballot.
    pub refused: BTreeSet<ServerId>,
    resend_at: Duration,
    /// The candidacy has failed if nothing moved it on until then.
    deadline: Duration,
    /// A majority promised; slots up to this one are chosen and must be learned first.
    target: Option<Slot>,
}

/// What one acceptor says with its promise.
#[derive(Debug, Clone, Hash)]
pub(super) struct Report {
    pub chosen: Slot,
    pub accepted: Vec<(Slot, Ballot, Value)>,
}

/// What a candidate must propose in the slots after `chosen`, ascending and without holes, given
/// the reports of a majority, all of whose chosen slots are at most `chosen`.
pub(super) fn must_propose<'a>(
    chosen: Slot,
    reports: impl IntoIterator<Item = &'a Report> + Clone,
) -> Vec<(Slot, Value)> {
    let mut highest: BTreeMap<Slot, (Ballot, &Value)> = BTreeMap::new();
    for report in reports.clone() {
        assert!(
            report.chosen <= chosen,
            "chosen slots must be learned first"
        );
        for (slot, ballot, value) in &report.accepted {
            if *slot <= chosen || planted::is(Bug::AcceptedValuesIgnored) {
                continue;
            }
            let best = highest.entry(*slot).or_insert((*ballot, value));
            if (*ballot > best.0) != planted::is(Bug::LowestBallotWins) {
                *best = (*ballot, value);
            }
        }
    }
    let Some(last) = highest.keys().next_back().copied() else {
        return Vec::new();
    };
    if planted::is(Bug::NoOpOverChosen) {
        for report in reports {
            highest.retain(|slot, _| report.accepted.iter().any(|(known, ..)| known == slot));
        }
    }
    (chosen.0 + 1..=last.0)
        .map(Slot)
        .map(|slot| {
            let value = highest.get(&slot).map(|(_, value)| (*value).clone());
            (slot, value.unwrap_or(Value::Noop))
        })
        .collect()
}

impl Replica {
    /// Opens a ballot of its own. The promise is durable before the Prepare leaves: otherwise a
    /// crash could let the server forget the ballot and use it again.
    pub(super) fn stand(&mut self) {
        assert!(self.voting, "a server that may not vote must not stand");
        let ballot = self.next_ballot();
        // The role first: its own higher promise must not end it. Messages that a leader had queued
        // stay queued while it renews its ballot.
        self.role = Role::Preparing(Preparing {
            ballot,
            own_record: self.outbox.records() + 1,
            promises: BTreeMap::new(),
            refused: BTreeSet::new(),
            resend_at: self.now + self.config.timing.heartbeat,
            deadline: self.now + self.draw_patience(),
            target: None,
        });
        self.raise_promise(ballot);
        self.outbox.persist(Record::Promised { ballot });
        let from = self.learner.chosen.next();
        for peer in self.peers() {
            self.outbox
                .send_after_persist(peer, Message::Prepare { ballot, from });
        }
    }

    /// The candidate's own promise counts, like any other, once it is durable.
    pub(super) fn own_promise_durable(&mut self) {
        let me = self.me();
        let Role::Preparing(preparing) = &mut self.role else {
            return;
        };
        if self.durable < preparing.own_record || preparing.promises.contains_key(&me) {
            return;
        }
        let report = Report {
            chosen: self.learner.chosen,
            accepted: self.acceptor.accepted_from(self.learner.chosen.next()),
        };
        preparing.promises.insert(me, report);
        self.count_promises(0);
    }

    pub(super) fn on_promise(
        &mut self,
        from: ServerId,
        ballot: Ballot,
        chosen: Slot,
        accepted: Vec<(Slot, Ballot, Value)>,
    ) {
        let Role::Preparing(preparing) = &mut self.role else {
            return;
        };
        // A promise of another ballot says nothing about this one, and a second promise of one
        // server is not a second server's.
        let stale = preparing.ballot != ballot
            && !(planted::is(Bug::StalePromiseCounted) && ballot.owner() == Some(self.config.me));
        let repeated = preparing.promises.contains_key(&from);
        if stale || repeated && !planted::is(Bug::DuplicatePromiseCounted) {
            return;
        }
        for (slot, accepted_in, _) in &accepted {
            assert!(
                *accepted_in < ballot || planted::any(),
                "slot {slot} was accepted in {accepted_in}, but {ballot} has proposed nothing yet"
            );
        }
        if preparing.target.is_some() {
            return;
        }
        preparing.promises.insert(from, Report { chosen, accepted });
        self.count_promises(usize::from(repeated));
    }

    fn count_promises(&mut self, repeated: usize) {
        let me = self.me();
        let Role::Preparing(preparing) = &mut self.role else {
            return;
        };
        // Its own promise is among them: it is durable before any Prepare leaves.
        if !preparing.promises.contains_key(&me)
            || !self.quorum.is_majority(preparing.promises.len() + repeated)
        {
            return;
        }
        let best = preparing
            .promises
            .iter()
            .map(|(server, report)| (report.chosen, *server))
            .max();
        let Some((target, source)) = best else {
            return;
        };
        preparing.target = Some(target);
        if self.learner.chosen < target {
            self.fall_behind(source, target);
        }
        self.lead_when_caught_up();
    }

    /// Called whenever the chosen index may have moved.
    pub(super) fn lead_when_caught_up(&mut self) {
        let deadline = self.now + self.config.timing.election_max;
        let Role::Preparing(preparing) = &mut self.role else {
            return;
        };
        let Some(target) = preparing.target else {
            return;
        };
        if self.learner.chosen < target {
            // It moves on: the candidacy is worth waiting for.
            preparing.deadline = preparing.deadline.max(deadline);
            return;
        }
        let ballot = preparing.ballot;
        let promises = std::mem::take(&mut preparing.promises);
        let proposals = must_propose(self.learner.chosen, promises.values());
        self.lead(ballot, &promises, proposals);
    }

    pub(super) fn tick_phase1(&mut self) {
        let me = self.me();
        let resend_at = self.now + self.config.timing.heartbeat;
        let Role::Preparing(preparing) = &mut self.role else {
            return;
        };
        if self.now >= preparing.deadline {
            self.back_off();
            return;
        }
        if self.now < preparing.resend_at {
            return;
        }
        preparing.resend_at = resend_at;
        // Until the own promise is durable, the first Prepare has not left either.
        if preparing.target.is_some() || !preparing.promises.contains_key(&me) {
            return;
        }
        let ballot = preparing.ballot;
        let heard: BTreeSet<ServerId> = preparing.promises.keys().copied().collect();
        let from = self.learner.chosen.next();
        for peer in self.peers() {
            if !heard.contains(&peer) {
                self.outbox.send(peer, Message::Prepare { ballot, from });
            }
        }
    }

    pub(super) fn phase1_due(&self) -> Duration {
        match &self.role {
            Role::Preparing(preparing) => preparing.resend_at.min(preparing.deadline),
            _ => NEVER,
        }
    }
}
