//! Every rule of the balancer, with the exact effects.

mod anything;
mod registration;
mod routing;

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

/// The same of one that has heard that the cluster was open before.
fn opened(id: u16) -> ServerReport {
    ServerReport {
        opened: true,
        ..healthy(id, &[])
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
