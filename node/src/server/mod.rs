//! The server as a state machine: the replica, its membership, the sessions of its clients and what
//! it tells the balancer. Events go in; [`Output`] says what is to be done, in which order.

mod catch_up;
mod chat;
mod clients;
mod durable;
mod listeners;
mod membership;
mod pending;
#[cfg(all(test, feature = "planted-bugs"))]
mod planted_tests;
mod registration;
mod restart;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::Event;
use crate::ids::{Ballot, ClientId, ConnId, ServerId};
use crate::log::{Checkpoint, History, Located, LogError, Record, RecoveredLog};
use crate::machine::Steady;
use crate::paxos::{self, Led, Message, Replica};
use crate::planted::{self, Bug};
use crate::wire::{BalancerAnswer, BalancerMessage, PeerMessage, ServerMessage, ServerReport};

pub use registration::Registration;

use catch_up::CatchUp;
use durable::Durable;
use listeners::Listeners;
use membership::{Membership, Outcome};
use pending::Pending;

/// Bytes of chosen values in one answer to a peer or an observer.
const CHUNK_BYTES: usize = 256 * 1024;

/// How often the regular work is done: reports, repeats, expiry.
const ROUND: Duration = Duration::from_millis(50);

/// How often the balancer hears of this server when nothing changes.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// A message that is not chosen so long after it usually would be is proposed again.
const PROPOSE_AGAIN: Duration = Duration::from_millis(250);

/// Without a leader for so long, clients are told that there is no majority. Longer than an
/// election, which is no reason to alarm anybody.
const NO_MAJORITY_AFTER: Duration = Duration::from_millis(1500);

/// Reads that may be under way; a client whose read is not taken is told to ask again.
const READS: usize = 16_384;

/// How long a stopping leader waits for its successor, who may be stopping too.
const HAND_OVER_LIMIT: Duration = Duration::from_millis(200);

/// How long a stopping server waits for what is open.
const DRAIN_LIMIT: Duration = Duration::from_millis(1500);

/// What a server is told when it starts.
pub struct Start {
    pub me: ServerId,
    pub servers: u16,
    /// Where clients reach it.
    pub address: String,
    pub first_leader: Option<ServerId>,
    pub seed: u64,
    /// Reads are numbered from here. No number may be used again in a later life of the server: a
    /// leader's late answer to the old read would pass for one to the new.
    pub first_read: u64,
    /// What its disk remembers.
    pub recovered: RecoveredLog,
    pub history: History,
}

/// What the world has to do, in the order of the fields.
#[derive(Debug, Default)]
pub struct Output {
    /// Evidence, to be written before anything below leaves.
    pub events: Vec<Event>,
    /// To be made durable, in order; [`Server::persisted`] reports it.
    pub persist: Vec<Record>,
    /// What the log is to begin a segment with when `persist` is durable.
    pub checkpoint: Option<Checkpoint>,
    /// The number of this write; of the last one when `persist` is empty.
    pub write: u64,
    pub to_peers: Vec<(ServerId, PeerMessage)>,
    pub to_clients: Vec<(ConnId, ServerMessage)>,
    pub to_balancer: Vec<BalancerMessage>,
}

/// One server. Every call carries the time that its clock shows; where that goes back, no time has
/// passed.
pub struct Server {
    me: ServerId,
    servers: u16,
    address: String,
    incarnation: u64,
    clock: Steady,
    replica: Replica,
    membership: Membership,
    durable: Durable,
    catch_up: CatchUp,
    history: History,
    listeners: Listeners,
    pending: Pending,
    /// Linearizable reads under way, by the id that the replica knows.
    reads: BTreeMap<u64, AskedRead>,
    last_read: u64,
    /// The number of messages that listeners get again under new indexes: 0, without a mistake.
    reapplied: u64,
    opened: bool,
    /// When a leader was last heard, if ever.
    led_at: Option<Duration>,
    wants_checkpoint: bool,
    majority: bool,
    /// As last reported in an event.
    leader: Option<Ballot>,
    leads: Option<Ballot>,
    next_round: Duration,
    /// The replica knows of all time up to here that the process did not run.
    excused_until: Duration,
    next_report: Duration,
    reported: Reported,
    draining_since: Option<Duration>,
    /// Answers to introductions, which vouch for a record that is not durable yet.
    vouched: Vec<(ServerId, PeerMessage)>,
    output: Output,
}

/// What the balancer was last told and hears at once when it changes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reported {
    majority: bool,
    leads: bool,
    votes: bool,
    draining: bool,
}

struct AskedRead {
    asked_at: Duration,
    conn: ConnId,
    client: ClientId,
    id: u64,
}

impl Server {
    /// A server over what its disk remembers. Replays the chosen log to rebuild the sessions, as far
    /// as no checkpoint has them.
    pub fn new(start: Start, now: Duration) -> Result<Server, LogError> {
        let disk = start.recovered;
        let mut history = start.history;
        let sessions = restart::replay(&mut history)?;
        let reapplied = u64::from(planted::is(Bug::ReapplyAfterRestart)).min(history.last_index());
        let membership = Membership::new(
            start.me,
            start.servers,
            disk.incarnation,
            &disk.members,
            disk.formed,
            disk.lost,
        );
        let config = paxos::Config {
            me: start.me,
            servers: start.servers,
            first_leader: start.first_leader,
            seed: start.seed,
            timing: paxos::Timing::default(),
            limits: paxos::Limits::default(),
        };
        let recovered = paxos::Recovered {
            promised: disk.promised,
            accepted: disk.accepted,
            chosen: disk.chosen,
            voting: membership.votes(),
            sessions,
        };
        let mut server = Server {
            me: start.me,
            servers: start.servers,
            address: start.address,
            incarnation: disk.incarnation,
            clock: Steady::new(now),
            replica: Replica::new(config, recovered, now),
            membership,
            durable: Durable::default(),
            catch_up: CatchUp::default(),
            history,
            listeners: Listeners::default(),
            pending: Pending::default(),
            reads: BTreeMap::new(),
            last_read: start.first_read,
            reapplied,
            opened: disk.opened,
            led_at: None,
            wants_checkpoint: false,
            majority: false,
            leader: None,
            leads: None,
            next_round: now,
            excused_until: now,
            next_report: now,
            reported: Reported::default(),
            draining_since: None,
            vouched: Vec::new(),
            output: Output::default(),
        };
        if disk.lost {
            server.output.events.push(Event::NotVoting {
                reason: format!(
                    "the earlier log of {me} was damaged, and what {me} promised is lost with it: it \
                     learns from its peers and does not vote",
                    me = server.me
                ),
            });
        }
        server.form_if_complete();
        Ok(server)
    }

    /// A message from a peer, over a connection on which it named `incarnation`.
    pub fn peer(&mut self, now: Duration, from: ServerId, incarnation: u64, message: PeerMessage) {
        let now = self.advance_clock(now);
        if from == self.me || from.0 == 0 || from.0 > self.servers {
            return;
        }
        match message {
            PeerMessage::Paxos(message) => {
                if self.membership.trusts(from, incarnation) || needs_no_trust(&message) {
                    self.replica.step(now, from, message);
                }
            }
            // The connection says whose disk speaks; the two never differ.
            PeerMessage::Introduce { .. } => {
                let outcome = self.membership.introduced(from, incarnation);
                self.follow_up(from, outcome);
            }
            PeerMessage::Remembered { you } => {
                let outcome = self.membership.remembered(from, incarnation, you);
                self.follow_up(from, outcome);
            }
            PeerMessage::Stranger { remembered } => {
                let outcome = self.membership.stranger(from, incarnation, remembered);
                self.follow_up(from, outcome);
            }
        }
    }

    /// A connection for sending to a peer stands. What was sent to it before may be lost, and waits
    /// for nothing but this.
    pub fn connected(&mut self, now: Duration, peer: ServerId) {
        let now = self.advance_clock(now);
        let introduction = self.membership.introduction(peer);
        let confirmation = self.membership.confirmation(peer);
        let messages = introduction.into_iter().chain(confirmation);
        self.vouched.extend(messages.map(|message| (peer, message)));
        self.replica.connected(now, peer);
    }

    /// The connection on which a peer sends has ended, after everything that came on it: a hint that
    /// the peer is gone. It may be connected anew by now.
    pub fn disconnected(&mut self, now: Duration, peer: ServerId) {
        let now = self.advance_clock(now);
        self.replica.disconnected(now, peer);
    }

    /// A connection to the balancer stands: it hears of this server at once.
    pub fn balancer_connected(&mut self, now: Duration) {
        let now = self.advance_clock(now);
        self.send_report(now);
    }

    /// Everything up to write number `write` is durable; `located` says where the values of its
    /// records are.
    pub fn persisted(&mut self, now: Duration, write: u64, located: &[Located]) {
        let now = self.advance_clock(now);
        self.history.located(located);
        for released in self.durable.durable(write) {
            self.output.events.extend(released.events);
            self.output.to_peers.extend(released.send);
            self.replica.persisted(now, released.replica_upto);
            if released.formed && self.membership.formed_on_disk() {
                self.replica.set_voting(true);
            }
        }
    }

    /// The balancer's answer to a report.
    pub fn balancer(&mut self, answer: &BalancerAnswer) {
        if let BalancerAnswer::Registered { opened: true } = answer
            && !self.opened
        {
            self.opened = true;
            self.output.persist.push(Record::Opened);
        }
    }

    /// Time passes. To be called by [`Server::next_tick`] at the latest.
    pub fn tick(&mut self, now: Duration) {
        let now = self.advance_clock(now);
        self.replica.tick(now);
        if now < self.next_round {
            return;
        }
        self.next_round = now + ROUND;
        self.output.to_peers.extend(self.membership.introductions());
        let overdue = self.pending.usual_wait() + PROPOSE_AGAIN;
        self.propose_again(now, now.saturating_sub(overdue));
        self.listeners.expire(now);
        let (listeners, sessions) = (&self.listeners, self.replica.sessions());
        self.pending.forget_gaps(
            |client| listeners.conn(client).is_some(),
            |client| sessions.next_seq(client),
        );
        self.reads
            .retain(|_, read| now.saturating_sub(read.asked_at) < NO_MAJORITY_AFTER);
        if now >= self.next_report {
            self.send_report(now);
        }
    }

    /// What the clock shows when [`Server::tick`] is due, if nothing happens before; it may be in the
    /// past. Whoever sets the clock calls the server then, for this is no longer true.
    pub fn next_tick(&self) -> Duration {
        if self.listeners.are_behind() {
            // There is more to tell them than one page.
            return Duration::ZERO;
        }
        let due = self.next_round.min(self.catch_up.due());
        self.clock.shown_at(due.min(self.replica.next_tick()))
    }

    /// Begins an orderly stop: leadership is handed over, clients go elsewhere.
    pub fn drain(&mut self, now: Duration) {
        let now = self.advance_clock(now);
        if self.draining_since.is_some() {
            return;
        }
        self.draining_since = Some(now);
        self.replica.hand_over(now);
    }

    /// Whether an orderly stop is complete: the process may end.
    pub fn drained(&self, now: Duration) -> bool {
        let now = self.clock.at(now);
        self.draining_since.is_some_and(|since| {
            // A leader that nobody relieves, because all are stopping, need not wait.
            let waits_for_successor =
                self.replica.is_handing_over() && now.saturating_sub(since) < HAND_OVER_LIMIT;
            let settled = !waits_for_successor
                && self.pending.is_empty()
                && self.listeners.is_empty()
                && self.durable.is_idle();
            settled || now.saturating_sub(since) >= DRAIN_LIMIT
        })
    }

    /// Takes everything that is to be done since the last call. Fails only if the log on disk can
    /// not be read, which ends the server.
    pub fn take_output(&mut self, now: Duration) -> Result<Output, LogError> {
        let now = self.advance_clock(now);
        self.note_leadership(now);
        let effects = self.replica.take_effects();
        self.note_led(effects.led);
        self.send_paxos(effects.send);
        for chosen in &effects.chosen {
            chat::push(&mut self.history, chosen);
            self.acknowledge(now, chosen);
        }
        if let Some(chosen) = effects.chosen.last() {
            self.output.events.push(Event::Chosen { upto: chosen.slot });
        }
        self.teach(now, effects.serve, &effects.chosen)?;
        for ready in effects.reads {
            self.answer_read(ready.id);
        }
        self.deliver()?;
        if planted::is(Bug::DeliveredBeforeChosen) {
            self.deliver_accepted(&effects.persist);
        }
        self.dismiss_clients(now);
        if self.reported != self.to_report() {
            self.send_report(now);
        }

        let mut after = std::mem::take(&mut self.vouched);
        after.extend(
            effects
                .send_after_persist
                .into_iter()
                .map(|(to, message)| (to, PeerMessage::Paxos(message))),
        );
        let mut output = std::mem::take(&mut self.output);
        output.persist.extend(effects.persist);
        if planted::is(Bug::AckBeforeFsync) {
            output.to_peers.append(&mut after);
        }
        if output.persist.is_empty() {
            output.to_peers.extend(self.durable.hold(after));
            output.write = self.durable.last_write();
        } else {
            output.write = self
                .durable
                .write(&output.persist, effects.persist_upto, after);
        }
        output.checkpoint = self.take_checkpoint();
        Ok(output)
    }

    /// Before anything else is done: rounds are due so often that one that is late tells how long the
    /// process was kept from running.
    fn advance_clock(&mut self, now: Duration) -> Duration {
        let now = self.clock.advance(now);
        let due = self.next_round.max(self.excused_until);
        if now > due {
            self.replica.was_held_up(now, now - due);
            self.excused_until = now;
        }
        now
    }

    fn send_paxos(&mut self, messages: Vec<(ServerId, Message)>) {
        self.output.to_peers.extend(
            messages
                .into_iter()
                .map(|(to, message)| (to, PeerMessage::Paxos(message))),
        );
    }

    /// Carries out what the membership wants after a message of `peer`.
    fn follow_up(&mut self, peer: ServerId, outcome: Outcome) {
        self.output.persist.extend(outcome.persist);
        if let Some(reply) = outcome.reply_after_persist {
            self.vouched.push((peer, reply));
        }
        if let Some(reason) = outcome.barred {
            self.replica.set_voting(false);
            self.output.events.push(Event::NotVoting { reason });
        }
        self.form_if_complete();
    }

    fn form_if_complete(&mut self) {
        self.output
            .persist
            .extend(self.membership.form_if_complete());
    }

    /// Writes down changes of leadership, and tells clients when the majority comes or goes.
    fn note_leadership(&mut self, now: Duration) {
        self.note_step_down();
        let leader = self.replica.leader();
        if leader != self.leader {
            self.leader = leader;
            self.output.events.push(Event::Follows { leader });
            if leader.is_some() {
                self.propose_again(now, now);
            }
        }
        if self.replica.majority() {
            self.led_at = Some(now);
        }
        let majority = self
            .led_at
            .is_some_and(|at| now.saturating_sub(at) < NO_MAJORITY_AFTER);
        if majority != self.majority {
            self.majority = majority;
            self.output.events.push(Event::Majority { majority });
            self.tell_majority();
        }
    }

    /// Writes down leaderships that began. One may be over in the same moment, and yet have sent.
    fn note_led(&mut self, led: Vec<Led>) {
        for led in led {
            self.leads = Some(led.ballot);
            self.output.events.push(Event::Leading {
                ballot: led.ballot,
                promised_by: led.promised_by,
                after: led.after,
            });
            self.note_step_down();
        }
    }

    fn note_step_down(&mut self) {
        let leads = self.replica.leads().then(|| self.replica.leader());
        if let Some(ballot) = self.leads
            && leads.flatten() != Some(ballot)
        {
            self.leads = None;
            self.output.events.push(Event::SteppedDown { ballot });
        }
    }

    fn propose_again(&mut self, now: Duration, before: Duration) {
        let sessions = self.replica.sessions();
        let commands = self
            .pending
            .propose_again(now, before, |client| sessions.next_seq(client));
        if !commands.is_empty() {
            self.replica.propose(now, commands);
        }
    }

    fn to_report(&self) -> Reported {
        Reported {
            majority: self.majority,
            leads: self.leads.is_some(),
            votes: self.membership.votes(),
            draining: self.draining_since.is_some(),
        }
    }

    fn send_report(&mut self, now: Duration) {
        self.next_report = now + REPORT_EVERY;
        self.reported = self.to_report();
        self.output.to_balancer.push(self.report());
    }

    fn report(&self) -> BalancerMessage {
        BalancerMessage::Report(ServerReport {
            server: self.me,
            incarnation: self.incarnation,
            address: self.address.clone(),
            clients: self.listeners.infos(),
            majority: self.majority,
            leads: self.leads.is_some(),
            formed: self.membership.votes(),
            opened: self.opened,
            draining: self.draining_since.is_some(),
        })
    }
}

/// Messages that ask or teach and carry no vote: a server that lost its disk may send them.
fn needs_no_trust(message: &Message) -> bool {
    matches!(
        message,
        Message::CatchUp { .. } | Message::Forward { .. } | Message::ReadIndex { .. }
    )
}
