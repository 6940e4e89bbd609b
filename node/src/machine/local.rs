//! The machine under one server, as its table has it: what its disk does and what its clock shows.

use std::sync::Arc;
use std::time::Duration;

use super::faulty_disk::{Strike, Troubles};
use super::{Clock, Machine};
use crate::event::Event;

/// The clock and the disk's troubles of a server's machine. Time is counted from the server's start;
/// the truth is what a clock that is always right shows.
pub struct LocalMachine {
    troubles: Arc<Troubles>,
    clock: Clock,
    /// Whether the clock is anything but right.
    clock_is_wrong: bool,
}

impl LocalMachine {
    /// A sound machine, for now, whose disk `troubles` act on.
    pub fn new(troubles: Arc<Troubles>) -> LocalMachine {
        LocalMachine {
            troubles,
            clock: Clock::default(),
            clock_is_wrong: false,
        }
    }

    pub fn troubles(&self) -> &Arc<Troubles> {
        &self.troubles
    }

    /// Puts a table in force, and returns the evidence of it: what the rules that ended did, how the
    /// clock was set, and the table's generation.
    pub fn set(&mut self, truth: Duration, table: &Machine) -> Vec<Event> {
        let ended = self.troubles.set(table);
        let mut events: Vec<Event> = ended.into_iter().map(Strike::event).collect();
        let before_us = self.clock.ahead_us(truth);
        self.clock.set(truth, &table.rules);
        let (after_us, rate_permille) = (self.clock.ahead_us(truth), self.clock.rate_permille());
        let is_wrong = after_us != 0 || rate_permille != 1000;
        if is_wrong || self.clock_is_wrong {
            self.clock_is_wrong = is_wrong;
            events.push(Event::ClockSet {
                generation: table.generation,
                before_us,
                after_us,
                rate_permille,
            });
        }
        events.push(Event::Machine {
            generation: table.generation,
        });
        events
    }

    /// What the clock shows.
    pub fn now(&self, truth: Duration) -> Duration {
        self.clock.at(truth)
    }

    /// How long it truly takes until the clock shows `shown`; zero if it does already.
    pub fn true_wait(&self, truth: Duration, shown: Duration) -> Duration {
        self.clock.true_wait(shown.saturating_sub(self.now(truth)))
    }

    /// What the rules in force that struck more than once did so far, for a server that is about to
    /// exit.
    pub fn report_so_far(&self) -> Vec<Event> {
        let strikes = self.troubles.so_far();
        strikes.into_iter().map(Strike::event).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{DiskWorld, MachineRule, Trouble};

    struct Nothing;

    impl DiskWorld for Nothing {
        fn hold_up(&self, _: Duration) {}

        fn strike(&self, _: Strike) {}
    }

    #[test]
    fn a_clock_is_reported_when_it_is_set_wrong_and_right_again() {
        let mut machine = LocalMachine::new(Arc::new(Troubles::new(1, Arc::new(Nothing))));
        let table = |generation, rules: &[MachineRule]| Machine {
            generation,
            rules: rules.to_vec(),
        };
        let ahead = MachineRule {
            id: "f1".into(),
            node: "s1".into(),
            what: Trouble::Clock {
                jump_us: 5_000_000,
                rate_permille: 1000,
            },
        };
        let second = Duration::from_secs(1);
        let set = |generation, before_us, after_us| Event::ClockSet {
            generation,
            before_us,
            after_us,
            rate_permille: 1000,
        };
        let loaded = |generation| Event::Machine { generation };
        assert_eq!(machine.set(second, &table(1, &[])), [loaded(1)]);
        let sound = machine.now(second);
        let events = machine.set(second, &table(2, &[ahead]));
        assert_eq!(events, [set(2, 0, 5_000_000), loaded(2)]);
        assert_eq!(machine.now(second), sound + Duration::from_secs(5));
        assert_eq!(machine.true_wait(second, sound), Duration::ZERO);
        let events = machine.set(second, &table(3, &[]));
        assert_eq!(events, [set(3, 5_000_000, 0), loaded(3)]);
        assert_eq!(machine.set(second, &table(4, &[])), [loaded(4)]);
        assert_eq!(machine.true_wait(second, sound + second), second);
    }
}
