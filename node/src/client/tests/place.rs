//! Which server the session has, and how it finds another.

use super::*;

#[test]
fn the_balancer_is_asked_until_it_answers() {
    let mut session = session(None);
    assert_eq!(session.take_effects(), [ask(None)]);
    assert_eq!(
        run(&mut session, 3000),
        [
            (300, ask(None)),
            (900, ask(None)),
            (1900, ask(None)),
            (2900, ask(None))
        ]
    );
    assert_eq!(session.server(), None);
}

#[test]
fn a_balancer_that_cannot_be_reached_is_tried_again_soon() {
    let mut session = session(None);
    run(&mut session, 1900);
    session.balancer_failed(ms(1901));
    assert_eq!(run(&mut session, 2300), [(2201, ask(None))]);
}

#[test]
fn not_ready_is_reported_on_change_and_asked_again() {
    let mut session = session(None);
    session.take_effects();
    let news = |registered| {
        happened(Happened::NotReady {
            registered,
            servers: 3,
        })
    };
    assert_eq!(from_balancer(&mut session, 1, not_ready(1)), [news(1)]);
    assert_eq!(run(&mut session, 200), [(101, ask(None))]);
    assert!(from_balancer(&mut session, 102, not_ready(1)).is_empty());
    assert_eq!(from_balancer(&mut session, 103, not_ready(2)), [news(2)]);
}

#[test]
fn a_join_is_repeated_until_it_is_answered() {
    let mut session = session(Some(5));
    session.take_effects();
    assert_eq!(
        from_balancer(&mut session, 0, go_to(2)),
        [send(2, join(Some(5)))]
    );
    assert_eq!(
        run(&mut session, 950),
        [(300, send(2, join(Some(5)))), (900, send(2, join(Some(5))))]
    );
    assert_eq!(session.server(), None);
    assert_eq!(
        from_server(&mut session, 960, 2, joined(1, 5)),
        [happened(Happened::Joined { server: s(2) })]
    );
    // The answer to a repeated join is no news.
    assert!(from_server(&mut session, 970, 2, joined(1, 5)).is_empty());
}

#[test]
fn a_second_answer_of_the_balancer_is_ignored() {
    let mut session = at_s1(None);
    assert!(from_balancer(&mut session, 1, go_to(2)).is_empty());
    assert!(from_balancer(&mut session, 2, no_majority()).is_empty());
    assert_eq!(session.server(), Some(s(1)));
}

#[test]
fn answers_and_messages_for_other_sessions_are_ignored() {
    let mut session = session(Some(0));
    session.take_effects();
    let elsewhere = BalancerAnswer::GoTo {
        client: ClientId(8),
        server: s(1),
        address: "127.0.0.1:1".into(),
    };
    assert!(from_balancer(&mut session, 1, elsewhere).is_empty());
    let mut session = at_s1(Some(0));
    let other = ServerMessage::GoElsewhere {
        client: ClientId(8),
        reason: "stopping".into(),
    };
    assert!(from_server(&mut session, 1, 1, other).is_empty());
    let slots = ServerMessage::Slots {
        from: Slot(1),
        values: vec![],
        chosen: Slot(0),
    };
    assert!(from_server(&mut session, 1, 1, slots).is_empty());
}

#[test]
fn a_lost_connection_reroutes_at_once_and_resends_everything_in_order() {
    let mut session = at_s1(None);
    for _ in 0..3 {
        say_next(&mut session, 0);
    }
    session.take_effects();
    assert_eq!(from_server(&mut session, 1, 1, ack(2)), [acked(2, 1)]);
    assert_eq!(
        failed(&mut session, 100, 1),
        [rerouting(1, "connection lost"), ask(Some(1))]
    );
    assert_eq!(session.server(), None);
    // It cannot be reached: no leave is taken.
    assert_eq!(
        from_balancer(&mut session, 110, go_to(3)),
        [Effect::Drop { server: s(1) }, send(3, join(None))]
    );
    // Message 1 is stored already, by what the server says: only its Ack settles it.
    assert_eq!(
        from_server(&mut session, 120, 3, joined(3, 0)),
        [
            happened(Happened::Joined { server: s(3) }),
            send(3, say(1)),
            send(3, say(3))
        ]
    );
    let stored = ServerMessage::Ack {
        client: ANN,
        seq: 1,
        index: 0,
        slot: Slot(0),
    };
    assert_eq!(
        from_server(&mut session, 130, 3, stored),
        [happened(Happened::Acked {
            seq: 1,
            index: 0,
            slot: Slot(0),
            server: s(3)
        })]
    );
}

#[test]
fn a_server_that_says_nothing_for_a_second_is_left() {
    let mut session = at_s1(Some(0));
    assert_eq!(
        run(&mut session, 1000),
        [
            (250, send(1, ping(Some(0)))),
            (500, send(1, ping(Some(0)))),
            (750, send(1, ping(Some(0)))),
            (1000, rerouting(1, "silent")),
            (1000, ask(Some(1))),
        ]
    );
    // It may wake up: it is told that the session went elsewhere.
    assert_eq!(
        from_balancer(&mut session, 1010, go_to(2)),
        [
            send(1, leave()),
            Effect::Drop { server: s(1) },
            send(2, join(Some(0)))
        ]
    );
}

#[test]
fn a_server_that_answers_pings_is_kept() {
    let mut session = at_s1(None);
    for at in [250, 500, 750, 1000, 1250, 1500] {
        assert_eq!(tick(&mut session, at), [send(1, ping(None))]);
        assert!(from_server(&mut session, at, 1, pong(0, true)).is_empty());
    }
}

#[test]
fn a_busy_server_is_pinged_once_a_second() {
    let mut session = at_s1(None);
    let mut pings = Vec::new();
    for at in (0..2500).step_by(100) {
        from_server(&mut session, at, 1, joined(1, 0));
        pings.extend(run(&mut session, at + 99));
    }
    assert_eq!(
        pings,
        [(1000, send(1, ping(None))), (2000, send(1, ping(None)))]
    );
}

#[test]
fn a_session_that_slept_itself_does_not_blame_the_server() {
    let mut session = at_s1(None);
    assert_eq!(tick(&mut session, 9000), [send(1, ping(None))]);
    assert_eq!(tick(&mut session, 9250), [send(1, ping(None))]);
    assert!(from_server(&mut session, 9400, 1, pong(0, true)).is_empty());
    assert!(tick(&mut session, 9500).is_empty());
}

#[test]
fn while_the_balancer_is_down_the_old_server_is_tried_and_taken_back() {
    let mut session = at_s1(Some(0));
    say_next(&mut session, 0);
    session.take_effects();
    failed(&mut session, 100, 1);
    assert_eq!(
        run(&mut session, 1200),
        [
            (400, ask(Some(1))),
            (400, send(1, join(Some(0)))),
            (1000, ask(Some(1))),
            (1000, send(1, join(Some(0)))),
        ]
    );
    // A refused connection changes nothing.
    assert!(failed(&mut session, 1201, 1).is_empty());
    assert_eq!(
        from_server(&mut session, 1210, 1, joined(1, 0)),
        [happened(Happened::Joined { server: s(1) }), send(1, say(1))]
    );
    // The balancer is not needed any more.
    assert!(from_balancer(&mut session, 1220, go_to(2)).is_empty());
}

#[test]
fn a_running_session_never_asks_the_balancer() {
    let mut session = at_s1(Some(0));
    session.balancer_failed(ms(1));
    for at in (0..20_000).step_by(50) {
        for effect in tick(&mut session, at) {
            assert_eq!(effect, send(1, ping(Some(0))));
        }
        assert!(from_server(&mut session, at, 1, pong(0, true)).is_empty());
    }
}

#[test]
fn the_only_server_is_joined_again_when_the_balancer_names_it_again() {
    let mut session = at_s1(None);
    failed(&mut session, 100, 1);
    assert_eq!(
        from_balancer(&mut session, 110, go_to(1)),
        [send(1, join(None))]
    );
    assert_eq!(
        run(&mut session, 800),
        [(610, ask(Some(1))), (710, send(1, join(None)))]
    );
    assert_eq!(
        from_server(&mut session, 801, 1, joined(1, 0)),
        [happened(Happened::Joined { server: s(1) })]
    );
}

#[test]
fn a_server_that_restarted_elsewhere_is_dialled_there() {
    let mut session = at_s1(None);
    failed(&mut session, 100, 1);
    let moved = BalancerAnswer::GoTo {
        client: ANN,
        server: s(1),
        address: "127.0.0.1:5555".into(),
    };
    assert_eq!(
        from_balancer(&mut session, 110, moved),
        [
            Effect::Drop { server: s(1) },
            Effect::Send {
                server: s(1),
                address: "127.0.0.1:5555".into(),
                message: join(None)
            }
        ]
    );
}

#[test]
fn a_new_server_that_cannot_be_reached_is_given_up_at_once() {
    let mut session = session(None);
    session.take_effects();
    from_balancer(&mut session, 100, go_to(1));
    assert_eq!(
        failed(&mut session, 101, 1),
        [rerouting(1, "connection lost"), ask(Some(1))]
    );
    from_balancer(&mut session, 102, go_to(2));
    // The balancer is not asked again within 50 ms: it may name nothing but dead servers.
    assert_eq!(
        failed(&mut session, 103, 2),
        [rerouting(2, "connection lost")]
    );
    assert_eq!(run(&mut session, 200), [(151, ask(Some(2)))]);
}

#[test]
fn a_new_server_that_says_nothing_is_given_up_after_a_second() {
    let mut session = session(None);
    session.take_effects();
    from_balancer(&mut session, 0, go_to(1));
    assert_eq!(
        run(&mut session, 1000),
        [
            (300, send(1, join(None))),
            (900, send(1, join(None))),
            (1000, rerouting(1, "silent")),
            (1000, ask(Some(1)))
        ]
    );
}

#[test]
fn a_server_that_sends_the_session_away_is_left_at_once_in_good_order() {
    let mut session = at_s1(None);
    assert_eq!(
        from_server(&mut session, 100, 1, go_elsewhere()),
        [rerouting(1, "stopping"), ask(Some(1))]
    );
    assert!(from_server(&mut session, 101, 1, go_elsewhere()).is_empty());
    assert_eq!(
        from_balancer(&mut session, 102, go_to(2)),
        [
            send(1, leave()),
            Effect::Drop { server: s(1) },
            send(2, join(None))
        ]
    );
}

#[test]
fn without_a_majority_the_session_looks_for_a_better_server_and_keeps_its_own() {
    let mut session = at_s1(None);
    assert_eq!(
        from_server(&mut session, 100, 1, pong(0, false)),
        [majority(false), ask(Some(1))]
    );
    assert!(from_server(&mut session, 101, 1, pong(0, false)).is_empty());
    assert!(from_balancer(&mut session, 110, no_majority()).is_empty());
    assert_eq!(
        run(&mut session, 700),
        [
            (351, send(1, ping(None))),
            (601, send(1, ping(None))),
            (610, ask(Some(1)))
        ]
    );
    // The balancer knows no other.
    assert!(from_balancer(&mut session, 701, go_to(1)).is_empty());
    assert_eq!(session.server(), Some(s(1)));
    assert_eq!(
        from_server(&mut session, 710, 1, pong(0, true)),
        [majority(true)]
    );
    assert!(from_server(&mut session, 711, 1, pong(0, true)).is_empty());
    assert!(
        run(&mut session, 1500)
            .iter()
            .all(|(_, effect)| *effect == send(1, ping(None)))
    );
}

#[test]
fn without_a_majority_the_session_moves_to_the_other_side_and_is_served_there() {
    let mut session = at_s1(None);
    say_next(&mut session, 0);
    session.take_effects();
    from_server(&mut session, 100, 1, pong(0, false));
    assert_eq!(
        from_balancer(&mut session, 110, go_to(2)),
        [
            rerouting(1, "no majority"),
            send(1, leave()),
            Effect::Drop { server: s(1) },
            send(2, join(None))
        ]
    );
    // It asks at once whether it is served now.
    assert_eq!(
        from_server(&mut session, 120, 2, joined(1, 0)),
        [
            happened(Happened::Joined { server: s(2) }),
            send(2, say(1)),
            send(2, ping(None))
        ]
    );
    assert_eq!(
        from_server(&mut session, 130, 2, pong(0, true)),
        [majority(true)]
    );
}

#[test]
fn the_balancer_may_be_the_one_who_says_that_there_is_no_majority() {
    let mut session = session(None);
    session.take_effects();
    say_next(&mut session, 1);
    assert_eq!(
        from_balancer(&mut session, 10, no_majority()),
        [majority(false)]
    );
    assert_eq!(run(&mut session, 600), [(510, ask(None))]);
    assert!(from_balancer(&mut session, 601, no_majority()).is_empty());
    assert_eq!(session.unacknowledged(), 1);
}

#[test]
fn leaving_takes_leave_and_ends_everything() {
    let mut session = at_s1(Some(0));
    session.leave();
    assert_eq!(
        session.take_effects(),
        [send(1, leave()), Effect::Drop { server: s(1) }]
    );
    session.leave();
    say_next(&mut session, 1);
    session.read(ms(1));
    session.server_failed(ms(1), s(1));
    session.balancer_failed(ms(1));
    session.from_server(ms(2), s(1), deliver(1, &[1]));
    session.from_balancer(ms(3), go_to(2));
    session.tick(ms(5000));
    assert!(session.take_effects().is_empty());
    assert_eq!(session.next_tick(), None);
}

#[test]
fn leaving_a_server_that_cannot_be_reached_says_nothing() {
    let mut session = at_s1(None);
    failed(&mut session, 1, 1);
    session.leave();
    assert_eq!(session.take_effects(), [Effect::Drop { server: s(1) }]);
}
