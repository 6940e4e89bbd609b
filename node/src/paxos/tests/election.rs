use super::*;

fn pre_vote_reply(granted: bool, promised: Ballot, leader: Option<Ballot>) -> Message {
    Message::PreVoteReply {
        ballot: ballot(9, S3),
        granted,
        promised,
        leader,
    }
}

const ASK: Message = Message::PreVote {
    ballot: Ballot {
        round: 9,
        server: 3,
    },
};

#[test]
fn a_pre_vote_is_granted_without_a_leader_and_promises_nothing() {
    let mut s2 = replica_of(S2, 3, recovered(ballot(4, S1), &[], 7));
    let granted = Effects {
        send: vec![(S3, pre_vote_reply(true, ballot(4, S1), None))],
        ..Effects::default()
    };
    assert_eq!(step(&mut s2, S3, ASK), granted);
    assert_eq!(s2.promised(), ballot(4, S1));
}

#[test]
fn a_pre_vote_is_refused_while_a_leader_is_heard() {
    let mut s2 = replica_of(S2, 3, recovered(ballot(4, S1), &[], 0));
    step(&mut s2, S1, heartbeat(ballot(4, S1), 1));
    let leader = ballot(4, S1);
    let refused = Effects {
        send: vec![(S3, pre_vote_reply(false, leader, Some(leader)))],
        ..Effects::default()
    };
    s2.step(ms(299), S3, ASK);
    assert_eq!(s2.take_effects(), refused);
    // After the shortest election timeout the leader counts as silent.
    s2.step(ms(300), S3, ASK);
    let granted = vec![(S3, pre_vote_reply(true, leader, None))];
    assert_eq!(s2.take_effects().send, granted);
}

#[test]
fn a_leader_that_asks_for_votes_leads_no_more() {
    let mut s2 = replica_of(S2, 3, recovered(ballot(8, S3), &[], 0));
    step(&mut s2, S3, heartbeat(ballot(8, S3), 1));
    let granted = vec![(S3, pre_vote_reply(true, ballot(8, S3), None))];
    assert_eq!(step(&mut s2, S3, ASK).send, granted);
}

#[test]
fn a_leader_refuses_pre_votes_while_a_majority_answers() {
    let mut s1 = replica(S1, 3);
    let leader = lead(&mut s1);
    s1.step(ms(299), S3, ASK);
    let refused = vec![(S3, pre_vote_reply(false, leader, Some(leader)))];
    assert_eq!(s1.take_effects().send, refused);
    s1.step(ms(300), S3, ASK);
    let granted = vec![(S3, pre_vote_reply(true, leader, None))];
    assert_eq!(s1.take_effects().send, granted);
}

#[test]
fn in_a_new_cluster_s1_asks_at_once() {
    let mut s1 = replica(S1, 3);
    assert_eq!(s1.next_tick(), Duration::ZERO);
    s1.tick(Duration::ZERO);
    let ask = Message::PreVote {
        ballot: ballot(1, S1),
    };
    let expected = Effects {
        send: to_all(&[S2, S3], ask),
        ..Effects::default()
    };
    assert_eq!(s1.take_effects(), expected);
    let wait = replica(S2, 3).next_tick();
    assert!(ms(300) <= wait && wait <= ms(600), "{wait:?}");
    let restarted = replica_of(S1, 3, recovered(ballot(1, S1), &[], 0)).next_tick();
    assert!(
        ms(300) <= restarted && restarted <= ms(600),
        "{restarted:?}"
    );
}

#[test]
fn grants_of_a_majority_open_a_ballot_above_all_promises() {
    let mut s1 = replica(S1, 3);
    s1.tick(Duration::ZERO);
    s1.take_effects();
    let effects = step(&mut s1, S2, granted(ballot(1, S1), ballot(6, S3)));
    let own = ballot(7, S1);
    let prepare = Message::Prepare {
        ballot: own,
        from: Slot(1),
    };
    let expected = Effects {
        persist: vec![Record::Promised { ballot: own }],
        persist_upto: 1,
        send_after_persist: to_all(&[S2, S3], prepare),
        ..Effects::default()
    };
    assert_eq!(effects, expected);
}

#[test]
fn grants_of_one_server_count_once_and_those_of_another_round_not_at_all() {
    let mut s1 = replica(S1, 5);
    s1.tick(Duration::ZERO);
    s1.take_effects();
    let own = ballot(1, S1);
    for message in [
        granted(own, Ballot::ZERO),
        granted(own, Ballot::ZERO),
        granted(ballot(2, S1), Ballot::ZERO),
    ] {
        assert_eq!(step(&mut s1, S2, message), nothing(0));
    }
    let effects = step(&mut s1, S3, granted(own, Ballot::ZERO));
    assert_eq!(effects.persist, [Record::Promised { ballot: own }]);
}

#[test]
fn a_refusal_with_a_leader_clears_the_grants_and_shows_the_way() {
    let mut s1 = replica(S1, 5);
    s1.tick(Duration::ZERO);
    s1.take_effects();
    let own = ballot(1, S1);
    let leader = ballot(1, ServerId(5));
    step(&mut s1, S2, granted(own, Ballot::ZERO));
    let refusal = Message::PreVoteReply {
        ballot: own,
        granted: false,
        promised: leader,
        leader: Some(leader),
    };
    // It polls its relay for chosen slots, because the leader's Commits do not come.
    let expected = Effects {
        send: vec![(S3, catch_up(1))],
        ..Effects::default()
    };
    assert_eq!(step(&mut s1, S3, refusal), expected);
    assert_eq!(s1.leader(), Some(leader));
    // Only one grant since: not a majority of five.
    assert_eq!(step(&mut s1, S2, granted(own, Ballot::ZERO)), nothing(0));
    // What is meant for the leader goes to the relay.
    s1.propose(Duration::ZERO, vec![say(ANN, 1)]);
    let forward = Message::Forward {
        commands: vec![say(ANN, 1)],
        hops: 2,
    };
    assert_eq!(s1.take_effects().send, [(S3, forward)]);
}

#[test]
fn a_heartbeat_is_answered_followed_and_ends_a_canvass() {
    let mut s1 = replica_of(S1, 3, recovered(ballot(2, S2), &[], 9));
    s1.tick(ms(700));
    s1.take_effects();
    let effects = step(&mut s1, S3, heartbeat(ballot(3, S3), 8));
    let expected = Effects {
        send: vec![(S3, heartbeat_reply(ballot(3, S3), 8, 9))],
        ..Effects::default()
    };
    assert_eq!(effects, expected);
    assert_eq!(s1.leader(), Some(ballot(3, S3)));
    assert_eq!(s1.promised(), ballot(2, S2), "a heartbeat is no promise");
    // The grant of the canvass comes too late.
    assert_eq!(
        step(&mut s1, S2, granted(ballot(3, S1), Ballot::ZERO)),
        nothing(0)
    );
}

#[test]
fn a_heartbeat_below_the_promise_is_rejected() {
    let mut s2 = replica_of(S2, 3, recovered(ballot(2, S3), &[], 0));
    let refused = |follows| Effects {
        send: vec![(S1, reject(ballot(1, S1), ballot(2, S3), follows))],
        ..Effects::default()
    };
    assert_eq!(
        step(&mut s2, S1, heartbeat(ballot(1, S1), 1)),
        refused(false)
    );
    step(&mut s2, S3, heartbeat(ballot(2, S3), 1));
    assert_eq!(
        step(&mut s2, S1, heartbeat(ballot(1, S1), 1)),
        refused(true)
    );
}

#[test]
fn a_lower_leader_is_ignored_while_a_higher_one_lives() {
    let mut s2 = replica(S2, 3);
    step(&mut s2, S3, heartbeat(ballot(5, S3), 1));
    assert_eq!(step(&mut s2, S1, heartbeat(ballot(4, S1), 1)), nothing(0));
    assert_eq!(s2.leader(), Some(ballot(5, S3)));
}

#[test]
fn a_hand_over_from_the_leader_it_hears_makes_it_stand_at_once() {
    let leader = ballot(3, S1);
    let mut s2 = replica_of(S2, 3, recovered(leader, &[], 0));
    let hand_over = Message::HandOver { ballot: leader };
    assert_eq!(
        step(&mut s2, S1, hand_over.clone()),
        nothing(0),
        "not heard"
    );
    step(&mut s2, S1, heartbeat(leader, 1));
    let forged = Message::HandOver {
        ballot: ballot(3, S3),
    };
    assert_eq!(step(&mut s2, S3, forged), nothing(0));
    let effects = step(&mut s2, S1, hand_over);
    let own = ballot(4, S2);
    assert_eq!(effects.persist, [Record::Promised { ballot: own }]);
    let prepare = Message::Prepare {
        ballot: own,
        from: Slot(1),
    };
    assert_eq!(effects.send_after_persist, to_all(&[S1, S3], prepare));
}

#[test]
fn the_end_of_the_leaders_connection_makes_a_follower_ask_soon_and_grant() {
    let leader = ballot(4, S1);
    let mut s2 = replica_of(S2, 3, recovered(leader, &[], 0));
    step(&mut s2, S1, heartbeat(leader, 1));
    s2.disconnected(ms(5), S1);
    assert_eq!(s2.take_effects(), nothing(0));
    assert_eq!(s2.leader(), None);
    let due = s2.next_tick();
    assert!(ms(15) <= due && due <= ms(35), "{due:?}");
    let granted = vec![(S3, pre_vote_reply(true, leader, None))];
    assert_eq!(step(&mut s2, S3, ASK).send, granted);
    s2.tick(due);
    let ask = Message::PreVote {
        ballot: ballot(5, S2),
    };
    assert_eq!(s2.take_effects().send, to_all(&[S1, S3], ask));
}

#[test]
fn a_leader_that_is_heard_again_after_its_connection_ended_is_followed_as_before() {
    let leader = ballot(4, S1);
    let mut s2 = replica_of(S2, 3, recovered(leader, &[], 0));
    step(&mut s2, S1, heartbeat(leader, 1));
    s2.disconnected(ms(5), S1);
    s2.step(ms(12), S1, heartbeat(leader, 1));
    s2.take_effects();
    assert_eq!(s2.leader(), Some(leader));
    let due = s2.next_tick();
    assert!(ms(312) <= due && due <= ms(612), "{due:?}");
    let refused = vec![(S3, pre_vote_reply(false, leader, Some(leader)))];
    assert_eq!(step(&mut s2, S3, ASK).send, refused);
}

#[test]
fn the_end_of_any_other_connection_means_nothing() {
    let leader = ballot(4, S1);
    let mut s2 = replica_of(S2, 3, recovered(leader, &[], 0));
    step(&mut s2, S1, heartbeat(leader, 1));
    let due = s2.next_tick();
    s2.disconnected(ms(0), S3);
    assert_eq!((s2.leader(), s2.next_tick()), (Some(leader), due));

    let mut s1 = replica(S1, 3);
    lead(&mut s1);
    let due = s1.next_tick();
    s1.disconnected(ms(0), S2);
    s1.disconnected(ms(0), S3);
    assert_eq!((s1.leads(), s1.next_tick()), (true, due));
}

#[test]
fn a_leader_shows_itself_on_every_new_connection() {
    let mut s1 = replica(S1, 3);
    s1.connected(ms(0), S2);
    assert_eq!(s1.take_effects(), nothing(0));
    let leader = lead(&mut s1);
    s1.connected(ms(7), S2);
    assert_eq!(s1.take_effects().send, [(S2, heartbeat(leader, 1))]);
}

#[test]
fn a_process_that_was_held_up_does_not_blame_the_leader_for_silence() {
    let leader = ballot(4, S1);
    let mut s2 = replica_of(S2, 3, recovered(leader, &[], 0));
    step(&mut s2, S1, heartbeat(leader, 1));
    let due = s2.next_tick();
    s2.was_held_up(ms(700), ms(650));
    assert_eq!(s2.next_tick(), due + ms(650));
    let refused = vec![(S3, pre_vote_reply(false, leader, Some(leader)))];
    assert_eq!(step(&mut s2, S3, ASK).send, refused);
    // What was heard meanwhile is not made younger than now.
    s2.step(ms(710), S1, heartbeat(leader, 2));
    s2.was_held_up(ms(710), ms(100));
    s2.take_effects();
    let granted = vec![(S3, pre_vote_reply(true, leader, None))];
    s2.step(ms(1010), S3, ASK);
    assert_eq!(s2.take_effects().send, granted);
}

#[test]
fn a_leader_that_was_held_up_does_not_doubt_itself_for_that() {
    let mut s1 = replica(S1, 3);
    let leader = lead(&mut s1);
    s1.step(ms(10), S2, heartbeat_reply(leader, 1, 0));
    s1.was_held_up(ms(650), ms(600));
    s1.tick(ms(650));
    assert_eq!(s1.leader(), Some(leader));
    // Nobody answers after that either.
    s1.tick(ms(1209));
    assert!(s1.leads());
    s1.tick(ms(1210));
    assert!(!s1.leads());
}
