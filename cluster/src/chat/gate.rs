//! Who may write to the terminal: while a typed line is taken away, arriving messages wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::conversation::Event;

/// A message that is on its way to the screen holds the gate no longer than this, unless it waits
/// for the editor to take it: then it comes with the next line.
const PASSAGE: Duration = Duration::from_millis(20);

/// Opened by the editor when it shows its prompt, closed by it when a line is complete.
pub struct Gate {
    open: Mutex<bool>,
    /// The editor begins: its first prompt opens.
    opening: AtomicBool,
    /// The line that was complete last.
    typed: Mutex<String>,
    events: Sender<Event>,
}

/// Leave to write: while it lives, the gate stays open.
pub struct Passage<'a>(#[allow(dead_code, reason = "held, never read")] MutexGuard<'a, bool>);

impl Gate {
    pub fn new(events: Sender<Event>) -> Gate {
        Gate {
            open: Mutex::new(false),
            opening: AtomicBool::new(false),
            typed: Mutex::default(),
            events,
        }
    }

    /// The editor is about to show its prompt.
    pub fn opening(&self) {
        self.opening.store(true, Ordering::SeqCst);
    }

    /// The editor shows its prompt.
    pub fn shown(&self) {
        if self.opening.swap(false, Ordering::SeqCst) {
            self.set(true);
            // When nobody listens any more the chat is about to end.
            let _ = self.events.send(Event::ScreenReady);
        }
    }

    /// The line is complete, and will be taken away.
    pub fn close(&self, typed: &str) {
        *self.typed.lock().unwrap_or_else(PoisonError::into_inner) = typed.to_owned();
        self.set(false);
    }

    /// Waits for the message that is on its way, but not for one that waits for the editor, whose
    /// thread this is: that one comes when the editor begins the next line, and disturbs nothing.
    fn set(&self, open: bool) {
        let begun = Instant::now();
        while begun.elapsed() < PASSAGE {
            match self.open.try_lock() {
                Ok(mut state) => return *state = open,
                Err(TryLockError::Poisoned(poisoned)) => return *poisoned.into_inner() = open,
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            }
        }
    }

    /// The line that was complete last, as it stands on the screen.
    pub fn typed(&self) -> String {
        std::mem::take(&mut *self.typed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Leave to write, if the gate is open.
    pub fn pass(&self) -> Option<Passage<'_>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        (*open).then_some(Passage(open))
    }
}
