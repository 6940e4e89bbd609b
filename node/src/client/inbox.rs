//! What arrives of the chat, put in order: every index once, none left out.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Timing;
use super::retry::{Jitter, Retry};
use crate::planted::{self, Bug};
use crate::value::Command;

/// At most so many messages are kept while one before them is missing; the others come again.
pub(super) const AHEAD_MOST: usize = 1024;

/// After so many messages the server is told that they arrived.
pub(super) const TELL_EVERY: u64 = 1024;

#[derive(Debug)]
pub(super) struct Inbox {
    /// The last index handed out.
    seen: u64,
    /// The last index that a server was told to be seen.
    told: u64,
    /// Messages that wait for one before them. All are above `seen` + 1.
    ahead: BTreeMap<u64, Command>,
    /// The last index that exists, as far as the present server let know.
    last: u64,
    /// When to ask for what is missing; set while something is.
    resume: Option<Retry>,
}

impl Inbox {
    pub(super) fn new(seen: u64) -> Inbox {
        Inbox {
            seen,
            told: seen,
            ahead: BTreeMap::new(),
            last: 0,
            resume: None,
        }
    }

    /// The last index handed out, to be told to the server.
    pub(super) fn tell(&mut self) -> u64 {
        self.told = self.seen;
        self.seen
    }

    /// Whether enough came since to tell the server at once: it sends a long chat no faster than it
    /// is told that the messages arrive.
    pub(super) fn tells(&self) -> bool {
        self.seen - self.told >= TELL_EVERY
    }

    /// Takes messages at consecutive indexes from `first` on, and returns those that are next, in
    /// order, with their indexes. A repeat is ignored; what comes too early waits.
    pub(super) fn deliver(
        &mut self,
        now: Duration,
        first: u64,
        messages: Vec<Command>,
        timing: &Timing,
    ) -> Vec<(u64, Command)> {
        let seen_before = self.seen;
        let mut next = Vec::new();
        // An index beyond the range of numbers is nonsense from the wire: the zip ends before it.
        for (index, command) in (first..u64::MAX).zip(messages) {
            if index <= self.seen {
                continue;
            }
            if index > self.seen + 1 {
                if self.ahead.len() < AHEAD_MOST {
                    self.ahead.insert(index, command);
                }
                self.last = self.last.max(index);
                continue;
            }
            self.seen = index;
            next.push((index, command));
            while let Some(command) = self.ahead.remove(&(self.seen + 1)) {
                self.seen += 1;
                next.push((self.seen, command));
            }
        }
        if self.seen > seen_before {
            self.resume = None;
        }
        self.watch(now, timing);
        next
    }

    /// The present server knows messages up to `last`.
    pub(super) fn exists(&mut self, now: Duration, last: u64, timing: &Timing) {
        self.last = self.last.max(last);
        self.watch(now, timing);
    }

    /// The session joined a server that knows messages up to `last`, and pushes what follows `seen`.
    /// It may lag behind the one before: then its messages are awaited.
    pub(super) fn joined(&mut self, now: Duration, last: u64, timing: &Timing) {
        let ahead = self.ahead.last_key_value().map_or(0, |(&index, _)| index);
        self.last = last.max(ahead);
        self.resume = None;
        self.watch(now, timing);
    }

    /// Another server will be asked to push.
    pub(super) fn rerouted(&mut self) {
        if planted::is(Bug::RerouteSkips) {
            self.seen += 1;
        }
        if planted::is(Bug::RerouteRepeats) {
            self.seen = self.seen.saturating_sub(1);
        }
    }

    /// When the server should be asked again to push what is missing.
    pub(super) fn next_resume(&self) -> Option<Duration> {
        self.resume.map(|retry| retry.at)
    }

    /// Whether to ask the server now to push from `seen` on.
    pub(super) fn resumes(&mut self, now: Duration, timing: &Timing, jitter: &mut Jitter) -> bool {
        match &mut self.resume {
            Some(retry) if retry.is_due(now) => {
                retry.done(now, timing.retransmit_most, jitter);
                true
            }
            _ => false,
        }
    }

    /// While messages are missing, the time since the last one came runs.
    fn watch(&mut self, now: Duration, timing: &Timing) {
        if self.last <= self.seen {
            self.resume = None;
        } else if self.resume.is_none() {
            self.resume = Some(Retry::new(now + timing.resume_after, timing.resume_after));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::ClientId;

    fn command(index: u64) -> Command {
        Command {
            client: ClientId(9),
            seq: index,
            name: "bob".into(),
            at_ms: 0,
            text: format!("at {index}"),
        }
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Delivers the messages `from..=to` and returns the indexes handed out.
    fn deliver(inbox: &mut Inbox, now: Duration, from: u64, to: u64) -> Vec<u64> {
        let messages = (from..=to).map(command).collect();
        let next = inbox.deliver(now, from, messages, &Timing::default());
        for (index, message) in &next {
            assert_eq!(*message, command(*index));
        }
        next.into_iter().map(|(index, _)| index).collect()
    }

    #[test]
    fn consecutive_messages_are_handed_out_at_once_and_repeats_ignored() {
        let mut inbox = Inbox::new(0);
        assert_eq!(deliver(&mut inbox, ms(0), 1, 3), [1, 2, 3]);
        assert_eq!(deliver(&mut inbox, ms(0), 2, 5), [4, 5]);
        assert!(deliver(&mut inbox, ms(0), 0, 5).is_empty());
        assert_eq!(inbox.tell(), 5);
        assert_eq!(inbox.next_resume(), None);
    }

    #[test]
    fn early_messages_wait_for_those_before_them() {
        let mut inbox = Inbox::new(10);
        assert!(deliver(&mut inbox, ms(0), 13, 14).is_empty());
        assert!(deliver(&mut inbox, ms(1), 12, 12).is_empty());
        assert_eq!(inbox.next_resume(), Some(ms(300)));
        assert_eq!(deliver(&mut inbox, ms(2), 11, 11), [11, 12, 13, 14]);
        assert_eq!(inbox.next_resume(), None);
    }

    #[test]
    fn what_is_missing_is_asked_for_again_and_again_until_it_comes() {
        let mut inbox = Inbox::new(0);
        let (timing, mut jitter) = (Timing::default(), Jitter::new(1, 0));
        inbox.exists(ms(0), 2, &timing);
        assert!(!inbox.resumes(ms(299), &timing, &mut jitter));
        assert!(inbox.resumes(ms(300), &timing, &mut jitter));
        assert_eq!(inbox.next_resume(), Some(ms(600)));
        // Progress starts the time anew.
        deliver(&mut inbox, ms(500), 1, 1);
        assert_eq!(inbox.next_resume(), Some(ms(800)));
        deliver(&mut inbox, ms(700), 2, 2);
        assert_eq!(inbox.next_resume(), None);
    }

    #[test]
    fn a_server_that_lags_behind_is_waited_for() {
        let mut inbox = Inbox::new(7);
        inbox.exists(ms(0), 9, &Timing::default());
        inbox.joined(ms(1), 5, &Timing::default());
        assert_eq!(inbox.next_resume(), None);
    }

    #[test]
    fn no_more_than_the_bound_is_kept_ahead() {
        let mut inbox = Inbox::new(0);
        let many = AHEAD_MOST as u64 + 100;
        assert!(deliver(&mut inbox, ms(0), 2, many).is_empty());
        assert_eq!(deliver(&mut inbox, ms(0), 1, 1).len(), AHEAD_MOST + 1);
    }

    #[test]
    fn indexes_at_the_end_of_the_range_do_no_harm() {
        let mut inbox = Inbox::new(0);
        let messages = vec![command(1), command(2), command(3)];
        let next = inbox.deliver(ms(0), u64::MAX - 1, messages, &Timing::default());
        assert!(next.is_empty());
        assert_eq!(deliver(&mut inbox, ms(0), 1, 2), [1, 2]);
    }

    proptest! {
        /// Pieces in any order, overlapping and repeated, give every index once, in order.
        #[test]
        fn any_pieces_make_a_gapless_prefix(
            pieces in prop::collection::vec((1..40u64, 0..8u64), 0..60),
        ) {
            let mut inbox = Inbox::new(0);
            let mut handed_out = Vec::new();
            let mut known = std::collections::BTreeSet::new();
            for (first, more) in pieces {
                handed_out.extend(deliver(&mut inbox, ms(0), first, first + more));
                known.extend(first..=first + more);
            }
            let prefix = (1..).take_while(|index| known.contains(index)).count() as u64;
            prop_assert_eq!(handed_out, Vec::from_iter(1..=prefix));
            prop_assert_eq!(inbox.next_resume().is_some(), known.len() as u64 > prefix);
        }
    }
}
