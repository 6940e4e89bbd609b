//! What was said and is not acknowledged yet.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Timing;
use super::retry::{Jitter, Retry};
use crate::value::Command;

/// At most so many messages are under way at once; the others wait for their turn.
pub(super) const WINDOW: usize = 64;

/// Messages by sequence number. Any of them may be acknowledged at any time.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    messages: BTreeMap<u64, Outgoing>,
    /// Every message before this one was sent to the present server, or waits behind the window.
    fresh_from: u64,
    /// Nothing that was sent is due again before this.
    again_at: Duration,
}

#[derive(Debug)]
struct Outgoing {
    command: Command,
    /// None until it is sent to the present server.
    sent: Option<Sent>,
}

#[derive(Debug)]
struct Sent {
    at: Duration,
    again: Retry,
}

impl Outbox {
    pub(super) fn push(&mut self, command: Command) {
        let outgoing = Outgoing {
            command,
            sent: None,
        };
        let before = self.messages.insert(outgoing.command.seq, outgoing);
        assert!(before.is_none(), "a sequence number is used once");
    }

    /// The message is chosen. Returns false when that was known, or it was never said.
    pub(super) fn acknowledged(&mut self, seq: u64) -> bool {
        self.messages.remove(&seq).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Everything in the window that is to be sent now, in order.
    pub(super) fn due(
        &mut self,
        now: Duration,
        timing: &Timing,
        jitter: &mut Jitter,
    ) -> Vec<Command> {
        let mut due = Vec::new();
        // With many messages under way, most of the time only the last one is new.
        let only_fresh = now < self.again_at && self.messages.len() <= WINDOW;
        let from = if only_fresh { self.fresh_from } else { 0 };
        let mut again_at = only_fresh.then_some(self.again_at);
        for (&seq, outgoing) in self.messages.range_mut(from..).take(WINDOW) {
            let mut again = match &outgoing.sent {
                None => Retry::new(now, timing.retransmit),
                Some(sent) => sent.again,
            };
            if again.is_due(now) {
                again.done(now, timing.retransmit_most, jitter);
                outgoing.sent = Some(Sent { at: now, again });
                due.push(outgoing.command.clone());
            }
            again_at = Some(again_at.map_or(again.at, |at| at.min(again.at)));
            self.fresh_from = self.fresh_from.max(seq + 1);
        }
        self.again_at = again_at.unwrap_or_default();
        due
    }

    /// When [`Outbox::due`] has something again; perhaps it has nothing yet, if what would have been
    /// due then was acknowledged meanwhile.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let (&last, _) = self.messages.last_key_value()?;
        if self.messages.len() <= WINDOW && self.fresh_from > last {
            return Some(self.again_at);
        }
        let window = self.messages.values().take(WINDOW);
        window
            .map(|outgoing| (outgoing.sent.as_ref()).map_or(Duration::ZERO, |sent| sent.again.at))
            .min()
    }

    /// The server is another one, or has forgotten: everything is due.
    pub(super) fn resend_all(&mut self) {
        self.fresh_from = 0;
        for outgoing in self.messages.values_mut().take(WINDOW) {
            outgoing.sent = None;
        }
    }

    /// Gives everything new numbers, from `first` on or higher, and returns the last: a mistake, for
    /// [`Bug::RetryUnderNewSession`](crate::planted::Bug::RetryUnderNewSession).
    pub(super) fn renumber(&mut self, first: u64) -> u64 {
        self.fresh_from = 0;
        let messages = std::mem::take(&mut self.messages);
        let first = messages.keys().next().map_or(first, |&seq| seq.max(first));
        self.messages = (first..).zip(messages.into_values()).collect();
        for (&seq, outgoing) in &mut self.messages {
            outgoing.command.seq = seq;
        }
        self.messages.last_key_value().map_or(0, |(&seq, _)| seq)
    }

    /// The server lacks the message `next_seq`: it and all after it are due, unless it went out a
    /// moment ago.
    pub(super) fn resend_from(&mut self, now: Duration, next_seq: u64, timing: &Timing) {
        let mut missing = (self.messages.range_mut(next_seq..))
            .map(|(_, outgoing)| outgoing)
            .take_while(|outgoing| outgoing.sent.is_some())
            .peekable();
        let under_way = missing.peek().is_some_and(|first| {
            (first.sent.as_ref()).is_some_and(|sent| now < sent.at + timing.gap_quiet)
        });
        if under_way {
            return;
        }
        for outgoing in missing {
            outgoing.sent = None;
        }
        self.fresh_from = self.fresh_from.min(next_seq);
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::ids::ClientId;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn outbox(messages: u64) -> Outbox {
        let mut outbox = Outbox::default();
        for seq in 1..=messages {
            outbox.push(Command {
                client: ClientId(1),
                seq,
                name: "ann".into(),
                at_ms: 0,
                text: format!("message {seq}"),
            });
        }
        outbox
    }

    fn due(outbox: &mut Outbox, now: Duration) -> Vec<u64> {
        let commands = outbox.due(now, &Timing::default(), &mut Jitter::new(1, 0));
        commands.iter().map(|command| command.seq).collect()
    }

    #[test]
    fn a_window_of_messages_goes_out_in_order_and_moves_with_every_acknowledgement() {
        let mut outbox = outbox(70);
        assert_eq!(outbox.next_due(), Some(ms(0)));
        assert_eq!(due(&mut outbox, ms(1)), Vec::from_iter(1..=64));
        assert!(due(&mut outbox, ms(2)).is_empty());
        assert!(outbox.acknowledged(3));
        assert!(!outbox.acknowledged(3));
        assert_eq!(due(&mut outbox, ms(3)), [65]);
        assert!(outbox.acknowledged(65));
        assert_eq!(due(&mut outbox, ms(4)), [66]);
        assert_eq!(outbox.len(), 68);
    }

    #[test]
    fn what_is_not_acknowledged_goes_out_again_and_again() {
        let mut outbox = outbox(1);
        let mut times = Vec::new();
        for _ in 0..5 {
            let now = outbox.next_due().unwrap();
            assert_eq!(due(&mut outbox, now), [1]);
            times.push(now);
        }
        assert_eq!(times, [ms(0), ms(300), ms(900), ms(1900), ms(2900)]);
        outbox.acknowledged(1);
        assert_eq!(outbox.next_due(), None);
        assert!(due(&mut outbox, ms(9999)).is_empty());
    }

    #[test]
    fn a_gap_makes_everything_from_there_on_due_but_not_twice_in_a_moment() {
        let mut outbox = outbox(4);
        due(&mut outbox, ms(0));
        outbox.resend_from(ms(49), 2, &Timing::default());
        assert!(due(&mut outbox, ms(49)).is_empty());
        outbox.resend_from(ms(50), 2, &Timing::default());
        assert_eq!(due(&mut outbox, ms(50)), [2, 3, 4]);
        outbox.resend_from(ms(51), 2, &Timing::default());
        assert!(due(&mut outbox, ms(51)).is_empty());
        // The server lags behind what was acknowledged: nothing to resend before 5.
        outbox.resend_from(ms(200), 5, &Timing::default());
        assert!(due(&mut outbox, ms(200)).is_empty());
    }

    /// Whatever was said, acknowledged and sent again: what is due is what a look at every message
    /// would find.
    #[test]
    fn nothing_due_is_overlooked_and_nothing_goes_out_early() {
        let timing = Timing::default();
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for _ in 0..50 {
            let (mut outbox, mut jitter) = (Outbox::default(), Jitter::new(1, 20));
            let (mut last, mut now) = (0, ms(0));
            for _ in 0..400 {
                now += ms(rng.random_range(0..40));
                match rng.random_range(0..12) {
                    0..6 => {
                        last += 1;
                        outbox.push(Command {
                            client: ClientId(1),
                            seq: last,
                            name: "ann".into(),
                            at_ms: 0,
                            text: String::new(),
                        });
                    }
                    6..9 => drop(outbox.acknowledged(rng.random_range(0..=last))),
                    9 => outbox.resend_from(now, rng.random_range(0..=last + 1), &timing),
                    10 if rng.random_range(0..9) == 0 => outbox.resend_all(),
                    _ => {}
                }
                let window = outbox.messages.iter().take(WINDOW);
                let expected: Vec<u64> = window
                    .filter(|(_, outgoing)| {
                        (outgoing.sent.as_ref()).is_none_or(|sent| sent.again.is_due(now))
                    })
                    .map(|(&seq, _)| seq)
                    .collect();
                let next = outbox.next_due();
                assert!(expected.is_empty() || next.is_some_and(|next| next <= now));
                let due = outbox.due(now, &timing, &mut jitter);
                assert_eq!(due.iter().map(|due| due.seq).collect::<Vec<_>>(), expected);
                // It never asks to be woken for nothing again and again.
                assert!(outbox.next_due().is_none_or(|next| next > now));
            }
        }
    }

    #[test]
    fn another_server_gets_everything_again() {
        let mut outbox = outbox(3);
        due(&mut outbox, ms(0));
        outbox.acknowledged(2);
        outbox.resend_all();
        assert_eq!(due(&mut outbox, ms(10)), [1, 3]);
    }
}
