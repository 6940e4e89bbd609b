//! The sessions of one client process, their connections and their timers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::connections::{Closed, Connections, Peer};
use super::{Ask, Input, News};
use crate::client::{
    Config, Deed, Effect, Generator, Happened, Session, Timing, addressee, answer_addressee,
};
use crate::ids::ClientId;
use crate::wire::{BalancerAnswer, BalancerMessage};

/// How long a leaving client waits for what is open.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);

/// How long the last messages get for leaving the process.
const FAREWELL: Duration = Duration::from_millis(20);

/// A session that waits for nothing.
const IDLE: Duration = Duration::from_secs(3600);

/// Sessions, all of one name, numbered from 0.
pub struct Host {
    started: Instant,
    name: String,
    sessions: Vec<Session>,
    ids: Vec<ClientId>,
    by_id: BTreeMap<ClientId, usize>,
    /// When each session wants a tick, for finding the first.
    ticks: Vec<Duration>,
    by_tick: BTreeSet<(Duration, usize)>,
    connections: Connections,
    generator: Option<Generator>,
    leaving_since: Option<Duration>,
    /// Messages said over all sessions.
    said: u64,
    /// The sessions that leave when all that they asked is answered.
    parting: BTreeSet<usize>,
    /// Reasons for refusals that were told.
    refused_for: BTreeSet<String>,
    news: Box<dyn FnMut(News) + Send>,
}

impl Host {
    pub fn new(
        name: String,
        sessions: Vec<(ClientId, Session)>,
        connections: Connections,
        news: Box<dyn FnMut(News) + Send>,
    ) -> Host {
        let (ids, sessions): (Vec<ClientId>, Vec<Session>) = sessions.into_iter().unzip();
        Host {
            started: Instant::now(),
            name,
            by_id: ids.iter().copied().zip(0..).collect(),
            ticks: vec![Duration::ZERO; sessions.len()],
            by_tick: (0..sessions.len()).map(|n| (Duration::ZERO, n)).collect(),
            ids,
            sessions,
            connections,
            generator: None,
            leaving_since: None,
            said: 0,
            parting: BTreeSet::new(),
            refused_for: BTreeSet::new(),
            news,
        }
    }

    /// Lets generated messages be said.
    pub fn generate(&mut self, generator: Generator) {
        self.generator = Some(generator);
    }

    /// Runs until the sessions have left.
    pub async fn run(
        mut self,
        mut asks: mpsc::UnboundedReceiver<Ask>,
        mut inputs: mpsc::Receiver<Input>,
    ) {
        loop {
            let wake = self.started + self.next_wake();
            tokio::select! {
                biased;
                Some(input) = inputs.recv() => {
                    self.take(input);
                    for _ in 0..1024 {
                        let Ok(input) = inputs.try_recv() else { break };
                        self.take(input);
                    }
                }
                ask = asks.recv() => self.ask(ask.unwrap_or(Ask::Leave)),
                () = tokio::time::sleep_until(wake) => {}
            }
            self.tick();
            self.replace_parted();
            self.generate_due();
            if self.may_leave() {
                return self.leave().await;
            }
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn next_wake(&self) -> Duration {
        let tick = self.by_tick.first().map(|(at, _)| *at);
        let generated = self
            .generator
            .as_ref()
            .and_then(|generator| generator.next_due(self.now()));
        let leaving = self.leaving_since.map(|since| since + LEAVE_LIMIT);
        [tick, generated, leaving]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(Duration::MAX)
            .min(self.now() + IDLE)
    }

    fn take(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Server { server, message } => {
                if let Some(&session) = addressee(&message).and_then(|id| self.by_id.get(&id)) {
                    self.sessions[session].from_server(now, server, message);
                    self.carry_out(session);
                }
            }
            Input::Balancer(BalancerAnswer::Who(who)) => (self.news)(News::Who(who)),
            Input::Balancer(answer) => {
                if let Some(&session) = answer_addressee(&answer).and_then(|id| self.by_id.get(&id))
                {
                    self.sessions[session].from_balancer(now, answer);
                    self.carry_out(session);
                }
            }
            Input::Refused { peer, reason } => {
                if self.refused_for.insert(reason.clone()) {
                    (self.news)(News::Refused { peer, reason });
                }
            }
            Input::Closed(closed) => self.closed(now, &closed),
        }
    }

    fn closed(&mut self, now: Duration, closed: &Closed) {
        if !self.connections.closed(closed) {
            return;
        }
        for session in 0..self.sessions.len() {
            match closed.peer {
                Peer::Balancer => self.sessions[session].balancer_failed(now),
                Peer::Server(server) => self.sessions[session].server_failed(now, server),
            }
            self.carry_out(session);
        }
    }

    fn ask(&mut self, ask: Ask) {
        let now = self.now();
        match ask {
            Ask::Say(text) => self.say(0, text),
            Ask::Read => self.read(0),
            Ask::History { from, limit } => self.history(0, from, limit),
            Ask::Who => self.connections.send_to_balancer(BalancerMessage::Who),
            Ask::Leave => {
                self.leaving_since.get_or_insert(now);
                self.generator = None;
            }
        }
    }

    fn say(&mut self, session: usize, text: String) {
        self.said += 1;
        let now = self.now();
        let at_ms = wall_clock_ms();
        let seq = self.sessions[session].say(now, at_ms, text.clone());
        // Told before the message leaves, so that no acknowledgement is older than its message.
        (self.news)(News::Said {
            client: self.ids[session],
            seq,
            at_ms,
            text,
        });
        self.carry_out(session);
    }

    fn read(&mut self, session: usize) {
        let now = self.now();
        let id = self.sessions[session].read(now);
        let client = self.ids[session];
        (self.news)(News::ReadAsked { client, id });
        self.carry_out(session);
    }

    fn history(&mut self, session: usize, from: u64, limit: u32) {
        let now = self.now();
        self.sessions[session].history(now, from, limit);
        self.carry_out(session);
    }

    /// Does what the generator wants of a session. One that is leaving does nothing more.
    fn carry(&mut self, session: usize, deed: Deed) {
        if self.parting.contains(&session) {
            return;
        }
        match deed {
            Deed::Say(text) => self.say(session, text),
            Deed::Read => self.read(session),
            Deed::History { from, limit } => self.history(session, from, limit),
            // The first listens for all.
            Deed::Leave if session == 0 => self.answered(session),
            Deed::Leave => {
                self.parting.insert(session);
                self.replace_parted();
            }
        }
    }

    /// Lets those leave that wait for no answer any more, and a new session join for each.
    fn replace_parted(&mut self) {
        let settled: Vec<usize> = self
            .parting
            .iter()
            .copied()
            .filter(|&session| self.sessions[session].is_settled())
            .collect();
        for session in settled {
            self.parting.remove(&session);
            self.sessions[session].leave();
            self.carry_out(session);
            self.by_id.remove(&self.ids[session]);
            let (client, new) = new_session(&self.name, None, false, self.now());
            self.ids[session] = client;
            self.by_id.insert(client, session);
            self.sessions[session] = new;
            self.carry_out(session);
            self.answered(session);
        }
    }

    fn answered(&mut self, session: usize) {
        if let Some(generator) = &mut self.generator {
            generator.answered(session as u32);
        }
    }

    fn tick(&mut self) {
        let now = self.now();
        while let Some(&(at, session)) = self.by_tick.first()
            && at <= now
        {
            self.sessions[session].tick(now);
            self.carry_out(session);
            // A session that is due again at once would keep the others waiting.
            if self.ticks[session] <= now {
                self.reschedule(session, now + Duration::from_millis(1));
            }
        }
    }

    fn generate_due(&mut self) {
        let now = self.now();
        let Some(generator) = &mut self.generator else {
            return;
        };
        let due = generator.due(now);
        let over = generator.is_over(now).then(|| generator.acknowledged());
        for (session, deed) in due {
            self.carry(session as usize, deed);
        }
        if let Some(acked) = over {
            self.generator = None;
            let said = self.said;
            (self.news)(News::LoadDone { said, acked });
        }
    }

    /// Carries out what a session wants, and notes when it wants a tick.
    fn carry_out(&mut self, session: usize) {
        let client = self.ids[session];
        for effect in self.sessions[session].take_effects() {
            match effect {
                Effect::AskBalancer { avoid } => {
                    self.connections.send_to_balancer(BalancerMessage::Route {
                        client,
                        name: self.name.clone(),
                        avoid,
                    });
                }
                Effect::Send {
                    server,
                    address,
                    message,
                } => {
                    // The balancer passes on what the server said of itself; nonsense is as good
                    // as a server that cannot be reached.
                    if let Ok(address) = address.parse() {
                        self.connections.send_to_server(server, address, message);
                    }
                }
                Effect::Drop { server } => {
                    if self.sessions.len() == 1 {
                        self.connections.forget_server(server);
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
                    (self.news)(News::Happened { client, what });
                }
            }
        }
        let next = self.sessions[session]
            .next_tick()
            .unwrap_or_else(|| self.now() + IDLE);
        self.reschedule(session, next);
    }

    fn reschedule(&mut self, session: usize, at: Duration) {
        self.by_tick.remove(&(self.ticks[session], session));
        self.ticks[session] = at;
        self.by_tick.insert((at, session));
    }

    /// Whether it was asked to leave, and what was open is answered or was waited for long enough.
    fn may_leave(&self) -> bool {
        self.leaving_since.is_some_and(|since| {
            self.sessions.iter().all(Session::is_settled)
                || self.now().saturating_sub(since) >= LEAVE_LIMIT
        })
    }

    async fn leave(mut self) {
        for session in 0..self.sessions.len() {
            self.sessions[session].leave();
            self.carry_out(session);
        }
        // The farewell is a courtesy to the servers: they notice the end without it.
        tokio::time::sleep(FAREWELL).await;
        (self.news)(News::Ended);
    }
}

/// A session of its own, under a new id unless one is given.
pub fn new_session(
    name: &str,
    client: Option<ClientId>,
    listens: bool,
    now: Duration,
) -> (ClientId, Session) {
    let client = client.unwrap_or_else(|| ClientId(rand::random()));
    let config = Config {
        client,
        name: name.to_owned(),
        seen: listens.then_some(0),
        seed: client.0,
        timing: Timing::default(),
    };
    (client, Session::new(config, now))
}

/// Milliseconds since the Unix epoch, for people.
fn wall_clock_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|since| since.as_millis() as u64)
        .unwrap_or(0)
}
