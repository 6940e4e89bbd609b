//! Messages on their way out: left in an outbox, through the link table, and written as frames by
//! the connection's task, as many at a time as wait.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

use super::gate::Gate;
use super::net::{Linked, NetError};
use super::room::{Queued, Room};
use crate::link::{Kind, Verdict};
use crate::wire::frame;

/// A buffer that grew beyond this in a burst is given back.
const KEPT_BYTES: usize = 256 << 10;

/// Where messages for one peer are left. Clones leave them in the same place.
pub struct Outbox<T> {
    to: Arc<str>,
    gate: Gate,
    sender: Arc<Sender>,
    of: PhantomData<fn(T)>,
}

impl<T> Clone for Outbox<T> {
    fn clone(&self) -> Outbox<T> {
        Outbox {
            to: self.to.clone(),
            gate: self.gate.clone(),
            sender: self.sender.clone(),
            of: PhantomData,
        }
    }
}

/// The frames that wait for a connection: what [`write_all`] writes.
pub struct Frames {
    queue: Arc<Queue>,
    /// Taken out of the queue, and being written.
    leaving: Vec<u8>,
}

struct Queue {
    pile: Mutex<Pile>,
    grown: Notify,
    queued: Queued,
}

/// One frame behind the other.
#[derive(Default)]
struct Pile {
    bytes: Vec<u8>,
    /// Nobody is left to add anything, or to take it.
    ended: bool,
}

/// The last one to be dropped ends the queue.
struct Sender {
    queue: Arc<Queue>,
}

/// A message as a frame, kept because the same often goes to several peers.
pub struct LastFrame<T> {
    message: Option<T>,
    bytes: Vec<u8>,
}

impl<T> Default for LastFrame<T> {
    fn default() -> LastFrame<T> {
        LastFrame {
            message: None,
            bytes: Vec::new(),
        }
    }
}

impl<T: Serialize + PartialEq> LastFrame<T> {
    /// The message as a frame; none if it cannot be encoded.
    fn of(&mut self, message: T) -> Option<&[u8]> {
        if self.message.as_ref() != Some(&message) {
            self.message = None;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES);
            frame::encode(&message, &mut self.bytes).ok()?;
            self.message = Some(message);
        }
        Some(&self.bytes)
    }
}

impl Queue {
    fn pile(&self) -> MutexGuard<'_, Pile> {
        // A panic in another task leaves whole frames or none.
        self.pile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what `add` appends, if there is room, and somebody to take it.
    fn add(&self, add: impl FnOnce(&mut Vec<u8>)) {
        if self.queued.is_full() {
            return;
        }
        let mut pile = self.pile();
        if pile.ended {
            return;
        }
        let before = pile.bytes.len();
        add(&mut pile.bytes);
        self.queued.enter(pile.bytes.len() - before);
        if before == 0 {
            self.grown.notify_one();
        }
    }

    fn end(&self) {
        self.pile().ended = true;
        self.grown.notify_one();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.queue.end();
    }
}

impl<T: Linked> Outbox<T> {
    /// An outbox within `room`, and the queue to be given to [`write_all`].
    pub fn new(to: &str, gate: &Gate, room: &Room) -> (Outbox<T>, Frames) {
        let queue = Arc::new(Queue {
            pile: Mutex::default(),
            grown: Notify::new(),
            queued: room.queue(),
        });
        let outbox = Outbox {
            to: to.into(),
            gate: gate.clone(),
            sender: Arc::new(Sender {
                queue: queue.clone(),
            }),
            of: PhantomData,
        };
        let frames = Frames {
            queue,
            leaving: Vec::new(),
        };
        (outbox, frames)
    }

    /// How much waits here.
    pub fn queued(&self) -> Queued {
        self.sender.queue.queued.clone()
    }

    /// Sends through the link table. What does not fit is dropped, and so is what cannot be
    /// encoded: like a lost message.
    pub fn send(&self, message: &T) {
        self.pass(message.kind(), |bytes| {
            drop(frame::encode(message, bytes));
        });
    }

    /// [`Outbox::send`] of a message that may go to several peers one after the other.
    pub fn send_one_of_many(&self, message: T, last: &mut LastFrame<T>)
    where
        T: PartialEq,
    {
        let kind = message.kind();
        if let Some(encoded) = last.of(message) {
            self.pass(kind, |bytes| bytes.extend_from_slice(encoded));
        }
    }

    /// Lets the link table decide what becomes of the frame that `add` appends.
    fn pass(&self, kind: Kind, add: impl Fn(&mut Vec<u8>)) {
        match self.gate.with_links(|links| links.sending(&self.to, kind)) {
            Verdict::Dropped => {}
            Verdict::Untouched => self.sender.queue.add(add),
            Verdict::Copies(delays) => {
                for delay in delays {
                    if delay.is_zero() {
                        self.sender.queue.add(&add);
                        continue;
                    }
                    let mut late = Vec::new();
                    add(&mut late);
                    let (sender, length) = (self.sender.clone(), late.len());
                    self.gate.later(length, delay, async move {
                        sender.queue.add(|bytes| bytes.extend_from_slice(&late));
                    });
                }
            }
        }
    }
}

impl Frames {
    /// The next frames, at least one, once there are any; none when there never will be.
    async fn next(&mut self) -> Option<&[u8]> {
        // A write that was broken off does not go on.
        self.left();
        loop {
            {
                let mut pile = self.queue.pile();
                if !pile.bytes.is_empty() {
                    std::mem::swap(&mut pile.bytes, &mut self.leaving);
                    break;
                }
                if pile.ended {
                    return None;
                }
            }
            self.queue.grown.notified().await;
        }
        Some(&self.leaving)
    }

    /// What was taken out has left.
    fn left(&mut self) {
        if !self.leaving.is_empty() {
            self.queue.queued.leave(self.leaving.len());
            self.leaving.clear();
            self.leaving.shrink_to(KEPT_BYTES);
        }
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.queue.end();
        self.left();
        self.leaving = std::mem::take(&mut self.queue.pile().bytes);
        self.left();
    }
}

/// Waits for something while there is no connection. What comes out of the queue meanwhile is
/// dropped: it would be stale by the time that it could be sent, and take memory until then.
pub async fn discarding<R>(frames: &mut Frames, until: impl Future<Output = R>) -> R {
    let drain = async {
        while frames.next().await.is_some() {
            frames.left();
        }
        std::future::pending::<R>().await
    };
    tokio::select! {
        biased;
        result = until => result,
        result = drain => result,
    }
}

/// Writes what comes out of the queue, many messages at a time, until either side ends.
pub async fn write_all(frames: &mut Frames, writer: &mut OwnedWriteHalf) -> Result<(), NetError> {
    while let Some(bytes) = frames.next().await {
        writer.write_all(bytes).await?;
        frames.left();
    }
    Ok(())
}
