//! Elections: whom a replica follows, and when it stands itself.
//!
//! Nothing here is needed for agreement; everything here is needed for progress. A replica asks
//! before it stands (pre-vote: Ongaro, "Consensus: Bridging Theory and Practice", section 9.6), so
//! that one that merely lost its own link to the leader does not depose it. Together with the
//! leader's check that a majority still answers, that gives progress whenever some server reaches a
//! majority both ways, in the cases that "Omni-Paxos: Breaking the Barriers of Partial Connectivity"
//! (section 2) names:
//!
//! - quorum loss: the leader loses its majority and steps down; from then on the hub is granted;
//! - constrained election: grants do not depend on anyone's log, so the hub is granted, and learns
//!   what it lacks from the promises and by catch-up;
//! - chain: the middle hears the leader and refuses, so the far end keeps asking, changes nothing,
//!   and reaches the leader through the middle.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt;

use super::Message;
use super::replica::{NEVER, Replica, Role};
use crate::ids::{Ballot, ServerId, Slot};
use crate::planted::{self, Bug};

/// The exponent at which a back-off stops doubling.
const MAX_DOUBLINGS: u32 = 4;

#[derive(Debug, Clone, Hash)]
pub(super) struct Election {
    /// The leader that the replica hears itself.
    heard: Option<Heard>,
    /// The leader that it reaches through a peer.
    relay: Option<Relay>,
    /// Its patience ends this long after `quiet_since`; then it stands.
    patience: Duration,
    quiet_since: Duration,
    /// Candidacies that failed since a leader was last heard.
    failed: u32,
    /// The highest ballot seen anywhere: the next own one must be above it to succeed.
    seen: Ballot,
}

#[derive(Debug, Clone, Copy, Hash)]
struct Heard {
    ballot: Ballot,
    at: Duration,
}

#[derive(Debug, Clone, Copy, Hash)]
struct Relay {
    ballot: Ballot,
    via: ServerId,
    until: Duration,
}

/// A round of pre-votes.
#[derive(Debug, Clone, Hash)]
pub(super) struct Canvass {
    /// Names the round. The ballot of the candidacy is drawn later, above all that voters promised.
    ballot: Ballot,
    granted: BTreeSet<ServerId>,
    ask_at: Duration,
    /// Older grants say nothing about now: the round begins anew.
    until: Duration,
}

impl Election {
    pub fn new(now: Duration, seen: Ballot) -> Election {
        Election {
            heard: None,
            relay: None,
            patience: Duration::ZERO,
            quiet_since: now,
            failed: 0,
            seen,
        }
    }

    pub fn saw(&mut self, ballot: Ballot) {
        self.seen = self.seen.max(ballot);
    }
}

impl Replica {
    /// How long a new or newly admitted voter waits. In a cluster in which nothing was ever
    /// promised one server is meant to stand at once: the named one, or s1.
    pub(super) fn draw_first_patience(&mut self) {
        let unused = self.acceptor.promised == Ballot::ZERO && self.learner.chosen == Slot(0);
        let random = self.draw_patience();
        let first = self.config.first_leader.unwrap_or(ServerId(1));
        self.election.quiet_since = self.now;
        self.election.patience = if self.config.servers == 1 || (unused && first == self.me()) {
            Duration::ZERO
        } else if unused && self.config.first_leader.is_some() {
            self.config.timing.election_max + random
        } else {
            random
        };
    }

    pub(super) fn tick_election(&mut self) {
        if self
            .election
            .relay
            .is_some_and(|relay| self.now >= relay.until)
        {
            self.election.relay = None;
        }
        match &self.role {
            Role::Follower if self.now >= self.follower_due() => {
                self.election.heard = None;
                if self.voting {
                    self.canvass();
                }
            }
            Role::Canvassing(canvass) if self.now >= canvass.until => self.canvass(),
            Role::Canvassing(canvass) if self.now >= canvass.ask_at => self.ask_for_grants(),
            _ => {}
        }
    }

    pub(super) fn election_due(&self) -> Duration {
        let relay = self.election.relay.map_or(NEVER, |relay| relay.until);
        let role = match &self.role {
            Role::Follower => self.follower_due(),
            Role::Canvassing(canvass) => canvass.until.min(canvass.ask_at),
            Role::Preparing(_) | Role::Leading(_) => NEVER,
        };
        relay.min(role)
    }

    fn follower_due(&self) -> Duration {
        if self.voting || self.election.heard.is_some() {
            self.election.quiet_since + self.election.patience
        } else {
            NEVER
        }
    }

    /// Asks every voter whether it hears a leader.
    fn canvass(&mut self) {
        self.election.heard = None;
        self.role = Role::Canvassing(Canvass {
            ballot: self.next_ballot(),
            granted: BTreeSet::from([self.me()]),
            ask_at: self.now,
            until: self.now + self.draw_patience(),
        });
        if self.quorum.is_majority(1) {
            self.stand();
        } else {
            self.ask_for_grants();
        }
    }

    fn ask_for_grants(&mut self) {
        let ask_at = self.now + self.config.timing.heartbeat;
        let Role::Canvassing(canvass) = &mut self.role else {
            return;
        };
        canvass.ask_at = ask_at;
        let ballot = canvass.ballot;
        let granted = canvass.granted.clone();
        for peer in self.peers() {
            if !granted.contains(&peer) {
                self.outbox.send(peer, Message::PreVote { ballot });
            }
        }
        // The leader's Commits do not get here: ask the peer that hears them.
        if let Some(relay) = self.election.relay {
            let from = self.learner.chosen.next();
            self.outbox.send(relay.via, Message::CatchUp { from });
        }
    }

    /// Promises nothing. What counts is only whether a live leader would be disturbed: neither
    /// ballots nor logs are compared, because a candidate draws its ballot above all that voters
    /// promised, and learns what it lacks.
    pub(super) fn on_pre_vote(&mut self, from: ServerId, ballot: Ballot) {
        if !self.voting {
            return;
        }
        // A server that asks does not lead, whatever it said a moment ago.
        let leader = self
            .live_leader()
            .filter(|leader| leader.owner() != Some(from));
        self.outbox.send(
            from,
            Message::PreVoteReply {
                ballot,
                granted: leader.is_none(),
                promised: self.acceptor.promised,
                leader,
            },
        );
    }

    pub(super) fn on_pre_vote_reply(
        &mut self,
        from: ServerId,
        ballot: Ballot,
        granted: bool,
        promised: Ballot,
        leader: Option<Ballot>,
    ) {
        self.election.saw(promised);
        let me = self.me();
        let Role::Canvassing(canvass) = &mut self.role else {
            return;
        };
        if canvass.ballot != ballot {
            return;
        }
        if granted {
            canvass.granted.insert(from);
            if self.quorum.is_majority(canvass.granted.len()) {
                self.stand();
            }
        } else if let Some(leader) = leader {
            // A leader lives, so grants from before say little: voters may hear it by now.
            canvass.granted = BTreeSet::from([me]);
            let is_new = self.election.relay.is_none();
            self.election.relay = Some(Relay {
                ballot: leader,
                via: from,
                until: self.now + self.config.timing.election_max,
            });
            if is_new {
                let from_slot = self.learner.chosen.next();
                self.outbox.send(from, Message::CatchUp { from: from_slot });
            }
        }
    }

    /// A connection for sending to `peer` stands. If it took the end of the one before for the end
    /// of its leader, it hears at once that it was wrong.
    pub fn connected(&mut self, now: Duration, peer: ServerId) {
        self.advance_clock(now);
        if !self.peers().contains(&peer) {
            return;
        }
        if let Role::Leading(leading) = &self.role {
            let (ballot, probe) = (leading.ballot, leading.probe);
            self.outbox.send(peer, Message::Heartbeat { ballot, probe });
        }
    }

    /// The connection on which `peer` sends has ended: a hint that it is gone, and no more. If it is
    /// the leader, it does not count as alive until it is heard again, and this replica asks the
    /// others soon. They refuse if they still hear it, so a leader whose connection merely broke is
    /// not deposed.
    pub fn disconnected(&mut self, now: Duration, peer: ServerId) {
        self.advance_clock(now);
        let followed = self.election.heard.and_then(|heard| heard.ballot.owner());
        if followed != Some(peer) {
            return;
        }
        self.election.heard = None;
        self.election.quiet_since = self.now;
        let timing = &self.config.timing;
        let (shortest, longest) = (timing.suspicion_min, timing.suspicion_max);
        self.election.patience = self.draw_as_candidate(shortest, longest);
    }

    /// The process did not run for so long, though something was due. Nobody could be heard
    /// meanwhile, so that others' silence in that time says nothing.
    pub fn was_held_up(&mut self, now: Duration, held_up: Duration) {
        self.advance_clock(now);
        let now = self.now;
        let later = |time: Duration| (time.saturating_add(held_up)).min(now);
        self.election.quiet_since = later(self.election.quiet_since);
        if let Some(heard) = &mut self.election.heard {
            heard.at = later(heard.at);
        }
        if let Role::Leading(leading) = &mut self.role {
            leading.excuse_silence(later);
        }
    }

    /// A sign of life from the leader of `ballot`, which is not below the promise. Returns whether
    /// that is the leader that the replica follows now.
    pub(super) fn hear_leader(&mut self, ballot: Ballot) -> bool {
        assert!(ballot >= self.acceptor.promised);
        let known = self.election.heard.map(|heard| heard.ballot);
        if known.is_some_and(|known| known > ballot) {
            return false;
        }
        // A majority promised `ballot`, and this replica's own ballot is another and not higher.
        if !matches!(self.role, Role::Follower) {
            self.follow_nobody();
        }
        self.election.saw(ballot);
        self.election.failed = 0;
        self.election.relay = None;
        self.election.quiet_since = self.now;
        if known != Some(ballot) {
            self.election.patience = self.draw_patience();
        }
        self.election.heard = Some(Heard {
            ballot,
            at: self.now,
        });
        true
    }

    pub(super) fn on_heartbeat(&mut self, from: ServerId, ballot: Ballot, probe: u64) {
        if ballot.owner() != Some(from) {
            return;
        }
        if ballot < self.acceptor.promised {
            if self.voting {
                self.reject(from, ballot);
            }
            return;
        }
        // The answer says "I have promised nothing above `ballot`", on which linearizable reads
        // rest, and counts as a vote that the leader is still followed. A replica that may have
        // forgotten promises cannot say that.
        if self.hear_leader(ballot) && self.voting {
            self.outbox.send(
                from,
                Message::HeartbeatReply {
                    ballot,
                    probe,
                    chosen: self.learner.chosen,
                },
            );
        }
    }

    /// Some server has promised more than this one's ballot.
    pub(super) fn on_reject(
        &mut self,
        from: ServerId,
        ballot: Ballot,
        promised: Ballot,
        follows: bool,
    ) {
        self.election.saw(promised);
        if self.own_ballot() != Some(ballot) || promised <= ballot {
            return;
        }
        if follows {
            // Another one leads in a higher ballot, so a majority has promised that.
            self.step_down();
            return;
        }
        match &mut self.role {
            Role::Preparing(preparing) => {
                preparing.refused.insert(from);
                if !self.quorum.is_possible_without(preparing.refused.len()) {
                    self.back_off();
                }
            }
            Role::Leading(_) => self.note_refusal(from),
            Role::Follower | Role::Canvassing(_) => {}
        }
    }

    /// Ends the role and waits a while before standing again.
    pub(super) fn step_down(&mut self) {
        self.follow_nobody();
        self.election.quiet_since = self.now;
        self.election.patience = self.draw_patience();
    }

    /// Ends a candidacy that got no majority. Two candidates that keep refusing each other draw
    /// from ranges that double, so that one of them soon has enough time alone.
    pub(super) fn back_off(&mut self) {
        self.follow_nobody();
        let timing = &self.config.timing;
        let (shortest, longest) = (timing.heartbeat, timing.election_min);
        let doublings = self.election.failed.min(MAX_DOUBLINGS);
        self.election.quiet_since = self.now;
        self.election.patience = self.draw_between(shortest, longest) * (1 << doublings);
        self.election.failed += 1;
    }

    /// Another server's Prepare was promised: leave it the time to lead.
    pub(super) fn give_candidate_time(&mut self) {
        self.election.quiet_since = self.now;
        self.election.patience = self.draw_patience();
    }

    pub(super) fn forget_leader_below(&mut self, ballot: Ballot) {
        self.election.heard = self.election.heard.filter(|heard| heard.ballot >= ballot);
        self.election.relay = self.election.relay.filter(|relay| relay.ballot >= ballot);
    }

    /// The leader that this replica hears itself and so will not see disturbed. Hearsay does not
    /// count: those who hear a leader directly are, with it, a majority, or it steps down.
    pub(super) fn live_leader(&self) -> Option<Ballot> {
        let patience = self.config.timing.election_min;
        match &self.role {
            Role::Leading(leading) => {
                let answered = self.majority_answered_at(leading);
                (self.now.saturating_sub(answered) < patience).then_some(leading.ballot)
            }
            _ => self
                .election
                .heard
                .filter(|heard| self.now.saturating_sub(heard.at) < patience)
                .map(|heard| heard.ballot),
        }
    }

    pub(super) fn hears_leader_in(&self, ballot: Ballot) -> bool {
        self.live_leader() == Some(ballot)
    }

    /// Whom it follows, directly or through a peer.
    pub(super) fn heard_leader(&self) -> Option<Ballot> {
        let relayed = || self.election.relay.map(|relay| relay.ballot);
        self.election
            .heard
            .map(|heard| heard.ballot)
            .or_else(relayed)
    }

    pub(super) fn hears_directly(&self, ballot: Ballot) -> bool {
        self.election
            .heard
            .is_some_and(|heard| heard.ballot == ballot)
    }

    /// Where to send what is meant for the leader.
    pub(super) fn towards_leader(&self) -> Option<ServerId> {
        match self.role {
            Role::Preparing(_) | Role::Leading(_) => None,
            Role::Follower | Role::Canvassing(_) => self
                .election
                .heard
                .and_then(|heard| heard.ballot.owner())
                .or_else(|| self.election.relay.map(|relay| relay.via)),
        }
    }

    /// Above every ballot seen, the own ones included, so that no ballot is used twice: the own
    /// ones were promised durably before they were used, and `seen` starts from that promise.
    pub(super) fn next_ballot(&self) -> Ballot {
        let highest = self.election.seen.max(self.acceptor.promised);
        let just_started = self.outbox.records() == 0;
        if planted::is(Bug::BallotReused) && just_started && highest.owner() == Some(self.me()) {
            return highest;
        }
        Ballot::new(highest.round + 1, self.me())
    }

    /// A random election timeout.
    pub(super) fn draw_patience(&mut self) -> Duration {
        let timing = &self.config.timing;
        self.draw_as_candidate(timing.election_min, timing.election_max)
    }

    /// A random time to wait before standing. Doubled while the replica knows that it lacks much of
    /// the log: it may lead, but a better candidate serves sooner.
    fn draw_as_candidate(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let drawn = self.draw_between(shortest, longest);
        let missing = self.learner.known.0.saturating_sub(self.learner.chosen.0);
        if missing > self.config.limits.open_slots() {
            drawn * 2
        } else {
            drawn
        }
    }

    fn draw_between(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let micros = |duration: Duration| duration.as_micros() as u64;
        let longest = longest.max(shortest);
        let drawn = self.rng.random_range(micros(shortest)..=micros(longest));
        Duration::from_micros(drawn)
    }
}
