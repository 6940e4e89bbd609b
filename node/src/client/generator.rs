//! Generated traffic: which session of a load says what, and when.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What to generate.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    pub sessions: u32,
    /// Messages a second over all sessions; `None`: each session says its next message when its
    /// last was acknowledged.
    pub rate: Option<f64>,
    /// Text length in bytes, both ends included.
    pub bytes: (u32, u32),
    pub lasts: Duration,
    pub seed: u64,
}

/// A stream of messages, the same for the same seed and the same acknowledgements.
#[derive(Debug)]
pub struct Generator {
    load: Load,
    rng: ChaCha8Rng,
    began: Duration,
    said: u64,
    acked: u64,
    /// In a closed loop: the sessions whose turn it is.
    idle: Vec<u32>,
}

impl Generator {
    pub fn new(load: Load, now: Duration) -> Generator {
        let idle = match load.rate {
            None => (0..load.sessions).rev().collect(),
            Some(_) => Vec::new(),
        };
        Generator {
            rng: ChaCha8Rng::seed_from_u64(load.seed),
            load,
            began: now,
            said: 0,
            acked: 0,
            idle,
        }
    }

    /// What is to be said by now: the session and its text.
    pub fn due(&mut self, now: Duration) -> Vec<(u32, String)> {
        let mut due = Vec::new();
        if self.is_over(now) {
            // What was due before the end is not said after it.
            return due;
        }
        match self.load.rate {
            None => {
                while let Some(session) = self.idle.pop() {
                    due.push((session, self.text()));
                }
            }
            Some(_) => {
                while self.nth_due(self.said) <= now {
                    let session = (self.said % u64::from(self.load.sessions.max(1))) as u32;
                    due.push((session, self.text()));
                }
            }
        }
        due
    }

    /// A message of the session was acknowledged.
    pub fn acked(&mut self, session: u32) {
        self.acked += 1;
        if self.load.rate.is_none() {
            self.idle.push(session);
        }
    }

    /// When something is due next, unless an acknowledgement comes first: the next message, or the
    /// end. `None` when it is over.
    pub fn next_due(&self, now: Duration) -> Option<Duration> {
        if self.is_over(now) {
            return None;
        }
        let end = self.began + self.load.lasts;
        Some(match self.load.rate {
            None if self.idle.is_empty() => end,
            None => now,
            Some(_) => self.nth_due(self.said).min(end),
        })
    }

    /// Whether the time is up: nothing more will be said.
    pub fn is_over(&self, now: Duration) -> bool {
        now >= self.began + self.load.lasts
    }

    /// Messages said, and acknowledged, so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.said, self.acked)
    }

    fn nth_due(&self, nth: u64) -> Duration {
        let rate = self.load.rate.unwrap_or(f64::INFINITY);
        let after = Duration::try_from_secs_f64(nth as f64 / rate).unwrap_or(Duration::MAX);
        self.began.saturating_add(after)
    }

    fn text(&mut self) -> String {
        self.said += 1;
        let (least, most) = self.load.bytes;
        let length = self.rng.random_range(least..=most.max(least)) as usize;
        let mut text = format!("message {} ", self.said);
        text.truncate(length);
        while text.len() < length {
            text.push(char::from(b'a' + self.rng.random_range(0..26u8)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(rate: Option<f64>) -> Load {
        Load {
            sessions: 2,
            rate,
            bytes: (4, 20),
            lasts: Duration::from_secs(1),
            seed: 7,
        }
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn sessions(due: &[(u32, String)]) -> Vec<u32> {
        due.iter().map(|(session, _)| *session).collect()
    }

    #[test]
    fn an_open_loop_keeps_its_rate_whatever_is_acknowledged() {
        let mut generator = Generator::new(load(Some(10.0)), at(0));
        assert_eq!(sessions(&generator.due(at(0))), [0]);
        assert_eq!(generator.next_due(at(0)), Some(at(100)));
        assert_eq!(sessions(&generator.due(at(350))), [1, 0, 1]);
        assert!(generator.due(at(1000)).is_empty());
        assert_eq!(generator.next_due(at(1000)), None);
        assert_eq!(generator.counts(), (4, 0));
    }

    #[test]
    fn a_closed_loop_waits_for_acknowledgements() {
        let mut generator = Generator::new(load(None), at(0));
        assert_eq!(sessions(&generator.due(at(0))), [0, 1]);
        assert!(generator.due(at(10)).is_empty());
        assert_eq!(generator.next_due(at(10)), Some(at(1000)));
        generator.acked(1);
        assert_eq!(sessions(&generator.due(at(20))), [1]);
    }

    #[test]
    fn texts_are_repeatable_and_within_bounds() {
        let texts = |seed| {
            let load = Load {
                seed,
                ..load(Some(1000.0))
            };
            Generator::new(load, at(0)).due(at(999))
        };
        assert_eq!(texts(1), texts(1));
        assert_ne!(texts(1), texts(2));
        for (_, text) in texts(1) {
            assert!((4..=20).contains(&text.len()), "{text}");
        }
    }
}
