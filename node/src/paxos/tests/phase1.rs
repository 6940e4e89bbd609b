use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::paxos::phase1::{Report, must_propose};

#[test]
fn the_own_promise_counts_only_when_durable() {
    let mut s1 = replica(S1, 3);
    let own = stand(&mut s1);
    // Cannot come before the Prepare left, but if it did it would not be enough.
    assert_eq!(step(&mut s1, S2, promise(own, 0, &[])), nothing(1));
    assert!(!s1.leads());
    let effects = sync(&mut s1);
    assert!(s1.leads());
    assert_eq!(effects.send, to_all(&[S2, S3], heartbeat(own, 1)));
}

#[test]
fn promises_of_other_ballots_and_repeated_ones_do_not_count() {
    let mut s1 = replica(S1, 5);
    let own = stand(&mut s1);
    sync(&mut s1);
    for message in [
        promise(own, 0, &[]),
        promise(own, 0, &[]),
        promise(own, 0, &[]),
    ] {
        assert_eq!(step(&mut s1, S2, message), nothing(1));
    }
    let stale = promise(ballot(own.round - 1, S1), 0, &[]);
    assert_eq!(step(&mut s1, S3, stale), nothing(1));
    let other = promise(ballot(own.round, S2), 0, &[]);
    assert_eq!(step(&mut s1, S3, other), nothing(1));
    assert!(!s1.leads());
    step(&mut s1, S3, promise(own, 0, &[]));
    assert!(s1.leads());
}

#[test]
fn the_highest_ballots_values_are_proposed_and_holes_filled() {
    let (low, high) = (ballot(1, S2), ballot(2, S3));
    let mine = [(1, low, value(ANN, 1)), (4, high, value(ANN, 2))];
    let mut s1 = replica_of(S1, 3, recovered(high, &mine, 0));
    let own = stand(&mut s1);
    assert_eq!(own, ballot(3, S1));
    sync(&mut s1);
    let theirs = [(1, high, value(BOB, 1)), (4, low, value(BOB, 2))];
    let effects = step(&mut s1, S2, promise(own, 0, &theirs));
    let values = [value(BOB, 1), Value::Noop, Value::Noop, value(ANN, 2)];
    let mut send = Vec::new();
    let mut persist = Vec::new();
    for (slot, value) in (1..).zip(values) {
        send.extend(to_all(&[S2, S3], accept(own, slot, value.clone())));
        persist.push(record_accepted(slot, own, value));
    }
    send.extend(to_all(&[S2, S3], heartbeat(own, 1)));
    let led = Led {
        ballot: own,
        promised_by: vec![S1, S2],
        after: Slot(0),
    };
    let expected = Effects {
        led: vec![led],
        send,
        persist,
        persist_upto: 5,
        ..Effects::default()
    };
    assert_eq!(effects, expected);
}

#[test]
fn slots_that_a_promiser_knows_to_be_chosen_are_learned_never_proposed() {
    let mine = [
        (1, ballot(1, S1), value(ANN, 1)),
        (3, ballot(1, S1), value(ANN, 3)),
    ];
    let mut s1 = replica_of(S1, 3, recovered(ballot(1, S1), &mine, 0));
    let own = stand(&mut s1);
    sync(&mut s1);
    let effects = step(&mut s1, S2, promise(own, 2, &[]));
    let expected = Effects {
        send: vec![(S2, catch_up(1))],
        persist_upto: 1,
        ..Effects::default()
    };
    assert_eq!(effects, expected);
    assert!(!s1.leads());
    // Messages that come now wait.
    s1.propose(Duration::ZERO, vec![say(BOB, 1)]);
    assert_eq!(s1.take_effects(), nothing(1));

    let effects = step(&mut s1, S2, learn(1, &[value(BOB, 9), Value::Noop], 2));
    assert!(s1.leads());
    let mut send = to_all(&[S2, S3], accept(own, 3, value(ANN, 3)));
    send.extend(to_all(&[S2, S3], heartbeat(own, 1)));
    send.extend(to_all(&[S2, S3], commit(own, 2)));
    send.extend(to_all(&[S2, S3], accept(own, 4, value(BOB, 1))));
    let learned = |slot, value| Record::Learned {
        slot: Slot(slot),
        value,
    };
    let led = Led {
        ballot: own,
        promised_by: vec![S1, S2],
        after: Slot(2),
    };
    let expected = Effects {
        led: vec![led],
        send,
        persist: vec![
            learned(1, value(BOB, 9)),
            learned(2, Value::Noop),
            record_accepted(3, own, value(ANN, 3)),
            record_accepted(4, own, value(BOB, 1)),
            Record::Chosen { upto: Slot(2) },
        ],
        persist_upto: 6,
        chosen: vec![chosen(1, value(BOB, 9), &[]), chosen(2, Value::Noop, &[])],
        ..Effects::default()
    };
    assert_eq!(effects, expected);
}

#[test]
fn a_candidate_that_cannot_catch_up_gives_up() {
    let mut s1 = replica(S1, 3);
    let own = stand(&mut s1);
    sync(&mut s1);
    step(&mut s1, S2, promise(own, 2, &[]));
    s1.tick(ms(10_000));
    assert!(matches!(s1.role, crate::paxos::replica::Role::Follower));
    // A late answer is still knowledge, but makes nobody lead.
    step(&mut s1, S2, learn(1, &[Value::Noop, Value::Noop], 2));
    assert_eq!(s1.chosen(), Slot(2));
    assert!(!s1.leads());
}

#[test]
fn an_unanswered_prepare_is_repeated_to_those_who_did_not_promise() {
    let mut s1 = replica(S1, 5);
    let own = stand(&mut s1);
    s1.tick(ms(40));
    assert_eq!(
        s1.take_effects(),
        nothing(1),
        "nothing leaves before the promise is durable"
    );
    sync(&mut s1);
    step(&mut s1, S3, promise(own, 0, &[]));
    s1.tick(ms(80));
    let prepare = Message::Prepare {
        ballot: own,
        from: Slot(1),
    };
    let others = [S2, ServerId(4), ServerId(5)];
    assert_eq!(s1.take_effects().send, to_all(&others, prepare));
}

#[test]
fn a_candidate_refused_by_too_many_backs_off_and_goes_higher() {
    let mut s1 = replica(S1, 3);
    let own = stand(&mut s1);
    sync(&mut s1);
    let higher = ballot(8, S3);
    assert_eq!(step(&mut s1, S2, reject(own, higher, false)), nothing(1));
    assert!(s1.own_ballot().is_some(), "s3 may still promise");
    step(&mut s1, S2, reject(own, higher, false));
    assert!(s1.own_ballot().is_some(), "one server refuses once");
    step(&mut s1, S3, reject(own, higher, false));
    assert_eq!(s1.own_ballot(), None);
    assert_eq!(stand(&mut s1), ballot(9, S1));
}

#[test]
fn a_candidate_whose_refuser_follows_a_leader_gives_up() {
    let mut s1 = replica(S1, 5);
    let own = stand(&mut s1);
    sync(&mut s1);
    step(&mut s1, S2, reject(own, ballot(8, S3), true));
    assert_eq!(s1.own_ballot(), None);
}

fn reports() -> impl Strategy<Value = Vec<Report>> {
    let entry = (1..8u64, 1..4u64, 1..4u16);
    let report = (0..4u64, prop::collection::vec(entry, 0..6));
    prop::collection::vec(report, 1..5).prop_map(|reports| {
        reports
            .into_iter()
            .map(|(chosen, entries)| {
                // As in reality: one value for each slot and ballot, one entry for each slot.
                let by_slot: BTreeMap<u64, Ballot> = entries
                    .into_iter()
                    .filter(|(slot, ..)| *slot > chosen)
                    .map(|(slot, round, server)| (slot, ballot(round, ServerId(server))))
                    .collect();
                Report {
                    chosen: Slot(chosen),
                    accepted: by_slot
                        .into_iter()
                        .map(|(slot, ballot)| {
                            let named = ballot.round * 10 + u64::from(ballot.server);
                            (Slot(slot), ballot, value(ClientId(slot), named))
                        })
                        .collect(),
                }
            })
            .collect()
    })
}

/// For each slot, looks through everything again: no map, no fold, no early exit.
fn dumb_must_propose(chosen: Slot, reports: &[Report]) -> Vec<(Slot, Value)> {
    let all: Vec<_> = reports.iter().flat_map(|report| &report.accepted).collect();
    let last = all.iter().map(|(slot, ..)| slot.0).max().unwrap_or(0);
    let mut proposals = Vec::new();
    for slot in chosen.0 + 1..=last {
        let mut in_slot: Vec<_> = all.iter().filter(|(of, ..)| of.0 == slot).collect();
        in_slot.sort_by_key(|(_, ballot, _)| (ballot.round, ballot.server));
        let value = in_slot.last().map(|(_, _, value)| value.clone());
        proposals.push((Slot(slot), value.unwrap_or(Value::Noop)));
    }
    proposals
}

proptest! {
    #[test]
    fn proposes_what_the_dumb_twin_proposes(reports in reports(), ahead in 0..3u64) {
        let known = reports.iter().map(|report| report.chosen.0).max().unwrap_or(0);
        let chosen = Slot(known + ahead);
        prop_assert_eq!(must_propose(chosen, &reports), dumb_must_propose(chosen, &reports));
    }
}

/// Some earlier record is durable, but not yet the promise of the own ballot: after a crash the
/// server could use that ballot again.
#[test]
fn a_prepare_is_not_repeated_before_the_own_promise_is_durable() {
    let mut s1 = replica(S1, 3);
    let prepare = |ballot| Message::Prepare {
        ballot,
        from: Slot(1),
    };
    step(&mut s1, S2, prepare(ballot(1, S2)));
    let earlier = s1.outbox.records();
    let own = stand(&mut s1);
    s1.persisted(s1.now, earlier);
    let later = s1.now + ms(40);
    s1.tick(later);
    assert_eq!(s1.take_effects().send, []);
    sync(&mut s1);
    let later = s1.now + ms(40);
    s1.tick(later);
    assert_eq!(s1.take_effects().send, to_all(&[S2, S3], prepare(own)));
}
