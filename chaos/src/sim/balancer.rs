//! The balancer's process.

use std::time::Duration;

use paxosctl_node::balancer::{Balancer, Config, Effects, Timing};
use paxosctl_node::event::Event;
use paxosctl_node::ids::ConnId;
use paxosctl_node::wire::BalancerMessage;

use super::network::Packet;
use super::node::Kind;
use super::queue::Life;
use super::world::World;
use crate::history::micros;

pub(super) struct BalancerProcess {
    balancer: Balancer,
}

/// The connection as the nodes number it.
pub(super) fn conn_id(conn: usize) -> ConnId {
    ConnId(conn as u64 + 1)
}

/// The connection that nodes number so, if it is one of the simulation.
pub(super) fn conn_of(id: ConnId) -> Option<usize> {
    usize::try_from(id.0.checked_sub(1)?).ok()
}

impl BalancerProcess {
    pub fn new(servers: u16) -> BalancerProcess {
        BalancerProcess {
            balancer: Balancer::new(Config {
                servers,
                timing: Timing::default(),
            }),
        }
    }
}

impl World {
    fn with_balancer(&mut self, of: Life, call: impl FnOnce(&mut Balancer, Duration) -> Effects) {
        let now_us = self.now_us;
        let Some(process) = self.running(of) else {
            return;
        };
        let now = Duration::from_micros(now_us - process.started_us);
        let Kind::Balancer(running) = &mut process.kind else {
            return;
        };
        let effects = call(&mut running.balancer, now);
        let next = running.balancer.next_tick();
        let started_us = process.started_us;
        if !effects.events.is_empty() {
            if !self.may_act(of) {
                return;
            }
            self.report_all(of.node, effects.events);
        }
        for (id, answer) in effects.answers {
            if !self.may_act(of) {
                return;
            }
            if let Some(conn) = conn_of(id)
                && self.conns.get(conn).is_some_and(|conn| conn.ends[1] == of)
            {
                self.send(conn, 1, Packet::FromBalancer(answer));
            }
        }
        if let Some(next) = next {
            self.wake_at(of, started_us + micros(next));
        }
    }

    pub(super) fn begin_balancer(&mut self, of: Life) {
        let address = "balancer".into();
        self.report(of.node, Event::Ready { address });
        self.wake_balancer(of);
    }

    pub(super) fn wake_balancer(&mut self, of: Life) {
        self.with_balancer(of, Balancer::tick);
    }

    pub(super) fn balancer_hears(&mut self, of: Life, conn: usize, message: BalancerMessage) {
        // It was delayed, and came after the end of its connection.
        if self.conns[conn].open[1] {
            self.with_balancer(of, |balancer, now| {
                balancer.take(now, conn_id(conn), message)
            });
        }
    }

    pub(super) fn balancer_loses(&mut self, of: Life, conn: usize) {
        self.with_balancer(of, |balancer, now| balancer.closed(now, conn_id(conn)));
    }
}
