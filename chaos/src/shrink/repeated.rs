//! Oracles whose answers are chance, as runs of real processes are.

use std::fmt;

use super::Oracle;
use crate::plan::Plan;
use crate::wilson;

/// Takes a plan to fail if one of several runs does.
pub struct Repeated<'a> {
    oracle: &'a mut dyn Oracle,
    tries: u32,
    runs: u32,
}

impl<'a> Repeated<'a> {
    pub fn new(oracle: &'a mut dyn Oracle, tries: u32) -> Repeated<'a> {
        Repeated {
            oracle,
            tries,
            runs: 0,
        }
    }
}

impl Oracle for Repeated<'_> {
    fn fails(&mut self, plan: &Plan, seed: u64) -> bool {
        self.runs = 0;
        for _ in 0..self.tries {
            let fails = self.oracle.fails(plan, seed);
            self.runs += self.oracle.runs();
            if fails {
                return true;
            }
        }
        false
    }

    fn runs(&self) -> u32 {
        self.runs
    }

    fn hit(&self, fault: &str) -> Vec<String> {
        self.oracle.hit(fault)
    }
}

/// How often a plan fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reproduction {
    pub failed: u32,
    pub runs: u32,
}

/// Runs a plan so many times, or until `stop`.
pub fn reproduction(
    plan: &Plan,
    seed: u64,
    runs: u32,
    oracle: &mut dyn Oracle,
    stop: &dyn Fn() -> bool,
) -> Reproduction {
    let mut made = Reproduction { failed: 0, runs: 0 };
    while made.runs < runs && !stop() {
        made.failed += u32::from(oracle.fails(plan, seed));
        made.runs += 1;
    }
    made
}

/// `fails in 7 of 10 runs: 70.0% (95% interval 39.7% to 89.2%)`
impl fmt::Display for Reproduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reproduction { failed, runs } = *self;
        if runs == 0 {
            return f.write_str("was not run again");
        }
        let rate = wilson::rate(failed as usize, runs as usize);
        write!(f, "fails in {failed} of {runs} runs: {rate}")
    }
}
