//! What is left of simulated runs of servers that have a bug.

use paxosctl_chaos::plan::Plan;
use paxosctl_chaos::report::Outcome;
use paxosctl_chaos::schedule::drawn;
use paxosctl_chaos::shrink::{Budget, Ending, shrink};
use paxosctl_chaos::sim::{Plant, Setting, Tamper, judged};

mod support {
    pub mod read;
}
use support::read::read;

const PLAN: &str = "
version: 1
name: storm
cluster: {servers: 3, clients: [ann]}
traffic:
  - {at: 200ms, for: 5s, load: {clients: 4, rate: 40/s, bytes: 16..64}}
  - {at: 1s, every: 1s, times: 4, as: ann, say: still there?}
faults:
  - {at: 500ms, for: 4s, name: storm, random: {every: 100ms..500ms, lasts: 200ms..800ms, spare: none}}
settle: 10s
";

/// Whether the run violates this property.
fn violates(plan: &Plan, seed: u64, tamper: Tamper, property: &str) -> bool {
    let setting = Setting {
        plant: Some(Plant::Outside(tamper)),
        ..Setting::default()
    };
    let result = judged(plan, seed, setting);
    result
        .checks
        .iter()
        .any(|check| check.property == property && check.outcome == Outcome::Violated)
}

#[test]
fn a_bug_is_told_by_very_few_faults() {
    let plan = read(PLAN);
    for (tamper, property) in [
        (Tamper::PromiseForgotten, "ballots"),
        (Tamper::AcceptancesForgotten, "acceptances-kept"),
    ] {
        let fails = |plan: &Plan, seed: u64| violates(plan, seed, tamper, property);
        let seed = (1..20)
            .find(|seed| fails(&drawn(&plan, *seed), *seed))
            .unwrap();
        let budget = Budget {
            runs: 500,
            seeds: 3,
            stop: &|| false,
        };
        let shrunk = shrink(&plan, seed, &budget, &mut { fails }, &mut |_| {});
        assert_eq!(shrunk.ending, Ending::Minimal);
        assert!(shrunk.plan.faults.len() <= 2, "{}", shrunk.plan.source);
        // The file alone shows it again.
        let written = read(&shrunk.plan.source);
        assert!(fails(&written, written.seed.unwrap()));
    }
}
