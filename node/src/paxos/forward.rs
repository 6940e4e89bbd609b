//! Client messages on their way to a slot, each of them once.

use std::collections::VecDeque;
use std::time::Duration;

use super::replica::{NEVER, Replica, Role};
use crate::ids::ServerId;
use crate::value::{Command, Value};

/// How often a message for the leader is passed on. A server that cannot reach the leader knows a
/// peer that can; a second step covers a leader that has just changed.
pub(super) const HOPS: u8 = 3;

/// The bytes of a message besides its texts, roughly.
const COMMAND_OVERHEAD_BYTES: usize = 32;

#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Queue {
    waiting: VecDeque<Command>,
    /// When what waits in front came, about. Zero if nothing waits.
    since: Duration,
}

impl Queue {
    pub fn clear(&mut self) {
        self.take();
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn take(&mut self) -> Vec<Command> {
        std::mem::take(self).waiting.into()
    }

    fn push(&mut self, now: Duration, command: Command) {
        if self.waiting.is_empty() {
            self.since = now;
        }
        self.waiting.push_back(command);
    }
}

/// The size of a message, roughly.
pub(super) fn command_bytes(command: &Command) -> usize {
    command.text.len() + command.name.len() + COMMAND_OVERHEAD_BYTES
}

impl Replica {
    /// Client messages, in each client's order. A leader queues them, a follower passes them to its
    /// leader; without a leader they are dropped, as they may be on any link: whoever answers for
    /// them repeats them until [`Sessions`](super::Sessions) says that they are stored.
    pub fn propose(&mut self, now: Duration, commands: Vec<Command>) {
        self.advance_clock(now);
        self.pass_to_leader(None, commands, HOPS);
    }

    pub(super) fn on_forward(&mut self, from: ServerId, commands: Vec<Command>, hops: u8) {
        self.pass_to_leader(Some(from), commands, hops);
    }

    fn pass_to_leader(&mut self, from: Option<ServerId>, commands: Vec<Command>, hops: u8) {
        if self.own_ballot().is_some() {
            self.enqueue(commands);
            return;
        }
        let Some(to) = self.towards_leader().filter(|&to| Some(to) != from) else {
            return;
        };
        if hops == 0 {
            return;
        }
        for command in commands {
            self.outbox
                .forward(to, command, hops - 1, &self.config.limits);
        }
    }

    /// Queues the messages that will take effect, and drops the others.
    ///
    /// A message below what is expected of its client is stored, queued or in flight; one above it
    /// would come before its predecessor. Only a leader knows what to expect; a candidate keeps
    /// everything until it leads.
    pub(super) fn enqueue(&mut self, commands: Vec<Command>) {
        let limit = self.config.limits.queue_messages;
        for command in commands {
            if self.queue.waiting.len() >= limit {
                break;
            }
            if let Role::Leading(leading) = &mut self.role {
                if leading.handing_over.is_some() {
                    break;
                }
                let next = self.learner.sessions.next_seq(command.client);
                let expected = leading.expected.get(&command.client).copied();
                if command.seq != expected.unwrap_or(next) {
                    continue;
                }
                leading.expected.insert(command.client, command.seq + 1);
            }
            self.queue.push(self.now, command);
        }
    }

    /// Counts on a value that a new leader proposes again. It may hold repeats and gaps, which will
    /// take no effect when it is chosen, and so must not be counted on.
    pub(super) fn expect(&mut self, value: &Value) {
        let Role::Leading(leading) = &mut self.role else {
            return;
        };
        for command in value.commands() {
            let next = self.learner.sessions.next_seq(command.client);
            let expected = leading.expected.get(&command.client).copied();
            if command.seq == expected.unwrap_or(next) {
                leading.expected.insert(command.client, command.seq + 1);
            }
        }
    }

    /// Proposes what is queued while slots are free. What arrives while all are in flight shares
    /// the next ones: the more there is to do, the larger the batches.
    pub(super) fn propose_queued(&mut self) {
        while self.now >= self.queue_due() {
            let Role::Leading(leading) = &self.role else {
                return;
            };
            let slot = leading.next;
            let mut waiting = std::mem::take(&mut self.queue.waiting);
            let batch = self.cut_batch(&mut waiting);
            self.queue.waiting = waiting;
            if self.queue.is_empty() {
                self.queue.clear();
            }
            self.propose_value(slot, Value::batch(batch));
        }
    }

    /// When the leader proposes what is queued; never as long as something else has to happen
    /// first. A few messages wait a
    /// little for others while a batch is in flight (as Nagle has it, RFC 896): each batch costs
    /// every server a write, and the messages that come while one is on its way would mostly have
    /// to wait for that anyhow.
    pub(super) fn queue_due(&self) -> Duration {
        let Role::Leading(leading) = &self.role else {
            return NEVER;
        };
        let limits = &self.config.limits;
        let window_is_full = leading.in_flight.len() as u64 >= limits.window_slots;
        if self.queue.is_empty() || window_is_full || self.disk_is_behind() {
            return NEVER;
        }
        if leading.in_flight.is_empty() || self.queue.waiting.len() >= limits.batch_messages / 2 {
            return self.now;
        }
        self.queue.since + self.config.timing.gather
    }

    /// Takes messages from the front, at least one, as many as fit in a batch.
    fn cut_batch(&self, waiting: &mut VecDeque<Command>) -> Vec<Command> {
        let limits = &self.config.limits;
        let mut bytes = 0;
        let fits = waiting
            .iter()
            .take(limits.batch_messages)
            .take_while(|command| {
                bytes += command_bytes(command);
                bytes <= limits.batch_bytes
            })
            .count();
        waiting.drain(..fits.clamp(1, waiting.len())).collect()
    }
}
