//! All sessions of one client process: a script's or a person's one, or those of a load, and when
//! each of them wants to be woken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Config, Deed, Effect, Generator, Happened, Load, Session, Timing, addressee, answer_addressee,
};
use crate::ids::{ClientId, ServerId};
use crate::wire::{BalancerAnswer, BalancerMessage, ClientInfo, ClientMessage, ServerMessage};

/// How long a leaving client waits for what is open.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);

/// How long the last messages get for leaving the process.
pub const FAREWELL: Duration = Duration::from_millis(20);

/// A session that waits for nothing.
const IDLE: Duration = Duration::from_secs(3600);

/// What a client process is told when it starts.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// The name that all sessions speak under.
    pub name: String,
    /// The first session's id; drawn from the seed when not given.
    pub client: Option<ClientId>,
    /// What is said without being asked for, from as many sessions as it says.
    pub load: Option<Load>,
    /// Feeds the ids of the sessions.
    pub seed: u64,
}

/// What the user of a client wants of its (first) session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// At most [`Command::MAX_TEXT_BYTES`](crate::value::Command::MAX_TEXT_BYTES).
    Say(String),
    /// A linearizable read of the chat's length.
    Read,
    /// A page of the chat, answered by [`Happened::Page`].
    History { from: u64, limit: u32 },
    /// Who is chatting where, answered by [`News::Who`].
    Who,
    /// Answer what is open (for a few seconds at most), then end.
    Leave,
}

/// What the user of a client hears.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    Said {
        client: ClientId,
        seq: u64,
        at_ms: u64,
        text: String,
    },
    ReadAsked {
        client: ClientId,
        id: u64,
    },
    Happened {
        client: ClientId,
        what: Happened,
    },
    Who(Vec<(ServerId, ClientInfo)>),
    /// A node refused the connection. Told once for each reason.
    Refused {
        peer: String,
        reason: String,
    },
    /// All generated messages are said.
    LoadDone {
        said: u64,
        acked: u64,
    },
    /// The sessions have left; nothing follows.
    Ended,
}

/// What a client process has to do, in order: news of a message come before the message leaves, so
/// that no acknowledgement is older than its message.
#[derive(Debug, Clone, PartialEq)]
pub enum HostEffect {
    ToBalancer(BalancerMessage),
    /// Sent over a connection that is made if there is none. A server that restarted may have
    /// another address than before.
    ToServer {
        server: ServerId,
        address: Arc<str>,
        message: ClientMessage,
    },
    /// No session needs the connection to the server any more: it ends when all is sent.
    ForgetServer(ServerId),
    News(News),
}

/// Sessions, all of one name, numbered from 0. Every call carries the time, which never goes back,
/// and those that may speak what the wall clock shows, in milliseconds.
pub struct Host {
    name: String,
    sessions: Vec<Session>,
    ids: Vec<ClientId>,
    by_id: BTreeMap<ClientId, usize>,
    /// When each session wants a tick, for finding the first.
    ticks: Vec<Duration>,
    by_tick: BTreeSet<(Duration, usize)>,
    ids_to_come: ChaCha8Rng,
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
    /// Sessions that ask the balancer for a server at once.
    pub fn new(config: HostConfig, now: Duration) -> Host {
        let count = config.load.as_ref().map_or(1, |load| load.sessions.max(1));
        let mut ids_to_come = ChaCha8Rng::seed_from_u64(config.seed);
        let mut sessions = Vec::new();
        let mut ids = Vec::new();
        for number in 0..count {
            // One listener hears for all.
            let first = number == 0;
            let given = config.client.filter(|_| first);
            let client = given.unwrap_or_else(|| ClientId(ids_to_come.random()));
            ids.push(client);
            sessions.push(session(client, &config.name, first, now));
        }
        Host {
            name: config.name,
            by_id: ids.iter().copied().zip(0..).collect(),
            ticks: vec![Duration::ZERO; sessions.len()],
            by_tick: (0..sessions.len()).map(|n| (Duration::ZERO, n)).collect(),
            ids,
            sessions,
            ids_to_come,
            generator: config.load.map(|load| Generator::new(load, now)),
            leaving_since: None,
            said: 0,
            parting: BTreeSet::new(),
            refused_for: BTreeSet::new(),
            effects: Vec::new(),
        }
    }

    /// Everything that is to be done since the last call, in order.
    pub fn take_effects(&mut self) -> Vec<HostEffect> {
        std::mem::take(&mut self.effects)
    }

    /// When [`Host::tick`] is due, if nothing happens before.
    pub fn next_tick(&self, now: Duration) -> Duration {
        let tick = self.by_tick.first().map(|(at, _)| *at);
        let generated = self
            .generator
            .as_ref()
            .and_then(|generator| generator.next_due(now));
        let leaving = self.leaving_since.map(|since| since + LEAVE_LIMIT);
        [tick, generated, leaving]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(Duration::MAX)
            .min(now + IDLE)
    }

    pub fn from_server(&mut self, now: Duration, server: ServerId, message: ServerMessage) {
        if let Some(&session) = addressee(&message).and_then(|id| self.by_id.get(&id)) {
            self.sessions[session].from_server(now, server, message);
            self.carry_out(now, session);
        }
    }

    pub fn from_balancer(&mut self, now: Duration, answer: BalancerAnswer) {
        if let BalancerAnswer::Who(who) = answer {
            return self.tell(News::Who(who));
        }
        if let Some(&session) = answer_addressee(&answer).and_then(|id| self.by_id.get(&id)) {
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

    /// The connection to the server ended, or could not be made.
    pub fn server_gone(&mut self, now: Duration, server: ServerId) {
        for session in 0..self.sessions.len() {
            self.sessions[session].server_failed(now, server);
            self.carry_out(now, session);
        }
    }

    /// The connection to the balancer ended, or could not be made.
    pub fn balancer_gone(&mut self, now: Duration) {
        for session in 0..self.sessions.len() {
            self.sessions[session].balancer_failed(now);
            self.carry_out(now, session);
        }
    }

    pub fn ask(&mut self, now: Duration, at_ms: u64, ask: Ask) {
        match ask {
            Ask::Say(text) => self.say(now, at_ms, 0, text),
            Ask::Read => self.read(now, 0),
            Ask::History { from, limit } => self.history(now, 0, from, limit),
            Ask::Who => {
                let who = HostEffect::ToBalancer(BalancerMessage::Who);
                self.effects.push(who);
            }
            Ask::Leave => {
                self.leaving_since.get_or_insert(now);
                self.generator = None;
            }
        }
    }

    /// Time passes: to be called after every batch of inputs, and by [`Host::next_tick`] at the
    /// latest.
    pub fn tick(&mut self, now: Duration, at_ms: u64) {
        self.tick_sessions(now);
        self.replace_parted(now);
        self.generate_due(now, at_ms);
    }

    /// Whether it was asked to leave, and what was open is answered or was waited for long enough.
    pub fn may_leave(&self, now: Duration) -> bool {
        self.leaving_since.is_some_and(|since| {
            self.sessions.iter().all(Session::is_settled)
                || now.saturating_sub(since) >= LEAVE_LIMIT
        })
    }

    /// The sessions say farewell: a courtesy to the servers, who notice the end without it.
    pub fn leave(&mut self, now: Duration) {
        for session in 0..self.sessions.len() {
            self.sessions[session].leave();
            self.carry_out(now, session);
        }
    }

    fn tell(&mut self, news: News) {
        self.effects.push(HostEffect::News(news));
    }

    fn say(&mut self, now: Duration, at_ms: u64, session: usize, text: String) {
        self.said += 1;
        let seq = self.sessions[session].say(now, at_ms, text.clone());
        let client = self.ids[session];
        self.tell(News::Said {
            client,
            seq,
            at_ms,
            text,
        });
        self.carry_out(now, session);
    }

    fn read(&mut self, now: Duration, session: usize) {
        let id = self.sessions[session].read(now);
        let client = self.ids[session];
        self.tell(News::ReadAsked { client, id });
        self.carry_out(now, session);
    }

    fn history(&mut self, now: Duration, session: usize, from: u64, limit: u32) {
        self.sessions[session].history(now, from, limit);
        self.carry_out(now, session);
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
            // The first listens for all.
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
        for place in settled {
            self.parting.remove(&place);
            self.sessions[place].leave();
            self.carry_out(now, place);
            self.by_id.remove(&self.ids[place]);
            let client = ClientId(self.ids_to_come.random());
            self.ids[place] = client;
            self.by_id.insert(client, place);
            self.sessions[place] = session(client, &self.name, false, now);
            self.carry_out(now, place);
            self.answered(place);
        }
    }

    fn answered(&mut self, session: usize) {
        if let Some(generator) = &mut self.generator {
            generator.answered(session as u32);
        }
    }

    fn tick_sessions(&mut self, now: Duration) {
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
    }

    fn generate_due(&mut self, now: Duration, at_ms: u64) {
        let Some(generator) = &mut self.generator else {
            return;
        };
        let due = generator.due(now);
        let over = generator.is_over(now).then(|| generator.acknowledged());
        for (session, deed) in due {
            self.carry(now, at_ms, session as usize, deed);
        }
        if let Some(acked) = over {
            self.generator = None;
            let said = self.said;
            self.tell(News::LoadDone { said, acked });
        }
    }

    /// Takes what a session wants, and notes when it wants a tick.
    fn carry_out(&mut self, now: Duration, session: usize) {
        let client = self.ids[session];
        for effect in self.sessions[session].take_effects() {
            match effect {
                Effect::AskBalancer { avoid } => {
                    let name = self.name.clone();
                    self.effects
                        .push(HostEffect::ToBalancer(BalancerMessage::Route {
                            client,
                            name,
                            avoid,
                        }));
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
        self.by_tick.remove(&(self.ticks[session], session));
        self.ticks[session] = at;
        self.by_tick.insert((at, session));
    }
}

fn session(client: ClientId, name: &str, listens: bool, now: Duration) -> Session {
    let config = Config {
        client,
        name: name.to_owned(),
        seen: listens.then_some(0),
        seed: client.0,
        timing: Timing::default(),
    };
    Session::new(config, now)
}
