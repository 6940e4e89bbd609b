//! Plans with one thing less.

use std::path::Path;

use paxosctl_chaos::plan::{self, Plan, written};

/// The plan without each single fault, and without each single piece of traffic, where that is a
/// sound plan: a fault that a demand names stays, and a client that joins stays as long as it speaks.
pub fn smaller(plan: &Plan) -> Vec<(String, Plan)> {
    let mut all = Vec::new();
    let mut add = |what: String, smaller: &Plan| {
        let text = written::yaml(smaller);
        if let Ok(smaller) = plan::parse(Path::new("smaller.yaml"), &text) {
            all.push((what, smaller));
        }
    };
    for index in 0..plan.faults.len() {
        let mut smaller = plan.clone();
        let gone = smaller.faults.remove(index);
        add(format!("without {}", gone.id), &smaller);
    }
    for index in 0..plan.traffic.len() {
        let mut smaller = plan.clone();
        let gone = smaller.traffic.remove(index);
        add(format!("without {gone:?}"), &smaller);
    }
    all
}
