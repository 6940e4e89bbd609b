use super::*;

#[test]
fn a_commit_covers_only_what_was_accepted_in_that_ballot() {
    let (old, new) = (ballot(1, S3), ballot(2, S1));
    let values = [
        (1, new, value(ANN, 1)),
        (2, old, value(BOB, 1)),
        (3, new, value(ANN, 2)),
    ];
    let mut s2 = replica_of(S2, 3, recovered(new, &values, 0));
    let expected = Effects {
        send: vec![(S1, catch_up(2))],
        chosen: vec![chosen(1, value(ANN, 1), &[(1, ANN, 1)])],
        ..Effects::default()
    };
    assert_eq!(step(&mut s2, S1, commit(new, 3)), expected);
    // Repeated at once, it asks nothing: an answer may be under way.
    assert_eq!(step(&mut s2, S1, commit(new, 3)), nothing(0));
}

#[test]
fn a_commit_of_a_lower_ballot_is_no_less_true() {
    let (old, new) = (ballot(1, S3), ballot(2, S1));
    let values = [(1, old, value(BOB, 1))];
    let mut s2 = replica_of(S2, 3, recovered(new, &values, 0));
    let effects = step(&mut s2, S3, commit(old, 1));
    assert_eq!(effects.chosen, [chosen(1, value(BOB, 1), &[(1, BOB, 1)])]);
    assert_eq!(s2.leader(), None, "but its sender leads no more");
}

#[test]
fn a_commit_comes_from_the_owner_of_the_ballot() {
    let own = ballot(1, S1);
    let mut s2 = replica_of(S2, 3, recovered(own, &[(1, own, Value::Noop)], 0));
    assert_eq!(step(&mut s2, S3, commit(own, 1)), nothing(0));
}

#[test]
fn the_chosen_index_rides_along_with_the_next_record() {
    let own = ballot(1, S1);
    let mut s2 = replica_of(S2, 3, recovered(own, &[(1, own, Value::Noop)], 0));
    assert_eq!(step(&mut s2, S1, commit(own, 1)).persist, []);
    let effects = step(&mut s2, S1, accept(own, 2, Value::Noop));
    let expected = [
        record_accepted(2, own, Value::Noop),
        Record::Chosen { upto: Slot(1) },
    ];
    assert_eq!(effects.persist, expected);
    // Left alone, it is written after a while, once.
    step(&mut s2, S1, commit(own, 2));
    s2.tick(ms(99));
    assert_eq!(s2.take_effects().persist, []);
    s2.tick(ms(100));
    assert_eq!(
        s2.take_effects().persist,
        [Record::Chosen { upto: Slot(2) }]
    );
    s2.tick(ms(250));
    assert_eq!(s2.take_effects().persist, []);
}

#[test]
fn learned_slots_are_written_and_the_rest_asked_for_at_once() {
    let mut s2 = replica(S2, 3);
    let effects = step(&mut s2, S3, learn(1, &[value(ANN, 1), value(ANN, 1)], 5));
    let learned = |slot| Record::Learned {
        slot: Slot(slot),
        value: value(ANN, 1),
    };
    let expected = Effects {
        send: vec![(S3, catch_up(3))],
        persist: vec![learned(1), learned(2), Record::Chosen { upto: Slot(2) }],
        persist_upto: 3,
        chosen: vec![
            chosen(1, value(ANN, 1), &[(1, ANN, 1)]),
            chosen(2, value(ANN, 1), &[]),
        ],
        ..Effects::default()
    };
    assert_eq!(effects, expected);
}

#[test]
fn a_repeated_or_overlapping_learn_adds_only_what_is_new() {
    let mut s2 = replica_of(S2, 3, recovered(Ballot::ZERO, &[], 3));
    let values = [Value::Noop, Value::Noop];
    assert_eq!(step(&mut s2, S3, learn(2, &values, 3)), nothing(0));
    assert_eq!(step(&mut s2, S3, learn(0, &values, 3)), nothing(0));
    let effects = step(&mut s2, S3, learn(3, &values, 4));
    assert_eq!(effects.chosen, [chosen(4, Value::Noop, &[])]);
}

#[test]
fn a_learn_with_a_gap_is_not_taken_but_asked_for_from_the_start() {
    let mut s2 = replica_of(S2, 3, recovered(Ballot::ZERO, &[], 3));
    let effects = step(&mut s2, S3, learn(5, &[Value::Noop], 5));
    let expected = Effects {
        send: vec![(S3, catch_up(4))],
        ..Effects::default()
    };
    assert_eq!(effects, expected);
    assert_eq!(s2.chosen(), Slot(3));
}

#[test]
fn an_unanswered_question_is_repeated_ever_more_slowly() {
    let mut s2 = replica(S2, 3);
    s2.set_voting(false);
    step(&mut s2, S1, commit(ballot(1, S1), 2));
    let mut asked = Vec::new();
    for time in 1..=1600 {
        s2.tick(ms(time));
        if s2.take_effects().send == [(S1, catch_up(1))] {
            asked.push(time);
        }
    }
    assert_eq!(asked, [100, 300, 700, 1500]);
}

#[test]
fn catch_up_is_served_up_to_the_own_chosen_index() {
    let mut s2 = replica_of(S2, 3, recovered(Ballot::ZERO, &[], 3));
    let serve = |from| Effects {
        serve: vec![crate::paxos::Serve {
            to: S3,
            from: Slot(from),
        }],
        ..Effects::default()
    };
    assert_eq!(step(&mut s2, S3, catch_up(1)), serve(1));
    assert_eq!(step(&mut s2, S3, catch_up(3)), serve(3));
    assert_eq!(step(&mut s2, S3, catch_up(4)), nothing(0));
    assert_eq!(step(&mut s2, S3, catch_up(0)), nothing(0));
}

#[test]
fn accepted_values_of_a_former_life_are_not_taken_as_chosen() {
    let own = ballot(1, S1);
    let values = [(1, own, value(ANN, 1))];
    let mut s2 = replica_of(S2, 3, recovered(own, &values, 0));
    s2.tick(ms(100));
    assert_eq!(s2.take_effects(), nothing(0));
    assert_eq!(s2.chosen(), Slot(0));
    // A commit of a later ballot says nothing about them.
    assert_eq!(step(&mut s2, S3, commit(ballot(2, S3), 1)).chosen, []);
}
