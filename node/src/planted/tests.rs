use std::collections::BTreeSet;

use super::*;

#[test]
fn every_bug_has_a_name_of_its_own_that_is_read_back() {
    let names: BTreeSet<String> = Bug::ALL.iter().map(Bug::to_string).collect();
    assert_eq!(names.len(), Bug::ALL.len());
    for bug in Bug::ALL {
        assert_eq!(bug.name().parse(), Ok(*bug));
        assert!(bug.what().ends_with('.'), "{bug}: {}", bug.what());
    }
    let unknown = "quorum".parse::<Bug>().unwrap_err().to_string();
    assert!(
        unknown.starts_with("`quorum` is not a bug that can be planted; these are: accept-does"),
        "{unknown}"
    );
}

#[test]
fn a_bug_is_planted_on_one_thread_until_its_guard_is_dropped() {
    assert!(!any());
    let half = plant(Some(Bug::QuorumOfHalf)).unwrap();
    assert!(is(Bug::QuorumOfHalf) && !is(Bug::ClockLease) && any());
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(!any()));
    });
    {
        let _sound = plant(None).unwrap();
        assert!(!any());
        let _lease = plant(Some(Bug::ClockLease)).unwrap();
        assert!(is(Bug::ClockLease) && !is(Bug::QuorumOfHalf));
    }
    assert!(is(Bug::QuorumOfHalf));
    drop(half);
    assert!(!any());
}
