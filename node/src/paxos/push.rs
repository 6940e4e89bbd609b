//! The leader teaches a follower that stays behind, unasked.
//!
//! A follower that was told the chosen index asks for what it lacks, which takes its message to the
//! leader and another back. Where all that teaches comes late, as in a server that puts off its
//! commits by seconds, that would be late twice. So the leader watches what followers say of their
//! own chosen index, and sends the missing slots to one that lacks what it was told of a whole round
//! of heartbeats before and has not moved since the last one. In a sound cluster no follower does.

use std::collections::VecDeque;
use std::time::Duration;

use super::Serve;
use super::config::Timing;
use super::replica::{Replica, Role};
use crate::ids::{ServerId, Slot};

/// How many rounds back the leader knows what it told. Older answers say nothing of the present.
const ROUNDS: usize = 64;
/// The exponent at which the time before the same slots are pushed again stops doubling.
const MAX_DOUBLINGS: u32 = 6;

/// The chosen index that each of the last rounds of heartbeats told.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Told {
    rounds: VecDeque<(u64, Slot)>,
}

impl Told {
    pub fn note(&mut self, probe: u64, chosen: Slot) {
        self.rounds.push_back((probe, chosen));
        if self.rounds.len() > ROUNDS {
            self.rounds.pop_front();
        }
    }

    /// What whoever answers round `probe` had been told a whole round before.
    fn before(&self, probe: u64) -> Option<Slot> {
        let earlier = probe.checked_sub(1)?;
        let place = self
            .rounds
            .binary_search_by_key(&earlier, |(probe, _)| *probe);
        place.ok().map(|place| self.rounds[place].1)
    }
}

/// What was pushed to one follower.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Push {
    /// The chosen index of its last answer.
    reported: Option<Slot>,
    /// Everything up to here was sent to it, by a push or because it asked.
    sent: Slot,
    /// How often it stayed where it was although it was sent something.
    repeats: u32,
    /// When what is under way counts as lost.
    repeat_at: Duration,
    /// At most one push a round.
    next_at: Duration,
}

impl Push {
    /// It reports `chosen`, and was told `told`: the slot from which on to send it what is chosen
    /// up to `mine`, if that is due.
    fn due(
        &mut self,
        now: Duration,
        timing: &Timing,
        (chosen, told, mine): (Slot, Slot, Slot),
    ) -> Option<Slot> {
        let moved = self.reported != Some(chosen);
        self.reported = Some(chosen);
        if chosen >= told {
            if chosen >= self.sent {
                self.repeats = 0;
            }
            return None;
        }
        if moved {
            // What was sent arrives. The rest of it may be under way.
            self.repeat_at = now + self.patience(timing);
            return None;
        }
        if now < self.next_at {
            return None;
        }
        let from = if self.sent > chosen && now < self.repeat_at {
            // That is on its way: only what was chosen since.
            self.sent.next()
        } else {
            self.repeat_at = now + self.patience(timing);
            self.repeats += 1;
            chosen.next()
        };
        if from > mine {
            return None;
        }
        self.sent = mine;
        self.next_at = now + timing.heartbeat;
        Some(from)
    }

    fn patience(&self, timing: &Timing) -> Duration {
        timing.retransmit * (1 << self.repeats.min(MAX_DOUBLINGS))
    }
}

impl Replica {
    /// A follower says in its answer to round `probe` that its own chosen index is `chosen`.
    pub(super) fn push_missing(&mut self, to: ServerId, probe: u64, chosen: Slot) {
        let (now, mine) = (self.now, self.learner.chosen);
        let timing = &self.config.timing;
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        let Some(told) = leading.told.before(probe) else {
            return;
        };
        let Some(peer) = leading.peers.get_mut(&to) else {
            return;
        };
        if let Some(from) = peer.push.due(now, timing, (chosen, told, mine)) {
            self.outbox.serve(Serve { to, from });
        }
    }

    /// A peer asked, and is sent everything up to the own chosen index: no need to push that.
    pub(super) fn note_served(&mut self, to: ServerId) {
        let (now, mine) = (self.now, self.learner.chosen);
        let timing = &self.config.timing;
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        if let Some(peer) = leading.peers.get_mut(&to) {
            peer.push.sent = mine;
            peer.push.repeat_at = peer.push.repeat_at.max(now + peer.push.patience(timing));
        }
    }
}
