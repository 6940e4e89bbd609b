//! Forwarding, batching, the filter of repeats and gaps, and reads.

use super::*;
use crate::paxos::ReadReady;

fn forward(commands: Vec<Command>, hops: u8) -> Message {
    Message::Forward { commands, hops }
}

fn read_index(origin: ServerId, id: u64, hops: u8) -> Message {
    Message::ReadIndex {
        origin: origin.0,
        id,
        hops,
    }
}

fn read_index_reply(origin: ServerId, id: u64, slot: u64) -> Message {
    Message::ReadIndexReply {
        origin: origin.0,
        id,
        slot: Slot(slot),
    }
}

fn follower_of_s1(me: ServerId, chosen: u64) -> Replica {
    let leader = ballot(1, S1);
    let mut replica = replica_of(me, 3, recovered(leader, &[], chosen));
    step(&mut replica, S1, heartbeat(leader, 1));
    replica
}

#[test]
fn a_follower_forwards_and_passes_on_while_hops_last() {
    let mut s2 = follower_of_s1(S2, 0);
    s2.propose(Duration::ZERO, vec![say(ANN, 1)]);
    assert_eq!(
        s2.take_effects().send,
        [(S1, forward(vec![say(ANN, 1)], 2))]
    );
    let passed = step(&mut s2, S3, forward(vec![say(BOB, 1)], 2)).send;
    assert_eq!(passed, [(S1, forward(vec![say(BOB, 1)], 1))]);
    assert_eq!(step(&mut s2, S3, forward(vec![say(BOB, 1)], 0)), nothing(0));
    assert_eq!(
        step(&mut s2, S1, forward(vec![say(BOB, 1)], 2)),
        nothing(0),
        "not back"
    );
}

#[test]
fn without_a_leader_nothing_is_kept() {
    let mut s2 = replica(S2, 3);
    s2.propose(Duration::ZERO, vec![say(ANN, 1)]);
    s2.read(Duration::ZERO, 1);
    assert_eq!(s2.take_effects(), nothing(0));
    assert!(s2.queue.is_empty());
}

#[test]
fn the_leader_takes_each_message_once_and_in_turn() {
    let mut s1 = replica(S1, 3);
    let own = lead(&mut s1);
    let said = vec![
        say(ANN, 1),
        say(ANN, 1),
        say(BOB, 2),
        say(ANN, 2),
        say(ANN, 4),
    ];
    s1.propose(Duration::ZERO, said);
    let batch = Value::batch(vec![say(ANN, 1), say(ANN, 2)]);
    let sent = s1.take_effects().send;
    assert_eq!(sent, to_all(&[S2, S3], accept(own, 1, batch)));
    // In flight: repeats are not taken, the next one is.
    let again = vec![say(ANN, 1), say(ANN, 2), say(ANN, 3)];
    let sent = step(&mut s1, S2, forward(again, 2)).send;
    assert_eq!(sent, to_all(&[S2, S3], accept(own, 2, value(ANN, 3))));
    // Chosen: the same.
    sync(&mut s1);
    step(&mut s1, S2, accepted(own, 1));
    step(&mut s1, S2, accepted(own, 2));
    assert!(s1.take_effects().send.is_empty());
    assert_eq!(step(&mut s1, S2, forward(vec![say(ANN, 3)], 2)), nothing(3));
    let effects = step(&mut s1, S2, forward(vec![say(ANN, 4)], 2));
    assert_eq!(
        effects.send,
        to_all(&[S2, S3], accept(own, 3, value(ANN, 4)))
    );
}

#[test]
fn a_gap_that_is_proposed_again_does_not_lock_its_client_out() {
    // The promise holds ann's second message without the first: it will take no effect.
    let mut s1 = replica(S1, 3);
    let own = stand(&mut s1);
    sync(&mut s1);
    step(
        &mut s1,
        S2,
        promise(own, 0, &[(1, ballot(0, S3), value(ANN, 2))]),
    );
    let sent = step(&mut s1, S2, forward(vec![say(ANN, 1), say(ANN, 2)], 2)).send;
    let both = Value::batch(vec![say(ANN, 1), say(ANN, 2)]);
    assert_eq!(sent, to_all(&[S2, S3], accept(own, 2, both)));
}

#[test]
fn a_value_that_is_proposed_again_is_expected() {
    let mut s1 = replica(S1, 3);
    let own = stand(&mut s1);
    sync(&mut s1);
    step(
        &mut s1,
        S2,
        promise(own, 0, &[(1, ballot(0, S3), value(ANN, 1))]),
    );
    assert_eq!(step(&mut s1, S2, forward(vec![say(ANN, 1)], 2)), nothing(2));
}

#[test]
fn messages_wait_for_the_window_and_share_the_next_slot() {
    let mut s1 = replica(S1, 3);
    let own = lead(&mut s1);
    for seq in 1..=5 {
        s1.propose(Duration::ZERO, vec![say(ANN, seq)]);
        s1.take_effects();
    }
    sync(&mut s1);
    // Two slots are in flight; three messages wait.
    let effects = step(&mut s1, S2, accepted(own, 1));
    let waiting = Value::batch(vec![say(ANN, 3), say(ANN, 4), say(ANN, 5)]);
    let mut send = to_all(&[S2, S3], accept(own, 3, waiting));
    send.extend(to_all(&[S2, S3], commit(own, 1)));
    assert_eq!(effects.send, send);
}

#[test]
fn batches_and_the_queue_are_bounded() {
    let mut s1 = replica(S1, 3);
    s1.config.limits.batch_messages = 3;
    s1.config.limits.batch_bytes = 120;
    s1.config.limits.queue_messages = 6;
    lead(&mut s1);
    let large = Command {
        text: "y".repeat(500),
        ..say(BOB, 1)
    };
    let mut said = vec![large];
    said.extend((1..=10).map(|seq| say(ANN, seq)));
    s1.propose(Duration::ZERO, said);
    let sizes = |effects: &Effects| {
        let sent = effects.send.iter().filter(|(to, _)| *to == S2);
        sent.map(|(_, message)| match message {
            Message::Accept { value, .. } => value.commands().len(),
            _ => 0,
        })
        .collect::<Vec<_>>()
    };
    // The large one alone, then as many as fit; the sixth and later ones were dropped.
    assert_eq!(sizes(&s1.take_effects()), [1, 3]);
    assert_eq!(s1.queue.take().len(), 2);
}

#[test]
fn losing_the_leadership_empties_the_queue() {
    let mut s1 = replica(S1, 3);
    lead(&mut s1);
    for seq in 1..=5 {
        s1.propose(Duration::ZERO, vec![say(ANN, seq)]);
        s1.take_effects();
    }
    step(&mut s1, S2, heartbeat(ballot(9, S2), 1));
    assert!(s1.queue.is_empty());
}

#[test]
fn a_read_needs_a_majority_to_answer_a_later_heartbeat() {
    let mut s1 = replica_of(S1, 5, recovered(Ballot::ZERO, &[], 4));
    let own = lead(&mut s1);
    s1.read(Duration::ZERO, 7);
    let peers = s1.peers();
    let mut send = to_all(&peers, heartbeat(own, 2));
    send.extend(to_all(&peers, commit(own, 4)));
    let expected = Effects {
        send,
        persist_upto: 1,
        ..Effects::default()
    };
    assert_eq!(s1.take_effects(), expected);
    assert_eq!(step(&mut s1, S2, heartbeat_reply(own, 2, 4)), nothing(1));
    assert_eq!(step(&mut s1, S2, heartbeat_reply(own, 3, 4)), nothing(1));
    // An answer to the heartbeat before the question proves nothing about now.
    assert_eq!(step(&mut s1, S3, heartbeat_reply(own, 1, 4)), nothing(1));
    let ready = Effects {
        persist_upto: 1,
        reads: vec![ReadReady {
            id: 7,
            slot: Slot(4),
        }],
        ..Effects::default()
    };
    assert_eq!(step(&mut s1, S3, heartbeat_reply(own, 2, 4)), ready);
}

#[test]
fn a_read_of_a_follower_is_answered_to_whoever_passed_it_on() {
    let mut s1 = replica_of(S1, 3, recovered(Ballot::ZERO, &[], 4));
    let own = lead(&mut s1);
    step(&mut s1, S2, read_index(S3, 7, 1));
    let effects = step(&mut s1, S2, heartbeat_reply(own, 2, 4));
    assert_eq!(effects.send, [(S2, read_index_reply(S3, 7, 4))]);
}

#[test]
fn reads_that_come_together_share_a_heartbeat() {
    let mut s1 = replica_of(S1, 3, recovered(Ballot::ZERO, &[], 4));
    let own = lead(&mut s1);
    s1.read(Duration::ZERO, 1);
    s1.step(Duration::ZERO, S2, read_index(S2, 1, 1));
    let beats = s1.take_effects().send;
    assert_eq!(beats.len(), 4, "{beats:?}");
    let effects = step(&mut s1, S2, heartbeat_reply(own, 2, 4));
    assert_eq!(effects.send, [(S2, read_index_reply(S2, 1, 4))]);
    assert_eq!(effects.reads.len(), 1);
}

#[test]
fn a_follower_answers_once_it_has_applied_the_slot() {
    let mut s2 = follower_of_s1(S2, 3);
    s2.read(Duration::ZERO, 7);
    assert_eq!(s2.take_effects().send, [(S1, read_index(S2, 7, 2))]);
    assert_eq!(
        step(&mut s2, S1, read_index_reply(S2, 8, 1)),
        nothing(0),
        "never asked"
    );
    assert_eq!(step(&mut s2, S1, read_index_reply(S2, 7, 4)), nothing(0));
    let effects = step(&mut s2, S1, learn(4, &[Value::Noop], 4));
    let ready = ReadReady {
        id: 7,
        slot: Slot(4),
    };
    assert_eq!(effects.reads, [ready]);
    assert_eq!(
        step(&mut s2, S1, read_index_reply(S2, 7, 4)),
        nothing(2),
        "once"
    );
}

#[test]
fn a_follower_passes_questions_and_answers_on() {
    let mut s2 = follower_of_s1(S2, 3);
    let passed = step(&mut s2, S3, read_index(S3, 7, 2)).send;
    assert_eq!(passed, [(S1, read_index(S3, 7, 1))]);
    assert_eq!(step(&mut s2, S3, read_index(S3, 7, 0)), nothing(0));
    let answered = step(&mut s2, S1, read_index_reply(S3, 7, 4)).send;
    assert_eq!(answered, [(S3, read_index_reply(S3, 7, 4))]);
    assert_eq!(
        step(&mut s2, S1, read_index_reply(ServerId(9), 7, 4)),
        nothing(0)
    );
}

#[test]
fn a_deposed_leader_answers_no_read() {
    let mut s1 = replica_of(S1, 3, recovered(Ballot::ZERO, &[], 4));
    let own = lead(&mut s1);
    s1.read(Duration::ZERO, 7);
    s1.take_effects();
    step(&mut s1, S3, heartbeat(ballot(9, S3), 1));
    assert_eq!(step(&mut s1, S2, heartbeat_reply(own, 2, 4)), nothing(1));
}

#[test]
fn messages_from_strangers_and_from_itself_are_ignored() {
    let mut s1 = replica(S1, 3);
    for stranger in [S1, ServerId(0), ServerId(4)] {
        let message = heartbeat(ballot(1, stranger), 1);
        assert_eq!(step(&mut s1, stranger, message), nothing(0));
    }
}
