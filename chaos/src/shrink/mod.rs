//! A plan whose run fails is cut down until nothing can be removed with the failure still there.
//!
//! What was drawn is written out first. Then one thing after the other is tried: fewer faults, firings
//! and messages, fewer demands, clients and servers, less time, simpler targets (Zeller and
//! Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 2002, for all that is a
//! list). What still fails is kept, and all is tried again until a whole round changed nothing: then
//! removing any single fault or piece of traffic makes the run pass, as far as that leaves a plan.
//!
//! Every plan that is tried was written as YAML and read again: what comes out is exactly what was
//! tried, and what the checks of plans refuse is not tried. Everything here is simpler than what it
//! replaces by some measure that nothing else makes greater, so it comes to an end whatever the
//! answers are.

mod demands;
mod lists;
mod loads;
mod names;
mod nodes;
mod repeated;
mod servers;
mod simpler;
mod targets;
mod times;
mod weight;

use std::collections::BTreeSet;

pub use repeated::{Repeated, Reproduction, reproduction};

use crate::fnv::fnv1a;
use crate::plan::{self, Plan, written};
use crate::schedule;

/// Says whether a plan fails in the wanted way. Any closure of plan and seed is one.
pub trait Oracle {
    /// Whether the run of this plan, in which nothing is left to be drawn, fails in the wanted way.
    /// One that passes, or that fails in another way, does not.
    fn fails(&mut self, plan: &Plan, seed: u64) -> bool;

    /// How many runs the last answer took.
    fn runs(&self) -> u32 {
        1
    }

    /// The nodes on which a fault acted when it first fired, in the last run that failed; none where
    /// that is not known. They are tried first in place of `leader` and the like.
    fn hit(&self, _fault: &str) -> Vec<String> {
        Vec::new()
    }
}

impl<F: FnMut(&Plan, u64) -> bool> Oracle for F {
    fn fails(&mut self, plan: &Plan, seed: u64) -> bool {
        self(plan, seed)
    }
}

/// When to be content with what there is.
pub struct Budget<'a> {
    /// The most runs.
    pub runs: u32,
    /// With how many seeds a plan with less in it is tried, the one at hand first: where one thing is
    /// gone, chance brings the rest together in another run. 1 for that one alone.
    pub seeds: u32,
    /// Asked before each run.
    pub stop: &'a dyn Fn() -> bool,
}

/// A plan was tried.
pub struct Attempt<'a> {
    /// `without fault f3`
    pub what: &'a str,
    pub fails: bool,
    /// Runs so far.
    pub tried: u32,
    /// Steps so far.
    pub kept: u32,
    /// The smallest plan so far.
    pub plan: &'a Plan,
}

/// Why it went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing more can be removed.
    Minimal,
    /// The runs of the budget are used up.
    OutOfRuns,
    Stopped,
    /// The plan itself did not fail again.
    NotReproduced,
}

/// What is left of a plan.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// As it was read from its own `source`; where nothing was reproduced, what was given, drawn.
    pub plan: Plan,
    /// With this seed it fails. It is the plan's own, too.
    pub seed: u64,
    /// How many runs were made.
    pub tried: u32,
    /// How many steps made the plan smaller.
    pub kept: u32,
    /// Each of these steps: `without fault f3: still fails`.
    pub log: Vec<String>,
    pub ending: Ending,
}

/// Cuts down a plan that fails with `seed`. The answer depends on the arguments and the oracle's
/// answers alone.
pub fn shrink(
    plan: &Plan,
    seed: u64,
    budget: &Budget,
    oracle: &mut dyn Oracle,
    progress: &mut dyn FnMut(&Attempt),
) -> Shrunk {
    let drawn = schedule::drawn(plan, seed);
    let mut search = Search {
        best: Plan {
            // Whatever it was read from, this plan is to be tried.
            source: String::new(),
            ..drawn.clone()
        },
        seed,
        budget,
        oracle,
        progress,
        other_seeds: false,
        passed: BTreeSet::new(),
        tried: 0,
        kept: 0,
        log: Vec::new(),
    };
    let reproduced = search.attempt("with all that was drawn written out", drawn.clone());
    if reproduced {
        search.kept = 0;
        search.log.clear();
        search.go();
    }
    let ending = match (reproduced, search.why_over()) {
        (false, _) if search.tried > 0 => Ending::NotReproduced,
        (_, Some(ending)) => ending,
        (true, None) => Ending::Minimal,
        // No text says it: its times are too long, or the like.
        (false, None) => Ending::NotReproduced,
    };
    Shrunk {
        plan: if reproduced { search.best } else { drawn },
        seed: search.seed,
        tried: search.tried,
        kept: search.kept,
        log: search.log,
        ending,
    }
}

/// A plan to be tried, and what it is: `without fault f3`.
type Candidate = (String, Plan);

struct Search<'a> {
    /// The smallest plan so far, and the seed with which it fails.
    best: Plan,
    seed: u64,
    budget: &'a Budget<'a>,
    oracle: &'a mut dyn Oracle,
    progress: &'a mut dyn FnMut(&Attempt),
    /// Whether a plan is tried with other seeds, too.
    other_seeds: bool,
    /// Digests of the texts, with their seeds, that did not fail.
    passed: BTreeSet<u64>,
    tried: u32,
    kept: u32,
    log: Vec<String>,
}

impl Search<'_> {
    fn go(&mut self) {
        loop {
            let before = self.kept;
            self.other_seeds = true;
            self.fewer_faults();
            self.fewer_firings();
            self.fewer_demands();
            self.less_traffic();
            self.fewer_clients();
            self.fewer_servers();
            self.other_seeds = false;
            self.smaller_loads();
            self.less_time();
            self.simpler_targets();
            self.rounder_times();
            self.plainer_names();
            if self.kept == before || self.why_over().is_some() {
                return;
            }
        }
    }

    fn why_over(&self) -> Option<Ending> {
        if self.tried >= self.budget.runs {
            Some(Ending::OutOfRuns)
        } else if (self.budget.stop)() {
            Some(Ending::Stopped)
        } else {
            None
        }
    }

    /// Whether `candidate` is a sound plan, is another than the best, and fails. Then it is the best.
    fn attempt(&mut self, what: &str, mut candidate: Plan) -> bool {
        candidate.traffic.sort_by_key(|traffic| traffic.at);
        let others = match self.other_seeds {
            true => self.budget.seeds.saturating_sub(1),
            false => 0,
        };
        let others = (1..)
            .filter(|other| *other != self.seed)
            .take(others as usize);
        let seeds: Vec<u64> = [self.seed].into_iter().chain(others).collect();
        for seed in seeds {
            let seeded = Plan {
                seed: Some(seed),
                ..candidate.clone()
            };
            let text = written::yaml(&seeded);
            if text == self.best.source {
                return false;
            }
            let digest = fnv1a(text.bytes());
            if self.passed.contains(&digest) {
                continue;
            }
            let Ok(plan) = plan::parse(&candidate.path, &text) else {
                return false;
            };
            if self.why_over().is_some() {
                return false;
            }
            let fails = self.oracle.fails(&plan, seed);
            self.tried += self.oracle.runs();
            if fails {
                self.best = plan;
                self.seed = seed;
                self.kept += 1;
                self.log.push(format!("{what}: still fails"));
            } else {
                self.passed.insert(digest);
            }
            (self.progress)(&Attempt {
                what,
                fails,
                tried: self.tried,
                kept: self.kept,
                plan: &self.best,
            });
            if fails {
                return true;
            }
        }
        false
    }

    /// Makes a number as small as it can be, in steps of `step`, by halving what is left to try.
    /// `with` makes that the number of a plan, and says so.
    fn least(&mut self, now: u64, least: u64, step: u64, with: &dyn Fn(&Plan, u64) -> Candidate) {
        if now <= least {
            return;
        }
        let before = self.best.clone();
        let (mut passes, mut fails) = (least, now);
        let (what, plan) = with(&before, least);
        if self.attempt(&what, plan) {
            return;
        }
        while fails - passes > step {
            let middle = passes + (fails - passes) / 2 / step * step;
            if middle == passes {
                return;
            }
            let (what, plan) = with(&before, middle);
            match self.attempt(&what, plan) {
                true => fails = middle,
                false => passes = middle,
            }
        }
    }
}
