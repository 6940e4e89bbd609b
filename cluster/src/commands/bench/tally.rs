//! What the clients of a load count.

use std::time::Duration;

use hdrhistogram::Histogram;
use paxosctl_node::drive::Answered;

use crate::clock::monotonic;

/// Acknowledgements so far, and how long those of the measured time took.
#[derive(Debug)]
pub struct Tally {
    /// Whether each client was answered once.
    answered: Vec<bool>,
    silent: usize,
    /// Acknowledgements from the beginning.
    pub acks: u64,
    measuring: Option<Measured>,
    /// While pauses are kept: when the last acknowledgement came, on the monotonic clock.
    last: Option<Duration>,
    /// Times without any acknowledgement, since they are kept.
    pauses: Option<Vec<Pause>>,
}

/// A time between two acknowledgements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    pub from: Duration,
    pub to: Duration,
}

/// Shorter pauses are not kept.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// What was measured between two moments.
#[derive(Debug, Clone)]
pub struct Measured {
    began: Duration,
    pub lasted: Duration,
    /// Latencies in nanoseconds.
    latencies: Histogram<u64>,
}

impl Tally {
    pub fn new(clients: u32) -> Tally {
        Tally {
            answered: vec![false; clients as usize],
            silent: clients as usize,
            acks: 0,
            measuring: None,
            last: None,
            pauses: None,
        }
    }

    /// Keeps the pauses from now on.
    pub fn watch_pauses(&mut self) {
        self.pauses = Some(Vec::new());
    }

    /// The longest time without an acknowledgement that went on at `at` or began later, and is over.
    pub fn longest_pause_since(&self, at: Duration) -> Duration {
        let pauses = self.pauses.iter().flatten();
        let since = pauses.filter(|pause| pause.to > at);
        since
            .map(|pause| pause.to - pause.from)
            .max()
            .unwrap_or_default()
    }

    /// When the last acknowledgement came since pauses are kept, on the monotonic clock.
    pub fn last(&self) -> Option<Duration> {
        self.last
    }

    pub fn note(&mut self, answered: Answered) {
        if self.pauses.is_some() {
            self.note_pause(monotonic());
        }
        self.acks += 1;
        if let Some(client) = self.answered.get_mut(answered.client as usize)
            && !*client
        {
            *client = true;
            self.silent -= 1;
        }
        if let Some(measured) = &mut self.measuring {
            measured.note(answered.after);
        }
    }

    /// An acknowledgement came at this time.
    fn note_pause(&mut self, at: Duration) {
        if let (Some(pauses), Some(from)) = (&mut self.pauses, self.last)
            && at.saturating_sub(from) >= SHORTEST_PAUSE
        {
            pauses.push(Pause { from, to: at });
        }
        self.last = Some(at);
    }

    /// How many clients have not been answered once.
    pub fn silent(&self) -> usize {
        self.silent
    }

    pub fn begin(&mut self) {
        self.measuring = Some(Measured::new(monotonic()));
    }

    /// What was measured since [`Tally::begin`].
    pub fn end(&mut self) -> Option<Measured> {
        let mut measured = self.measuring.take()?;
        measured.lasted = monotonic().saturating_sub(measured.began);
        Some(measured)
    }
}

impl Measured {
    fn new(began: Duration) -> Measured {
        Measured {
            began,
            lasted: Duration::ZERO,
            // Three digits; it grows to what comes.
            latencies: Histogram::new(3).expect("three digits are possible"),
        }
    }

    fn note(&mut self, after: Duration) {
        let nanoseconds = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        (self.latencies.record(nanoseconds)).expect("a histogram that grows takes any value");
    }

    pub fn acks(&self) -> u64 {
        self.latencies.len()
    }

    pub fn acks_per_s(&self) -> f64 {
        self.acks() as f64 / self.lasted.as_secs_f64()
    }

    /// The latency that so many percent of the messages did not exceed, in microseconds.
    pub fn percentile_us(&self, percent: f64) -> f64 {
        self.latencies.value_at_percentile(percent) as f64 / 1000.0
    }

    pub fn max_us(&self) -> f64 {
        self.latencies.max() as f64 / 1000.0
    }

    /// Both together.
    pub fn and(mut self, other: &Measured) -> Measured {
        self.lasted += other.lasted;
        (self.latencies.add(&other.latencies)).expect("a histogram that grows takes any other");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(microseconds: impl IntoIterator<Item = u64>) -> Measured {
        let mut measured = Measured::new(Duration::ZERO);
        for us in microseconds {
            measured.note(Duration::from_micros(us));
        }
        measured.lasted = Duration::from_secs(2);
        measured
    }

    fn near(value: f64, expected: f64) {
        assert!((value / expected - 1.0).abs() < 0.002, "{value} {expected}");
    }

    #[test]
    fn percentiles_are_those_of_what_came() {
        let measured = of(1..=10_000);
        near(measured.percentile_us(50.0), 5_000.0);
        near(measured.percentile_us(95.0), 9_500.0);
        near(measured.percentile_us(99.9), 9_990.0);
        near(measured.max_us(), 10_000.0);
        assert_eq!(measured.acks(), 10_000);
        assert_eq!(measured.acks_per_s(), 5_000.0);
    }

    #[test]
    fn one_slow_message_among_many_is_seen_in_the_maximum_alone() {
        let measured = of(std::iter::repeat_n(100, 9_999).chain([3_000_000]));
        near(measured.percentile_us(99.9), 100.0);
        near(measured.max_us(), 3_000_000.0);
    }

    #[test]
    fn two_rounds_count_as_one_that_lasted_as_long_as_both() {
        let both = of(1..=100).and(&of(1_000_001..=1_000_300));
        assert_eq!(both.acks(), 400);
        assert_eq!(both.acks_per_s(), 100.0);
        near(both.percentile_us(25.0), 100.0);
        near(both.percentile_us(50.0), 1_000_100.0);
    }

    #[test]
    fn what_came_before_is_not_measured_and_every_client_counts_once() {
        let mut tally = Tally::new(2);
        let answered = |client| Answered {
            client,
            after: Duration::from_micros(5),
        };
        tally.note(answered(0));
        tally.note(answered(0));
        assert_eq!(tally.silent(), 1);
        tally.begin();
        tally.note(answered(1));
        assert_eq!(tally.silent(), 0);
        let measured = tally.end().expect("it began");
        assert_eq!((measured.acks(), tally.acks), (1, 3));
        assert!(tally.end().is_none());
    }

    #[test]
    fn the_pause_around_a_moment_is_the_longest_that_it_may_have_caused() {
        let mut tally = Tally::new(1);
        tally.watch_pauses();
        for ms in [0, 500, 501, 505, 735, 736, 740] {
            tally.note_pause(Duration::from_millis(ms));
        }
        let since = |ms| {
            tally
                .longest_pause_since(Duration::from_millis(ms))
                .as_millis()
        };
        assert_eq!(since(0), 500);
        assert_eq!(since(500), 230);
        assert_eq!(since(600), 230);
        assert_eq!(since(735), 4);
        assert_eq!(since(740), 0);
    }
}
