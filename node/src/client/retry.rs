//! When to do something again.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Spreads waiting times, so that sessions that failed together do not come back together.
#[derive(Debug)]
pub(super) struct Jitter {
    rng: ChaCha8Rng,
    percent: u32,
}

impl Jitter {
    pub(super) fn new(seed: u64, percent: u32) -> Jitter {
        Jitter {
            rng: ChaCha8Rng::seed_from_u64(seed),
            percent: percent.min(100),
        }
    }

    /// `wait`, longer or shorter by up to the percentage.
    pub(super) fn spread(&mut self, wait: Duration) -> Duration {
        let (least, most) = (100 - self.percent, 100 + self.percent);
        wait * self.rng.random_range(least..=most) / 100
    }
}

/// Something that is done again and again, each time after twice as long as before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    /// When it is due.
    pub(super) at: Duration,
    /// The wait after that.
    wait: Duration,
}

impl Retry {
    /// Due at `at`, and again `wait` later.
    pub(super) fn new(at: Duration, wait: Duration) -> Retry {
        Retry { at, wait }
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        now >= self.at
    }

    /// It was done `now`: sets the next time.
    pub(super) fn done(&mut self, now: Duration, most: Duration, jitter: &mut Jitter) {
        self.at = now + jitter.spread(self.wait);
        self.wait = (self.wait * 2).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn waits_double_up_to_the_most() {
        let mut jitter = Jitter::new(1, 0);
        let mut retry = Retry::new(ms(5), ms(300));
        assert!(!retry.is_due(ms(4)));
        assert!(retry.is_due(ms(5)));
        let mut waits = Vec::new();
        for _ in 0..4 {
            let now = retry.at;
            retry.done(now, ms(1000), &mut jitter);
            waits.push(retry.at - now);
        }
        assert_eq!(waits, [ms(300), ms(600), ms(1000), ms(1000)]);
    }

    #[test]
    fn jitter_stays_within_its_percentage_and_follows_its_seed() {
        let draw = |seed| -> Vec<Duration> {
            let mut jitter = Jitter::new(seed, 20);
            (0..100).map(|_| jitter.spread(ms(100))).collect()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!(
            draw(1)
                .iter()
                .all(|&wait| wait >= ms(80) && wait <= ms(120))
        );
        assert!(draw(1).iter().any(|&wait| wait < ms(85)));
        assert!(draw(1).iter().any(|&wait| wait > ms(115)));
    }
}
