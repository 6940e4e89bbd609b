//! What a link table must fulfil before it may come into force.

use std::time::Duration;

use thiserror::Error;

use super::decide::MOST_COPIES;
use super::{Rule, Table, What};

/// No message is held back longer than this: a longer delay is a mistake in the unit.
pub const LONGEST_DELAY: Duration = Duration::from_secs(3600);

/// Why a link table is refused. `at` counts the rules from 1, as a reader of the file does.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum TableError {
    #[error("rule {at} of the link table has no id; give it the id of its fault")]
    NoId { at: usize },
    #[error(
        "rule {at} (`{id}`) of the link table has an empty `{side}`; name a node, or `*` for any"
    )]
    NoNode {
        at: usize,
        id: String,
        side: &'static str,
    },
    #[error(
        "rule {at} (`{id}`) of the link table has the probability {probability}; it must be from 0 to 1"
    )]
    Probability {
        at: usize,
        id: String,
        probability: f64,
    },
    #[error(
        "rule {at} (`{id}`) of the link table delays by up to {longest_us} µs; at most an hour ({} µs) is allowed",
        LONGEST_DELAY.as_micros()
    )]
    TooLong {
        at: usize,
        id: String,
        longest_us: u64,
    },
    #[error(
        "rule {at} (`{id}`) of the link table delays by nothing; give `by_us` or `jitter_us`, or remove the rule"
    )]
    NoDelay { at: usize, id: String },
    #[error(
        "rule {at} (`{id}`) of the link table makes {copies} of one message; a duplicate makes 2 to {MOST_COPIES}"
    )]
    Copies { at: usize, id: String, copies: u32 },
    #[error(
        "rule {at} (`{id}`) of the link table reorders within nothing; give `within_us`, or remove the rule"
    )]
    NoReorder { at: usize, id: String },
}

impl Table {
    /// Whether every rule means something that a link can do.
    ///
    /// # Errors
    /// The first rule that does not, and what is wrong with it.
    pub fn check(&self) -> Result<(), TableError> {
        (1..)
            .zip(&self.rules)
            .try_for_each(|(at, rule)| check_rule(at, rule))
    }
}

fn check_rule(at: usize, rule: &Rule) -> Result<(), TableError> {
    let id = || rule.id.clone();
    if rule.id.is_empty() {
        return Err(TableError::NoId { at });
    }
    for (side, name) in [("from", &rule.from), ("to", &rule.to)] {
        if name.is_empty() {
            return Err(TableError::NoNode { at, id: id(), side });
        }
    }
    // Not a number is in no range, so it is refused here too.
    if !(0.0..=1.0).contains(&rule.probability) {
        return Err(TableError::Probability {
            at,
            id: id(),
            probability: rule.probability,
        });
    }
    let longest_us = match rule.what {
        What::Drop => return Ok(()),
        What::Duplicate { copies } if (2..=MOST_COPIES).contains(&copies) => return Ok(()),
        What::Duplicate { copies } => {
            return Err(TableError::Copies {
                at,
                id: id(),
                copies,
            });
        }
        What::Delay {
            by_us,
            jitter_us,
            distribution,
        } => match distribution.longest_us(by_us, jitter_us) {
            0 => return Err(TableError::NoDelay { at, id: id() }),
            longest_us => longest_us,
        },
        What::Reorder { within_us: 0 } => return Err(TableError::NoReorder { at, id: id() }),
        What::Reorder { within_us } => within_us,
    };
    if u128::from(longest_us) > LONGEST_DELAY.as_micros() {
        return Err(TableError::TooLong {
            at,
            id: id(),
            longest_us,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Distribution, Side};

    fn rule(probability: f64, what: What) -> Rule {
        Rule {
            id: "slow".into(),
            from: "s1".into(),
            to: "*".into(),
            kinds: Vec::new(),
            on: Side::Send,
            probability,
            what,
        }
    }

    fn check(rules: Vec<Rule>) -> Result<(), String> {
        let table = Table {
            generation: 1,
            rules,
        };
        table.check().map_err(|error| error.to_string())
    }

    fn delay(by_us: u64, jitter_us: u64, distribution: Distribution) -> What {
        What::Delay {
            by_us,
            jitter_us,
            distribution,
        }
    }

    #[test]
    fn sound_tables_pass() {
        let hour = delay(3_599_000_000, 1_000_000, Distribution::Uniform);
        assert_eq!(check(vec![]), Ok(()));
        assert_eq!(
            check(vec![
                rule(0.0, What::Drop),
                rule(1.0, What::Duplicate { copies: 16 }),
                rule(
                    1.0,
                    What::Reorder {
                        within_us: 3_600_000_000
                    }
                ),
                rule(0.5, hour)
            ]),
            Ok(())
        );
    }

    #[test]
    fn a_probability_outside_0_to_1_is_refused_and_the_rule_is_named() {
        for (probability, text) in [(1.5, "1.5"), (-0.1, "-0.1"), (f64::NAN, "NaN")] {
            assert_eq!(
                check(vec![rule(1.0, What::Drop), rule(probability, What::Drop)]),
                Err(format!(
                    "rule 2 (`slow`) of the link table has the probability {text}; it must be from 0 to 1"
                ))
            );
        }
    }

    #[test]
    fn a_delay_of_more_than_an_hour_or_of_nothing_is_refused() {
        let delay = |by_us, jitter_us| rule(1.0, delay(by_us, jitter_us, Distribution::Uniform));
        assert_eq!(
            check(vec![delay(3_600_000_000, 1)]),
            Err(
                "rule 1 (`slow`) of the link table delays by up to 3600000001 µs; \
                 at most an hour (3600000000 µs) is allowed"
                    .into()
            )
        );
        assert!(check(vec![delay(u64::MAX, u64::MAX)]).is_err());
        assert_eq!(
            check(vec![delay(0, 0)]),
            Err("rule 1 (`slow`) of the link table delays by nothing; \
                 give `by_us` or `jitter_us`, or remove the rule"
                .into())
        );
    }

    #[test]
    fn the_tail_of_a_distribution_counts_too() {
        for (distribution, longest_us) in [
            (Distribution::Normal, 3_530_000_000_u64),
            (Distribution::Exponential, 3_600_000_000),
            (Distribution::Pareto, 4_000_000_000),
        ] {
            let told = check(vec![rule(
                1.0,
                delay(3_500_000_000, 10_000_000, distribution),
            )]);
            assert_eq!(told.is_ok(), longest_us <= 3_600_000_000, "{told:?}");
        }
    }

    #[test]
    fn copies_and_reordering_have_bounds() {
        for copies in [0, 1, 17] {
            assert_eq!(
                check(vec![rule(1.0, What::Duplicate { copies })]),
                Err(format!(
                    "rule 1 (`slow`) of the link table makes {copies} of one message; \
                     a duplicate makes 2 to 16"
                ))
            );
        }
        assert_eq!(
            check(vec![rule(1.0, What::Reorder { within_us: 0 })]),
            Err(
                "rule 1 (`slow`) of the link table reorders within nothing; \
                 give `within_us`, or remove the rule"
                    .into()
            )
        );
        let day = 24 * 3_600_000_000;
        assert!(check(vec![rule(1.0, What::Reorder { within_us: day })]).is_err());
    }

    #[test]
    fn a_rule_without_an_id_or_a_node_is_refused() {
        let mut nameless = rule(1.0, What::Drop);
        nameless.id.clear();
        assert_eq!(
            check(vec![nameless]),
            Err("rule 1 of the link table has no id; give it the id of its fault".into())
        );
        let mut nowhere = rule(1.0, What::Drop);
        nowhere.to.clear();
        assert_eq!(
            check(vec![nowhere]),
            Err(
                "rule 1 (`slow`) of the link table has an empty `to`; name a node, or `*` for any"
                    .into()
            )
        );
    }
}
