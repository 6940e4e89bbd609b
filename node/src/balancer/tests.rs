//! Every rule of the balancer, with the exact effects.

use super::*;
use crate::ids::{ClientId, ServerId};
use crate::wire::{ClientInfo, ServerReport};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn s(id: u16) -> ServerId {
    ServerId(id)
}

fn c(id: u64) -> ClientId {
    ClientId(id)
}

fn info(id: u64) -> ClientInfo {
    ClientInfo {
        client: c(id),
        name: format!("client {id}"),
    }
}

/// The report of a healthy server that knows a leader.
fn healthy(id: u16, clients: &[u64]) -> ServerReport {
    ServerReport {
        server: s(id),
        incarnation: 100 + u64::from(id),
        address: format!("127.0.0.1:2100{id}"),
        clients: clients.iter().map(|&id| info(id)).collect(),
        majority: true,
        leads: id == 1,
        formed: true,
        opened: false,
        draining: false,
    }
}

fn empty() -> Effects {
    Effects::default()
}

fn answer(conn: u64, answer: BalancerAnswer) -> Effects {
    Effects {
        answers: vec![(ConnId(conn), answer)],
        events: vec![],
    }
}

fn with(mut effects: Effects, events: &[Event]) -> Effects {
    effects.events.extend_from_slice(events);
    effects
}

fn registered(conn: u64, opened: bool) -> Effects {
    answer(conn, BalancerAnswer::Registered { opened })
}

fn not_ready(conn: u64, client: u64, registered: u16, servers: u16) -> Effects {
    answer(
        conn,
        BalancerAnswer::NotReady {
            client: c(client),
            registered,
            servers,
        },
    )
}

fn no_majority(conn: u64, client: u64, up: u16, servers: u16) -> Effects {
    answer(
        conn,
        BalancerAnswer::NoMajority {
            client: c(client),
            up,
            servers,
        },
    )
}

fn go_to(conn: u64, client: u64, server: u16) -> Effects {
    answer(
        conn,
        BalancerAnswer::GoTo {
            client: c(client),
            server: s(server),
            address: format!("127.0.0.1:2100{server}"),
        },
    )
}

fn routed(client: u64, server: u16) -> Event {
    Event::Routed {
        client: c(client),
        name: "ann".into(),
        server: s(server),
    }
}

fn sent(conn: u64, client: u64, server: u16) -> Effects {
    with(go_to(conn, client, server), &[routed(client, server)])
}

fn route(
    balancer: &mut Balancer,
    at_ms: u64,
    conn: u64,
    client: u64,
    avoid: Option<u16>,
) -> Effects {
    balancer.route(
        ms(at_ms),
        ConnId(conn),
        c(client),
        "ann".into(),
        avoid.map(s),
    )
}

/// The server to which the balancer sends the client.
fn place(balancer: &mut Balancer, at_ms: u64, client: u64, avoid: Option<u16>) -> u16 {
    match &route(balancer, at_ms, 99, client, avoid).answers[..] {
        [(ConnId(99), BalancerAnswer::GoTo { server, .. })] => server.0,
        other => panic!("client {client} was answered {other:?}"),
    }
}

fn balancer(servers: u16) -> Balancer {
    Balancer::new(Config {
        servers,
        timing: Timing::default(),
    })
}

/// Every server reports on the connection of its number.
fn report_all(balancer: &mut Balancer, at_ms: u64, clients: &[&[u64]]) {
    for (id, clients) in (1u16..).zip(clients) {
        balancer.report(ms(at_ms), ConnId(id.into()), healthy(id, clients));
    }
}

/// A balancer that is open at 0 ms, its servers having these clients.
fn open(clients: &[&[u64]]) -> Balancer {
    let mut balancer = balancer(clients.len() as u16);
    report_all(&mut balancer, 0, clients);
    assert!(balancer.is_open());
    balancer
}

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
    let opened = |id| {
        let mut report = healthy(id, &[]);
        report.opened = true;
        report
    };
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
    let opened = |id| {
        let mut report = healthy(id, &[]);
        report.opened = true;
        report
    };
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
fn clients_go_to_the_least_occupied_server_and_to_the_lowest_id_among_equals() {
    let mut balancer = open(&[&[1, 2], &[3], &[4]]);
    assert_eq!(place(&mut balancer, 1, 7, None), 2);
    let mut balancer = open(&[&[1, 2], &[3, 4], &[5]]);
    assert_eq!(place(&mut balancer, 1, 7, None), 3);
}

#[test]
fn a_burst_spreads_evenly_before_any_report_shows_it() {
    let mut balancer = open(&[&[1, 2], &[], &[]]);
    let places: Vec<u16> = (10..17)
        .map(|client| place(&mut balancer, 1, client, None))
        .collect();
    assert_eq!(places, [2, 3, 2, 3, 1, 2, 3]);
}

#[test]
fn a_routed_client_is_not_counted_twice_once_it_is_reported() {
    let mut balancer = open(&[&[], &[], &[]]);
    assert_eq!(place(&mut balancer, 1, 10, None), 1);
    report_all(&mut balancer, 100, &[&[10], &[20], &[30]]);
    // One client each: the lowest id is next.
    assert_eq!(place(&mut balancer, 101, 11, None), 1);
    assert_eq!(place(&mut balancer, 102, 12, None), 2);
}

#[test]
fn a_client_that_never_arrives_is_forgotten_after_a_while() {
    let mut balancer = open(&[&[], &[]]);
    assert_eq!(place(&mut balancer, 0, 10, None), 1);
    report_all(&mut balancer, 500, &[&[], &[]]);
    report_all(&mut balancer, 1000, &[&[], &[]]);
    report_all(&mut balancer, 1500, &[&[], &[]]);
    assert_eq!(place(&mut balancer, 1999, 11, None), 2);
    assert_eq!(place(&mut balancer, 2000, 12, None), 1);
}

#[test]
fn a_client_is_not_counted_against_itself() {
    let mut balancer = open(&[&[10], &[20]]);
    assert_eq!(place(&mut balancer, 1, 10, None), 1);
    assert_eq!(place(&mut balancer, 1, 20, None), 2);
}

#[test]
fn a_client_that_moves_counts_at_its_new_place_only() {
    let mut balancer = open(&[&[10, 11], &[20], &[30]]);
    assert_eq!(place(&mut balancer, 1, 10, Some(1)), 2);
    // s1: 11. s2: 20 and 10. s3: 30.
    assert_eq!(place(&mut balancer, 2, 12, None), 1);
    assert_eq!(place(&mut balancer, 3, 13, None), 3);
}

#[test]
fn a_client_that_asks_again_is_sent_to_the_same_place_and_is_no_news() {
    let mut balancer = open(&[&[], &[]]);
    assert_eq!(route(&mut balancer, 1, 9, 10, None), sent(9, 10, 1));
    assert_eq!(route(&mut balancer, 300, 9, 10, None), go_to(9, 10, 1));
}

#[test]
fn the_server_that_failed_a_client_is_its_last_resort() {
    let mut balancer = open(&[&[], &[20, 21, 22], &[30, 31]]);
    assert_eq!(place(&mut balancer, 1, 10, Some(1)), 3);
    let mut alone = open(&[&[]]);
    assert_eq!(route(&mut alone, 1, 9, 10, Some(1)), sent(9, 10, 1));
}

#[test]
fn a_draining_server_gets_nobody() {
    let mut balancer = open(&[&[], &[20], &[30]]);
    let mut draining = healthy(1, &[]);
    draining.draining = true;
    balancer.report(ms(1), ConnId(1), draining);
    assert_eq!(place(&mut balancer, 2, 10, None), 2);
}

#[test]
fn a_server_without_a_majority_is_passed_over_while_others_have_one() {
    let mut balancer = open(&[&[], &[20], &[30]]);
    let mut cut_off = healthy(1, &[]);
    cut_off.majority = false;
    balancer.report(ms(1), ConnId(1), cut_off.clone());
    assert_eq!(place(&mut balancer, 2, 10, None), 2);
    // Even when the others are to be avoided.
    balancer.closed(ms(3), ConnId(3));
    assert_eq!(place(&mut balancer, 4, 10, Some(2)), 2);
}

#[test]
fn no_majority_is_answered_while_every_live_server_says_so() {
    let mut balancer = open(&[&[], &[]]);
    for id in 1..=2u16 {
        let mut report = healthy(id, &[]);
        report.majority = false;
        balancer.report(ms(1), ConnId(id.into()), report);
    }
    assert_eq!(
        route(&mut balancer, 2, 9, 10, None),
        no_majority(9, 10, 2, 2)
    );
    balancer.report(ms(100), ConnId(2), healthy(2, &[]));
    assert_eq!(route(&mut balancer, 101, 9, 10, None), sent(9, 10, 2));
}

#[test]
fn no_majority_is_answered_while_too_few_servers_are_live_and_ends_by_itself() {
    let mut balancer = open(&[&[], &[], &[]]);
    assert_eq!(
        balancer.closed(ms(1), ConnId(1)),
        with(empty(), &[Event::Lost { server: s(1) }])
    );
    assert_eq!(route(&mut balancer, 2, 9, 10, None), sent(9, 10, 2));
    balancer.closed(ms(3), ConnId(2));
    assert_eq!(
        route(&mut balancer, 4, 9, 10, None),
        no_majority(9, 10, 1, 3)
    );
    balancer.closed(ms(5), ConnId(3));
    assert_eq!(
        route(&mut balancer, 6, 9, 10, None),
        no_majority(9, 10, 0, 3)
    );

    let mut restarted = healthy(2, &[]);
    restarted.majority = false;
    assert_eq!(
        balancer.report(ms(5000), ConnId(4), restarted),
        with(registered(4, true), &[Event::Registered { server: s(2) }])
    );
    assert_eq!(
        balancer.report(ms(5001), ConnId(5), healthy(3, &[])),
        with(registered(5, true), &[Event::Registered { server: s(3) }])
    );
    assert_eq!(route(&mut balancer, 5002, 9, 10, None), sent(9, 10, 3));
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

#[test]
fn who_lists_the_sessions_of_the_live_servers() {
    let mut balancer = open(&[&[10, 11], &[20], &[30]]);
    balancer.closed(ms(1), ConnId(2));
    assert_eq!(
        balancer.who(ConnId(9)),
        answer(
            9,
            BalancerAnswer::Who(vec![(s(1), info(10)), (s(1), info(11)), (s(3), info(30))])
        )
    );
}

#[test]
fn a_restarted_server_starts_again_with_the_clients_that_it_reports() {
    let mut balancer = open(&[&[10, 11, 12], &[20], &[30, 31]]);
    balancer.closed(ms(1), ConnId(1));
    assert_eq!(place(&mut balancer, 2, 10, Some(1)), 2);
    assert_eq!(place(&mut balancer, 3, 11, Some(1)), 2);
    balancer.report(ms(100), ConnId(4), healthy(1, &[]));
    assert_eq!(place(&mut balancer, 101, 13, None), 1);
}
