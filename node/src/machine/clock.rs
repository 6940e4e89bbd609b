//! A clock that is set and runs wrong.

use std::time::Duration;

use super::{MachineRule, Trouble};

/// What the clock shows when the truth is zero, so that it can jump back far.
const NOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// The clock by which a server lives: the true one, plus what rules do to it. When a rule is gone
/// so is everything that it did: the clock is set right, which is a jump of its own.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The true time at which the rules in force were set.
    set_at: Duration,
    /// The sum of all jumps in force, in microseconds.
    jumps_us: i64,
    /// How far it had run ahead (or behind) by then, in microseconds.
    drift_us: i64,
    /// In thousandths of the true speed.
    rate_permille: u32,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock {
            set_at: Duration::ZERO,
            jumps_us: 0,
            drift_us: 0,
            rate_permille: 1000,
        }
    }
}

impl Clock {
    /// Puts the clock rules among `rules` in force at the true time `truth`. Jumps add up; of
    /// several speeds the last one counts.
    pub fn set(&mut self, truth: Duration, rules: &[MachineRule]) {
        let (mut jumps_us, mut rate_permille) = (0_i64, 1000);
        for rule in rules {
            if let Trouble::Clock {
                jump_us,
                rate_permille: rate,
            } = rule.what
            {
                jumps_us = jumps_us.saturating_add(jump_us);
                if rate != 1000 {
                    rate_permille = rate;
                }
            }
        }
        self.drift_us = match rate_permille {
            1000 => 0,
            _ => self.drift_us(truth),
        };
        self.set_at = truth;
        self.jumps_us = jumps_us;
        self.rate_permille = rate_permille;
    }

    /// What the clock shows at the true time `truth`.
    pub fn at(&self, truth: Duration) -> Duration {
        let ahead = Duration::from_micros(self.ahead_us(truth).unsigned_abs());
        match self.ahead_us(truth) < 0 {
            true => (NOON + truth).saturating_sub(ahead),
            false => NOON + truth + ahead,
        }
    }

    /// How far it is ahead of the truth, in microseconds; negative when it is behind.
    pub fn ahead_us(&self, truth: Duration) -> i64 {
        self.jumps_us.saturating_add(self.drift_us(truth))
    }

    pub fn rate_permille(&self) -> u32 {
        self.rate_permille
    }

    /// How long it truly takes the clock to advance by `wait`, and a little longer rather than a
    /// little shorter.
    pub fn true_wait(&self, wait: Duration) -> Duration {
        if self.rate_permille == 1000 {
            return wait;
        }
        let nanos = (wait.as_nanos() * 1000).div_ceil(u128::from(self.rate_permille));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn drift_us(&self, truth: Duration) -> i64 {
        let since_us = truth.saturating_sub(self.set_at).as_micros() as i64;
        let gained = since_us.saturating_mul(i64::from(self.rate_permille) - 1000) / 1000;
        self.drift_us.saturating_add(gained)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(jump_ms: i64, rate_permille: u32) -> MachineRule {
        MachineRule {
            id: "f1".into(),
            node: "s1".into(),
            what: Trouble::Clock {
                jump_us: jump_ms * 1000,
                rate_permille,
            },
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_sound_clock_shows_the_truth_from_noon_on() {
        let clock = Clock::default();
        assert_eq!(clock.at(ms(0)), NOON);
        assert_eq!(clock.at(ms(1500)), NOON + ms(1500));
        assert_eq!(clock.true_wait(ms(70)), ms(70));
    }

    #[test]
    fn it_jumps_both_ways_and_is_set_right_again() {
        let mut clock = Clock::default();
        clock.set(ms(1000), &[rule(30_000, 1000)]);
        assert_eq!(clock.at(ms(1000)), NOON + ms(31_000));
        clock.set(ms(2000), &[rule(30_000, 1000), rule(-40_000, 1000)]);
        assert_eq!(clock.at(ms(2000)), NOON + ms(2000) - ms(10_000));
        assert_eq!(clock.ahead_us(ms(9000)), -10_000_000);
        clock.set(ms(3000), &[]);
        assert_eq!(clock.at(ms(3000)), NOON + ms(3000));
    }

    #[test]
    fn it_runs_fast_and_slow() {
        let mut clock = Clock::default();
        clock.set(ms(1000), &[rule(0, 1500)]);
        assert_eq!(clock.at(ms(1000)), NOON + ms(1000));
        assert_eq!(clock.at(ms(3000)), NOON + ms(4000));
        assert_eq!(clock.true_wait(ms(300)), ms(200));
        // Another rule beside it changes nothing of what the first has done.
        clock.set(ms(3000), &[rule(0, 1500), rule(5000, 1000)]);
        assert_eq!(clock.at(ms(3000)), NOON + ms(9000));
        assert_eq!(clock.at(ms(5000)), NOON + ms(12_000));
        clock.set(ms(5000), &[rule(0, 500)]);
        assert_eq!(clock.at(ms(5000)), NOON + ms(7000));
        assert_eq!(clock.at(ms(7000)), NOON + ms(8000));
        assert_eq!(clock.true_wait(ms(100)), ms(200));
        clock.set(ms(7000), &[]);
        assert_eq!(clock.at(ms(7000)), NOON + ms(7000));
    }

    #[test]
    fn nothing_overflows() {
        let mut clock = Clock::default();
        let far = rule(i64::MIN / 1000, 10);
        clock.set(ms(0), &[far.clone(), far]);
        assert_eq!(clock.at(ms(5)), Duration::ZERO);
        assert!(clock.true_wait(Duration::MAX) > ms(1));
    }
}
