//! Fewer demands. Which of them is violated is the oracle's matter: without that one the run does not
//! fail in the wanted way. Safety is judged in every plan.

use super::Search;
use crate::plan::{AckLatency, Expect, LeastTraffic, Plan, Say};

type LeaveOut = fn(&mut Expect);

/// Each demand of `expect` that can be left out, with its key.
const DEMANDS: [(&str, LeaveOut); 10] = [
    ("converged_within", |expect| expect.converged_within = None),
    ("acked", |expect| expect.acked = None),
    ("unavailable", |expect| expect.unavailable_max = None),
    ("ack_latency", |expect| {
        expect.ack_latency = AckLatency::default();
    }),
    ("no_ack_during", |expect| expect.no_ack_during.clear()),
    ("nothing_chosen_during", |expect| {
        expect.nothing_chosen_during.clear();
    }),
    ("told_no_majority", |expect| expect.told_no_majority.clear()),
    ("rerouted", |expect| expect.rerouted.clear()),
    ("recovered_within", |expect| expect.recovered_within = None),
    ("traffic", |expect| expect.traffic = LeastTraffic::default()),
];

impl Search<'_> {
    pub(super) fn fewer_demands(&mut self) {
        let mut plan = self.best.clone();
        plan.expect = Expect::default();
        if !self.attempt("without all of `expect`", plan) {
            for (key, leave_out) in DEMANDS {
                let mut plan = self.best.clone();
                leave_out(&mut plan.expect);
                self.attempt(&format!("without `{key}`"), plan);
            }
        }
        let mut plan = self.best.clone();
        for index in 0..plan.traffic.len() {
            ask_nothing(&mut plan, index);
        }
        if !self.attempt("without all that messages demand", plan) {
            for index in 0..self.best.traffic.len() {
                let mut plan = self.best.clone();
                ask_nothing(&mut plan, index);
                self.attempt("without what a message demands", plan);
            }
        }
    }
}

/// Nobody must see or learn the message.
fn ask_nothing(plan: &mut Plan, index: usize) {
    if let Say::Say {
        seen_by,
        within,
        learned,
        ..
    } = &mut plan.traffic[index].what
    {
        seen_by.clear();
        *within = None;
        learned.clear();
    }
}
