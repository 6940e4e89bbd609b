//! Clients that talk, on a thread of their own.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use paxosctl_node::drive::Answered;
use tokio::sync::watch;

use super::tally::Tally;
use crate::clock::monotonic;
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::runtime::ProcStat;

/// How often a wait looks whether it was interrupted.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long the clients may take until each was answered once.
const ALL_TALK_WITHIN: Duration = Duration::from_secs(60);
/// How long the load may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// What a load is given: when to stop, and where to tell of acknowledgements.
pub struct Ears {
    pub stop: watch::Receiver<bool>,
    pub answered: Box<dyn FnMut(Answered) + Send>,
}

/// A load that runs. Dropping it stops it.
#[derive(Debug)]
pub struct Load {
    thread: i32,
    handle: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    tally: Arc<Mutex<Tally>>,
    /// How many messages were open at the end.
    ended: Receiver<Result<u64, String>>,
}

/// What a load was in all.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    /// Messages that were acknowledged.
    pub acks: u64,
    /// Messages that were not, and may be stored all the same.
    pub open: u64,
}

impl Load {
    /// Starts `talk`, which returns the number of messages that were not acknowledged.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(
        clients: u32,
        talk: impl FnOnce(Ears) -> Result<u64, String> + Send + 'static,
    ) -> Result<Load, Failure> {
        let tally = Arc::new(Mutex::new(Tally::new(clients)));
        let counted = tally.clone();
        let (stop, stopped) = watch::channel(false);
        let (tell_thread, told_thread) = channel();
        let (tell_end, ended) = channel();
        let handle = thread::Builder::new()
            .name("load".into())
            .spawn(move || {
                let _ = tell_thread.send(nix::unistd::gettid().as_raw());
                let ears = Ears {
                    stop: stopped,
                    answered: Box::new(move |answered| lock(&counted).note(answered)),
                };
                let _ = tell_end.send(talk(ears));
            })
            .map_err(|error| Failure::Cluster(format!("cannot start the load: {error}")))?;
        Ok(Load {
            thread: told_thread.recv().unwrap_or_default(),
            handle: Some(handle),
            stop,
            tally,
            ended,
        })
    }

    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }

    /// What the load used of the processors so far.
    pub fn cpu(&self) -> Duration {
        ProcStat::of_own_thread(self.thread).map_or(Duration::ZERO, |stat| stat.cpu)
    }

    /// Waits until every client was answered once.
    ///
    /// # Errors
    /// That takes too long, the load failed, or we were interrupted.
    pub fn await_all(&self, interrupt: &Interrupt) -> Result<(), Failure> {
        let deadline = monotonic() + ALL_TALK_WITHIN;
        loop {
            let silent = self.tally().silent();
            if silent == 0 {
                return Ok(());
            }
            if monotonic() >= deadline {
                return Err(Failure::Cluster(format!(
                    "{silent} clients had no answer within {} s",
                    ALL_TALK_WITHIN.as_secs()
                )));
            }
            self.wait(LOOK_EVERY, interrupt)?;
        }
    }

    /// Lets it talk for so long.
    ///
    /// # Errors
    /// The load failed, or we were interrupted.
    pub fn wait(&self, time: Duration, interrupt: &Interrupt) -> Result<(), Failure> {
        let until = monotonic() + time;
        loop {
            interrupt.check()?;
            let left = until.saturating_sub(monotonic());
            if left.is_zero() {
                return Ok(());
            }
            match self.ended.recv_timeout(left.min(LOOK_EVERY)) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Err(error)) => return Err(failed(&error)),
                Ok(Ok(_)) => return Err(failed("it ended")),
                Err(RecvTimeoutError::Disconnected) => return Err(failed("its thread ended")),
            }
        }
    }

    /// Stops it, and waits until what was said is acknowledged.
    ///
    /// # Errors
    /// The load failed.
    pub fn end(mut self) -> Result<Said, Failure> {
        self.stop.send_replace(true);
        let open = match self.ended.recv_timeout(ENDS_WITHIN) {
            Ok(Ok(open)) => open,
            Ok(Err(error)) => return Err(failed(&error)),
            Err(_) => return Err(failed("it did not stop")),
        };
        if let Some(handle) = self.handle.take() {
            let _ = handle.join();
        }
        let acks = self.tally().acks;
        Ok(Said { acks, open })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

fn failed(why: &str) -> Failure {
    Failure::Cluster(format!("the load failed: {why}"))
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
