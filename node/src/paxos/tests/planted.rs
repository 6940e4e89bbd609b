//! Each planted bug in the replica does the wrong thing where the other tests find the right one.

use super::*;
use crate::paxos::phase1::{Report, must_propose};
use crate::paxos::{Quorum, ReadReady};
use crate::planted::{Bug, Planted, plant};

fn planted(bug: Bug) -> Planted {
    plant(Some(bug)).unwrap()
}

fn prepare(ballot: Ballot) -> Message {
    Message::Prepare {
        ballot,
        from: Slot(1),
    }
}

#[test]
fn accept_does_not_raise_promise() {
    let _bug = planted(Bug::AcceptDoesNotRaisePromise);
    let mut s2 = replica(S2, 3);
    let high = [(1, ballot(2, S1), value(ANN, 1))];
    step(&mut s2, S1, accept(ballot(2, S1), 1, value(ANN, 1)));
    let low = ballot(1, S3);
    let effects = step(&mut s2, S3, prepare(low));
    assert_eq!(effects.send_after_persist, [(S3, promise(low, 0, &high))]);
    // And in that ballot another value is accepted over the first.
    let effects = step(&mut s2, S3, accept(low, 1, value(BOB, 1)));
    assert_eq!(effects.persist, [record_accepted(1, low, value(BOB, 1))]);
}

#[test]
fn older_ballot_accepted() {
    let _bug = planted(Bug::OlderBallotAccepted);
    let newer = [(1, ballot(2, S3), value(BOB, 1))];
    let mut s2 = replica_of(S2, 3, recovered(ballot(2, S3), &newer, 0));
    let older = ballot(2, S1);
    let effects = step(&mut s2, S1, accept(older, 1, value(ANN, 1)));
    assert_eq!(effects.persist, [record_accepted(1, older, value(ANN, 1))]);
    assert_eq!(effects.send_after_persist, [(S1, accepted(older, 1))]);
}

#[test]
fn promise_not_persisted() {
    let _bug = planted(Bug::PromiseNotPersisted);
    let ballot = ballot(1, S1);
    let expected = Effects {
        send_after_persist: vec![(S1, promise(ballot, 0, &[]))],
        ..Effects::default()
    };
    assert_eq!(step(&mut replica(S2, 3), S1, prepare(ballot)), expected);
}

#[test]
fn quorum_of_half() {
    let _bug = planted(Bug::QuorumOfHalf);
    let majorities: Vec<usize> = (1..=9).map(|n| Quorum::new(n).majority()).collect();
    assert_eq!(majorities, [1, 1, 1, 2, 2, 3, 3, 4, 4]);
}

#[test]
fn duplicate_promise_counted() {
    let _bug = planted(Bug::DuplicatePromiseCounted);
    let mut s1 = replica(S1, 5);
    let own = stand(&mut s1);
    sync(&mut s1);
    step(&mut s1, S2, promise(own, 0, &[]));
    assert!(!s1.leads());
    let effects = step(&mut s1, S2, promise(own, 0, &[]));
    assert_eq!(effects.led[0].promised_by, [S1, S2]);
}

#[test]
fn stale_promise_counted() {
    let _bug = planted(Bug::StalePromiseCounted);
    let mut s1 = replica_of(S1, 3, recovered(ballot(1, S1), &[], 0));
    assert_eq!(stand(&mut s1), ballot(2, S1));
    sync(&mut s1);
    step(&mut s1, S2, promise(ballot(1, S2), 0, &[]));
    assert!(!s1.leads());
    step(&mut s1, S2, promise(ballot(1, S1), 0, &[]));
    assert!(s1.leads());
}

/// What is proposed if s1 reports Ann's message in slot 1, and s2 Bob's in a lower ballot there and
/// Ann's in slot 2.
fn proposed() -> Vec<Value> {
    let (low, high) = (ballot(1, S1), ballot(2, S2));
    let report = |accepted| Report {
        chosen: Slot(0),
        accepted,
    };
    let reports = [
        report(vec![(Slot(1), high, value(ANN, 1))]),
        report(vec![
            (Slot(1), low, value(BOB, 1)),
            (Slot(2), low, value(ANN, 2)),
        ]),
    ];
    let proposals = must_propose(Slot(0), &reports).into_iter();
    proposals.map(|(_, value)| value).collect()
}

#[test]
fn phase_1_proposes_what_it_must_not() {
    assert_eq!(proposed(), [value(ANN, 1), value(ANN, 2)]);
    let proposed_with = |bug| {
        let _bug = planted(bug);
        proposed()
    };
    assert_eq!(proposed_with(Bug::AcceptedValuesIgnored), []);
    assert_eq!(
        proposed_with(Bug::LowestBallotWins),
        [value(BOB, 1), value(ANN, 2)]
    );
    assert_eq!(
        proposed_with(Bug::NoOpOverChosen),
        [value(ANN, 1), Value::Noop]
    );
}

#[test]
fn ballot_reused() {
    let _bug = planted(Bug::BallotReused);
    let last = ballot(3, S1);
    let mine = [(1, last, value(ANN, 1))];
    let mut s1 = replica_of(S1, 3, recovered(last, &mine, 0));
    assert_eq!(stand(&mut s1), last);
    sync(&mut s1);
    step(&mut s1, S2, promise(last, 0, &mine));
    assert!(s1.leads());
    s1.propose(s1.now, vec![say(BOB, 1)]);
    let persisted = s1.take_effects().persist;
    assert_eq!(persisted, [record_accepted(2, last, value(BOB, 1))]);
    // That is the only time in its life.
    s1.step(s1.now, S2, reject(last, ballot(3, S2), true));
    assert_eq!(stand(&mut s1), ballot(4, S1));
}

#[test]
fn acks_without_majority() {
    let _bug = planted(Bug::AcksWithoutMajority);
    let mut s1 = replica(S1, 3);
    lead(&mut s1);
    s1.tick(ms(60_000));
    assert!(s1.leads());
    s1.propose(s1.now, vec![say(ANN, 1)]);
    s1.take_effects();
    assert_eq!(sync(&mut s1).chosen[0].slot, Slot(1));
}

#[test]
fn unconfirmed_reads() {
    let _bug = planted(Bug::UnconfirmedReads);
    let mut s1 = replica(S1, 3);
    lead(&mut s1);
    s1.read(s1.now, 7);
    let slot = Slot(0);
    assert_eq!(s1.take_effects().reads, [ReadReady { id: 7, slot }]);
}

#[test]
fn clock_lease() {
    let _bug = planted(Bug::ClockLease);
    let mut s1 = replica(S1, 3);
    lead(&mut s1);
    let led = s1.now;
    let lease = Timing::default().election_min;
    let slot = Slot(0);
    s1.read(led + lease - ms(1), 7);
    assert_eq!(s1.take_effects().reads, [ReadReady { id: 7, slot }]);
    s1.read(led + lease, 8);
    assert_eq!(s1.take_effects().reads, []);
    // The clock is set back, and the lease runs again. Nor has the time come to doubt.
    s1.tick(Duration::ZERO);
    assert_eq!(s1.take_effects().reads, [ReadReady { id: 8, slot }]);
    assert!(s1.next_tick() > lease);
}

#[test]
fn chosen_index_of_another_ballot() {
    let _bug = planted(Bug::ChosenIndexOfAnotherBallot);
    let old = [(1, ballot(1, S3), value(ANN, 1))];
    let mut s2 = replica_of(S2, 3, recovered(ballot(1, S3), &old, 0));
    let effects = step(&mut s2, S1, commit(ballot(2, S1), 1));
    assert_eq!(effects.chosen, [chosen(1, value(ANN, 1), &[(1, ANN, 1)])]);
}

#[test]
fn gap_applied() {
    let _bug = planted(Bug::GapApplied);
    let leader = ballot(1, S1);
    let mut s2 = replica(S2, 3);
    assert_eq!(step(&mut s2, S1, commit(leader, 1)).chosen, []);
    step(&mut s2, S1, accept(leader, 2, value(ANN, 1)));
    let effects = step(&mut s2, S1, commit(leader, 2));
    assert_eq!(
        effects.chosen,
        [
            chosen(1, Value::Noop, &[]),
            chosen(2, value(ANN, 1), &[(1, ANN, 1)])
        ]
    );
    let slot = Slot(1);
    let value = Value::Noop;
    assert_eq!(effects.persist[0], Record::Learned { slot, value });
}
