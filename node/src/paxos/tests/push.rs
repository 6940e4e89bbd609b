//! A leader that teaches a follower which stays behind.

use super::*;
use crate::paxos::Serve;

const HEARTBEAT: u64 = 40;

/// A leader that chose so many slots, with S2; S3 said nothing yet. Returns its ballot.
fn leader_with(slots: u64) -> (Replica, Ballot) {
    let mut s1 = replica(S1, 3);
    let own = lead(&mut s1);
    for slot in 1..=slots {
        choose_next(&mut s1, own, slot);
    }
    (s1, own)
}

fn choose_next(s1: &mut Replica, own: Ballot, slot: u64) {
    let now = s1.now;
    s1.propose(now, vec![say(ANN, slot)]);
    s1.take_effects();
    sync(s1);
    step(s1, S2, accepted(own, slot));
    assert_eq!(s1.chosen(), Slot(slot));
}

/// Lets the next round of heartbeats leave, and returns its number.
fn round(s1: &mut Replica) -> u64 {
    let at = s1.now + ms(HEARTBEAT);
    s1.tick(at);
    // S2 keeps it in office.
    let sent = s1.take_effects().send;
    let probe = sent.iter().find_map(|(_, message)| match message {
        Message::Heartbeat { probe, .. } => Some(*probe),
        _ => None,
    });
    let probe = probe.expect("a round of heartbeats");
    let ballot = s1.leader().expect("it leads");
    let chosen = s1.chosen().0;
    step(s1, S2, heartbeat_reply(ballot, probe, chosen));
    probe
}

/// S3 answers the next round; from where it is then taught, if it is.
fn answer(s1: &mut Replica, own: Ballot, chosen: u64) -> Option<u64> {
    let probe = round(s1);
    taught(step(s1, S3, heartbeat_reply(own, probe, chosen)))
}

fn taught(effects: Effects) -> Option<u64> {
    assert_eq!(effects.send, [], "a push is the host's to send");
    match effects.serve.as_slice() {
        [] => None,
        [Serve { to: S3, from }] => Some(from.0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_follower_that_lacks_what_it_was_told_and_does_not_move_is_taught() {
    let (mut s1, own) = leader_with(3);
    // Its first answer tells where it is, the second that it stays there.
    assert_eq!(answer(&mut s1, own, 1), None);
    assert_eq!(answer(&mut s1, own, 1), Some(2));
}

#[test]
fn a_follower_that_is_level_or_moves_is_left_alone() {
    let (mut s1, own) = leader_with(3);
    for chosen in [0, 1, 2, 3, 3, 3] {
        assert_eq!(answer(&mut s1, own, chosen), None);
    }
}

#[test]
fn a_slot_that_was_told_with_the_same_round_is_not_missing_yet() {
    let (mut s1, own) = leader_with(3);
    assert_eq!(answer(&mut s1, own, 3), None);
    // Chosen between two rounds, under way to S3 while it answers the second.
    choose_next(&mut s1, own, 4);
    assert_eq!(answer(&mut s1, own, 3), None);
    assert_eq!(answer(&mut s1, own, 4), None);
}

#[test]
fn what_is_under_way_is_pushed_again_ever_more_rarely() {
    let (mut s1, own) = leader_with(3);
    let mut pushed_at = Vec::new();
    for _ in 0..(30_000 / HEARTBEAT) {
        if let Some(from) = answer(&mut s1, own, 1) {
            assert_eq!(from, 2);
            pushed_at.push(s1.now.as_millis());
        }
    }
    let waits: Vec<u128> = pushed_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // 100 ms, doubling up to 6.4 s, each until the next heartbeat.
    assert_eq!(waits, [120, 200, 400, 800, 1600, 3200, 6400, 6400, 6400]);
}

#[test]
fn what_is_chosen_meanwhile_is_pushed_once_and_alone() {
    let (mut s1, own) = leader_with(3);
    answer(&mut s1, own, 1);
    assert_eq!(answer(&mut s1, own, 1), Some(2));
    choose_next(&mut s1, own, 4);
    assert_eq!(answer(&mut s1, own, 1), Some(4));
    choose_next(&mut s1, own, 5);
    assert_eq!(answer(&mut s1, own, 1), Some(5));
    // The time after which the first push counts as lost has come.
    assert_eq!(answer(&mut s1, own, 1), Some(2));
    assert_eq!(answer(&mut s1, own, 1), None);
}

#[test]
fn while_what_was_pushed_arrives_nothing_is_repeated() {
    let (mut s1, own) = leader_with(6);
    answer(&mut s1, own, 1);
    assert_eq!(answer(&mut s1, own, 1), Some(2));
    for chosen in [2, 2, 3, 3, 4, 4, 5, 5, 6] {
        assert_eq!(answer(&mut s1, own, chosen), None, "at {chosen}");
    }
    // Level again, and behind again: as at first.
    choose_next(&mut s1, own, 7);
    assert_eq!(answer(&mut s1, own, 6), None);
    assert_eq!(answer(&mut s1, own, 6), Some(7));
}

#[test]
fn a_follower_that_asked_is_not_taught_twice() {
    let (mut s1, own) = leader_with(3);
    answer(&mut s1, own, 1);
    assert_eq!(taught(step(&mut s1, S3, catch_up(2))), Some(2));
    assert_eq!(answer(&mut s1, own, 1), None);
    assert_eq!(answer(&mut s1, own, 1), None);
    // The answer counts as lost after 100 ms.
    assert_eq!(answer(&mut s1, own, 1), Some(2));
}

#[test]
fn late_answers_and_those_of_another_ballot_teach_nobody() {
    let (mut s1, own) = leader_with(3);
    let old = round(&mut s1);
    answer(&mut s1, own, 1);
    for probe in [old, old] {
        let reply = heartbeat_reply(own, probe, 1);
        assert_eq!(taught(step(&mut s1, S3, reply)), None);
    }
    let other = ballot(own.round + 1, S1);
    let probe = round(&mut s1);
    let reply = heartbeat_reply(other, probe, 1);
    assert_eq!(taught(step(&mut s1, S3, reply)), None);
    // An answer to a round so old that nobody knows what it told.
    let very_old = round(&mut s1);
    for _ in 0..70 {
        round(&mut s1);
    }
    let reply = heartbeat_reply(own, very_old, 1);
    assert_eq!(taught(step(&mut s1, S3, reply)), None);
}
