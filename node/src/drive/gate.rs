//! The links of a node as its connections share them, and bounds on what they hold back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::link::NodeLinks;

/// The most messages that a node holds back at a time. More are lost, like what does not fit into
/// a queue: a long delay under load must not take all memory.
const MOST_HELD: usize = 1 << 17;
/// And their most bytes, as frames.
const MOST_HELD_BYTES: usize = 256 << 20;

/// A node's own link table, shared by its connections. All of them live on one thread and hold the
/// lock only for one decision.
#[derive(Clone)]
pub struct Gate {
    me: Arc<str>,
    links: Arc<Mutex<NodeLinks>>,
    held: Arc<AllHeld>,
}

/// What a node holds back.
#[derive(Default)]
struct AllHeld {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

/// A message that is held back, until this is dropped.
pub struct Held {
    among: Arc<AllHeld>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.among.messages.fetch_sub(1, Ordering::Relaxed);
        self.among.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Gate {
    pub fn new(links: NodeLinks) -> Gate {
        Gate {
            me: links.me().into(),
            links: Arc::new(Mutex::new(links)),
            held: Arc::default(),
        }
    }

    pub fn me(&self) -> &str {
        &self.me
    }

    /// Room to hold a message of so many bytes back, while there is any.
    fn hold(&self, bytes: usize) -> Option<Held> {
        let among = self.held.clone();
        let others = among.messages.fetch_add(1, Ordering::Relaxed);
        let with_it = among.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let held = Held { among, bytes };
        (others < MOST_HELD && with_it <= MOST_HELD_BYTES).then_some(held)
    }

    /// Does something with a message of so many bytes after a delay, holding up nobody. Where too
    /// much is held back already, the message is lost.
    pub fn later(
        &self,
        bytes: usize,
        delay: Duration,
        action: impl Future<Output = ()> + Send + 'static,
    ) {
        let Some(held) = self.hold(bytes) else {
            return;
        };
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            action.await;
            drop(held);
        });
    }

    /// Asks the links, or changes them. Nothing may wait meanwhile, so no guard is handed out.
    pub fn with_links<R>(&self, ask: impl FnOnce(&mut NodeLinks) -> R) -> R {
        // A panic in another task does not make the table wrong.
        ask(&mut self.links.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_back_is_bounded_and_makes_room_again() {
        for (bytes, most) in [(1, MOST_HELD), (1 << 20, MOST_HELD_BYTES >> 20)] {
            let gate = Gate::new(NodeLinks::new("s1", Vec::new()));
            let mut held: Vec<Held> = (0..most).filter_map(|_| gate.hold(bytes)).collect();
            assert_eq!(held.len(), most);
            assert!(gate.hold(bytes).is_none());
            held.truncate(most - 1);
            held.extend(gate.hold(bytes));
            assert_eq!(held.len(), most);
            assert!(gate.hold(bytes).is_none());
        }
    }
}
