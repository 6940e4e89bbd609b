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

/// Messages that may wait here at once, over all clients; for more there is no room, and their
/// clients are told so. As many as three servers hold find room at the leader, and wait there no
/// longer than a client's patience.
const TOTAL: usize = 8192;

/// Their texts in bytes, likewise.
const TOTAL_BYTES: usize = 64 << 20;

/// The longest wait that is taken for usual.
const LONGEST_USUAL: Duration = Duration::from_millis(750);

#[derive(Debug, Default)]
pub struct Pending {
    by_client: BTreeMap<ClientId, Queue>,
    total: usize,
    total_bytes: usize,
    /// How long messages took lately from their first proposal to the log, on a moving average.
    usual_wait: Duration,
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
    first_proposed_at: Option<Duration>,
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// To be proposed now, in this order.
    Propose(Vec<Command>),
    /// Kept; its predecessor `missing` has not come.
    Gap { missing: u64 },
    /// It waits already.
    Already,
    /// There is no room.
    Full,
}

impl Pending {
    /// Takes a message whose client's next sequence number in the log is `next_seq`; the message's
    /// own number must not be below it.
    pub fn take(&mut self, now: Duration, command: Command, next_seq: u64) -> Taken {
        let seq = command.seq;
        assert!(seq >= next_seq, "a stored message is not pending");
        let queue = self.by_client.entry(command.client).or_default();
        let Err(place) = queue.find(seq) else {
            return Taken::Already;
        };
        let run_before = queue.run_end(next_seq);
        let full = self.total >= TOTAL || self.total_bytes >= TOTAL_BYTES;
        // What waits for a predecessor must never take all the room that the predecessors need.
        let crowds = seq > run_before && self.total >= TOTAL / 2;
        if full || crowds || seq - next_seq >= PER_CLIENT {
            return Taken::Full;
        }
        self.total += 1;
        self.total_bytes += command.text.len();
        let waiting = Waiting {
            command,
            proposed_at: Duration::ZERO,
            first_proposed_at: None,
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
    pub fn applied(&mut self, now: Duration, client: ClientId, seq: u64) {
        let Some(queue) = self.by_client.get_mut(&client) else {
            return;
        };
        while let Some(first) = queue.waiting.front()
            && first.command.seq <= seq
        {
            self.total -= 1;
            self.total_bytes -= first.command.text.len();
            if let Some(proposed_at) = first.first_proposed_at {
                let wait = now.saturating_sub(proposed_at).min(LONGEST_USUAL);
                self.usual_wait = (self.usual_wait * 7 + wait) / 8;
            }
            queue.waiting.pop_front();
        }
    }

    /// How long a message usually takes from its proposal to the log, as far as that is known. Under
    /// load that is long, and no reason to propose again what only waits for its turn.
    pub fn usual_wait(&self) -> Duration {
        self.usual_wait
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
            waiting.first_proposed_at.get_or_insert(now);
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
        assert_eq!(pending.take(at(0), command(2), 1), Taken::Already);
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
        pending.applied(at(40), ANN, 2);
        assert_eq!(pending.propose_again(at(40), at(30), |_| 3), [command(3)]);
        pending.applied(at(40), ANN, 3);
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
        pending.applied(at(9), ANN, 1);
        pending.take(at(9), command(5), 2);
        pending.forget_gaps(|_| false, |_| 2);
        assert!(pending.is_empty());
        assert_eq!((pending.total, pending.total_bytes), (0, 0));
    }

    #[test]
    fn is_bounded() {
        let mut pending = Pending::default();
        assert_eq!(pending.take(at(0), command(1 + PER_CLIENT), 1), Taken::Full);
        assert!(pending.is_empty(), "what was not taken leaves no trace");
        assert_eq!(pending.take(at(0), command(u64::MAX), 1), Taken::Full);

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

    #[test]
    fn how_long_messages_take_is_learned_from_their_first_proposals() {
        let mut pending = Pending::default();
        for seq in 1..=40 {
            let said = at(1000 * seq);
            pending.take(said, command(seq), seq);
            pending.propose_again(said + at(90), said, |_| seq);
            pending.applied(said + at(100), ANN, seq);
        }
        assert!(at(99) <= pending.usual_wait() && pending.usual_wait() <= at(100));
        // An hour without a leader is not usual.
        for seq in 41..=80 {
            pending.take(at(0), command(seq), seq);
            pending.applied(at(3_600_000), ANN, seq);
        }
        assert!(pending.usual_wait() <= LONGEST_USUAL);
    }

    #[test]
    fn what_waits_for_its_predecessor_leaves_room_for_that() {
        let mut pending = Pending::default();
        let of = |client, seq| Command {
            client: ClientId(client),
            ..command(seq)
        };
        let clients = TOTAL as u64;
        for client in 1..=clients {
            pending.take(at(0), of(client, 2), 1);
        }
        assert_eq!(pending.total, TOTAL / 2);
        assert_eq!(pending.take(at(0), of(clients, 2), 1), Taken::Full);
        for client in 1..=clients / 2 {
            let both = vec![of(client, 1), of(client, 2)];
            let taken = pending.take(at(0), of(client, 1), 1);
            assert_eq!(taken, Taken::Propose(both));
        }
        assert_eq!(pending.take(at(0), of(clients, 1), 1), Taken::Full);
    }
}
