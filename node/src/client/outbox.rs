//! What was said and is not acknowledged yet.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Timing;
use super::retry::{Jitter, Retry};
use crate::value::Command;

/// At most so many messages are under way at once; the others wait for their turn.
pub(super) const WINDOW: usize = 64;

/// The exponent at which the pause for a busy server stops doubling.
const MAX_DOUBLINGS: u32 = 5;

/// Messages by sequence number. Any of them may be acknowledged at any time.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    messages: BTreeMap<u64, Outgoing>,
    /// All before this number are under way to the present server, the others are not.
    first_unsent: u64,
    /// How many are under way.
    under_way: usize,
    /// None of those is due again before this.
    again_at: Duration,
    hold: Hold,
}

#[derive(Debug)]
struct Outgoing {
    command: Command,
    /// None until it is sent to the present server.
    sent: Option<Sent>,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Duration,
    again: Retry,
}

/// What is put up with for a server that has no room: it is left in peace for a while, each time for
/// twice as long, and given half as much at once. Each acknowledgement makes good for one message.
#[derive(Debug)]
struct Hold {
    /// Nothing more is sent until then.
    until: Option<Duration>,
    /// How often in a row there was no room.
    times: u32,
    /// So many may be under way.
    window: usize,
}

impl Default for Hold {
    fn default() -> Hold {
        Hold {
            until: None,
            times: 0,
            window: WINDOW,
        }
    }
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
        let Some(outgoing) = self.messages.remove(&seq) else {
            return false;
        };
        self.under_way -= usize::from(outgoing.sent.is_some());
        self.hold.times = 0;
        self.hold.window = (self.hold.window + 1).min(WINDOW);
        true
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
        if self.under_way > 0 && now >= self.again_at {
            self.again_at = Duration::MAX;
            for outgoing in self.messages.range_mut(..self.first_unsent) {
                let Some(sent) = &mut outgoing.1.sent else {
                    continue;
                };
                if sent.again.is_due(now) {
                    sent.at = now;
                    sent.again.done(now, timing.retransmit_most, jitter);
                    due.push(outgoing.1.command.clone());
                }
                self.again_at = self.again_at.min(sent.again.at);
            }
        }
        if self.hold.until.is_some_and(|until| now < until) {
            return due;
        }
        self.hold.until = None;
        for (&seq, outgoing) in self.messages.range_mut(self.first_unsent..) {
            if self.under_way >= self.hold.window {
                break;
            }
            let mut again = Retry::new(now, timing.retransmit);
            again.done(now, timing.retransmit_most, jitter);
            self.again_at = match self.under_way {
                0 => again.at,
                _ => self.again_at.min(again.at),
            };
            outgoing.sent = Some(Sent { at: now, again });
            self.under_way += 1;
            self.first_unsent = seq + 1;
            due.push(outgoing.command.clone());
        }
        due
    }

    /// When [`Outbox::due`] may have something again.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let again = (self.under_way > 0).then_some(self.again_at);
        let waits = self.messages.range(self.first_unsent..).next().is_some();
        let unsent = (waits && self.under_way < self.hold.window)
            .then_some(self.hold.until.unwrap_or(Duration::ZERO));
        [again, unsent].into_iter().flatten().min()
    }

    /// The server is another one, or has forgotten: everything is due.
    pub(super) fn resend_all(&mut self) {
        self.hold = Hold::default();
        self.unsend(0);
    }

    /// The server had no room for the message `seq`. It and all after it are due after a pause,
    /// together, so that they come in order.
    pub(super) fn put_off(
        &mut self,
        now: Duration,
        seq: u64,
        timing: &Timing,
        jitter: &mut Jitter,
    ) {
        let known = self.messages.get(&seq);
        if known.is_none_or(|outgoing| outgoing.sent.is_none()) {
            return;
        }
        self.unsend(seq);
        // One volley is refused message by message, and waits once.
        if self.hold.until.is_none() {
            let wait = timing.busy_again * (1 << self.hold.times.min(MAX_DOUBLINGS));
            self.hold.until = Some(now + jitter.spread(wait.min(timing.retransmit_most)));
            self.hold.times += 1;
            self.hold.window = (self.hold.window / 2).max(1);
        }
    }

    /// Those from `first` on are not under way any more.
    fn unsend(&mut self, first: u64) {
        for (_, outgoing) in self.messages.range_mut(first..) {
            if outgoing.sent.take().is_none() {
                break;
            }
            self.under_way -= 1;
        }
        self.first_unsent = self.first_unsent.min(first);
    }

    /// Gives everything new numbers, from `first` on or higher, and returns the last: a mistake, for
    /// [`Bug::RetryUnderNewSession`](crate::planted::Bug::RetryUnderNewSession).
    pub(super) fn renumber(&mut self, first: u64) -> u64 {
        let messages = std::mem::take(&mut self.messages);
        let first = messages.keys().next().map_or(first, |&seq| seq.max(first));
        self.messages = (first..).zip(messages.into_values()).collect();
        for (&seq, outgoing) in &mut self.messages {
            outgoing.command.seq = seq;
        }
        let sent = (self.messages.values()).take_while(|outgoing| outgoing.sent.is_some());
        self.first_unsent = first + sent.count() as u64;
        self.messages.last_key_value().map_or(0, |(&seq, _)| seq)
    }

    /// The server lacks the message `next_seq`: it and all after it are due, unless it went out a
    /// moment ago.
    pub(super) fn resend_from(&mut self, now: Duration, next_seq: u64, timing: &Timing) {
        let first = self.messages.range(next_seq..).next();
        let under_way = first.is_some_and(|(_, outgoing)| {
            (outgoing.sent).is_some_and(|sent| now < sent.at + timing.gap_quiet)
        });
        if !under_way {
            self.unsend(next_seq);
        }
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

    #[test]
    fn a_busy_server_gets_half_as_much_after_pauses_that_double() {
        let timing = Timing::default();
        let mut outbox = outbox(70);
        let put_off = |outbox: &mut Outbox, now, seq| {
            outbox.put_off(now, seq, &timing, &mut Jitter::new(1, 0));
        };
        due(&mut outbox, ms(0));
        outbox.acknowledged(1);
        due(&mut outbox, ms(1));
        // One volley was refused from 3 on: what came before is still under way.
        for seq in 3..=65 {
            put_off(&mut outbox, ms(10), seq);
        }
        assert_eq!(outbox.next_due(), Some(ms(35)));
        assert!(due(&mut outbox, ms(34)).is_empty());
        assert_eq!(due(&mut outbox, ms(35)), Vec::from_iter(3..=33));
        put_off(&mut outbox, ms(40), 3);
        assert_eq!(outbox.next_due(), Some(ms(90)));
        assert_eq!(due(&mut outbox, ms(90)), Vec::from_iter(3..=17));
        // Every acknowledgement lets two more leave: for itself, and for the room that there is.
        outbox.acknowledged(2);
        assert_eq!(due(&mut outbox, ms(91)), [18, 19]);
        // There was room since, so the pause is short again; what is older is refused no more.
        put_off(&mut outbox, ms(95), 3);
        put_off(&mut outbox, ms(96), 2);
        assert_eq!(outbox.next_due(), Some(ms(120)));
        // Another server is not busy because the last one was.
        outbox.resend_all();
        assert_eq!(due(&mut outbox, ms(97)), Vec::from_iter(3..=66));
    }
}
