//! Faults in the order of time, without names that only tell where they were before: `storm.3` and
//! `f7` become `f1`.

use super::Search;
use crate::plan::{Fault, Plan};

impl Search<'_> {
    /// A fault draws by its name, and of two at the same time the first in the plan fires first: this
    /// may change what they do.
    pub(super) fn plainer_names(&mut self) {
        let mut plan = self.best.clone();
        plan.faults.sort_by_key(|fault| fault.at);
        self.attempt("in the order of time", plan);
        let mut plan = self.best.clone();
        for index in 0..plan.faults.len() {
            call_by_place(&mut plan, index);
        }
        if self.attempt("with plain names", plan) {
            return;
        }
        for index in 0..self.best.faults.len() {
            let id = self.best.faults[index].id.clone();
            let mut plan = self.best.clone();
            call_by_place(&mut plan, index);
            self.attempt(&format!("{id} without a name"), plan);
        }
    }
}

fn call_by_place(plan: &mut Plan, index: usize) {
    let fault: &mut Fault = &mut plan.faults[index];
    let is_by_place = |id: &str| {
        id.strip_prefix('f')
            .is_some_and(|number| number.parse::<u32>().is_ok())
    };
    if !fault.id.contains('.') && !is_by_place(&fault.id) {
        return;
    }
    let name = format!("f{}", index + 1);
    let before = std::mem::replace(&mut fault.id, name.clone());
    let expect = &mut plan.expect;
    for id in expect
        .no_ack_during
        .iter_mut()
        .chain(&mut expect.nothing_chosen_during)
    {
        if *id == before {
            id.clone_from(&name);
        }
    }
}
