//! What a test says of a result.

use crate::report::{Outcome, RunResult};

/// The properties with this outcome, in the order of the result.
pub(crate) fn with(result: &RunResult, outcome: Outcome) -> Vec<&str> {
    result
        .checks
        .iter()
        .filter(|check| check.outcome == outcome)
        .map(|check| check.property.as_str())
        .collect()
}

/// Exactly these properties are violated, and nothing is inconclusive.
pub(crate) fn assert_violated(result: &RunResult, properties: &[&str]) {
    assert_eq!(
        with(result, Outcome::Violated),
        properties,
        "{:#?}",
        result.reasons
    );
    assert_eq!(
        with(result, Outcome::Inconclusive),
        [""; 0],
        "{:#?}",
        result.reasons
    );
}

/// Nothing is violated, and exactly these properties are inconclusive.
pub(crate) fn assert_inconclusive(result: &RunResult, properties: &[&str]) {
    assert_eq!(
        with(result, Outcome::Violated),
        [""; 0],
        "{:#?}",
        result.reasons
    );
    assert_eq!(
        with(result, Outcome::Inconclusive),
        properties,
        "{:#?}",
        result.reasons
    );
}

/// Everything holds.
pub(crate) fn assert_passes(result: &RunResult) {
    assert_inconclusive(result, &[]);
    assert_eq!(result.exit_code, 0);
}

/// The message of the first violation of a property.
pub(crate) fn message<'a>(result: &'a RunResult, property: &str) -> &'a str {
    result
        .violations()
        .find(|violation| violation.property == property)
        .map(|violation| violation.message.as_str())
        .expect("a violation")
}
