//! The replica as a whole: its state, its clock, and which handler a message belongs to.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::acceptor::Acceptor;
use super::election::{Canvass, Election};
use super::forward::Queue;
use super::leader::Leading;
use super::learner::Learner;
use super::outbox::Outbox;
use super::phase1::Preparing;
use super::read::Asked;
use super::{Config, Effects, Message, Quorum, Recovered, Sessions};
use crate::ids::{Ballot, ServerId, Slot};
use crate::machine::Steady;
use crate::value::Value;

/// Far enough away that no timer reaches it.
pub(super) const NEVER: Duration = Duration::MAX;

/// One member of the cluster, as a state machine.
///
/// The host feeds it messages, the passing of time and the news that records are durable, and
/// carries out the [`Effects`] that it takes out after each call or after several. Every call
/// carries the time that its clock shows; where that goes back, no time has passed.
#[derive(Debug, Clone)]
pub struct Replica {
    pub(super) config: Config,
    pub(super) quorum: Quorum,
    pub(super) rng: ChaCha8Rng,
    clock: Steady,
    pub(super) now: Duration,
    pub(super) voting: bool,
    pub(super) acceptor: Acceptor,
    pub(super) learner: Learner,
    pub(super) election: Election,
    pub(super) role: Role,
    /// Client messages that wait for a slot. Empty unless the replica leads or tries to.
    pub(super) queue: Queue,
    /// Reads asked of this replica and not answered yet.
    pub(super) asked: Asked,
    /// The number of the last record known to be durable.
    pub(super) durable: u64,
    pub(super) outbox: Outbox,
}

/// For whoever searches all states of a cluster: replicas of one configuration that feed the same
/// to a hasher behave alike from now on, apart from the lengths of timeouts that they draw.
impl Hash for Replica {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Replica {
            config: _,
            quorum: _,
            rng: _,
            clock,
            now,
            voting,
            acceptor,
            learner,
            election,
            role,
            queue,
            asked,
            durable,
            outbox,
        } = self;
        (clock, now, voting, acceptor, learner).hash(state);
        (election, role, queue, asked, durable, outbox).hash(state);
    }
}

/// What the replica does besides accepting and learning, which every replica always does.
///
/// While it prepares or leads, the ballot of that role is the one that its own acceptor promised
/// last: a higher promise ends the role.
#[derive(Debug, Clone, Hash)]
pub(super) enum Role {
    Follower,
    /// It heard no leader for too long and asks whether others would vote.
    Canvassing(Canvass),
    /// Phase 1.
    Preparing(Preparing),
    /// Phase 1 is complete.
    Leading(Box<Leading>),
}

impl Replica {
    /// # Panics
    /// If the configuration or the recovered state contradicts itself.
    pub fn new(config: Config, recovered: Recovered, now: Duration) -> Replica {
        assert!(
            (1..=config.servers).contains(&config.me.0),
            "{} is not one of {} servers",
            config.me,
            config.servers
        );
        assert!(config.timing.election_min <= config.timing.election_max);
        assert!(config.limits.window_slots > 0);
        let acceptor = Acceptor::new(recovered.promised, recovered.accepted, recovered.chosen);
        let mut replica = Replica {
            quorum: Quorum::new(config.servers),
            rng: ChaCha8Rng::seed_from_u64(config.seed),
            clock: Steady::new(now),
            now,
            voting: recovered.voting,
            election: Election::new(now, acceptor.promised),
            acceptor,
            learner: Learner::new(recovered.chosen, recovered.sessions),
            role: Role::Follower,
            queue: Queue::default(),
            asked: Asked::default(),
            durable: 0,
            outbox: Outbox::default(),
            config,
        };
        replica.draw_first_patience();
        replica
    }

    /// Takes a message that `from` sent. Any message may come late, twice, out of order or never.
    pub fn step(&mut self, now: Duration, from: ServerId, message: Message) {
        self.advance_clock(now);
        if from == self.config.me || !(1..=self.config.servers).contains(&from.0) {
            return;
        }
        match message {
            Message::PreVote { ballot } => self.on_pre_vote(from, ballot),
            Message::PreVoteReply {
                ballot,
                granted,
                promised,
                leader,
            } => self.on_pre_vote_reply(from, ballot, granted, promised, leader),
            Message::Prepare { ballot, from: slot } => self.on_prepare(from, ballot, slot),
            Message::Promise {
                ballot,
                chosen,
                accepted,
            } => self.on_promise(from, ballot, chosen, accepted),
            Message::Accept {
                ballot,
                slot,
                value,
            } => self.on_accept(from, ballot, slot, value),
            Message::Accepted { ballot, slot } => self.on_accepted(from, ballot, slot),
            Message::Reject {
                ballot,
                promised,
                follows,
            } => self.on_reject(from, ballot, promised, follows),
            Message::Heartbeat { ballot, probe } => self.on_heartbeat(from, ballot, probe),
            Message::HeartbeatReply {
                ballot,
                probe,
                chosen,
            } => self.on_heartbeat_reply(from, ballot, probe, chosen),
            Message::Commit { ballot, chosen } => self.on_commit(from, ballot, chosen),
            Message::CatchUp { from: slot } => self.on_catch_up(from, slot),
            Message::Learn {
                from: slot,
                values,
                chosen,
            } => self.on_learn(from, slot, values, chosen),
            Message::Forward { commands, hops } => self.on_forward(from, commands, hops),
            Message::ReadIndex { origin, id, hops } => {
                self.on_read_index(from, ServerId(origin), id, hops);
            }
            Message::ReadIndexReply { origin, id, slot } => {
                self.on_read_index_reply(ServerId(origin), id, slot);
            }
            Message::HandOver { ballot } => self.on_hand_over(from, ballot),
        }
    }

    /// Does what is due. To be called at [`Replica::next_tick`]; earlier or later does no harm.
    pub fn tick(&mut self, now: Duration) {
        self.advance_clock(now);
        self.tick_election();
        self.tick_phase1();
        self.tick_leader();
        self.tick_hand_over();
        self.tick_learner();
    }

    /// What the clock shows when `tick` has something to do, unless another call changes that.
    pub fn next_tick(&self) -> Duration {
        let due = [
            self.election_due(),
            self.phase1_due(),
            self.leader_due(),
            self.hand_over_due(),
            self.learner_due(),
        ]
        .into_iter()
        .min()
        .unwrap_or(NEVER);
        self.clock.shown_at(due)
    }

    /// The first `upto` records of the replica's life are durable ([`Effects::persist_upto`]).
    ///
    /// # Panics
    /// If there are not that many.
    pub fn persisted(&mut self, now: Duration, upto: u64) {
        self.advance_clock(now);
        assert!(
            upto <= self.outbox.records(),
            "{upto} records cannot be durable, {} were written",
            self.outbox.records()
        );
        if upto <= self.durable {
            return;
        }
        self.durable = upto;
        self.outbox.durable(upto);
        self.own_promise_durable();
        self.own_acceptances_durable();
    }

    /// Everything to be done since the last call.
    ///
    /// Work is gathered until here: all client messages that arrived since the last call share
    /// batches, and all reads share one round of heartbeats.
    pub fn take_effects(&mut self) -> Effects {
        self.propose_queued();
        self.probe_for_reads();
        self.announce_chosen();
        self.answer_reads();
        // The chosen index needs no write of its own: losing it costs a catch-up, never a value.
        // It rides along with a record that something waits for.
        if self.outbox.has_records() {
            self.record_chosen_index();
        }
        self.outbox.take()
    }

    /// Whether the replica may vote: stand, grant, promise and accept. One that may not still
    /// learns what is chosen, forwards and reads.
    pub fn set_voting(&mut self, voting: bool) {
        if self.voting == voting {
            return;
        }
        self.voting = voting;
        self.follow_nobody();
        if self.heard_leader().is_none() {
            self.draw_first_patience();
        }
    }

    /// The ballot of the live leader: its own if it leads, else one that it hears, directly or
    /// through a peer.
    pub fn leader(&self) -> Option<Ballot> {
        match &self.role {
            Role::Leading(leading) => Some(leading.ballot),
            Role::Preparing(_) => None,
            Role::Follower | Role::Canvassing(_) => self.heard_leader(),
        }
    }

    /// Whether it leads: its phase 1 is complete and it has not stepped down since.
    pub fn leads(&self) -> bool {
        matches!(self.role, Role::Leading(_))
    }

    /// Whether it knows a live leader. A leader that no majority answers steps down, so that a
    /// live leader is one that a majority follows, or did until a moment ago.
    pub fn majority(&self) -> bool {
        self.leader().is_some()
    }

    /// The highest ballot promised.
    pub fn promised(&self) -> Ballot {
        self.acceptor.promised
    }

    /// Every slot up to this one is known to be chosen.
    pub fn chosen(&self) -> Slot {
        self.learner.chosen
    }

    /// What it accepted above `chosen`: the latest in each slot, ascending.
    pub fn accepted(&self) -> Vec<(Slot, Ballot, Value)> {
        self.acceptor.accepted_from(Slot(0))
    }

    /// The sessions after every slot up to `chosen`.
    pub fn sessions(&self) -> &Sessions {
        &self.learner.sessions
    }

    /// The number of messages in the chat up to `chosen`.
    pub fn messages(&self) -> u64 {
        self.learner.sessions.messages()
    }

    pub fn voting(&self) -> bool {
        self.voting
    }

    /// Whether so much waits for the disk that nothing may be added that is not needed to vote.
    pub(super) fn disk_is_behind(&self) -> bool {
        self.outbox.unwritten_bytes() >= self.config.limits.unwritten_bytes
    }

    pub(super) fn me(&self) -> ServerId {
        self.config.me
    }

    pub(super) fn peers(&self) -> Vec<ServerId> {
        (1..=self.config.servers)
            .map(ServerId)
            .filter(|&server| server != self.config.me)
            .collect()
    }

    pub(super) fn broadcast(&mut self, message: &Message) {
        for peer in self.peers() {
            self.outbox.send(peer, message.clone());
        }
    }

    /// The ballot that it prepares or leads in.
    pub(super) fn own_ballot(&self) -> Option<Ballot> {
        match &self.role {
            Role::Preparing(preparing) => Some(preparing.ballot),
            Role::Leading(leading) => Some(leading.ballot),
            Role::Follower | Role::Canvassing(_) => None,
        }
    }

    /// Gives up whatever it was trying to be. Messages and reads that waited here are forgotten:
    /// their servers ask again, and only the next leader can know what became of them.
    pub(super) fn follow_nobody(&mut self) {
        self.role = Role::Follower;
        self.queue.clear();
    }

    pub(super) fn advance_clock(&mut self, now: Duration) {
        self.now = self.clock.advance(now);
    }
}
