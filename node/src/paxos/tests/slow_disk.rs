//! A disk that does not keep up: what waits for it is bounded, and it goes on afterwards.

use super::*;

/// Room for two records of one short message each.
const ROOM_BYTES: usize = 100;

fn on_a_slow_disk(me: ServerId) -> Replica {
    let mut replica = replica(me, 3);
    replica.config.limits.unwritten_bytes = ROOM_BYTES;
    replica
}

fn records_of(effects: &Effects) -> usize {
    effects.persist.len()
}

#[test]
fn an_acceptor_accepts_no_more_until_the_disk_has_caught_up() {
    let mut s2 = on_a_slow_disk(S2);
    let leader = ballot(1, S1);
    let mut waiting = 0;
    for slot in 1..=1000 {
        waiting += records_of(&step(&mut s2, S1, accept(leader, slot, value(ANN, slot))));
        // The others choose it all the same.
        waiting += records_of(&step(&mut s2, S1, commit(leader, slot)));
    }
    assert!((2..10).contains(&waiting), "{waiting}");
    let slot = s2.chosen().0 + 1;
    assert_eq!(s2.acceptor.accepted, [].into());
    sync(&mut s2);
    let effects = step(&mut s2, S1, accept(leader, slot, value(ANN, slot)));
    assert!(
        effects
            .send_after_persist
            .contains(&(S1, accepted(leader, slot)))
    );
    assert_eq!(records_of(&effects), 2);
}

/// It promises all the same: what it promises is small.
#[test]
fn votes_are_given_on_a_slow_disk() {
    let mut s2 = on_a_slow_disk(S2);
    s2.config.limits.unwritten_bytes = 0;
    let message = Message::Prepare {
        ballot: ballot(1, S1),
        from: Slot(1),
    };
    let effects = step(&mut s2, S1, message);
    assert_eq!(
        effects.send_after_persist,
        [(S1, promise(ballot(1, S1), 0, &[]))]
    );
}

#[test]
fn a_learner_takes_what_there_is_room_for_and_asks_for_the_rest() {
    let mut s2 = on_a_slow_disk(S2);
    let values: Vec<Value> = (1..=1000).map(|seq| value(ANN, seq)).collect();
    let mut taken = 0;
    for rounds in 1..=1000 {
        let before = s2.chosen();
        let rest = &values[before.0 as usize..];
        let persist = step(&mut s2, S3, learn(before.0 + 1, rest, 1000)).persist;
        taken += persist
            .iter()
            .filter(|record| matches!(record, Record::Learned { .. }))
            .count();
        assert_eq!(s2.chosen(), Slot(taken as u64));
        assert!(taken <= 2 * rounds);
        if s2.chosen() == Slot(1000) {
            return;
        }
        sync(&mut s2);
        // The longest that it waits between two questions; its election timeouts are later.
        let asked_by = s2.now + ms(200);
        s2.tick(asked_by);
        let asked = s2.take_effects().send;
        let question = (S3, catch_up(s2.chosen().0 + 1));
        assert!(asked.contains(&question), "{asked:?}");
    }
    panic!("it never caught up");
}

#[test]
fn a_leader_proposes_no_more_until_the_disk_has_caught_up() {
    let mut s1 = on_a_slow_disk(S1);
    let own = lead(&mut s1);
    let mut waiting = 0;
    for seq in 1..=100 {
        s1.propose(Duration::ZERO, vec![say(ANN, seq)]);
        waiting += records_of(&s1.take_effects());
        let next = Slot(s1.chosen().0 + 1);
        step(&mut s1, S2, accepted(own, next.0));
        waiting += records_of(&step(&mut s1, S3, accepted(own, next.0)));
    }
    assert!((2..10).contains(&waiting), "{waiting}");
    // What was said meanwhile waits in the queue, and shares a slot now.
    let effects = sync(&mut s1);
    assert_eq!(records_of(&effects), 2);
    let Record::Accepted { value, .. } = &effects.persist[0] else {
        panic!("{:?}", effects.persist);
    };
    assert!(value.commands().len() > 90);
}
