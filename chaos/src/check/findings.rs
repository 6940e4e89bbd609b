//! Collects what a check finds.

use super::context::Context;
use crate::report::{CheckResult, Outcome, Violation};

/// Violations kept in full for one property; the rest are counted.
const KEPT: usize = 5;

/// The findings of one check while it runs.
pub(crate) struct Findings<'c> {
    context: &'c Context<'c>,
    property: &'static str,
    violations: Vec<Violation>,
    more: u64,
    undecided: Vec<String>,
}

impl<'c> Findings<'c> {
    pub fn new(context: &'c Context<'c>, property: &'static str) -> Findings<'c> {
        Findings {
            context,
            property,
            violations: Vec::new(),
            more: 0,
            undecided: Vec::new(),
        }
    }

    /// Adds a violation; it is worked out only if it is kept. Property, active faults and command
    /// are filled in here.
    pub fn violate(&mut self, describe: impl FnOnce() -> Violation) {
        if self.violations.len() == KEPT {
            self.more += 1;
            return;
        }
        let mut violation = describe();
        violation.property = self.property.to_string();
        violation.command = self.context.evidence.header.command.clone();
        if let Some(at_us) = violation.at_us {
            violation.active_faults = self
                .context
                .firings
                .iter()
                .filter(|firing| firing.active_at(at_us))
                .map(|firing| firing.describe())
                .collect();
        }
        self.violations.push(violation);
    }

    /// Adds a violation that is no more than a sentence, and when it happened.
    pub fn say(&mut self, at_us: Option<u64>, message: impl FnOnce() -> String) {
        self.violate(|| Violation {
            message: message(),
            at_us,
            ..Violation::default()
        });
    }

    /// Notes why the property can be neither confirmed nor refuted.
    pub fn undecided(&mut self, reason: String) {
        self.undecided.push(reason);
    }

    /// The result; `evidence` says what was looked at.
    pub fn finish(self, evidence: String) -> CheckResult {
        let (outcome, evidence) = if !self.violations.is_empty() {
            (Outcome::Violated, evidence)
        } else if self.undecided.is_empty() {
            (Outcome::Holds, evidence)
        } else {
            let mut reasons = self.undecided;
            let all = reasons.len();
            reasons.truncate(3);
            if all > 3 {
                reasons.push(format!("and {} more", all - 3));
            }
            (Outcome::Inconclusive, reasons.join("; "))
        };
        CheckResult {
            property: self.property.to_string(),
            outcome,
            evidence,
            violations: self.violations,
            more_violations: self.more,
        }
    }

    /// The result when there was nothing to judge.
    pub fn not_judged(self, why: &str) -> CheckResult {
        CheckResult {
            property: self.property.to_string(),
            outcome: Outcome::NotJudged,
            evidence: why.to_string(),
            violations: Vec::new(),
            more_violations: 0,
        }
    }
}
