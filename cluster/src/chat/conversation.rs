//! A running chat: the client below, the view of it, and a screen that shows it.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use paxosctl_node::drive::{Ask, Client, News};

use super::ChatError;
use super::command::Line;
use super::render::Shown;
use super::view::{Effect, View};

/// Events that are taken in before something is shown: a flood must not keep the screen still.
const TOGETHER: usize = 1024;
/// How long the client gets for taking leave when nothing is open.
const FAREWELL: Duration = Duration::from_secs(1);

/// What reaches the chat.
#[derive(Debug)]
pub enum Event {
    News(News),
    /// The person, or the pipe, typed a line.
    Typed(Line),
    /// No more lines come.
    InputEnded,
    InputFailed(io::Error),
    /// The screen can take more.
    ScreenReady,
}

/// What the input did in one turn.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Lines that were taken.
    pub lines: usize,
    /// Nothing more is wanted.
    pub quit: bool,
}

/// Where things are shown.
pub trait Screen {
    /// # Errors
    /// Nobody can see it any more.
    fn show(&mut self, shown: &[Shown]) -> io::Result<()>;
}

pub struct Conversation<S> {
    client: Client,
    events: Receiver<Event>,
    started: Instant,
    pub view: View,
    pub screen: S,
}

impl Conversation<()> {
    /// A chat that has no screen yet. `started` is the moment that the view counts its time from.
    pub fn new(
        client: Client,
        events: Receiver<Event>,
        started: Instant,
        view: View,
    ) -> Conversation<()> {
        Conversation {
            client,
            events,
            started,
            view,
            screen: (),
        }
    }

    pub fn on<S: Screen>(self, screen: S) -> Conversation<S> {
        Conversation {
            client: self.client,
            events: self.events,
            started: self.started,
            view: self.view,
            screen,
        }
    }
}

impl<S: Screen> Conversation<S> {
    /// Waits for something to happen, until `until` at most, and carries out what it leads to.
    ///
    /// # Errors
    /// The input or the screen failed.
    pub fn turn(&mut self, until: Option<Duration>) -> Result<Turn, ChatError> {
        let mut turn = Turn::default();
        let mut shown = Vec::new();
        let mut next = self.wait(until);
        for _ in 0..TOGETHER {
            let Some(event) = next else { break };
            self.take(event, &mut turn, &mut shown)?;
            next = self.events.try_recv().ok();
        }
        if let Some(event) = next {
            self.take(event, &mut turn, &mut shown)?;
        }
        let effects = self.view.tick(self.now());
        self.carry_out(effects, &mut shown);
        self.screen.show(&shown).map_err(ChatError::Output)?;
        Ok(turn)
    }

    /// Waits until `done`, or until nothing went forward for `patience`. Then ends the session.
    ///
    /// # Errors
    /// Messages are not stored; or the input or the screen failed.
    pub fn leave(
        &mut self,
        patience: Duration,
        done: impl Fn(&View) -> bool,
    ) -> Result<(), ChatError> {
        let mut progress = (usize::MAX, 0);
        let mut progress_at = self.now();
        while !done(&self.view) {
            // While something is unsent, what others say is no progress.
            let unsent = self.view.unsent();
            let present = (unsent, if unsent == 0 { self.view.seen() } else { 0 });
            if present != progress {
                progress = present;
                progress_at = self.now();
            }
            let until = progress_at + patience;
            if self.now() >= until {
                break;
            }
            self.turn(Some(until))?;
        }
        let count = self.view.unsent();
        self.client.ask(Ask::Leave);
        if count > 0 {
            return Err(ChatError::NotStored { count });
        }
        let until = self.now() + FAREWELL;
        while !self.view.has_ended() && self.now() < until {
            self.turn(Some(until))?;
        }
        Ok(())
    }

    /// Since the start of the chat.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn wait(&self, until: Option<Duration>) -> Option<Event> {
        let next_tick = self.view.next_tick();
        let wake = [next_tick, until].into_iter().flatten().min();
        match wake {
            None => self.events.recv().ok(),
            Some(wake) => {
                let wait = wake.saturating_sub(self.now());
                match self.events.recv_timeout(wait) {
                    Ok(event) => Some(event),
                    Err(RecvTimeoutError::Timeout) => None,
                    // The client and the input hold the other end while they live; without them
                    // only time goes on.
                    Err(RecvTimeoutError::Disconnected) => {
                        std::thread::sleep(wait);
                        None
                    }
                }
            }
        }
    }

    fn take(
        &mut self,
        event: Event,
        turn: &mut Turn,
        shown: &mut Vec<Shown>,
    ) -> Result<(), ChatError> {
        let now = self.now();
        let effects = match event {
            Event::News(news) => self.view.news(now, news),
            Event::Typed(line) => {
                turn.lines += 1;
                turn.quit |= line == Line::Quit;
                self.view.typed(now, line)
            }
            Event::InputEnded => {
                turn.quit = true;
                return Ok(());
            }
            Event::InputFailed(error) => return Err(ChatError::Input(error)),
            Event::ScreenReady => return Ok(()),
        };
        self.carry_out(effects, shown);
        Ok(())
    }

    fn carry_out(&mut self, effects: Vec<Effect>, shown: &mut Vec<Shown>) {
        for effect in effects {
            match effect {
                Effect::Show(what) => shown.push(what),
                Effect::Ask(ask) => self.client.ask(ask),
            }
        }
    }
}
