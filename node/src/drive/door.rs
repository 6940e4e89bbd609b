//! The door of a listening node: who may come in, how many of them, and what is said of those who
//! may not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::gate::Gate;
use super::net::{self, Connection, NetError};
use super::reporter::Reporter;
use crate::event::Event;
use crate::ids::{ConnId, ServerId};
use crate::wire::{Hello, Role, Welcome};

/// The most connections of clients and observers, whatever the system allows.
const MOST_CLIENTS: usize = 4096;

/// Descriptors to be had when the system does not tell.
const FEW_DESCRIPTORS: u64 = 1024;

/// Complaints in one [`WINDOW`] that are written down. Whoever sends garbage must not fill the disk
/// with it.
const COMPLAINTS: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// The pause after a connection could not be taken.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Whose door it is.
pub struct Owner {
    /// What the other side is told that it came to: `the balancer`, `s1`.
    pub title: String,
    pub cluster: u64,
    pub members: Vec<ServerId>,
}

/// Shared by the connections of a node.
#[derive(Clone)]
pub struct Door {
    owner: Arc<Owner>,
    gate: Gate,
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
struct Place(#[allow(dead_code, reason = "held, never read")] OwnedSemaphorePermit);

impl Door {
    /// A door for as many connections as the process may have descriptors for, with a part kept
    /// for its own files and connections.
    pub fn new(owner: Owner, gate: Gate, reporter: Reporter) -> Door {
        let descriptors = raise_descriptors() as usize;
        Door {
            owner: Arc::new(owner),
            gate,
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

    /// Takes connections for ever. Each that is welcome is served on a task of its own, under an id
    /// that no other connection has.
    pub async fn open<Serving>(
        self,
        listener: TcpListener,
        serve: impl Fn(Connection, Hello, ConnId) -> Serving + Clone + Send + 'static,
    ) where
        Serving: Future<Output = ()> + Send,
    {
        let mut last = 0;
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    last += 1;
                    let conn = ConnId(last);
                    // Without a place the connection is closed at once.
                    let Ok(stranger) = self.strangers.clone().try_acquire_owned() else {
                        continue;
                    };
                    let (door, serve) = (self.clone(), serve.clone());
                    tokio::spawn(async move {
                        let greeted = door.greet(stream, from, Place(stranger)).await;
                        if let Some((connection, hello, _place)) = greeted {
                            serve(connection, hello, conn).await;
                        }
                    });
                }
                // Out of descriptors, most likely: others go on, and this one may come again.
                Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
            }
        }
    }

    /// Finds out who came. None if it is not welcome, and was told so.
    async fn greet(
        &self,
        stream: TcpStream,
        from: SocketAddr,
        stranger: Place,
    ) -> Option<(Connection, Hello, Place)> {
        let mut place = None;
        let greeted = net::greet(stream, &self.gate, |hello| match self.admit(hello) {
            Ok(given) => {
                place = Some(given);
                Welcome::Accepted {
                    node: self.gate.me().to_string(),
                }
            }
            Err(reason) => Welcome::Refused { reason },
        })
        .await;
        drop(stranger);
        match greeted {
            Ok((connection, hello)) => place.map(|place| (connection, hello, place)),
            Err(error) => {
                self.note_bad_start(from, &error);
                None
            }
        }
    }

    /// A place for the other end in its role, or why there is none. Clients cannot take the
    /// servers' places.
    fn admit(&self, hello: &Hello) -> Result<Place, String> {
        let Owner {
            title,
            cluster,
            members,
        } = &*self.owner;
        if hello.cluster != *cluster {
            return Err(format!(
                "{title} belongs to cluster {cluster:016x}, and {} to cluster {:016x}",
                hello.node, hello.cluster
            ));
        }
        let (places, what) = match hello.role {
            Role::Server { server, .. } if !members.contains(&server) => {
                return Err(format!(
                    "{server} is not a server of this cluster, which has s1 to s{}",
                    members.len()
                ));
            }
            Role::Server { .. } => (&self.servers, "servers"),
            Role::Client | Role::Observer => (&self.clients, "clients"),
        };
        places.clone().try_acquire_owned().map(Place).map_err(|_| {
            format!(
                "{title} has no room for more connections of {what}; close some, or try again later"
            )
        })
    }

    /// A connection that never became one.
    fn note_bad_start(&self, from: SocketAddr, error: &NetError) {
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
pub(super) fn raise_descriptors() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return FEW_DESCRIPTORS;
    };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return hard;
    }
    soft
}
