//! The door of a listening node: how many may come in, and what is said of those who may not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::net::NetError;
use super::reporter::Reporter;
use crate::event::Event;
use crate::wire::Role;

/// The most connections of clients and observers, whatever the system allows.
const MOST_CLIENTS: usize = 4096;

/// Descriptors to be had when the system does not tell.
const FEW_DESCRIPTORS: u64 = 1024;

/// Complaints in one [`WINDOW`] that are written down. Whoever sends garbage must not fill the disk
/// with it.
const COMPLAINTS: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// Shared by the connections of a node.
#[derive(Clone)]
pub struct Door {
    reporter: Reporter,
    /// Connections whose other end has not said who it is. They leave within the handshake's time.
    strangers: Arc<Semaphore>,
    servers: Arc<Semaphore>,
    clients: Arc<Semaphore>,
    complaints: Arc<Mutex<Complaints>>,
}

struct Complaints {
    since: Instant,
    count: u32,
}

/// The place of one connection, given back when it is dropped.
pub struct Place(#[allow(dead_code, reason = "held, never read")] OwnedSemaphorePermit);

impl Door {
    /// A door for as many connections as the process may have descriptors for, with a part kept
    /// for its own files and connections.
    pub fn new(reporter: Reporter) -> Door {
        let descriptors = raise_descriptors() as usize;
        Door {
            reporter,
            strangers: Arc::new(Semaphore::new(descriptors / 4)),
            servers: Arc::new(Semaphore::new(descriptors / 8)),
            clients: Arc::new(Semaphore::new((descriptors / 2).min(MOST_CLIENTS))),
            complaints: Arc::new(Mutex::new(Complaints {
                since: Instant::now(),
                count: 0,
            })),
        }
    }

    /// A place for a new connection, until it has said who it is.
    pub fn let_in(&self) -> Option<Place> {
        self.strangers.clone().try_acquire_owned().ok().map(Place)
    }

    /// A place for a connection in its role. Clients cannot take the servers' places.
    ///
    /// # Errors
    /// The reason why there is none, for the other side.
    pub fn admit(&self, role: &Role) -> Result<Place, String> {
        let (places, what) = match role {
            Role::Server { .. } => (&self.servers, "servers"),
            Role::Client | Role::Observer => (&self.clients, "clients"),
        };
        places.clone().try_acquire_owned().map(Place).map_err(|_| {
            format!("no room for more connections of {what}; close some, or try again later")
        })
    }

    /// A connection that never became one.
    pub fn note_bad_start(&self, from: SocketAddr, error: &NetError) {
        match error {
            NetError::Refused { reason, .. } => {
                if self.complain(format_args!("refused {from}: {reason}")) {
                    self.reporter.event(Event::Refused {
                        peer: from.to_string(),
                        reason: reason.clone(),
                    });
                }
            }
            NetError::Frame(error) => {
                self.complain(format_args!("closed a connection from {from}: {error}"));
            }
            // A port scan, a health check, a node that died: nothing to say.
            NetError::Io(_) | NetError::Silent | NetError::Closed | NetError::Idle { .. } => {}
        }
    }

    /// A connection that ended: bad bytes are worth a word.
    pub fn note_end(&self, name: &str, error: &NetError) {
        if let NetError::Frame(error) = error {
            self.complain(format_args!("closed the connection from {name}: {error}"));
        }
    }

    /// Writes the words down, unless there were many of late. Says whether it did.
    fn complain(&self, words: std::fmt::Arguments<'_>) -> bool {
        let mut complaints = self
            .complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if complaints.since.elapsed() >= WINDOW {
            *complaints = Complaints {
                since: Instant::now(),
                count: 0,
            };
        }
        complaints.count = complaints.count.saturating_add(1);
        if complaints.count > COMPLAINTS {
            return false;
        }
        self.reporter.say(words);
        if complaints.count == COMPLAINTS {
            self.reporter.say(format_args!(
                "there are many of these: no more is said of them for up to {} s",
                WINDOW.as_secs()
            ));
        }
        true
    }
}

/// Raises the limit of open descriptors as far as it goes, and says how many there may be.
fn raise_descriptors() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return FEW_DESCRIPTORS;
    };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return hard;
    }
    soft
}
