//! What holds whatever comes in: answers are right for the moment, and no past spoils the future.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const SERVERS: u16 = 3;

#[derive(Debug, Clone)]
enum Step {
    /// A server with this id, on this connection; `disk` is its incarnation.
    Report {
        conn: u64,
        id: u16,
        disk: u64,
        healthy: bool,
        draining: bool,
        opened: bool,
        clients: Vec<u64>,
    },
    Route {
        client: u64,
        avoid: Option<u16>,
    },
    Close {
        conn: u64,
    },
    Wait {
        milliseconds: u64,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    let report = (
        0..6u64,
        0..=SERVERS + 1,
        0..2u64,
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.2),
        prop::collection::vec(0..8u64, 0..4),
    )
        .prop_map(
            |(conn, id, disk, healthy, draining, opened, clients)| Step::Report {
                conn,
                id,
                disk,
                healthy,
                draining,
                opened,
                clients,
            },
        );
    prop_oneof![
        4 => report,
        2 => (0..8u64, prop::option::of(1..=SERVERS))
            .prop_map(|(client, avoid)| Step::Route { client, avoid }),
        1 => (0..6u64).prop_map(|conn| Step::Close { conn }),
        2 => (1..900u64).prop_map(|milliseconds| Step::Wait { milliseconds }),
    ]
}

/// The last report that was answered with Registered, for each server that no Lost followed.
type Live = BTreeMap<ServerId, ServerReport>;

fn note_losses(live: &mut Live, effects: &Effects) {
    for event in &effects.events {
        if let Event::Lost { server } = event {
            assert!(live.remove(server).is_some(), "{server} is lost twice");
        }
    }
}

/// The answer fits what the balancer itself reported of its servers.
fn check_route(live: &Live, open: bool, avoid: Option<u16>, effects: &Effects) {
    let up = live.len() as u16;
    let usable: Vec<ServerId> = (live.iter())
        .filter(|(_, report)| report.majority && !report.draining)
        .map(|(&server, _)| server)
        .collect();
    match &effects.answers[..] {
        [
            (
                _,
                BalancerAnswer::GoTo {
                    server, address, ..
                },
            ),
        ] => {
            assert!(open);
            assert!(up > SERVERS / 2);
            assert!(usable.contains(server));
            assert_eq!(*address, live[server].address);
            assert!(avoid != Some(server.0) || usable.len() == 1);
        }
        [(_, BalancerAnswer::NoMajority { up: told, .. })] => {
            assert!(open);
            assert_eq!(*told, up);
            assert!(up <= SERVERS / 2 || usable.is_empty());
        }
        [(_, BalancerAnswer::NotReady { .. })] => assert!(!open),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn answers_fit_the_moment_and_everything_recovers(
        steps in prop::collection::vec(any_step(), 0..80),
    ) {
        let mut balancer = balancer(SERVERS);
        let mut live = Live::new();
        let mut now = Duration::ZERO;
        for step in steps {
            match step {
                Step::Report { conn, id, disk, healthy: majority, draining, opened, clients } => {
                    let report = ServerReport {
                        incarnation: disk,
                        majority,
                        draining,
                        opened,
                        ..healthy(id, &clients)
                    };
                    let effects = balancer.report(now, ConnId(conn), report.clone());
                    note_losses(&mut live, &effects);
                    if let [(_, BalancerAnswer::Registered { opened })] = effects.answers[..] {
                        prop_assert!((1..=SERVERS).contains(&id));
                        prop_assert_eq!(opened, balancer.is_open());
                        let new = live.insert(s(id), report).is_none();
                        let told = effects.events.contains(&Event::Registered { server: s(id) });
                        prop_assert!(told || !new);
                    }
                }
                Step::Route { client, avoid } => {
                    let at_ms = now.as_millis() as u64;
                    let effects = route(&mut balancer, at_ms, 99, client, avoid);
                    note_losses(&mut live, &effects);
                    check_route(&live, balancer.is_open(), avoid, &effects);
                }
                Step::Close { conn } => {
                    note_losses(&mut live, &balancer.closed(now, ConnId(conn)));
                }
                Step::Wait { milliseconds } => {
                    now += ms(milliseconds);
                    note_losses(&mut live, &balancer.tick(now));
                }
            }
            prop_assert!(balancer.next_tick().is_none_or(|at| at > now));
            prop_assert_eq!(balancer.next_tick().is_some(), !live.is_empty());
        }

        // Whoever was there falls silent; then all servers come back, on new connections.
        now += ms(3000);
        for id in 1..=SERVERS {
            let conn = ConnId(100 + u64::from(id));
            let answers = balancer.report(now, conn, healthy(id, &[])).answers;
            let registered = matches!(answers[..], [(_, BalancerAnswer::Registered { .. })]);
            prop_assert!(registered, "{:?}", answers);
        }
        let at_ms = now.as_millis() as u64;
        let mut counts = [0; SERVERS as usize];
        for client in 0..31 {
            counts[usize::from(place(&mut balancer, at_ms, 1000 + client, None)) - 1] += 1;
        }
        prop_assert_eq!(counts, [11, 10, 10]);
    }
}
