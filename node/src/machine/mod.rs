//! What may be wrong with the machine under a server: its disk and its clock.
//!
//! The table has the form in which it lies in the server's directory: written by paxosctl, loaded
//! by the server at its start and when it is told to.

mod clock;
mod faulty_disk;
mod local;
mod steady;

pub use clock::Clock;
pub use faulty_disk::{DiskWorld, FaultyDisk, Strike, Troubles};
pub use local::LocalMachine;
pub use steady::Steady;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest time by which a sync is held up: a longer one is a mistake in the unit.
pub const LONGEST_SYNC: Duration = Duration::from_secs(60);
/// The furthest that a clock may jump: a day.
const FURTHEST_JUMP_US: u64 = 24 * 3_600_000_000;
/// The slowest and the fastest that a clock may run, in thousandths of the true speed.
pub const RATES_PERMILLE: std::ops::RangeInclusive<u32> = 10..=100_000;

/// Everything that is wrong with one server's machine. An empty table is a sound machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Grows with every table written for the cluster; the server reports which one is in force.
    pub generation: u64,
    pub rules: Vec<MachineRule>,
}

/// One thing that is wrong with one server's machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineRule {
    /// Names the fault that it belongs to; what it did is reported under it.
    pub id: String,
    /// The server.
    pub node: String,
    pub what: Trouble,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// That share of the log's syncs, from 0 to 1, takes longer by `by_us` ± up to `jitter_us`.
    SlowSync {
        by_us: u64,
        jitter_us: u64,
        probability: f64,
    },
    /// The next sync of the log fails, and leaves unknown what it did.
    FailSync,
    /// So many more bytes can be written to the log, counted anew in each process; of the write
    /// that does not fit, what fits is written.
    Full { after_bytes: u64 },
    /// The next write to the log writes a part of its bytes, and then the process is killed.
    TornAppend,
    /// The clock is off by `jump_us` at once, and runs at so many thousandths of the true speed.
    Clock { jump_us: i64, rate_permille: u32 },
}

impl Trouble {
    /// Whether it ends the process when it strikes.
    pub fn is_deadly(self) -> bool {
        matches!(
            self,
            Trouble::FailSync | Trouble::Full { .. } | Trouble::TornAppend
        )
    }

    /// Whether it strikes once and is over.
    pub fn is_over_once_it_struck(self) -> bool {
        matches!(self, Trouble::FailSync | Trouble::TornAppend)
    }
}

/// Why a machine table is refused. `at` counts the rules from 1, as a reader of the file does.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum MachineError {
    #[error("rule {at} of the machine table has no id; give it the id of its fault")]
    NoId { at: usize },
    #[error(
        "rule {at} (`{id}`) of the machine table has the probability {probability}; it must be \
         from 0 to 1"
    )]
    Probability {
        at: usize,
        id: String,
        probability: f64,
    },
    #[error(
        "rule {at} (`{id}`) of the machine table slows a sync by up to {longest_us} µs; at most a \
         minute ({} µs) is allowed",
        LONGEST_SYNC.as_micros()
    )]
    TooSlow {
        at: usize,
        id: String,
        longest_us: u64,
    },
    #[error(
        "rule {at} (`{id}`) of the machine table lets the clock jump by {jump_us} µs; at most a \
         day ({FURTHEST_JUMP_US} µs) either way is allowed"
    )]
    TooFar { at: usize, id: String, jump_us: i64 },
    #[error(
        "rule {at} (`{id}`) of the machine table lets the clock run at {rate_permille} ‰; it must \
         be from {} to {} ‰",
        RATES_PERMILLE.start(),
        RATES_PERMILLE.end()
    )]
    Rate {
        at: usize,
        id: String,
        rate_permille: u32,
    },
}

impl Machine {
    /// Whether every rule means something that a machine can do.
    ///
    /// # Errors
    /// The first rule that does not, and what is wrong with it.
    pub fn check(&self) -> Result<(), MachineError> {
        (1..)
            .zip(&self.rules)
            .try_for_each(|(at, rule)| check_rule(at, rule))
    }
}

fn check_rule(at: usize, rule: &MachineRule) -> Result<(), MachineError> {
    let id = rule.id.clone();
    if id.is_empty() {
        return Err(MachineError::NoId { at });
    }
    match rule.what {
        Trouble::SlowSync {
            by_us,
            jitter_us,
            probability,
        } => {
            if !(0.0..=1.0).contains(&probability) {
                return Err(MachineError::Probability {
                    at,
                    id,
                    probability,
                });
            }
            let longest_us = by_us.saturating_add(jitter_us);
            if u128::from(longest_us) > LONGEST_SYNC.as_micros() {
                return Err(MachineError::TooSlow { at, id, longest_us });
            }
        }
        Trouble::Clock {
            jump_us,
            rate_permille,
        } => {
            if jump_us.unsigned_abs() > FURTHEST_JUMP_US {
                return Err(MachineError::TooFar { at, id, jump_us });
            }
            if !RATES_PERMILLE.contains(&rate_permille) {
                return Err(MachineError::Rate {
                    at,
                    id,
                    rate_permille,
                });
            }
        }
        Trouble::FailSync | Trouble::Full { .. } | Trouble::TornAppend => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(what: Trouble) -> Machine {
        Machine {
            generation: 3,
            rules: vec![MachineRule {
                id: "f1".into(),
                node: "s2".into(),
                what,
            }],
        }
    }

    #[test]
    fn a_table_has_this_form_in_its_file() {
        let table = table(Trouble::Clock {
            jump_us: -30_000_000,
            rate_permille: 1000,
        });
        let text = r#"{"generation":3,"rules":[{"id":"f1","node":"s2","what":{"clock":{"jump_us":-30000000,"rate_permille":1000}}}]}"#;
        assert_eq!(serde_json::to_string(&table).unwrap(), text);
        assert_eq!(serde_json::from_str::<Machine>(text).unwrap(), table);
        assert!(serde_json::from_str::<Machine>(r#"{"generation":1,"rules":[],"x":1}"#).is_err());
    }

    #[test]
    fn what_no_machine_can_do_is_refused() {
        let slow = |by_us, probability| Trouble::SlowSync {
            by_us,
            jitter_us: 1,
            probability,
        };
        let clock = |jump_us, rate_permille| Trouble::Clock {
            jump_us,
            rate_permille,
        };
        for sound in [
            slow(LONGEST_SYNC.as_micros() as u64 - 1, 1.0),
            Trouble::FailSync,
            Trouble::Full { after_bytes: 0 },
            Trouble::TornAppend,
            clock(-(FURTHEST_JUMP_US as i64), 10),
            clock(FURTHEST_JUMP_US as i64, 100_000),
        ] {
            assert_eq!(table(sound).check(), Ok(()));
        }
        for wrong in [
            slow(LONGEST_SYNC.as_micros() as u64, 1.0),
            slow(u64::MAX, 1.0),
            slow(1, 1.5),
            slow(1, f64::NAN),
            clock(i64::MIN, 1000),
            clock(FURTHEST_JUMP_US as i64 + 1, 1000),
            clock(0, 9),
            clock(0, 100_001),
        ] {
            assert!(table(wrong).check().is_err(), "{wrong:?}");
        }
        let mut nameless = table(Trouble::FailSync);
        nameless.rules[0].id.clear();
        assert_eq!(nameless.check(), Err(MachineError::NoId { at: 1 }));
    }
}
