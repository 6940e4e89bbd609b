//! The session: which server it has, and how it finds another.

use std::time::Duration;

use super::addressee::{addressee, answer_addressee};
use super::asking::Asking;
use super::home::{Home, Standing};
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::questions::Questions;
use super::retry::Jitter;
use super::{Config, Effect, Happened, Timing};
use crate::ids::{ClientId, ServerId, Slot};
use crate::planted::{self, Bug};
use crate::value::Command;
use crate::wire::{Asked, BalancerAnswer, ClientMessage, ServerMessage};

/// One chat session. Every method may be called with any input in any order; `now` never goes back.
/// After each call the host carries out [`Session::take_effects`] and calls [`Session::tick`] when
/// [`Session::next_tick`] says so.
#[derive(Debug)]
pub struct Session {
    client: ClientId,
    name: String,
    timing: Timing,
    jitter: Jitter,
    home: Option<Home>,
    asking: Asking,
    outbox: Outbox,
    last_seq: u64,
    questions: Questions,
    last_read: u64,
    /// None for a session that does not listen.
    inbox: Option<Inbox>,
    told_majority: bool,
    told_ready: Option<(u16, u16)>,
    left: bool,
    effects: Vec<Effect>,
}

impl Session {
    /// A session that asks the balancer for a server at once.
    pub fn new(config: Config, now: Duration) -> Session {
        let mut session = Session {
            client: config.client,
            name: config.name,
            jitter: Jitter::new(config.seed, config.timing.jitter_percent),
            timing: config.timing,
            home: None,
            asking: Asking::default(),
            outbox: Outbox::default(),
            last_seq: 0,
            questions: Questions::new(config.client),
            last_read: 0,
            inbox: config.seen.map(Inbox::new),
            told_majority: true,
            told_ready: None,
            left: false,
            effects: Vec::new(),
        };
        session.ask(now, None);
        session
    }

    /// What the host has to do, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub fn client(&self) -> ClientId {
        self.client
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server at which the session is open, if it is.
    pub fn server(&self) -> Option<ServerId> {
        let joined = self.home.as_ref().filter(|home| home.is_joined());
        joined.map(|home| home.server)
    }

    /// The sequence number of the last message said; 0 before the first.
    pub fn last_said(&self) -> u64 {
        self.last_seq
    }

    /// The number of messages that are not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.outbox.len()
    }

    /// Whether everything that was said is acknowledged and everything that was asked is answered.
    pub fn is_settled(&self) -> bool {
        self.outbox.len() == 0 && self.questions.is_empty()
    }

    /// Says something, `at_ms` on the speaker's wall clock, and returns its sequence number. It is
    /// kept and sent until it is acknowledged. After [`Session::leave`] it is not sent any more. The
    /// host sees to it that the text is no longer than a server takes.
    pub fn say(&mut self, now: Duration, at_ms: u64, text: String) -> u64 {
        self.last_seq += 1;
        self.outbox.push(Command {
            client: self.client,
            seq: self.last_seq,
            name: self.name.clone(),
            at_ms,
            text,
        });
        self.flush(now);
        self.last_seq
    }

    /// Asks for the length of the chat, linearizably, and returns the id that the answer will bear.
    pub fn read(&mut self, now: Duration) -> u64 {
        self.last_read += 1;
        self.questions.read(self.last_read);
        self.flush(now);
        self.last_read
    }

    /// Asks for at most `limit` messages of the chat from index `from` on.
    pub fn history(&mut self, now: Duration, from: u64, limit: u32) {
        self.questions.page(from, limit);
        self.flush(now);
    }

    /// Ends the session: nothing is sent and nothing happens any more. What is not settled by now
    /// stays unknown.
    pub fn leave(&mut self) {
        if self.left {
            return;
        }
        self.left = true;
        self.asking.stop();
        if let Some(home) = self.home.take() {
            self.part(home);
        }
    }

    /// The balancer answered. An answer that nobody waits for any more is ignored.
    pub fn from_balancer(&mut self, now: Duration, answer: BalancerAnswer) {
        if !self.asking.is_open() || answer_addressee(&answer) != Some(self.client) {
            return;
        }
        match answer {
            BalancerAnswer::GoTo {
                server, address, ..
            } => self.go_to(now, server, address),
            BalancerAnswer::NotReady {
                registered,
                servers,
                ..
            } => {
                if self.told_ready != Some((registered, servers)) {
                    self.told_ready = Some((registered, servers));
                    self.happened(Happened::NotReady {
                        registered,
                        servers,
                    });
                }
                self.ask_again_in(now, self.timing.not_ready_again);
            }
            BalancerAnswer::NoMajority { .. } => {
                self.tell_majority(false);
                self.ask_again_in(now, self.timing.no_majority_again);
            }
            // These are for nobody's session.
            BalancerAnswer::Registered { .. }
            | BalancerAnswer::Refused { .. }
            | BalancerAnswer::Who(_) => {}
        }
    }

    /// A server sent something. Answers are taken from any server, since all hold the same log; the
    /// rest only from the one that the session has.
    pub fn from_server(&mut self, now: Duration, server: ServerId, message: ServerMessage) {
        if self.left || addressee(&message) != Some(self.client) {
            return;
        }
        let at_home = self.heard(now, server);
        match message {
            ServerMessage::Joined { last, next_seq, .. } if at_home => {
                self.joined(now, last, next_seq);
            }
            ServerMessage::Ack {
                seq, index, slot, ..
            } => self.acked(now, server, seq, index, slot),
            ServerMessage::Gap { next_seq, .. } if at_home => {
                self.outbox.resend_from(now, next_seq, &self.timing);
                self.flush(now);
            }
            ServerMessage::Busy { asked, .. } if at_home => self.put_off(now, asked),
            ServerMessage::Deliver {
                first, messages, ..
            } => self.deliver(now, first, messages),
            ServerMessage::Page {
                first,
                messages,
                last,
                ..
            } => self.page(now, first, messages, last),
            ServerMessage::ReadResult { id, length, .. } => self.read_done(server, id, length),
            ServerMessage::Pong { last, majority, .. } if at_home => {
                self.pong(now, server, last, majority);
            }
            ServerMessage::GoElsewhere { reason, .. } if at_home => self.lose(now, reason),
            _ => {}
        }
    }

    /// The connection to the balancer closed or could not be made: what was asked on it may be lost.
    pub fn balancer_failed(&mut self, now: Duration) {
        let at = now + self.jitter.spread(self.timing.retransmit);
        self.asking.again_by(at);
    }

    /// The connection to a server closed or could not be made. A session lives on one connection:
    /// the host says so even if it could dial again.
    pub fn server_failed(&mut self, now: Duration, server: ServerId) {
        if let Some(home) = self.home.as_mut().filter(|home| home.server == server) {
            home.reachable = false;
            self.lose(now, "connection lost".to_owned());
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        let silent_at = (self.home.as_ref()).and_then(|home| home.silent_at(&self.timing));
        if silent_at.is_some_and(|at| now >= at) {
            self.lose(now, "silent".to_owned());
        }
        self.ask_if_due(now);
        let Some(home) = &mut self.home else { return };
        if !home.is_joined() {
            if home.join.is_due(now) {
                (home.join).done(now, self.timing.retransmit_most, &mut self.jitter);
                self.send_join(now);
            }
            return;
        }
        if home.ping_is_due(now) {
            self.send_ping(now);
        }
        let inbox = self.inbox.as_mut();
        if inbox.is_some_and(|inbox| inbox.resumes(now, &self.timing, &mut self.jitter)) {
            self.send_join(now);
        }
        self.flush(now);
    }

    /// When [`Session::tick`] is due, if nothing happens before; it may be in the past.
    pub fn next_tick(&self) -> Option<Duration> {
        let home = (self.home.as_ref()).map(|home| home.next_at(&self.timing));
        // Without a server, these wait for one.
        let open = self.server().and_then(|_| {
            let inbox = self.inbox.as_ref();
            let resume = inbox.and_then(Inbox::next_resume);
            let due = [self.outbox.next_due(), self.questions.next_due(), resume];
            due.into_iter().flatten().min()
        });
        [self.asking.next_at(), home, open]
            .into_iter()
            .flatten()
            .min()
    }

    /// The balancer named a server.
    fn go_to(&mut self, now: Duration, server: ServerId, address: String) {
        self.told_ready = None;
        if let Some(home) = &mut self.home
            && home.server == server
            && *home.address == *address
        {
            // There is no other. If it is lost, it may be back; in any case another is better.
            if home.standing == Standing::Lost {
                home.join.at = home.join.at.min(now);
            }
            self.ask_again_in(now, self.timing.no_majority_again);
            self.tick(now);
            return;
        }
        self.asking.stop();
        if let Some(home) = self.home.take() {
            if let Some(inbox) = &mut self.inbox {
                inbox.rerouted();
            }
            if home.is_joined() {
                let reason = "no majority".to_owned();
                self.happened(Happened::Rerouting {
                    from: Some(home.server),
                    reason,
                });
            }
            if home.server == server {
                // It restarted elsewhere: at the old address nobody is left to take leave of.
                self.effects.push(Effect::Drop { server });
            } else {
                self.part(home);
            }
        }
        self.home = Some(Home::new(now, server, address, &self.timing));
        self.tick(now);
    }

    /// The server opened the session, or says again that it is open. `next_seq` of the answer is
    /// not needed: what is stored is sent again too, since it is not acknowledged.
    fn joined(&mut self, now: Duration, last: u64, next_seq: u64) {
        let Some(home) = &mut self.home else { return };
        if home.is_joined() {
            self.exists(now, last);
            return;
        }
        home.joined(now, &self.timing);
        let server = home.server;
        self.asking.stop();
        self.told_ready = None;
        self.happened(Happened::Joined { server });
        if let Some(inbox) = &mut self.inbox {
            inbox.joined(now, last, &self.timing);
        }
        if planted::is(Bug::RetryUnderNewSession) {
            self.last_seq = self.last_seq.max(self.outbox.renumber(next_seq));
        }
        self.outbox.resend_all();
        self.questions.ask_all();
        self.flush(now);
        if !self.told_majority {
            self.send_ping(now);
        }
    }

    fn acked(&mut self, now: Duration, server: ServerId, seq: u64, index: u64, slot: Slot) {
        if self.outbox.acknowledged(seq) {
            self.happened(Happened::Acked {
                seq,
                index,
                slot,
                server,
            });
        }
        self.exists(now, index);
        self.flush(now);
    }

    /// The server has no room for what was asked: it is asked again in a moment.
    fn put_off(&mut self, now: Duration, asked: Asked) {
        let (timing, jitter) = (&self.timing, &mut self.jitter);
        match asked {
            Asked::Say { seq } => self.outbox.put_off(now, seq, timing, jitter),
            Asked::Read { id } => self.questions.put_off_read(now, id, timing, jitter),
        }
    }

    fn deliver(&mut self, now: Duration, first: u64, messages: Vec<Command>) {
        let Some(inbox) = &mut self.inbox else { return };
        for (index, command) in inbox.deliver(now, first, messages, &self.timing) {
            (self.effects).push(Effect::Happened(Happened::Delivered { index, command }));
        }
        if inbox.tells() && self.server().is_some() {
            self.send_ping(now);
        }
    }

    fn page(&mut self, now: Duration, first: u64, messages: Vec<Command>, last: u64) {
        if self.questions.page_answered(first, &messages, last) {
            self.happened(Happened::Page {
                first,
                messages,
                last,
            });
            self.flush(now);
        }
    }

    fn read_done(&mut self, server: ServerId, id: u64, length: u64) {
        if self.questions.read_answered(id) {
            self.happened(Happened::ReadDone { id, length, server });
        }
    }

    /// The server says whether it can store messages. If not, perhaps another can.
    fn pong(&mut self, now: Duration, server: ServerId, last: u64, majority: bool) {
        if self.server() != Some(server) {
            return;
        }
        self.exists(now, last);
        self.tell_majority(majority);
        if majority {
            self.asking.stop();
        } else if !self.asking.is_open() {
            self.ask(now, Some(server));
        }
    }

    /// The server is of no use any more: another is needed.
    fn lose(&mut self, now: Duration, reason: String) {
        let Some(home) = self.home.as_mut() else {
            return;
        };
        if home.standing == Standing::Lost {
            return;
        }
        home.lost(now, &self.timing, &mut self.jitter);
        let server = home.server;
        self.happened(Happened::Rerouting {
            from: Some(server),
            reason,
        });
        self.ask(now, Some(server));
    }

    /// Takes leave of a server, if it can be reached.
    fn part(&mut self, home: Home) {
        if home.reachable {
            let message = ClientMessage::Leave {
                client: self.client,
            };
            self.effects.push(Effect::Send {
                server: home.server,
                address: home.address,
                message,
            });
        }
        self.effects.push(Effect::Drop {
            server: home.server,
        });
    }

    fn ask(&mut self, now: Duration, avoid: Option<ServerId>) {
        self.asking.start(now, avoid, &self.timing);
        self.ask_if_due(now);
    }

    fn ask_if_due(&mut self, now: Duration) {
        if let Some(avoid) = self.asking.due(now, &self.timing, &mut self.jitter) {
            self.effects.push(Effect::AskBalancer { avoid });
        }
    }

    fn ask_again_in(&mut self, now: Duration, wait: Duration) {
        let at = now + self.jitter.spread(wait);
        self.asking.again_at(at, &self.timing);
    }

    /// Notes a sign of life; returns whether it is of the server that the session has.
    fn heard(&mut self, now: Duration, server: ServerId) -> bool {
        let Some(home) = self.home.as_mut().filter(|home| home.server == server) else {
            return false;
        };
        home.heard(now, &self.timing);
        true
    }

    /// The chat is at least `last` messages long.
    fn exists(&mut self, now: Duration, last: u64) {
        if let Some(inbox) = &mut self.inbox {
            inbox.exists(now, last, &self.timing);
        }
    }

    /// Sends what is due of the messages and questions, if the session is open somewhere.
    fn flush(&mut self, now: Duration) {
        if self.server().is_none() {
            return;
        }
        let say = self.outbox.due(now, &self.timing, &mut self.jitter);
        let ask = self.questions.due(now, &self.timing, &mut self.jitter);
        let messages = say.into_iter().map(ClientMessage::Say).chain(ask);
        messages.for_each(|message| self.send(message));
    }

    fn send_join(&mut self, now: Duration) {
        if let Some(home) = &mut self.home {
            home.questioned(now);
        }
        let seen = self.inbox.as_mut().map(Inbox::tell);
        self.send(ClientMessage::Join {
            client: self.client,
            name: self.name.clone(),
            seen,
        });
    }

    fn send_ping(&mut self, now: Duration) {
        if let Some(home) = &mut self.home {
            home.pinged(now, &self.timing);
        }
        let seen = self.inbox.as_mut().map(Inbox::tell);
        let client = self.client;
        self.send(ClientMessage::Ping { client, seen });
    }

    fn send(&mut self, message: ClientMessage) {
        if let Some(home) = &self.home {
            self.effects.push(Effect::Send {
                server: home.server,
                address: home.address.clone(),
                message,
            });
        }
    }

    fn tell_majority(&mut self, majority: bool) {
        if self.told_majority != majority {
            self.told_majority = majority;
            self.happened(Happened::Majority(majority));
        }
    }

    fn happened(&mut self, news: Happened) {
        self.effects.push(Effect::Happened(news));
    }
}
