//! Who is admitted: servers under their ids, clients once the cluster is there.

use super::*;

#[test]
fn nobody_is_admitted_until_every_server_of_the_plan_registered_once() {
    let mut balancer = balancer(3);
    assert_eq!(route(&mut balancer, 0, 9, 7, None), not_ready(9, 7, 0, 3));
    assert_eq!(
        balancer.report(ms(10), ConnId(1), healthy(1, &[])),
        with(registered(1, false), &[Event::Registered { server: s(1) }])
    );
    assert_eq!(
        balancer.report(ms(20), ConnId(2), healthy(2, &[])),
        with(registered(2, false), &[Event::Registered { server: s(2) }])
    );
    assert_eq!(
        balancer.report(ms(30), ConnId(1), healthy(1, &[])),
        registered(1, false)
    );
    assert_eq!(route(&mut balancer, 40, 9, 7, None), not_ready(9, 7, 2, 3));
    assert_eq!(
        balancer.report(ms(50), ConnId(3), healthy(3, &[])),
        with(
            registered(3, true),
            &[Event::Registered { server: s(3) }, Event::Opened]
        )
    );
    assert_eq!(route(&mut balancer, 60, 9, 7, None), sent(9, 7, 1));
    // The others hear of it with their next report.
    assert_eq!(
        balancer.report(ms(70), ConnId(1), healthy(1, &[])),
        registered(1, true)
    );
}

#[test]
fn a_server_that_registered_and_died_still_counts_as_registered() {
    let mut balancer = balancer(3);
    balancer.report(ms(0), ConnId(1), healthy(1, &[]));
    balancer.closed(ms(1), ConnId(1));
    balancer.report(ms(2), ConnId(2), healthy(2, &[]));
    assert_eq!(
        balancer.report(ms(3), ConnId(3), healthy(3, &[])),
        with(
            registered(3, true),
            &[Event::Registered { server: s(3) }, Event::Opened]
        )
    );
}

#[test]
fn a_complete_new_cluster_opens_only_when_a_server_knows_a_leader() {
    let mut balancer = balancer(1);
    let mut forming = healthy(1, &[]);
    forming.majority = false;
    assert_eq!(
        balancer.report(ms(0), ConnId(1), forming),
        with(registered(1, false), &[Event::Registered { server: s(1) }])
    );
    assert_eq!(route(&mut balancer, 1, 9, 7, None), not_ready(9, 7, 1, 1));
    assert_eq!(
        balancer.report(ms(100), ConnId(1), healthy(1, &[])),
        with(registered(1, true), &[Event::Opened])
    );
}

#[test]
fn a_balancer_started_again_opens_as_soon_as_a_majority_is_live() {
    let mut balancer = balancer(5);
    balancer.report(ms(0), ConnId(1), opened(1));
    assert_eq!(
        balancer.report(ms(1), ConnId(4), opened(4)),
        with(registered(4, false), &[Event::Registered { server: s(4) }])
    );
    assert_eq!(route(&mut balancer, 2, 9, 7, None), not_ready(9, 7, 2, 5));
    // One server that did not hear of the opening does not hold it up.
    assert_eq!(
        balancer.report(ms(3), ConnId(5), healthy(5, &[])),
        with(
            registered(5, true),
            &[Event::Registered { server: s(5) }, Event::Opened]
        )
    );
    assert_eq!(route(&mut balancer, 4, 9, 7, None), sent(9, 7, 1));
}

#[test]
fn a_lost_server_does_not_help_a_restarted_balancer_to_open() {
    let mut balancer = balancer(3);
    balancer.report(ms(0), ConnId(1), opened(1));
    assert_eq!(
        balancer.report(ms(800), ConnId(2), opened(2)),
        with(
            registered(2, false),
            &[
                Event::Lost { server: s(1) },
                Event::Registered { server: s(2) }
            ]
        )
    );
    assert_eq!(
        balancer.report(ms(900), ConnId(1), opened(1)),
        with(
            registered(1, true),
            &[Event::Registered { server: s(1) }, Event::Opened]
        )
    );
}

#[test]
fn a_silent_server_is_lost_when_its_time_is_up_and_returns_with_its_next_report() {
    let mut balancer = open(&[&[], &[], &[]]);
    report_all(&mut balancer, 100, &[&[]]);
    assert_eq!(balancer.next_tick(), Some(ms(700)));
    assert_eq!(balancer.tick(ms(699)), empty());
    assert_eq!(
        balancer.tick(ms(700)),
        with(
            empty(),
            &[Event::Lost { server: s(2) }, Event::Lost { server: s(3) }]
        )
    );
    assert_eq!(balancer.next_tick(), Some(ms(800)));
    assert_eq!(
        balancer.tick(ms(800)),
        with(empty(), &[Event::Lost { server: s(1) }])
    );
    assert_eq!(balancer.next_tick(), None);
    assert_eq!(
        route(&mut balancer, 801, 9, 10, None),
        no_majority(9, 10, 0, 3)
    );
    assert_eq!(
        balancer.report(ms(900), ConnId(3), healthy(3, &[])),
        with(registered(3, true), &[Event::Registered { server: s(3) }])
    );
}

#[test]
fn a_loss_is_noticed_by_whatever_comes_next() {
    let mut balancer = open(&[&[]]);
    assert_eq!(
        route(&mut balancer, 700, 9, 10, None),
        with(no_majority(9, 10, 0, 1), &[Event::Lost { server: s(1) }])
    );
}

#[test]
fn an_id_outside_the_plan_is_refused_with_a_reason_and_reported_once() {
    let mut balancer = open(&[&[], &[], &[]]);
    let reason = "s4 is not in the plan: the servers of the plan are s1 to s3".to_owned();
    let refused = answer(
        9,
        BalancerAnswer::Refused {
            reason: reason.clone(),
        },
    );
    let event = Event::Refused {
        peer: "s4".into(),
        reason,
    };
    assert_eq!(
        balancer.report(ms(1), ConnId(9), healthy(4, &[])),
        with(refused.clone(), std::slice::from_ref(&event))
    );
    assert_eq!(
        balancer.report(ms(100), ConnId(9), healthy(4, &[])),
        refused
    );
    // On another connection it is news again.
    assert_eq!(balancer.closed(ms(101), ConnId(9)), empty());
    assert_eq!(
        balancer.report(ms(102), ConnId(10), healthy(4, &[])).events,
        [event]
    );
    assert_eq!(place(&mut balancer, 103, 10, None), 1);
}

#[test]
fn the_id_0_and_a_stranger_to_a_plan_of_one_are_refused() {
    let mut balancer = open(&[&[]]);
    for (id, reason) in [
        (
            0,
            "s0 is not in the plan: the only server of the plan is s1",
        ),
        (
            2,
            "s2 is not in the plan: the only server of the plan is s1",
        ),
    ] {
        let reason = reason.to_owned();
        assert_eq!(
            balancer.report(ms(1), ConnId(9), healthy(id, &[])).answers,
            [(ConnId(9), BalancerAnswer::Refused { reason })]
        );
    }
}

fn taken() -> BalancerAnswer {
    BalancerAnswer::Refused {
        reason: "another process is live as s1, at 127.0.0.1:21001: stop it, or start this one \
                 under another id"
            .into(),
    }
}

/// s1 on another disk, elsewhere.
fn impostor() -> ServerReport {
    ServerReport {
        incarnation: 666,
        address: "127.0.0.1:6666".into(),
        ..healthy(1, &[])
    }
}

#[test]
fn a_second_server_under_a_live_id_is_refused_until_the_first_is_gone() {
    let mut balancer = open(&[&[], &[]]);
    assert_eq!(
        balancer.report(ms(1), ConnId(9), impostor()).answers,
        [(ConnId(9), taken())]
    );
    // A copy of the disk at another address is a second server too.
    let mut copy = healthy(1, &[]);
    copy.address = "127.0.0.1:6666".into();
    assert_eq!(
        balancer.report(ms(2), ConnId(10), copy).answers,
        [(ConnId(10), taken())]
    );
    balancer.closed(ms(3), ConnId(1));
    assert_eq!(
        balancer.report(ms(4), ConnId(9), impostor()),
        with(registered(9, true), &[Event::Registered { server: s(1) }])
    );
}

#[test]
fn a_silent_server_with_an_open_connection_holds_its_id_for_a_second() {
    let mut balancer = open(&[&[]]);
    assert_eq!(
        balancer.tick(ms(700)),
        with(empty(), &[Event::Lost { server: s(1) }])
    );
    assert_eq!(
        balancer.report(ms(999), ConnId(9), impostor()).answers,
        [(ConnId(9), taken())]
    );
    assert_eq!(
        balancer.report(ms(1000), ConnId(9), impostor()),
        with(registered(9, true), &[Event::Registered { server: s(1) }])
    );
    // The first one wakes up: now it is the second.
    assert_eq!(
        balancer
            .report(ms(1001), ConnId(1), healthy(1, &[]))
            .answers,
        [(
            ConnId(1),
            BalancerAnswer::Refused {
                reason: "another process is live as s1, at 127.0.0.1:6666: stop it, or start this \
                         one under another id"
                    .into()
            }
        )]
    );
    balancer.closed(ms(1002), ConnId(9));
    assert_eq!(
        balancer.report(ms(1003), ConnId(1), healthy(1, &[])),
        with(registered(1, true), &[Event::Registered { server: s(1) }])
    );
}

#[test]
fn the_same_process_on_a_new_connection_replaces_the_old_one() {
    let mut balancer = open(&[&[]]);
    assert_eq!(
        balancer.report(ms(100), ConnId(5), healthy(1, &[10])),
        registered(5, true)
    );
    // What still comes of the old connection says nothing, and its end loses nobody.
    assert_eq!(
        balancer.report(ms(101), ConnId(1), healthy(1, &[])),
        empty()
    );
    assert_eq!(balancer.closed(ms(102), ConnId(1)), empty());
    assert_eq!(
        balancer.who(ConnId(9)),
        answer(9, BalancerAnswer::Who(vec![(s(1), info(10))]))
    );
    assert_eq!(
        balancer.closed(ms(103), ConnId(5)),
        with(empty(), &[Event::Lost { server: s(1) }])
    );
}

#[test]
fn a_report_that_arrives_after_its_connection_closed_revives_nobody() {
    let mut balancer = open(&[&[]]);
    balancer.closed(ms(10), ConnId(1));
    assert_eq!(balancer.report(ms(11), ConnId(1), healthy(1, &[])), empty());
    assert_eq!(
        balancer.report(ms(12), ConnId(2), healthy(1, &[])),
        with(registered(2, true), &[Event::Registered { server: s(1) }])
    );
}
