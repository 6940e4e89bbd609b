use super::*;

#[test]
fn a_message_is_proposed_at_once_and_chosen_by_a_majority_on_disk() {
    let mut s1 = replica(S1, 3);
    let own = lead(&mut s1);
    s1.propose(Duration::ZERO, vec![say(ANN, 1)]);
    let expected = Effects {
        send: to_all(&[S2, S3], accept(own, 1, value(ANN, 1))),
        persist: vec![record_accepted(1, own, value(ANN, 1))],
        persist_upto: 2,
        ..Effects::default()
    };
    assert_eq!(s1.take_effects(), expected);
    // One follower alone is no majority while the own write is under way.
    assert_eq!(step(&mut s1, S2, accepted(own, 1)), nothing(2));
    assert_eq!(step(&mut s1, S2, accepted(own, 1)), nothing(2));
    let chosen = Effects {
        send: to_all(&[S2, S3], commit(own, 1)),
        persist_upto: 2,
        chosen: vec![chosen(1, value(ANN, 1), &[(1, ANN, 1)])],
        ..Effects::default()
    };
    assert_eq!(sync(&mut s1), chosen);
}

#[test]
fn two_followers_are_a_majority_without_the_leaders_disk() {
    let mut s1 = replica(S1, 3);
    let own = lead(&mut s1);
    s1.propose(Duration::ZERO, vec![say(ANN, 1)]);
    s1.take_effects();
    step(&mut s1, S2, accepted(own, 1));
    step(&mut s1, S3, accepted(own, 1));
    assert_eq!(s1.chosen(), Slot(1));
}

#[test]
fn acceptances_of_another_ballot_or_an_unknown_slot_do_not_count() {
    let mut s1 = replica(S1, 3);
    let own = lead(&mut s1);
    s1.propose(Duration::ZERO, vec![say(ANN, 1)]);
    s1.take_effects();
    sync(&mut s1);
    for message in [
        accepted(ballot(own.round - 1, S1), 1),
        accepted(ballot(own.round + 1, S2), 1),
        accepted(own, 2),
    ] {
        assert_eq!(step(&mut s1, S2, message), nothing(2));
    }
    assert_eq!(s1.chosen(), Slot(0));
}

#[test]
fn slots_are_chosen_in_order() {
    let mut s1 = replica(S1, 3);
    let own = lead(&mut s1);
    s1.propose(Duration::ZERO, vec![say(ANN, 1)]);
    s1.take_effects();
    s1.propose(Duration::ZERO, vec![say(ANN, 2)]);
    s1.take_effects();
    sync(&mut s1);
    assert_eq!(step(&mut s1, S2, accepted(own, 2)), nothing(3));
    let effects = step(&mut s1, S2, accepted(own, 1));
    assert_eq!(effects.send, to_all(&[S2, S3], commit(own, 2)));
    let both = [
        chosen(1, value(ANN, 1), &[(1, ANN, 1)]),
        chosen(2, value(ANN, 2), &[(2, ANN, 2)]),
    ];
    assert_eq!(effects.chosen, both);
}

#[test]
fn heartbeats_carry_the_chosen_index_and_grow() {
    let mut s1 = replica_of(S1, 3, recovered(Ballot::ZERO, &[], 4));
    let own = lead(&mut s1);
    s1.tick(s1.now + ms(40));
    let mut send = to_all(&[S2, S3], heartbeat(own, 2));
    send.extend(to_all(&[S2, S3], commit(own, 4)));
    let expected = Effects {
        send,
        persist_upto: 1,
        ..Effects::default()
    };
    assert_eq!(s1.take_effects(), expected);
}

#[test]
fn a_leader_without_answers_steps_down() {
    let mut s1 = replica(S1, 5);
    let own = lead(&mut s1);
    // Two of four answer, and with the leader itself that is a majority.
    for time in [200, 400, 600] {
        s1.step(ms(time), S2, heartbeat_reply(own, 1, 0));
        s1.step(ms(time), S3, heartbeat_reply(own, 1, 0));
    }
    s1.tick(ms(1199));
    assert!(s1.leads());
    // One alone is not.
    s1.step(ms(1199), S2, heartbeat_reply(own, 1, 0));
    s1.tick(ms(1200));
    assert!(!s1.leads());
    assert!(!s1.majority());
}

#[test]
fn an_unanswered_accept_is_repeated_to_those_who_did_not_accept() {
    let mut s1 = replica(S1, 5);
    let own = lead(&mut s1);
    s1.propose(Duration::ZERO, vec![say(ANN, 1)]);
    s1.take_effects();
    step(&mut s1, S2, accepted(own, 1));
    let count = |s1: &mut Replica, time| {
        s1.tick(ms(time));
        let sent = s1.take_effects().send;
        let accepts = sent
            .into_iter()
            .filter(|(_, message)| matches!(message, Message::Accept { .. }));
        accepts.map(|(to, _)| to).collect::<Vec<_>>()
    };
    assert_eq!(count(&mut s1, 99), []);
    assert_eq!(count(&mut s1, 100), [S3, ServerId(4), ServerId(5)]);
    assert_eq!(count(&mut s1, 299), []);
    assert_eq!(count(&mut s1, 300), [S3, ServerId(4), ServerId(5)]);
}

#[test]
fn a_higher_prepare_or_heartbeat_ends_the_leadership() {
    for message in [
        Message::Prepare {
            ballot: ballot(9, S2),
            from: Slot(1),
        },
        heartbeat(ballot(9, S2), 1),
        accept(ballot(9, S2), 1, Value::Noop),
    ] {
        let mut s1 = replica(S1, 3);
        let own = lead(&mut s1);
        s1.propose(Duration::ZERO, vec![say(ANN, 1)]);
        s1.take_effects();
        step(&mut s1, S2, message);
        assert!(!s1.leads());
        sync(&mut s1);
        step(&mut s1, S3, accepted(own, 1));
        assert_eq!(s1.chosen(), Slot(0), "late acceptances count no more");
    }
}

#[test]
fn a_refusal_by_followers_of_another_ends_the_leadership() {
    let mut s1 = replica(S1, 5);
    let own = lead(&mut s1);
    step(
        &mut s1,
        S2,
        reject(ballot(own.round - 1, S1), ballot(9, S3), true),
    );
    assert!(s1.leads(), "that was another ballot");
    step(&mut s1, S2, reject(own, ballot(9, S3), true));
    assert!(!s1.leads());
}

#[test]
fn a_refusal_by_one_that_follows_nobody_renews_the_ballot_after_a_heartbeat() {
    let mut s1 = replica(S1, 5);
    let own = lead(&mut s1);
    s1.propose(Duration::ZERO, vec![say(ANN, 1)]);
    s1.take_effects();
    step(&mut s1, S2, reject(own, ballot(9, S3), false));
    assert!(s1.leads());
    // What arrives meanwhile is not lost.
    s1.tick(ms(40));
    s1.propose(ms(40), vec![say(ANN, 2)]);
    let renewed = ballot(10, S1);
    assert_eq!(s1.promised(), renewed);
    s1.take_effects();
    sync(&mut s1);
    for peer in [S2, S3] {
        step_quietly(&mut s1, peer, promise(renewed, 0, &[]));
    }
    let sent = s1.take_effects().send;
    let proposed: Vec<_> = sent
        .iter()
        .filter(|(to, message)| *to == S2 && matches!(message, Message::Accept { .. }))
        .collect();
    let expected = [
        &(S2, accept(renewed, 1, value(ANN, 1))),
        &(S2, accept(renewed, 2, value(ANN, 2))),
    ];
    assert_eq!(proposed, expected);
}

fn step_quietly(replica: &mut Replica, from: ServerId, message: Message) {
    replica.step(Duration::ZERO, from, message);
}

#[test]
fn a_leader_refused_by_too_many_backs_off() {
    let mut s1 = replica(S1, 3);
    let own = lead(&mut s1);
    step(&mut s1, S2, reject(own, ballot(9, S3), false));
    assert!(s1.leads());
    step(&mut s1, S3, reject(own, ballot(9, S3), false));
    assert!(!s1.leads());
    assert_eq!(s1.own_ballot(), None);
}

#[test]
fn a_learned_value_that_is_the_proposed_one_is_chosen_and_another_deposes() {
    let mut s1 = replica(S1, 3);
    lead(&mut s1);
    for seq in [1, 2] {
        s1.propose(Duration::ZERO, vec![say(ANN, seq)]);
        s1.take_effects();
    }
    step(&mut s1, S2, learn(1, &[value(ANN, 1)], 1));
    assert!(s1.leads());
    assert_eq!(s1.chosen(), Slot(1));
    step(&mut s1, S2, learn(2, &[value(BOB, 1)], 2));
    assert!(!s1.leads());
    assert_eq!(s1.chosen(), Slot(2));
    assert_eq!(s1.sessions().next_seq(ANN), 2);
}

#[test]
fn a_hand_over_waits_for_what_is_in_flight_and_takes_the_best() {
    let mut s1 = replica(S1, 3);
    let own = lead(&mut s1);
    assert!(
        !s1.hand_over(Duration::ZERO),
        "nobody has shown to be alive"
    );
    s1.propose(Duration::ZERO, vec![say(ANN, 1)]);
    s1.take_effects();
    step(&mut s1, S2, heartbeat_reply(own, 1, 0));
    step(&mut s1, S3, heartbeat_reply(own, 1, 1));
    assert!(s1.hand_over(Duration::ZERO));
    assert_eq!(s1.take_effects(), nothing(2));
    // New messages are not taken any more.
    s1.propose(Duration::ZERO, vec![say(ANN, 2)]);
    assert_eq!(s1.take_effects(), nothing(2));
    sync(&mut s1);
    step(&mut s1, S2, accepted(own, 1));
    s1.tick(ms(1));
    let message = Message::HandOver { ballot: own };
    assert_eq!(s1.take_effects().send, [(S3, message)]);
    // If nothing comes of it, it serves again.
    for time in [39, 200] {
        s1.step(ms(time), S2, heartbeat_reply(own, 2, 1));
    }
    s1.tick(ms(300));
    s1.take_effects();
    s1.propose(ms(300), vec![say(ANN, 2)]);
    let sent = s1.take_effects().send;
    assert_eq!(sent, to_all(&[S2, S3], accept(own, 2, value(ANN, 2))));
}

/// A leader that lets messages gather for a millisecond, with one batch in flight.
fn gathering() -> (Replica, Ballot) {
    let mut s1 = replica(S1, 3);
    s1.config.timing.gather = Duration::from_millis(1);
    let own = lead(&mut s1);
    s1.propose(s1.now, vec![say(ANN, 1)]);
    let first = to_all(&[S2, S3], accept(own, 1, value(ANN, 1)));
    assert_eq!(s1.take_effects().send, first);
    (s1, own)
}

#[test]
fn while_a_batch_is_in_flight_messages_gather_until_it_is_chosen() {
    let (mut s1, own) = gathering();
    for command in [say(ANN, 2), say(BOB, 1)] {
        s1.propose(s1.now, vec![command]);
        assert_eq!(s1.take_effects(), nothing(2));
    }
    sync(&mut s1);
    let sent = step(&mut s1, S2, accepted(own, 1)).send;
    let both = Value::batch(vec![say(ANN, 2), say(BOB, 1)]);
    assert!(sent.contains(&(S3, accept(own, 2, both))), "{sent:?}");
}

#[test]
fn messages_gather_for_so_long_at_most() {
    let (mut s1, own) = gathering();
    let began = s1.now;
    s1.propose(began, vec![say(ANN, 2)]);
    assert_eq!(s1.take_effects(), nothing(2));
    let due = began + Duration::from_millis(1);
    s1.propose(due - Duration::from_nanos(1), vec![say(BOB, 1)]);
    assert_eq!(s1.take_effects(), nothing(2));
    assert_eq!(s1.next_tick(), due);
    s1.tick(due);
    let both = Value::batch(vec![say(ANN, 2), say(BOB, 1)]);
    assert_eq!(
        s1.take_effects().send,
        to_all(&[S2, S3], accept(own, 2, both))
    );
}

#[test]
fn half_a_batch_of_messages_waits_for_nothing() {
    let (mut s1, own) = gathering();
    s1.config.limits.batch_messages = 4;
    s1.propose(s1.now, vec![say(ANN, 2)]);
    assert_eq!(s1.take_effects(), nothing(2));
    s1.propose(s1.now, vec![say(ANN, 3)]);
    let both = Value::batch(vec![say(ANN, 2), say(ANN, 3)]);
    assert_eq!(
        s1.take_effects().send,
        to_all(&[S2, S3], accept(own, 2, both))
    );
}
