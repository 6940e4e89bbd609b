//! How good the network, the disks and the clocks of a run are, whatever its plan breaks on top.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

const MILLION: u32 = 1_000_000;

/// What a run's seed drew. Nothing of it is worse than what a sound data centre shows in a bad hour,
/// so that a plan may expect the same as on real processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Weather {
    /// From one node to another.
    pub link: Spread,
    /// Writing and syncing the log.
    pub sync: Spread,
    /// From an input to its effects: a busy processor.
    pub think: Spread,
    /// Messages in a million that are lost, come twice, or may be overtaken.
    pub lost: u32,
    pub repeated: u32,
    pub overtaken: u32,
    /// How long one may be overtaken, at most.
    pub overtaken_us: u64,
    /// The mean time between two connections that break.
    pub break_every_us: Option<u64>,
    /// A server's clock runs wrong by so many millionths, at most.
    pub drift: u32,
}

/// How long something takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spread {
    pub least_us: u64,
    pub usual_us: u64,
    /// Cases in a million that take up to `slow_us` longer.
    pub slow: u32,
    pub slow_us: u64,
}

impl Spread {
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> u64 {
        let usual = self.least_us + rng.random_range(0..=self.usual_us);
        if chance(rng, self.slow) {
            return usual + rng.random_range(0..=self.slow_us);
        }
        usual
    }
}

/// Whether something happens that happens in so many cases of a million.
pub(super) fn chance(rng: &mut ChaCha8Rng, in_a_million: u32) -> bool {
    in_a_million > 0 && rng.random_range(0..MILLION) < in_a_million
}

impl Weather {
    /// Draws the weather of a run: fair in every third, else each kind of trouble in every second.
    pub fn draw(rng: &mut ChaCha8Rng) -> Weather {
        let mut weather = Weather {
            link: Spread {
                least_us: 30,
                usual_us: 90,
                slow: 1000,
                slow_us: 2000,
            },
            sync: Spread {
                least_us: 120,
                usual_us: 400,
                slow: 5000,
                slow_us: 8000,
            },
            think: Spread {
                least_us: 3,
                usual_us: 20,
                slow: 1000,
                slow_us: 2000,
            },
            lost: 0,
            repeated: 0,
            overtaken: 0,
            overtaken_us: 0,
            break_every_us: None,
            drift: 0,
        };
        if rng.random_range(0..3) == 0 {
            return weather;
        }
        let mut often = |most: u32| match rng.random_bool(0.5) {
            true => rng.random_range(1..=most),
            false => 0,
        };
        weather.lost = often(1500);
        weather.repeated = often(10_000);
        weather.overtaken = often(50_000);
        weather.overtaken_us = u64::from(often(4000)) + 200;
        weather.drift = often(300);
        weather.link.slow = often(10_000);
        weather.link.slow_us = 10_000;
        weather.link.usual_us += u64::from(often(1500));
        weather.sync.usual_us += u64::from(often(4000));
        weather.sync.slow = often(10_000);
        weather.sync.slow_us = 40_000;
        weather.think.slow = often(5000);
        weather.think.slow_us = 15_000;
        let seconds = often(20);
        weather.break_every_us = (seconds > 0).then(|| u64::from(seconds) * 1_000_000);
        weather
    }
}
