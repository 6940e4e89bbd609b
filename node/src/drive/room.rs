//! Room for what waits to be sent: how much may queue towards one reader, and towards all of them.
//!
//! A reader that takes nothing must not cost the process its memory, and a thousand of them must
//! not either. Each queue has a limit of its own and at most a quarter of what all the others left
//! free (Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches",
//! 1998): while few are slow they get much, when many are slow each gets little, and there is
//! always room for the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The room that some queues share.
#[derive(Debug, Clone)]
pub struct Room {
    queue_bytes: usize,
    total_bytes: usize,
    used: Arc<AtomicUsize>,
}

/// What waits in one queue. Clones speak of the same queue.
#[derive(Debug, Clone)]
pub struct Queued {
    room: Room,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: AtomicUsize,
    drained: Notify,
}

impl Room {
    /// Room for `queue_bytes` in one queue and `total_bytes` in all. A queue may exceed its share
    /// by one message.
    pub fn new(queue_bytes: usize, total_bytes: usize) -> Room {
        Room {
            queue_bytes,
            total_bytes,
            used: Arc::default(),
        }
    }

    /// A new queue in this room.
    pub fn queue(&self) -> Queued {
        Queued {
            room: self.clone(),
            state: Arc::default(),
        }
    }

    /// What one queue may hold now.
    fn share(&self) -> usize {
        let free = self
            .total_bytes
            .saturating_sub(self.used.load(Ordering::Relaxed));
        self.queue_bytes.min(free / 4)
    }
}

impl Queued {
    fn bytes(&self) -> usize {
        self.state.bytes.load(Ordering::Relaxed)
    }

    /// Whether the next message would be dropped. An empty queue never is full.
    pub fn is_full(&self) -> bool {
        let bytes = self.bytes();
        bytes > 0 && bytes >= self.room.share()
    }

    /// Takes room for a message, of which there is some unless the queue is full.
    pub fn enter(&self, bytes: usize) {
        self.state.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.room.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives back the room of messages that were taken out.
    pub fn leave(&self, bytes: usize) {
        self.state.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.room.used.fetch_sub(bytes, Ordering::Relaxed);
        self.state.drained.notify_waiters();
    }

    /// Whether the queue is half full or more.
    pub fn is_crowded(&self) -> bool {
        let bytes = self.bytes();
        bytes > 0 && bytes >= self.room.share() / 2
    }

    /// Waits until the queue is less than half full.
    pub async fn uncrowded(&self) {
        loop {
            // Before the look, so that what leaves in between is not missed.
            let drained = self.state.drained.notified();
            if !self.is_crowded() {
                return;
            }
            drained.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_reader_gets_its_limit() {
        let queue = Room::new(100, 1000).queue();
        for _ in 0..10 {
            assert!(!queue.is_full());
            queue.enter(10);
        }
        assert!(queue.is_full());
        queue.leave(10);
        assert!(!queue.is_full());
    }

    #[test]
    fn many_slow_readers_share_and_leave_room_for_the_next() {
        let room = Room::new(1000, 1000);
        let queues: Vec<Queued> = (0..50).map(|_| room.queue()).collect();
        for queue in &queues {
            while !queue.is_full() {
                queue.enter(1);
            }
        }
        // Each may exceed its share by one message, here of one byte.
        let used = room.used.load(Ordering::Relaxed);
        assert!(used <= 1000 + queues.len(), "{used}");
        assert!(!room.queue().is_full());
        for queue in &queues {
            queue.leave(queue.bytes());
        }
        assert_eq!(room.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_message_larger_than_the_share_passes_an_empty_queue() {
        let queue = Room::new(10, 10).queue();
        assert!(!queue.is_full());
        queue.enter(100);
        assert!(queue.is_full());
    }

    #[tokio::test]
    async fn requests_wait_until_answers_are_taken() {
        let queue = Room::new(100, 1000).queue();
        queue.uncrowded().await;
        queue.enter(90);
        let waiting = queue.uncrowded();
        tokio::pin!(waiting);
        tokio::select! {
            biased;
            () = &mut waiting => panic!("it is crowded"),
            () = std::future::ready(()) => {}
        }
        queue.leave(60);
        waiting.await;
    }
}
