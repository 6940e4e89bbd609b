//! Messages that this server took from its clients and that are not chosen yet.
//!
//! The replica forgets what it could not bring to the leader, so they are kept here, in each
//! client's order, and proposed again until the log has them.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use crate::ids::ClientId;
use crate::value::Command;

/// Messages of one client that may wait here at once; a client that has more keeps them itself.
const PER_CLIENT: u64 = 256;

/// Messages that may wait here at once, over all clients: overload is answered by silence, and the
/// client's next try finds room or not.
const TOTAL: usize = 65_536;

/// Their texts in bytes, likewise.
const TOTAL_BYTES: usize = 64 << 20;

#[derive(Debug, Default)]
pub struct Pending {
    by_client: BTreeMap<ClientId, Queue>,
    total: usize,
    total_bytes: usize,
}

/// The messages of one client, ascending by sequence number; there may be holes, since messages
/// overtake each other.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    command: Command,
    /// When it was last proposed; zero as long as a predecessor is missing. Each message has its
    /// own time: a client that goes on talking must not put off the repetition of a lost one.
    proposed_at: Duration,
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// To be proposed now, in this order.
    Propose(Vec<Command>),
    /// Kept; its predecessor `missing` has not come.
    Gap { missing: u64 },
    /// Already waiting, or no room.
    Nothing,
}

impl Pending {
    /// Takes a message whose client's next sequence number in the log is `next_seq`; the message's
    /// own number must not be below it.
    pub fn take(&mut self, now: Duration, command: Command, next_seq: u64) -> Taken {
        let seq = command.seq;
        assert!(seq >= next_seq, "a stored message is not pending");
        if self.total >= TOTAL || self.total_bytes >= TOTAL_BYTES || seq - next_seq >= PER_CLIENT {
            return Taken::Nothing;
        }
        let queue = self.by_client.entry(command.client).or_default();
        let Err(place) = queue.find(seq) else {
            return Taken::Nothing;
        };
        let run_before = queue.run_end(next_seq);
        self.total += 1;
        self.total_bytes += command.text.len();
        let waiting = Waiting {
            command,
            proposed_at: Duration::ZERO,
        };
        queue.waiting.insert(place, waiting);
        let run_after = queue.run_end(next_seq);
        if run_after == run_before {
            return Taken::Gap {
                missing: run_before,
            };
        }
        Taken::Propose(queue.propose(run_before..run_after, now).collect())
    }

    /// The log applied the client's messages up to `seq`.
    pub fn applied(&mut self, client: ClientId, seq: u64) {
        let Some(queue) = self.by_client.get_mut(&client) else {
            return;
        };
        while let Some(first) = queue.waiting.front()
            && first.command.seq <= seq
        {
            self.total -= 1;
            self.total_bytes -= first.command.text.len();
            queue.waiting.pop_front();
        }
    }

    /// Forgets clients of which nothing waits, and what cannot be proposed, because its predecessor
    /// is missing, of clients that are not `here` any more: nobody would bring the predecessor, and
    /// it would wait for ever.
    pub fn forget_gaps(
        &mut self,
        here: impl Fn(ClientId) -> bool,
        next_seq: impl Fn(ClientId) -> u64,
    ) {
        self.by_client.retain(|&client, queue| {
            if !queue.waiting.is_empty() && !here(client) {
                let end = queue.run_end(next_seq(client));
                let kept = queue.find(end).unwrap_or_else(|place| place);
                for forgotten in queue.waiting.drain(kept..) {
                    self.total -= 1;
                    self.total_bytes -= forgotten.command.text.len();
                }
            }
            !queue.waiting.is_empty()
        });
    }

    /// Everything of each client whose oldest message was not proposed since `before`, in order,
    /// marked as proposed at `now`. `next_seq` tells what the log applies next for a client.
    pub fn propose_again(
        &mut self,
        now: Duration,
        before: Duration,
        next_seq: impl Fn(ClientId) -> u64,
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        for (&client, queue) in &mut self.by_client {
            // Whoever has something newer in front waits for a predecessor.
            let oldest = queue.waiting.front();
            if oldest.is_none_or(|waiting| waiting.proposed_at > before) {
                continue;
            }
            let first = next_seq(client);
            if queue.find(first).is_ok() {
                commands.extend(queue.propose(first..queue.run_end(first), now));
            }
        }
        commands
    }

    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

impl Queue {
    /// The place of the message, or where it would stand.
    fn find(&self, seq: u64) -> Result<usize, usize> {
        let last = self.waiting.back();
        if last.is_none_or(|last| last.command.seq < seq) {
            return Err(self.waiting.len());
        }
        self.waiting
            .binary_search_by_key(&seq, |waiting| waiting.command.seq)
    }

    /// The end (excluded) of the run of numbers that begins at `first`.
    fn run_end(&self, first: u64) -> u64 {
        let Ok(start) = self.find(first) else {
            return first;
        };
        let run = self.waiting.len() - start;
        let last = first + run as u64 - 1;
        // Mostly there is no hole.
        if self.waiting[start + run - 1].command.seq == last {
            return last + 1;
        }
        let numbers = self.waiting.range(start..).zip(first..);
        let run = numbers.take_while(|(waiting, expected)| waiting.command.seq == *expected);
        first + run.count() as u64
    }

    /// Those of `range`, which are all there, marked as proposed at `now`.
    fn propose(&mut self, range: Range<u64>, now: Duration) -> impl Iterator<Item = Command> + '_ {
        let start = self.find(range.start).unwrap_or_else(|place| place);
        let end = self.find(range.end).unwrap_or_else(|place| place);
        self.waiting.range_mut(start..end).map(move |waiting| {
            waiting.proposed_at = now;
            waiting.command.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: ClientId = ClientId(1);

    fn command(seq: u64) -> Command {
        Command {
            client: ANN,
            seq,
            name: "ann".into(),
            at_ms: 0,
            text: format!("message {seq}"),
        }
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_lost_message_is_proposed_again_while_its_client_goes_on_talking() {
        let mut pending = Pending::default();
        for seq in 1..=9 {
            let now = at(100 * seq);
            assert_eq!(
                pending.take(now, command(seq), 1),
                Taken::Propose(vec![command(seq)])
            );
        }
        assert!(pending.propose_again(at(900), at(99), |_| 1).is_empty());
        let all: Vec<Command> = (1..=9).map(command).collect();
        assert_eq!(pending.propose_again(at(900), at(600), |_| 1), all);
        assert!(pending.propose_again(at(900), at(600), |_| 1).is_empty());
    }

    #[test]
    fn proposes_in_order_whatever_the_order_of_arrival() {
        let mut pending = Pending::default();
        assert_eq!(
            pending.take(at(0), command(2), 1),
            Taken::Gap { missing: 1 }
        );
        assert_eq!(
            pending.take(at(0), command(1), 1),
            Taken::Propose(vec![command(1), command(2)])
        );
        assert_eq!(pending.take(at(0), command(2), 1), Taken::Nothing);
        assert_eq!(
            pending.take(at(0), command(3), 1),
            Taken::Propose(vec![command(3)])
        );
    }

    #[test]
    fn proposes_again_only_what_is_old_and_contiguous() {
        let mut pending = Pending::default();
        pending.take(at(10), command(1), 1);
        pending.take(at(10), command(3), 1);
        assert!(pending.propose_again(at(20), at(5), |_| 1).is_empty());
        assert_eq!(pending.propose_again(at(20), at(10), |_| 1), [command(1)]);
        assert!(pending.propose_again(at(21), at(10), |_| 1).is_empty());
        pending.applied(ANN, 2);
        assert_eq!(pending.propose_again(at(40), at(30), |_| 3), [command(3)]);
        pending.applied(ANN, 3);
        assert!(pending.is_empty());
        assert_eq!((pending.total, pending.total_bytes), (0, 0));
    }

    #[test]
    fn forgets_what_waits_in_vain() {
        let mut pending = Pending::default();
        pending.take(at(0), command(1), 1);
        pending.take(at(0), command(3), 1);
        pending.forget_gaps(|_| true, |_| 1);
        assert_eq!(pending.total, 2);
        pending.forget_gaps(|_| false, |_| 1);
        assert_eq!(pending.propose_again(at(9), at(9), |_| 1), [command(1)]);
        assert_eq!(pending.total, 1);
        pending.applied(ANN, 1);
        pending.take(at(9), command(5), 2);
        pending.forget_gaps(|_| false, |_| 2);
        assert!(pending.is_empty());
        assert_eq!((pending.total, pending.total_bytes), (0, 0));
    }

    #[test]
    fn is_bounded() {
        let mut pending = Pending::default();
        assert_eq!(
            pending.take(at(0), command(1 + PER_CLIENT), 1),
            Taken::Nothing
        );
        assert!(pending.is_empty(), "what was not taken leaves no trace");
        assert_eq!(pending.take(at(0), command(u64::MAX), 1), Taken::Nothing);

        let large = Command {
            text: "x".repeat(TOTAL_BYTES / 8),
            ..command(1)
        };
        for client in 1..=20 {
            let command = Command {
                client: ClientId(client),
                ..large.clone()
            };
            pending.take(at(0), command, 1);
        }
        assert_eq!(pending.total, 8);
    }

    #[test]
    fn a_message_behind_a_hole_is_proposed_as_soon_as_the_hole_is_filled_elsewhere() {
        let mut pending = Pending::default();
        pending.take(at(0), command(3), 1);
        assert!(pending.propose_again(at(50), at(0), |_| 1).is_empty());
        assert_eq!(pending.propose_again(at(51), at(1), |_| 3), [command(3)]);
    }
}
