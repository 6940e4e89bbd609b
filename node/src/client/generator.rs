//! Generated traffic: which session of a load does what, and when.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Messages that a page of the chat asks for at most.
const PAGE: u32 = 100;

/// What to generate.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    pub sessions: u32,
    /// Operations a second over all sessions. Without it and without a burst the loop is closed:
    /// each session does its next operation when its last was answered.
    pub rate: Option<f64>,
    pub arrivals: Arrivals,
    pub burst: Option<Burst>,
    pub mix: Mix,
    /// Text length in bytes, both ends included.
    pub bytes: (u32, u32),
    pub lasts: Duration,
    pub seed: u64,
}

/// How operations arrive at a given rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Always as far apart.
    #[default]
    Steady,
    /// As many independent people would: the times between them are exponential.
    Poisson,
}

/// So many operations at once, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    pub of: u32,
    pub every_ms: u64,
}

/// How often each kind of operation is drawn, as weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mix {
    pub send: u32,
    /// A linearizable read of the chat's length.
    pub read: u32,
    /// A page of the chat.
    pub history: u32,
    /// The session leaves when all that it asked is answered, and a new one joins in its place.
    pub leave: u32,
}

impl Default for Mix {
    /// Messages alone.
    fn default() -> Mix {
        Mix {
            send: 1,
            read: 0,
            history: 0,
            leave: 0,
        }
    }
}

/// What a session is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    Say(String),
    Read,
    History { from: u64, limit: u32 },
    Leave,
}

/// A stream of operations, the same for the same seed and the same answers.
#[derive(Debug)]
pub struct Generator {
    load: Load,
    rng: ChaCha8Rng,
    began: Duration,
    /// Operations at a rate so far, and when the next of them is due.
    steady: u64,
    next_steady: Option<Duration>,
    bursts: u32,
    /// The session whose turn is next in an open loop.
    turn: u64,
    /// Texts made, and messages acknowledged.
    made: u64,
    acked: u64,
    /// In a closed loop: the sessions whose turn it is.
    idle: Vec<u32>,
}

impl Generator {
    pub fn new(load: Load, now: Duration) -> Generator {
        let closed = load.rate.is_none() && load.burst.is_none();
        let idle = match closed {
            true => (0..load.sessions).rev().collect(),
            false => Vec::new(),
        };
        Generator {
            rng: ChaCha8Rng::seed_from_u64(load.seed),
            next_steady: load.rate.map(|_| now),
            load,
            began: now,
            steady: 0,
            bursts: 0,
            turn: 0,
            made: 0,
            acked: 0,
            idle,
        }
    }

    /// What is to be done by now: the session and its deed.
    pub fn due(&mut self, now: Duration) -> Vec<(u32, Deed)> {
        let mut due = Vec::new();
        if self.is_over(now) {
            // What was due before the end is not done after it.
            return due;
        }
        while let Some(session) = self.idle.pop() {
            due.push((session, self.deed()));
        }
        while self.next_steady.is_some_and(|at| at <= now) {
            self.steady += 1;
            self.next_steady = self.following_steady();
            due.push(self.in_turn());
        }
        while let Some(burst) = self.load.burst
            && self.next_burst().is_some_and(|at| at <= now)
        {
            self.bursts += 1;
            due.extend((0..burst.of).map(|_| self.in_turn()));
        }
        due
    }

    /// A message of the session was acknowledged.
    pub fn acked(&mut self, session: u32) {
        self.acked += 1;
        self.answered(session);
    }

    /// Something else that the session did is done.
    pub fn answered(&mut self, session: u32) {
        if self.load.rate.is_none() && self.load.burst.is_none() {
            self.idle.push(session);
        }
    }

    /// When something is due next, unless an answer comes first: the next operation, or the end.
    /// `None` when it is over.
    pub fn next_due(&self, now: Duration) -> Option<Duration> {
        if self.is_over(now) {
            return None;
        }
        let end = self.began + self.load.lasts;
        let idle = (!self.idle.is_empty()).then_some(now);
        [idle, self.next_steady, self.next_burst(), Some(end)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether the time is up: nothing more will be done.
    pub fn is_over(&self, now: Duration) -> bool {
        now >= self.began + self.load.lasts
    }

    /// Messages acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acked
    }

    fn next_burst(&self) -> Option<Duration> {
        let every = Duration::from_millis(self.load.burst?.every_ms);
        // The first comes after its time has passed once.
        Some(
            self.began
                .saturating_add(every.saturating_mul(self.bursts + 1)),
        )
    }

    fn following_steady(&mut self) -> Option<Duration> {
        let rate = self.load.rate?;
        let (since, seconds) = match self.load.arrivals {
            // Counted from the beginning, so that no rounding adds up.
            Arrivals::Steady => (self.began, self.steady as f64 / rate),
            Arrivals::Poisson => {
                let share: f64 = self.rng.random();
                (self.next_steady?, -(1.0 - share).ln() / rate)
            }
        };
        let after = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        Some(since.saturating_add(after))
    }

    fn in_turn(&mut self) -> (u32, Deed) {
        let session = (self.turn % u64::from(self.load.sessions.max(1))) as u32;
        self.turn += 1;
        (session, self.deed())
    }

    fn deed(&mut self) -> Deed {
        let mix = self.load.mix;
        let others = mix.read + mix.history + mix.leave;
        if others == 0 {
            return Deed::Say(self.text());
        }
        let mut drawn = self.rng.random_range(0..mix.send + others);
        let mut is = |weight: u32| {
            let hit = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            hit
        };
        if is(mix.send) {
            Deed::Say(self.text())
        } else if is(mix.read) {
            Deed::Read
        } else if is(mix.history) {
            let from = self.rng.random_range(1..=self.acked + 1);
            Deed::History { from, limit: PAGE }
        } else {
            Deed::Leave
        }
    }

    fn text(&mut self) -> String {
        self.made += 1;
        let (least, most) = self.load.bytes;
        let length = self.rng.random_range(least..=most.max(least)) as usize;
        let mut text = format!("message {} ", self.made);
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
            arrivals: Arrivals::Steady,
            burst: None,
            mix: Mix::default(),
            bytes: (4, 20),
            lasts: Duration::from_secs(1),
            seed: 7,
        }
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn sessions(due: &[(u32, Deed)]) -> Vec<u32> {
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
        for (_, deed) in texts(1) {
            let Deed::Say(text) = deed else {
                panic!("{deed:?}");
            };
            assert!((4..=20).contains(&text.len()), "{text}");
        }
    }

    #[test]
    fn people_who_do_not_know_each_other_keep_the_rate_on_average() {
        let load = Load {
            arrivals: Arrivals::Poisson,
            lasts: Duration::from_secs(100),
            ..load(Some(100.0))
        };
        let mut generator = Generator::new(load, at(0));
        let mut gaps = Vec::new();
        let mut last = at(0);
        while let Some(next) = generator.next_due(last) {
            gaps.push((next - last).as_secs_f64());
            generator.due(next);
            last = next;
        }
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        assert!((0.009..0.011).contains(&mean), "{mean}");
        // Of exponential times this share is longer than the mean.
        let longer = gaps.iter().filter(|gap| **gap > 0.01).count() as f64;
        assert!((longer / gaps.len() as f64 - (-1f64).exp()).abs() < 0.03);
    }

    #[test]
    fn bursts_come_on_top_of_a_rate_or_alone() {
        let burst = Some(Burst {
            of: 3,
            every_ms: 400,
        });
        let alone = Load {
            burst,
            ..load(None)
        };
        let mut generator = Generator::new(alone, at(0));
        assert!(generator.due(at(0)).is_empty());
        assert_eq!(generator.next_due(at(0)), Some(at(400)));
        assert_eq!(sessions(&generator.due(at(400))), [0, 1, 0]);
        generator.acked(0);
        assert!(generator.due(at(500)).is_empty());
        assert_eq!(sessions(&generator.due(at(900))), [1, 0, 1]);
        assert_eq!(generator.next_due(at(900)), Some(at(1000)));
        let both = Load {
            burst,
            ..load(Some(10.0))
        };
        let mut generator = Generator::new(both, at(0));
        assert_eq!(generator.due(at(999)).len(), 10 + 2 * 3);
    }

    #[test]
    fn a_mix_is_drawn_by_its_weights() {
        let mix = Mix {
            send: 5,
            read: 3,
            history: 1,
            leave: 1,
        };
        let load = Load {
            mix,
            ..load(Some(10_000.0))
        };
        let deeds = Generator::new(load, at(0)).due(at(999));
        let share = |wanted: fn(&Deed) -> bool| {
            deeds.iter().filter(|(_, deed)| wanted(deed)).count() as f64 / deeds.len() as f64
        };
        assert!((share(|deed| matches!(deed, Deed::Say(_))) - 0.5).abs() < 0.03);
        assert!((share(|deed| *deed == Deed::Read) - 0.3).abs() < 0.03);
        assert!((share(|deed| matches!(deed, Deed::History { .. })) - 0.1).abs() < 0.03);
        assert!((share(|deed| *deed == Deed::Leave) - 0.1).abs() < 0.03);
    }
}
