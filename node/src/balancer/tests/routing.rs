//! Where clients go.

use super::*;

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
