//! The sessions of one client process: what they hear, when each wants a tick, and what is
//! generated for them to say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Ask, Config, Deed, Effect, Generator, Happened, Load, News, Session, Timing, addressee,
    answer_addressee,
};
use crate::ids::{ClientId, ServerId};
use crate::wire::{BalancerAnswer, BalancerMessage, ClientMessage, ServerMessage};

/// How long the last messages get for leaving the process. The farewell is a courtesy to the
/// servers: they notice the end without it.
pub const FAREWELL: Duration = Duration::from_millis(20);

/// How long a leaving client waits for what is open.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);

/// A session that waits for nothing.
const IDLE: Duration = Duration::from_secs(3600);

/// What a client process is told when it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct HostConfig {
    /// The name that all sessions go by.
    pub name: String,
    /// The first session's id; drawn from `seed` if `None`.
    pub client: Option<ClientId>,
    /// What to say. Without it there is one session, which says what it is asked to.
    pub load: Option<Load>,
    /// The ids of sessions are drawn from it, so no two processes of a cluster may share it.
    pub seed: u64,
}

/// What a client process does, to be carried out in order: a message that was said is told before
/// it leaves, so no acknowledgement is older than its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostEffect {
    /// Send to the balancer, connecting first if need be.
    ToBalancer(BalancerMessage),
    /// Send to this server, connecting first if there is no connection to this address. The
    /// address is what the server said of itself: nonsense is as good as a server that cannot be
    /// reached.
    ToServer {
        server: ServerId,
        address: Arc<str>,
        message: ClientMessage,
    },
    /// No session needs the connection any more, once what was to be sent is sent.
    ForgetServer(ServerId),
    News(News),
}

/// A client process as a state machine. `now` is the time since the process began and never goes
/// back; `at_ms` is the wall clock, in milliseconds since the Unix epoch, and only passed on.
///
/// After every batch of inputs, and by [`Host::next_tick`] at the latest, [`Host::tick`] is called;
/// then, if [`Host::may_leave`], [`Host::leave`]. [`Host::take_effects`] may be called at any time,
/// the first time right after [`Host::new`].
#[derive(Debug)]
pub struct Host {
    name: String,
    rng: ChaCha8Rng,
    /// Numbered from 0. Only the first may listen.
    sessions: Vec<Session>,
    by_id: BTreeMap<ClientId, usize>,
    /// When each session wants a tick, for finding the first.
    ticks: Vec<Duration>,
    by_tick: BTreeSet<(Duration, usize)>,
    generator: Option<Generator>,
    leaving_since: Option<Duration>,
    /// Messages said over all sessions.
    said: u64,
    /// The sessions that leave when all that they asked is answered.
    parting: BTreeSet<usize>,
    /// Reasons for refusals that were told.
    refused_for: BTreeSet<String>,
    effects: Vec<HostEffect>,
}

impl Host {
    /// A process whose sessions ask the balancer for servers at once.
    pub fn new(config: HostConfig, now: Duration) -> Host {
        let count = config.load.as_ref().map_or(1, |load| load.sessions.max(1));
        Host::of_sessions(config, count, true, now)
    }

    /// A process of so many sessions none of which listens to the chat, or does anything before it
    /// is told to.
    pub fn crowd(name: String, sessions: u32, seed: u64, now: Duration) -> Host {
        let config = HostConfig {
            name,
            client: None,
            load: None,
            seed,
        };
        Host::of_sessions(config, sessions, false, now)
    }

    fn of_sessions(config: HostConfig, count: u32, listens: bool, now: Duration) -> Host {
        let count = count as usize;
        let mut host = Host {
            name: config.name,
            rng: ChaCha8Rng::seed_from_u64(config.seed),
            sessions: Vec::with_capacity(count),
            by_id: BTreeMap::new(),
            ticks: vec![now; count],
            by_tick: BTreeSet::new(),
            generator: config.load.map(|load| Generator::new(load, now)),
            leaving_since: None,
            said: 0,
            parting: BTreeSet::new(),
            refused_for: BTreeSet::new(),
            effects: Vec::new(),
        };
        for number in 0..count {
            let first = number == 0;
            let client = config.client.filter(|_| first);
            let session = host.new_session(now, client, first && listens);
            host.by_id.insert(session.client(), number);
            host.sessions.push(session);
            host.carry_out(now, number);
        }
        host
    }

    /// A server sent something.
    pub fn from_server(&mut self, now: Duration, server: ServerId, message: ServerMessage) {
        if let Some(&session) = addressee(&message).and_then(|id| self.by_id.get(&id)) {
            self.sessions[session].from_server(now, server, message);
            self.carry_out(now, session);
        }
    }

    /// The balancer answered.
    pub fn from_balancer(&mut self, now: Duration, answer: BalancerAnswer) {
        if let BalancerAnswer::Who(who) = answer {
            self.tell(News::Who(who));
        } else if let Some(&session) = answer_addressee(&answer).and_then(|id| self.by_id.get(&id))
        {
            self.sessions[session].from_balancer(now, answer);
            self.carry_out(now, session);
        }
    }

    /// A node did not want the connection, and said why.
    pub fn refused(&mut self, peer: String, reason: String) {
        if self.refused_for.insert(reason.clone()) {
            self.tell(News::Refused { peer, reason });
        }
    }

    /// The current connection to a server ended, or could not be made.
    pub fn server_gone(&mut self, now: Duration, server: ServerId) {
        for session in 0..self.sessions.len() {
            self.sessions[session].server_failed(now, server);
            self.carry_out(now, session);
        }
    }

    /// The current connection to the balancer ended, or could not be made.
    pub fn balancer_gone(&mut self, now: Duration) {
        for session in 0..self.sessions.len() {
            self.sessions[session].balancer_failed(now);
            self.carry_out(now, session);
        }
    }

    /// The user wants something of the first session.
    pub fn ask(&mut self, now: Duration, at_ms: u64, ask: Ask) {
        match ask {
            Ask::Say(text) => self.say(now, at_ms, 0, text),
            Ask::Read => self.read(now, 0),
            Ask::History { from, limit } => self.history(now, 0, from, limit),
            Ask::Who => (self.effects).push(HostEffect::ToBalancer(BalancerMessage::Who)),
            Ask::Leave => {
                self.leaving_since.get_or_insert(now);
                self.generator = None;
            }
        }
    }

    /// Says something in one of the sessions, and returns its sequence number there.
    pub fn say_in(&mut self, now: Duration, at_ms: u64, session: usize, text: String) -> u64 {
        let seq = self.sessions[session].say(now, at_ms, text);
        self.carry_out(now, session);
        seq
    }

    /// The number of the session that has this id now.
    pub fn number_of(&self, client: ClientId) -> Option<usize> {
        self.by_id.get(&client).copied()
    }

    /// Time has passed: ticks the sessions that are due, replaces those that parted, and says what
    /// was generated.
    pub fn tick(&mut self, now: Duration, at_ms: u64) {
        while let Some(&(at, session)) = self.by_tick.first()
            && at <= now
        {
            self.sessions[session].tick(now);
            self.carry_out(now, session);
            // A session that is due again at once would keep the others waiting.
            if self.ticks[session] <= now {
                self.reschedule(session, now + Duration::from_millis(1));
            }
        }
        self.replace_parted(now);
        self.generate(now, at_ms);
    }

    /// When [`Host::tick`] is due, if nothing happens before; it may be in the past.
    pub fn next_tick(&self, now: Duration) -> Duration {
        let session = self.by_tick.first().map(|(at, _)| *at);
        let generator = self.generator.as_ref();
        // One that is over has yet to be reported.
        let generated = generator.map(|generator| generator.next_due(now).unwrap_or(now));
        let leaving = self.leaving_since.map(|since| since + LEAVE_LIMIT);
        [session, generated, leaving]
            .into_iter()
            .flatten()
            .fold(now + IDLE, Duration::min)
    }

    /// Whether it was asked to leave, and what was open is answered or was waited for long enough.
    pub fn may_leave(&self, now: Duration) -> bool {
        self.leaving_since.is_some_and(|since| {
            self.sessions.iter().all(Session::is_settled)
                || now.saturating_sub(since) >= LEAVE_LIMIT
        })
    }

    /// Lets all sessions say farewell. Once their effects are carried out only [`News::Ended`] is
    /// left to be told, [`FAREWELL`] later.
    pub fn leave(&mut self, now: Duration) {
        for session in 0..self.sessions.len() {
            self.sessions[session].leave();
            self.carry_out(now, session);
        }
    }

    /// What there is to do, in order.
    pub fn take_effects(&mut self) -> Vec<HostEffect> {
        std::mem::take(&mut self.effects)
    }

    fn tell(&mut self, news: News) {
        self.effects.push(HostEffect::News(news));
    }

    fn say(&mut self, now: Duration, at_ms: u64, session: usize, text: String) {
        self.said += 1;
        let client = self.sessions[session].client();
        let seq = self.sessions[session].say(now, at_ms, text.clone());
        self.tell(News::Said {
            client,
            seq,
            at_ms,
            text,
        });
        self.carry_out(now, session);
    }

    fn read(&mut self, now: Duration, session: usize) {
        let client = self.sessions[session].client();
        let id = self.sessions[session].read(now);
        self.tell(News::ReadAsked { client, id });
        self.carry_out(now, session);
    }

    fn history(&mut self, now: Duration, session: usize, from: u64, limit: u32) {
        self.sessions[session].history(now, from, limit);
        self.carry_out(now, session);
    }

    fn generate(&mut self, now: Duration, at_ms: u64) {
        let Some(generator) = &mut self.generator else {
            return;
        };
        if generator.is_over(now) {
            let (said, acked) = (self.said, generator.acknowledged());
            self.generator = None;
            self.tell(News::LoadDone { said, acked });
            return;
        }
        for (session, deed) in generator.due(now) {
            self.carry(now, at_ms, session as usize, deed);
        }
    }

    /// Does what the generator wants of a session. One that is leaving does nothing more.
    fn carry(&mut self, now: Duration, at_ms: u64, session: usize, deed: Deed) {
        if self.parting.contains(&session) {
            return;
        }
        match deed {
            Deed::Say(text) => self.say(now, at_ms, session, text),
            Deed::Read => self.read(now, session),
            Deed::History { from, limit } => self.history(now, session, from, limit),
            Deed::Leave if session == 0 => self.answered(session),
            Deed::Leave => {
                self.parting.insert(session);
                self.replace_parted(now);
            }
        }
    }

    /// Lets those leave that wait for no answer any more, and a new session join for each.
    fn replace_parted(&mut self, now: Duration) {
        let settled: Vec<usize> = self
            .parting
            .iter()
            .copied()
            .filter(|&session| self.sessions[session].is_settled())
            .collect();
        for session in settled {
            self.parting.remove(&session);
            self.sessions[session].leave();
            self.carry_out(now, session);
            self.by_id.remove(&self.sessions[session].client());
            let new = self.new_session(now, None, false);
            self.by_id.insert(new.client(), session);
            self.sessions[session] = new;
            self.carry_out(now, session);
            self.answered(session);
        }
    }

    fn answered(&mut self, session: usize) {
        if let Some(generator) = &mut self.generator {
            generator.answered(session as u32);
        }
    }

    /// A session of its own, under a new id unless one is given.
    fn new_session(&mut self, now: Duration, client: Option<ClientId>, listens: bool) -> Session {
        let client = client.unwrap_or_else(|| ClientId(self.rng.random()));
        let config = Config {
            client,
            name: self.name.clone(),
            seen: listens.then_some(0),
            seed: client.0,
            timing: Timing::default(),
        };
        Session::new(config, now)
    }

    /// Carries out what a session wants, and notes when it wants a tick.
    fn carry_out(&mut self, now: Duration, session: usize) {
        let client = self.sessions[session].client();
        for effect in self.sessions[session].take_effects() {
            match effect {
                Effect::AskBalancer { avoid } => {
                    let route = BalancerMessage::Route {
                        client,
                        name: self.name.clone(),
                        avoid,
                    };
                    self.effects.push(HostEffect::ToBalancer(route));
                }
                Effect::Send {
                    server,
                    address,
                    message,
                } => self.effects.push(HostEffect::ToServer {
                    server,
                    address,
                    message,
                }),
                Effect::Drop { server } => {
                    // Others may need the connection.
                    if self.sessions.len() == 1 {
                        self.effects.push(HostEffect::ForgetServer(server));
                    }
                }
                Effect::Happened(what) => {
                    match (&what, &mut self.generator) {
                        (Happened::Acked { .. }, Some(generator)) => {
                            generator.acked(session as u32);
                        }
                        (Happened::ReadDone { .. } | Happened::Page { .. }, _) => {
                            self.answered(session);
                        }
                        _ => {}
                    }
                    self.tell(News::Happened { client, what });
                }
            }
        }
        let next = self.sessions[session].next_tick();
        self.reschedule(session, next.unwrap_or(now + IDLE));
    }

    fn reschedule(&mut self, session: usize, at: Duration) {
        // Most of the time nothing changes.
        if self.ticks[session] == at && self.by_tick.contains(&(at, session)) {
            return;
        }
        self.by_tick.remove(&(self.ticks[session], session));
        self.ticks[session] = at;
        self.by_tick.insert((at, session));
    }
}

#[cfg(test)]
mod tests;
