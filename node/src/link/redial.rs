//! When a node that could not be reached is tried again.

use std::time::Duration;

/// The pause before the second attempt. It doubles from one to the next: nodes that start together
/// find each other at once, and one that is down costs little.
const FIRST: Duration = Duration::from_millis(5);
const MOST: Duration = Duration::from_millis(50);

/// The pauses between attempts to make one connection.
#[derive(Debug, Clone)]
pub struct Redial {
    next: Duration,
}

impl Default for Redial {
    fn default() -> Redial {
        Redial { next: FIRST }
    }
}

impl Redial {
    /// How long to wait before the next attempt.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(MOST);
        pause
    }

    /// The connection stands.
    pub fn reset(&mut self) {
        *self = Redial::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_until_there_is_a_connection() {
        let mut redial = Redial::default();
        let pauses: Vec<u128> = (0..6).map(|_| redial.pause().as_millis()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 50, 50]);
        redial.reset();
        assert_eq!(redial.pause().as_millis(), 5);
    }
}
