//! Where a planted bug is, and where it is not. What each does is tested beside its hook.

#![cfg(feature = "planted-bugs")]

use std::collections::BTreeSet;
use std::thread;

use paxosctl_node::planted::{Bug, any, is, plant, plant_in_process};

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
fn a_bug_is_on_its_thread_while_its_guard_lives_and_in_the_process_where_nothing_else_is() {
    assert!(!any());
    let half = plant(Some(Bug::QuorumOfHalf)).unwrap();
    assert!(is(Bug::QuorumOfHalf) && !is(Bug::ClockLease) && any());
    let elsewhere = |check: fn()| thread::spawn(check).join().unwrap();
    elsewhere(|| assert!(!any()));
    {
        let _sound = plant(None).unwrap();
        assert!(!any());
        let _lease = plant(Some(Bug::ClockLease)).unwrap();
        assert!(is(Bug::ClockLease) && !is(Bug::QuorumOfHalf));
    }
    assert!(is(Bug::QuorumOfHalf));

    plant_in_process(Bug::GapApplied).unwrap();
    plant_in_process(Bug::ClockLease).unwrap();
    assert!(is(Bug::QuorumOfHalf), "this thread has its own");
    elsewhere(|| assert!(is(Bug::GapApplied), "the first stays"));
    drop(half);
    assert!(is(Bug::GapApplied));
    let _sound = plant(None).unwrap();
    assert!(!any());
}
