use super::*;

#[test]
fn a_higher_prepare_is_promised_once_durable() {
    let mut s2 = replica(S2, 3);
    let ballot = ballot(1, S1);
    let prepare = Message::Prepare {
        ballot,
        from: Slot(1),
    };
    let promised = Effects {
        persist: vec![Record::Promised { ballot }],
        persist_upto: 1,
        send_after_persist: vec![(S1, promise(ballot, 0, &[]))],
        ..Effects::default()
    };
    assert_eq!(step(&mut s2, S1, prepare.clone()), promised);
    // Repeated, it is answered again, behind the same record.
    let again = Effects {
        persist_upto: 1,
        send_after_persist: vec![(S1, promise(ballot, 0, &[]))],
        ..Effects::default()
    };
    assert_eq!(step(&mut s2, S1, prepare), again);
}

#[test]
fn a_promise_reports_open_slots_from_the_one_asked_for() {
    let old = ballot(1, S3);
    let values = [(4, old, value(ANN, 1)), (6, old, value(BOB, 1))];
    let mut s2 = replica_of(S2, 3, recovered(old, &values, 3));
    let prepare = |from| Message::Prepare {
        ballot: ballot(2, S1),
        from: Slot(from),
    };
    let effects = step(&mut s2, S1, prepare(1));
    let all = promise(ballot(2, S1), 3, &values);
    assert_eq!(effects.send_after_persist, [(S1, all)]);
    let effects = step(&mut s2, S1, prepare(5));
    let last = promise(ballot(2, S1), 3, &values[1..]);
    assert_eq!(effects.send_after_persist, [(S1, last)]);
}

#[test]
fn a_lower_prepare_is_rejected_and_a_forged_one_ignored() {
    let mut s2 = replica_of(S2, 3, recovered(ballot(3, S3), &[], 0));
    let prepare = |ballot| Message::Prepare {
        ballot,
        from: Slot(1),
    };
    let refused = Effects {
        send: vec![(S1, reject(ballot(3, S1), ballot(3, S3), false))],
        ..Effects::default()
    };
    assert_eq!(step(&mut s2, S1, prepare(ballot(3, S1))), refused);
    assert_eq!(step(&mut s2, S1, prepare(ballot(4, S3))), nothing(0));
}

#[test]
fn an_accept_is_answered_once_durable_and_raises_the_promise() {
    let mut s2 = replica(S2, 3);
    let effects = step(&mut s2, S1, accept(ballot(2, S1), 1, value(ANN, 1)));
    let expected = Effects {
        persist: vec![record_accepted(1, ballot(2, S1), value(ANN, 1))],
        persist_upto: 1,
        send_after_persist: vec![(S1, accepted(ballot(2, S1), 1))],
        ..Effects::default()
    };
    assert_eq!(effects, expected);
    assert_eq!(s2.promised(), ballot(2, S1));
    // Repeated: no second record.
    let effects = step(&mut s2, S1, accept(ballot(2, S1), 1, value(ANN, 1)));
    let again = Effects {
        persist_upto: 1,
        send_after_persist: vec![(S1, accepted(ballot(2, S1), 1))],
        ..Effects::default()
    };
    assert_eq!(effects, again);
    // A lower ballot may not even prepare now.
    let prepare = Message::Prepare {
        ballot: ballot(1, S3),
        from: Slot(1),
    };
    let refused = Effects {
        send: vec![(S3, reject(ballot(1, S3), ballot(2, S1), true))],
        persist_upto: 1,
        ..Effects::default()
    };
    assert_eq!(step(&mut s2, S3, prepare), refused);
}

#[test]
fn an_accept_below_the_promise_is_rejected() {
    let mut s2 = replica_of(S2, 3, recovered(ballot(2, S3), &[], 0));
    let effects = step(&mut s2, S1, accept(ballot(2, S1), 1, value(ANN, 1)));
    let refused = Effects {
        send: vec![(S1, reject(ballot(2, S1), ballot(2, S3), false))],
        ..Effects::default()
    };
    assert_eq!(effects, refused);
    assert!(s2.acceptor.accepted.is_empty());
}

#[test]
fn a_value_of_a_higher_ballot_replaces_the_old_one() {
    let old = [(1, ballot(1, S1), value(ANN, 1))];
    let mut s2 = replica_of(S2, 3, recovered(ballot(1, S1), &old, 0));
    let effects = step(&mut s2, S3, accept(ballot(2, S3), 1, value(BOB, 1)));
    let record = record_accepted(1, ballot(2, S3), value(BOB, 1));
    assert_eq!(effects.persist, [record]);
    assert_eq!(
        effects.send_after_persist,
        [(S3, accepted(ballot(2, S3), 1))]
    );
}

#[test]
#[should_panic(expected = "proposes two values in slot 1")]
fn two_values_in_one_ballot_and_slot_stop_the_replica() {
    let mut s2 = replica(S2, 3);
    step(&mut s2, S1, accept(ballot(1, S1), 1, value(ANN, 1)));
    step(&mut s2, S1, accept(ballot(1, S1), 1, value(BOB, 1)));
}

#[test]
fn an_accept_in_a_chosen_slot_needs_no_acceptance_record() {
    let mut s2 = replica_of(S2, 3, recovered(ballot(1, S1), &[], 5));
    let effects = step(&mut s2, S1, accept(ballot(1, S1), 4, Value::Noop));
    let expected = Effects {
        send_after_persist: vec![(S1, accepted(ballot(1, S1), 4))],
        ..Effects::default()
    };
    assert_eq!(effects, expected);
    // A higher ballot is promised with it all the same.
    let effects = step(&mut s2, S3, accept(ballot(2, S3), 4, Value::Noop));
    let expected = Effects {
        persist: vec![Record::Promised {
            ballot: ballot(2, S3),
        }],
        persist_upto: 1,
        send_after_persist: vec![(S3, accepted(ballot(2, S3), 4))],
        ..Effects::default()
    };
    assert_eq!(effects, expected);
}

#[test]
fn an_accept_far_ahead_is_not_held_but_caught_up_with() {
    let mut s2 = replica_of(S2, 3, recovered(ballot(1, S1), &[], 5));
    // Two slots in the window, so eight slots above the chosen index are held.
    let held = step(&mut s2, S1, accept(ballot(1, S1), 13, Value::Noop));
    assert_eq!(held.send_after_persist, [(S1, accepted(ballot(1, S1), 13))]);
    let effects = step(&mut s2, S1, accept(ballot(1, S1), 14, Value::Noop));
    let expected = Effects {
        send: vec![(S1, catch_up(6))],
        persist_upto: 1,
        ..Effects::default()
    };
    assert_eq!(effects, expected);
}

#[test]
fn a_server_that_may_not_vote_answers_no_question_for_votes() {
    let mut s3 = replica_of(
        S3,
        3,
        Recovered {
            voting: false,
            ..Recovered::empty()
        },
    );
    let ballot = ballot(1, S1);
    let from = Slot(1);
    for message in [
        Message::PreVote { ballot },
        Message::Prepare { ballot, from },
        accept(ballot, 1, Value::Noop),
        heartbeat(ballot, 1),
        Message::HandOver { ballot },
    ] {
        assert_eq!(step(&mut s3, S1, message), nothing(0));
    }
    assert_eq!(s3.leader(), Some(ballot), "it follows all the same");
    s3.tick(ms(60_000));
    assert_eq!(s3.take_effects(), nothing(0), "it never stands");
    assert_eq!(s3.leader(), None);
}
