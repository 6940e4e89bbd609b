//! Time that only goes forward, made of a clock that may not.

use std::time::Duration;

use crate::planted::{self, Bug};

/// The time by which a state machine sets its timers. It advances as the clock does, and stands
/// still where the clock goes back: so a timer is never further away than what it was set to, and
/// a difference of times is never negative.
#[derive(Debug, Clone, Copy, Hash)]
pub struct Steady {
    /// What the clock showed last.
    clock: Duration,
    /// What has passed by then.
    passed: Duration,
}

impl Steady {
    /// Starts at what the clock shows.
    pub fn new(clock: Duration) -> Steady {
        Steady {
            clock,
            passed: clock,
        }
    }

    /// The clock shows `clock` now; the steady time of this moment.
    pub fn advance(&mut self, clock: Duration) -> Duration {
        self.passed = self.at(clock);
        self.clock = clock;
        self.passed
    }

    /// The steady time of the moment at which the clock shows `clock`, if it comes next.
    pub fn at(&self, clock: Duration) -> Duration {
        if planted::is(Bug::ClockLease) {
            return clock;
        }
        self.passed.saturating_add(clock.saturating_sub(self.clock))
    }

    /// What the clock will show at the steady time `due` unless it is set meanwhile.
    pub fn shown_at(&self, due: Duration) -> Duration {
        match due.checked_sub(self.passed) {
            Some(wait) => self.clock.saturating_add(wait),
            None => self.clock.saturating_sub(self.passed - due),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn stands_still_where_the_clock_goes_back() {
        let mut steady = Steady::new(s(100));
        assert_eq!(steady.advance(s(103)), s(103));
        // A timer that is due in 2 s is due in 2 s after the jump, too.
        let due = s(105);
        assert_eq!(steady.shown_at(due), s(105));
        assert_eq!(steady.advance(s(73)), s(103));
        assert_eq!(steady.shown_at(due), s(75));
        assert_eq!(steady.at(s(75)), due);
        assert_eq!(steady.advance(s(75)), due);
        assert_eq!(steady.advance(s(500)), s(530));
        // What was due is due.
        assert_eq!(steady.shown_at(due), s(75));
        assert_eq!(steady.shown_at(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn never_is_never() {
        let mut steady = Steady::new(s(10));
        steady.advance(s(5));
        assert_eq!(steady.shown_at(Duration::MAX), Duration::MAX - s(5));
        let mut steady = Steady::new(s(10));
        steady.advance(Duration::MAX);
        steady.advance(Duration::ZERO);
        assert_eq!(steady.advance(Duration::MAX), Duration::MAX);
    }
}
