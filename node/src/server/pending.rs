//! Messages that this server took from its clients and that are not chosen yet.
//!
//! The replica forgets what it could not bring to the leader, so they are kept here, in each
//! client's order, and proposed again until the log has them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use crate::ids::ClientId;
use crate::value::Command;

/// Messages of one client that may wait here at once; a client that has more keeps them itself.
const PER_CLIENT: u64 = 256;

/// Messages that may wait here at once, over all clients: overload is answered by silence, and the
/// client's next try finds room or not.
const TOTAL: usize = 65_536;

/// A client that sent nothing for so long is gone, or elsewhere: it repeats every second what is not
/// acknowledged. What is left of it here, perhaps behind a hole that nobody fills, is forgotten.
const SILENT: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub struct Pending {
    by_client: BTreeMap<ClientId, Queue>,
    total: usize,
}

#[derive(Debug, Default)]
struct Queue {
    /// By sequence number; may have holes, since messages overtake each other.
    commands: BTreeMap<u64, Command>,
    /// When messages of this client were last proposed.
    proposed_at: Duration,
    /// When the client last sent one.
    heard_at: Duration,
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
        let has_room = self.total < TOTAL && seq < next_seq + PER_CLIENT;
        let queue = match self.by_client.entry(command.client) {
            Entry::Occupied(queue) => queue.into_mut(),
            Entry::Vacant(place) if has_room => place.insert(Queue::default()),
            Entry::Vacant(_) => return Taken::Nothing,
        };
        queue.heard_at = now;
        if !has_room || queue.commands.contains_key(&seq) {
            return Taken::Nothing;
        }
        let run_before = contiguous(&queue.commands, next_seq);
        queue.commands.insert(seq, command);
        self.total += 1;
        let run_after = contiguous(&queue.commands, next_seq);
        if run_after == run_before {
            return Taken::Gap {
                missing: run_before,
            };
        }
        queue.proposed_at = now;
        Taken::Propose(
            queue
                .commands
                .range(run_before..run_after)
                .map(|(_, command)| command.clone())
                .collect(),
        )
    }

    /// The log applied the client's messages up to `seq`.
    pub fn applied(&mut self, client: ClientId, seq: u64) {
        let Some(queue) = self.by_client.get_mut(&client) else {
            return;
        };
        while let Some(first) = queue.commands.first_entry()
            && *first.key() <= seq
        {
            first.remove();
            self.total -= 1;
        }
        if queue.commands.is_empty() {
            self.by_client.remove(&client);
        }
    }

    /// Everything that was not proposed since `before`, each client's in order, marked as proposed
    /// at `now`. `next_seq` tells what the log applies next for a client.
    pub fn propose_again(
        &mut self,
        now: Duration,
        before: Duration,
        next_seq: impl Fn(ClientId) -> u64,
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        for (&client, queue) in &mut self.by_client {
            if queue.proposed_at > before {
                continue;
            }
            let first = next_seq(client);
            let end = contiguous(&queue.commands, first);
            if end > first {
                queue.proposed_at = now;
            }
            commands.extend(queue.commands.range(first..end).map(|(_, c)| c.clone()));
        }
        commands
    }

    /// Forgets what is left of clients that are gone.
    pub fn expire(&mut self, now: Duration) {
        let total = &mut self.total;
        self.by_client.retain(|_, queue| {
            let lives = now.saturating_sub(queue.heard_at) < SILENT;
            if !lives {
                *total -= queue.commands.len();
            }
            lives
        });
    }

    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }
}

/// The end (excluded) of the run of numbers that begins at `first`.
fn contiguous(commands: &BTreeMap<u64, Command>, first: u64) -> u64 {
    commands
        .range(first..)
        .zip(first..)
        .take_while(|((seq, _), expected)| *seq == expected)
        .count() as u64
        + first
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
        assert_eq!(pending.total, 0);
    }

    #[test]
    fn is_bounded() {
        let mut pending = Pending::default();
        assert_eq!(
            pending.take(at(0), command(1 + PER_CLIENT), 1),
            Taken::Nothing
        );
        assert!(pending.is_empty());
    }

    #[test]
    fn what_a_client_left_behind_is_forgotten_once_it_repeats_nothing() {
        let mut pending = Pending::default();
        pending.take(at(0), command(2), 1);
        pending.take(at(9_000), command(2), 1);
        pending.expire(at(18_999));
        assert!(!pending.is_empty());
        pending.expire(at(19_000));
        assert!(pending.is_empty());
        assert_eq!(pending.total, 0);
    }

    #[test]
    fn a_message_behind_a_hole_is_proposed_as_soon_as_the_hole_is_filled_elsewhere() {
        let mut pending = Pending::default();
        pending.take(at(0), command(3), 1);
        assert!(pending.propose_again(at(50), at(0), |_| 1).is_empty());
        assert_eq!(pending.propose_again(at(51), at(1), |_| 3), [command(3)]);
    }
}
