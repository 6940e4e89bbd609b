//! What is said, asked and heard.

use super::*;

#[test]
fn what_is_said_goes_out_at_once_and_again_until_it_is_acknowledged_once() {
    let mut session = at_s1(None);
    assert_eq!(say_next(&mut session, 0), 1);
    assert_eq!(session.take_effects(), [send(1, say(1))]);
    assert!(!session.is_settled());
    let again: Vec<_> = run(&mut session, 400)
        .into_iter()
        .filter(|(_, effect)| *effect == send(1, say(1)))
        .collect();
    assert_eq!(again, [(300, send(1, say(1)))]);
    assert_eq!(from_server(&mut session, 401, 1, ack(1)), [acked(1, 1)]);
    assert!(from_server(&mut session, 402, 1, ack(1)).is_empty());
    assert!(session.is_settled());
    assert_eq!(say_next(&mut session, 403), 2);
}

#[test]
fn an_acknowledgement_stands_for_its_own_message_alone() {
    let mut session = at_s1(None);
    for _ in 0..3 {
        say_next(&mut session, 0);
    }
    session.take_effects();
    assert_eq!(from_server(&mut session, 1, 1, ack(2)), [acked(2, 1)]);
    assert_eq!(session.unacknowledged(), 2);
    // What was never said cannot be acknowledged.
    assert!(from_server(&mut session, 2, 1, ack(9)).is_empty());
}

#[test]
fn only_a_window_of_messages_is_under_way() {
    let mut session = at_s1(None);
    for _ in 0..66 {
        say_next(&mut session, 0);
    }
    let expected: Vec<_> = (1..=64).map(|seq| send(1, say(seq))).collect();
    assert_eq!(session.take_effects(), expected);
    assert_eq!(
        from_server(&mut session, 1, 1, ack(1)),
        [acked(1, 1), send(1, say(65))]
    );
}

#[test]
fn what_was_said_without_a_server_goes_out_in_order_when_there_is_one() {
    let mut session = session(None);
    say_next(&mut session, 0);
    say_next(&mut session, 0);
    assert_eq!(session.take_effects(), [ask(None)]);
    from_balancer(&mut session, 1, go_to(1));
    assert_eq!(
        from_server(&mut session, 2, 1, joined(1, 0)),
        [
            happened(Happened::Joined { server: s(1) }),
            send(1, say(1)),
            send(1, say(2))
        ]
    );
}

#[test]
fn after_a_gap_everything_from_there_on_goes_out_again_once() {
    let mut session = at_s1(None);
    for _ in 0..4 {
        say_next(&mut session, 0);
    }
    session.take_effects();
    let gap = || ServerMessage::Gap {
        client: ANN,
        next_seq: 2,
    };
    assert_eq!(
        from_server(&mut session, 100, 1, gap()),
        [send(1, say(2)), send(1, say(3)), send(1, say(4))]
    );
    assert!(from_server(&mut session, 101, 1, gap()).is_empty());
    // A server that the session has left knows nothing of its present.
    assert!(from_server(&mut session, 200, 2, gap()).is_empty());
}

#[test]
fn what_a_busy_server_had_no_room_for_goes_out_again_in_order_after_a_pause() {
    let mut session = at_s1(None);
    for _ in 0..3 {
        say_next(&mut session, 0);
    }
    session.read(ms(0));
    session.take_effects();
    let busy = |asked| ServerMessage::Busy { client: ANN, asked };
    for asked in [
        Asked::Say { seq: 2 },
        Asked::Say { seq: 3 },
        Asked::Read { id: 1 },
    ] {
        assert!(from_server(&mut session, 10, 1, busy(asked)).is_empty());
    }
    // What is said meanwhile does not overtake it.
    say_next(&mut session, 20);
    let sent = [say(2), say(3), say(4), read(1)].map(|message| (35, send(1, message)));
    assert_eq!(run(&mut session, 100), sent);
    // A server that the session has left knows nothing of its present.
    assert!(from_server(&mut session, 101, 2, busy(Asked::Say { seq: 1 })).is_empty());
    assert!(run(&mut session, 200).is_empty());
}

#[test]
fn a_late_answer_of_a_server_that_was_left_counts() {
    let mut session = at_s1(Some(0));
    say_next(&mut session, 0);
    session.read(ms(0));
    failed(&mut session, 100, 1);
    from_balancer(&mut session, 110, go_to(3));
    assert_eq!(from_server(&mut session, 111, 1, ack(1)), [acked(1, 1)]);
    let result = ServerMessage::ReadResult {
        client: ANN,
        id: 1,
        length: 11,
    };
    assert_eq!(
        from_server(&mut session, 112, 1, result),
        [happened(Happened::ReadDone {
            id: 1,
            length: 11,
            server: s(1)
        })]
    );
    assert_eq!(
        from_server(&mut session, 113, 1, deliver(1, &[1])),
        [delivered(1, 1)]
    );
    // But it cannot send the session away, open or lose it.
    assert!(from_server(&mut session, 114, 1, go_elsewhere()).is_empty());
    assert!(from_server(&mut session, 115, 1, joined(1, 0)).is_empty());
    assert!(failed(&mut session, 116, 1).is_empty());
}

#[test]
fn deliveries_come_in_order_once_each_through_a_reroute() {
    let mut session = at_s1(Some(0));
    assert_eq!(
        from_server(&mut session, 1, 1, deliver(1, &[1, 2])),
        [delivered(1, 1), delivered(2, 2)]
    );
    assert!(from_server(&mut session, 2, 1, deliver(2, &[2])).is_empty());
    assert!(from_server(&mut session, 3, 1, deliver(4, &[4])).is_empty());
    failed(&mut session, 4, 1);
    assert_eq!(
        from_balancer(&mut session, 60, go_to(2)),
        [Effect::Drop { server: s(1) }, send(2, join(Some(2)))]
    );
    from_server(&mut session, 61, 2, joined(1, 3));
    assert_eq!(
        from_server(&mut session, 62, 2, deliver(3, &[3])),
        [delivered(3, 3), delivered(4, 4)]
    );
}

#[test]
fn missing_messages_are_asked_for_with_the_last_index_seen() {
    // Known to exist by a Pong, by an Ack, by what came after them.
    for (at, evidence) in [
        (1000, pong(2, true)),
        (2000, ack(1)),
        (3000, deliver(3, &[3])),
    ] {
        let mut session = at_s1(Some(0));
        from_server(&mut session, 1, 1, deliver(1, &[1]));
        tick(&mut session, at);
        from_server(&mut session, at, 1, evidence);
        assert_eq!(
            run(&mut session, at + 300),
            [
                (u128::from(at) + 250, send(1, ping(Some(1)))),
                (u128::from(at) + 300, send(1, join(Some(1))))
            ]
        );
    }
    // Nothing is missing: nothing is asked.
    let mut session = at_s1(Some(1));
    from_server(&mut session, 0, 1, pong(1, true));
    assert_eq!(run(&mut session, 300), [(250, send(1, ping(Some(1))))]);
}

#[test]
fn in_a_long_chat_the_server_is_told_how_far_it_arrived() {
    let mut session = at_s1(Some(0));
    let pings = |session: &mut Session, first: u64, last: u64| -> Vec<Effect> {
        let seqs = Vec::from_iter(first..=last);
        let mut effects = from_server(session, 1, 1, deliver(first, &seqs));
        effects.retain(|effect| !matches!(effect, Effect::Happened(_)));
        effects
    };
    assert!(pings(&mut session, 1, 1023).is_empty());
    assert_eq!(pings(&mut session, 1024, 1100), [send(1, ping(Some(1100)))]);
    assert!(pings(&mut session, 1101, 2123).is_empty());
    assert_eq!(pings(&mut session, 2124, 2124), [send(1, ping(Some(2124)))]);
}

#[test]
fn a_session_that_does_not_listen_ignores_what_it_hears() {
    let mut session = at_s1(None);
    assert!(from_server(&mut session, 1, 1, deliver(1, &[1])).is_empty());
    assert!(from_server(&mut session, 2, 1, pong(50, true)).is_empty());
    assert_eq!(run(&mut session, 400), [(252, send(1, ping(None)))]);
}

#[test]
fn a_read_is_asked_again_under_the_same_id_at_the_next_server() {
    let mut session = at_s1(None);
    assert_eq!(session.read(ms(0)), 1);
    assert_eq!(session.take_effects(), [send(1, read(1))]);
    assert_eq!(
        run(&mut session, 300),
        [(250, send(1, ping(None))), (300, send(1, read(1)))]
    );
    failed(&mut session, 301, 1);
    from_balancer(&mut session, 302, go_to(2));
    assert_eq!(
        from_server(&mut session, 303, 2, joined(1, 0)),
        [
            happened(Happened::Joined { server: s(2) }),
            send(2, read(1))
        ]
    );
    let result = || ServerMessage::ReadResult {
        client: ANN,
        id: 1,
        length: 4,
    };
    assert_eq!(
        from_server(&mut session, 304, 2, result()),
        [happened(Happened::ReadDone {
            id: 1,
            length: 4,
            server: s(2)
        })]
    );
    assert!(from_server(&mut session, 305, 2, result()).is_empty());
    assert!(session.is_settled());
}

fn page(first: u64, seqs: &[u64], last: u64) -> ServerMessage {
    ServerMessage::Page {
        client: ANN,
        first,
        messages: seqs.iter().map(|&seq| command(seq)).collect(),
        last,
    }
}

#[test]
fn pages_are_asked_one_after_the_other_and_matched_by_their_start() {
    let history = |from, limit| {
        send(
            1,
            ClientMessage::History {
                client: ANN,
                from,
                limit,
            },
        )
    };
    let news = |first, seqs: &[u64], last| {
        happened(Happened::Page {
            first,
            messages: seqs.iter().map(|&seq| command(seq)).collect(),
            last,
        })
    };
    let mut session = at_s1(None);
    session.history(ms(0), 0, 0);
    session.history(ms(0), 9, 10);
    session.history(ms(0), 3, 10);
    assert_eq!(session.take_effects(), [history(1, 1)]);
    assert!(from_server(&mut session, 1, 1, page(2, &[2], 3)).is_empty());
    assert_eq!(
        from_server(&mut session, 2, 1, page(1, &[1], 3)),
        [news(1, &[1], 3), history(9, 10)]
    );
    // The repeat of an answer is not the answer to the next question; an empty page past the end is.
    assert!(from_server(&mut session, 3, 1, page(1, &[1], 3)).is_empty());
    assert_eq!(
        from_server(&mut session, 4, 1, page(9, &[], 3)),
        [news(9, &[], 3), history(3, 10)]
    );
    assert!(from_server(&mut session, 5, 1, page(9, &[], 3)).is_empty());
    assert_eq!(
        from_server(&mut session, 6, 1, page(3, &[3], 3)),
        [news(3, &[3], 3)]
    );
    assert!(session.is_settled());
}
