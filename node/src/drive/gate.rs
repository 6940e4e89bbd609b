//! The link table at work: every frame that a node sends or receives passes here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::link::{Kind, Links, Side, Table, Verdict};
use crate::wire::LinkCount;

/// A node's own link table, shared by its connections. All of them live on one thread and hold the
/// lock only for one decision.
#[derive(Clone)]
pub struct Gate {
    me: Arc<str>,
    links: Arc<Mutex<Links>>,
}

impl Gate {
    pub fn new(me: &str, links: Links) -> Gate {
        Gate {
            me: me.into(),
            links: Arc::new(Mutex::new(links)),
        }
    }

    pub fn me(&self) -> &str {
        &self.me
    }

    /// Puts a table in force and returns what the rules of the old one did.
    pub fn load(&self, table: Table) -> Vec<LinkCount> {
        self.lock().load(table)
    }

    pub fn generation(&self) -> u64 {
        self.lock().generation()
    }

    pub fn counts(&self) -> Vec<LinkCount> {
        self.lock().counts()
    }

    /// What becomes of a message that leaves for `to`.
    pub fn sending(&self, to: &str, kind: Kind) -> Verdict {
        self.lock().pass(Side::Send, &self.me, to, kind)
    }

    /// What becomes of a message that arrives from `from`.
    pub fn receiving(&self, from: &str, kind: Kind) -> Verdict {
        self.lock().pass(Side::Receive, from, &self.me, kind)
    }

    /// The fate of a handshake frame, which is sent at most once: `None` if it is lost, else how
    /// long it is delayed.
    pub fn handshake(&self, side: Side, peer: &str) -> Option<Duration> {
        let (from, to) = match side {
            Side::Send => (&*self.me, peer),
            Side::Receive => (peer, &*self.me),
        };
        let verdict = self.lock().pass(side, from, to, Kind::Control);
        verdict.copies().iter().min().copied()
    }

    fn lock(&self) -> MutexGuard<'_, Links> {
        // A panic in another task does not make the table wrong.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
