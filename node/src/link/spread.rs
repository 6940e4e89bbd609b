//! How the delays of one rule are spread: drawing one, and the longest that can be drawn.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::Distribution;

/// Where the bell curve is cut off, in standard deviations.
const NORMAL_CUT: u64 = 3;
/// Where the tails are cut off, in jitters above the mean: far enough out that the mean stays what
/// the plan says, near enough that one message cannot outlast a run.
const EXPONENTIAL_CUT: u64 = 10;
const PARETO_CUT: u64 = 50;
/// Of the Pareto tail. Its mean and its variance are finite, its third moment is not.
const PARETO_SHAPE: f64 = 3.0;

impl Distribution {
    /// The longest delay that can be drawn, in microseconds, saturating.
    pub fn longest_us(self, by_us: u64, jitter_us: u64) -> u64 {
        let above = match self {
            Distribution::Uniform => jitter_us,
            Distribution::Normal => normal_reach(by_us, jitter_us),
            Distribution::Exponential => jitter_us.saturating_mul(EXPONENTIAL_CUT),
            Distribution::Pareto => jitter_us.saturating_mul(PARETO_CUT),
        };
        by_us.saturating_add(above)
    }

    /// One delay, in microseconds.
    pub(super) fn draw(self, by_us: u64, jitter_us: u64, rng: &mut ChaCha8Rng) -> u64 {
        let least_us = by_us.saturating_sub(jitter_us);
        let longest_us = self.longest_us(by_us, jitter_us);
        if jitter_us == 0 {
            return by_us;
        }
        let jitter = jitter_us as f64;
        let delay_us = match self {
            Distribution::Uniform => return rng.random_range(least_us..=longest_us),
            Distribution::Normal => {
                let reach = normal_reach(by_us, jitter_us) as f64;
                let off = (standard_normal(rng) * jitter).clamp(-reach, reach);
                by_us as f64 + off
            }
            Distribution::Exponential => least_us as f64 - jitter * above_zero(rng).ln(),
            Distribution::Pareto => {
                let scale = jitter * (PARETO_SHAPE - 1.0);
                least_us as f64 + scale * (above_zero(rng).powf(-1.0 / PARETO_SHAPE) - 1.0)
            }
        };
        (delay_us.round() as u64).min(longest_us)
    }
}

/// How far the bell curve reaches to either side: the same on both, so that the mean holds.
fn normal_reach(by_us: u64, jitter_us: u64) -> u64 {
    jitter_us.saturating_mul(NORMAL_CUT).min(by_us)
}

/// Above 0 and at most 1.
fn above_zero(rng: &mut ChaCha8Rng) -> f64 {
    1.0 - rng.random::<f64>()
}

/// Box and Muller's transform of two even draws.
fn standard_normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * above_zero(rng).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    const ALL: [Distribution; 4] = [
        Distribution::Uniform,
        Distribution::Normal,
        Distribution::Exponential,
        Distribution::Pareto,
    ];

    fn draws(distribution: Distribution, by_us: u64, jitter_us: u64, count: usize) -> Vec<u64> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let draw = |_| distribution.draw(by_us, jitter_us, &mut rng);
        (0..count).map(draw).collect()
    }

    fn mean_and_deviation(values: &[u64]) -> (f64, f64) {
        let count = values.len() as f64;
        let mean = values.iter().map(|&value| value as f64).sum::<f64>() / count;
        let squares = values.iter().map(|&value| (value as f64 - mean).powi(2));
        (mean, (squares.sum::<f64>() / count).sqrt())
    }

    #[test]
    fn the_mean_is_the_delay_and_the_deviation_follows_the_jitter() {
        // An even spread over ± jitter has the deviation jitter / √3, a Pareto tail of shape 3 one
        // of √3 jitter, less what is cut off.
        let expected = [
            (Distribution::Uniform, 0.57..0.59),
            (Distribution::Normal, 0.97..1.01),
            (Distribution::Exponential, 0.97..1.03),
            (Distribution::Pareto, 1.45..1.75),
        ];
        for (distribution, deviations) in expected {
            let values = draws(distribution, 100_000, 20_000, 100_000);
            let (mean, deviation) = mean_and_deviation(&values);
            assert!((mean - 100_000.0).abs() < 500.0, "{distribution:?}: {mean}");
            let deviation = deviation / 20_000.0;
            assert!(
                deviations.contains(&deviation),
                "{distribution:?}: {deviation}"
            );
        }
    }

    #[test]
    fn the_tails_are_as_heavy_as_promised() {
        let later_than = |distribution, jitters: u64| {
            let values = draws(distribution, 100_000, 20_000, 100_000);
            let limit = 100_000 + jitters * 20_000;
            values.iter().filter(|&&value| value > limit).count()
        };
        assert_eq!(later_than(Distribution::Uniform, 1), 0);
        assert_eq!(later_than(Distribution::Normal, 3), 0);
        // e^-7 of 100,000 is 91; (1 + 7/2)^-3 of 100,000 is 1097.
        assert!((60..130).contains(&later_than(Distribution::Exponential, 6)));
        assert!((990..1210).contains(&later_than(Distribution::Pareto, 6)));
    }

    #[test]
    fn without_jitter_every_delay_is_the_same() {
        for distribution in ALL {
            assert_eq!(draws(distribution, 5000, 0, 3), [5000; 3]);
        }
    }

    proptest! {
        #[test]
        fn every_delay_is_within_its_bounds(
            by_us in 0..u64::MAX / 128,
            jitter_us in 0..u64::MAX / 128,
            distribution in prop::sample::select(ALL.to_vec()),
            seed: u64,
        ) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            for _ in 0..50 {
                let delay_us = distribution.draw(by_us, jitter_us, &mut rng);
                prop_assert!(delay_us <= distribution.longest_us(by_us, jitter_us));
                if distribution != Distribution::Normal {
                    // A double has 53 bits: the bounds of huge delays are rounded.
                    let least_us = by_us.saturating_sub(jitter_us);
                    prop_assert!(delay_us >= least_us - least_us / (1 << 50));
                }
            }
        }
    }
}
