//! Who is admitted, and where clients go.

use std::collections::BTreeMap;
use std::time::Duration;

use super::members::{Admission, Members};
use super::occupancy::Occupancy;
use super::{Config, Effects};
use crate::event::Event;
use crate::ids::{ClientId, ConnId, ServerId};
use crate::wire::{BalancerAnswer, BalancerMessage, ServerReport};

/// The balancer of a cluster. Every method may be called with any input in any order, and `now`
/// never goes back.
#[derive(Debug)]
pub struct Balancer {
    config: Config,
    members: Members,
    occupancy: Occupancy,
    /// Clients are admitted. Never taken back: later troubles are answered as such.
    open: bool,
    /// A server said that clients were admitted before this balancer started.
    opened_before: bool,
    /// Connections whose reports are refused, and why: each refusal becomes one event.
    refused: BTreeMap<ConnId, String>,
}

impl Balancer {
    /// A balancer that knows no server yet.
    ///
    /// # Panics
    /// When the plan has no servers.
    pub fn new(config: Config) -> Balancer {
        Balancer {
            members: Members::new(config.servers, config.timing.clone()),
            occupancy: Occupancy::default(),
            open: false,
            opened_before: false,
            refused: BTreeMap::new(),
            config,
        }
    }

    /// What came on a connection.
    pub fn take(&mut self, now: Duration, conn: ConnId, message: BalancerMessage) -> Effects {
        match message {
            BalancerMessage::Report(report) => self.report(now, conn, report),
            BalancerMessage::Route {
                client,
                name,
                avoid,
            } => self.route(now, conn, client, name, avoid),
            BalancerMessage::Who => self.who(conn),
        }
    }

    /// A server registers, or says again how it is. It is answered `Registered`, or `Refused` when
    /// its id is not in the plan or another process is live under it. A report that came late, on a
    /// connection that was closed or replaced, is not answered.
    pub fn report(&mut self, now: Duration, conn: ConnId, report: ServerReport) -> Effects {
        let mut effects = self.tick(now);
        let server = report.server;
        let opened_before = report.opened;
        let clients = report.clients.iter().map(|info| info.client).collect();
        match self.members.report(now, conn, report) {
            Admission::Late => return effects,
            Admission::Refused { reason } => {
                self.refuse(conn, server, reason, &mut effects);
                return effects;
            }
            Admission::Registered => effects.events.push(Event::Registered { server }),
            Admission::Known => {}
        }
        self.refused.remove(&conn);
        self.occupancy.report(server, clients);
        self.opened_before |= opened_before;
        if !self.open && self.may_open() {
            self.open = true;
            effects.events.push(Event::Opened);
        }
        let opened = self.open;
        (effects.answers).push((conn, BalancerAnswer::Registered { opened }));
        effects
    }

    /// A client asks for a server; `avoid` just failed it. It is answered `GoTo`, `NotReady` or
    /// `NoMajority`.
    pub fn route(
        &mut self,
        now: Duration,
        conn: ConnId,
        client: ClientId,
        name: String,
        avoid: Option<ServerId>,
    ) -> Effects {
        let mut effects = self.tick(now);
        let servers = self.members.servers();
        let answer = if !self.open {
            BalancerAnswer::NotReady {
                client,
                registered: self.members.registered(),
                servers,
            }
        } else if let Some((server, address)) = self.choose(client, avoid) {
            let until = now + self.config.timing.routed_counts_for;
            // A client that asks again, because an answer was lost or it still waits for a better
            // server, is sent to the same place again: that is no news.
            if self.occupancy.route(client, server, until) {
                effects.events.push(Event::Routed {
                    client,
                    name,
                    server,
                });
            }
            BalancerAnswer::GoTo {
                client,
                server,
                address,
            }
        } else {
            BalancerAnswer::NoMajority {
                client,
                up: self.members.up(),
                servers,
            }
        };
        effects.answers.push((conn, answer));
        effects
    }

    /// Someone asks who is chatting where: by the last reports of the live servers.
    pub fn who(&self, conn: ConnId) -> Effects {
        let sessions = (self.members.live())
            .flat_map(|(server, member)| {
                (member.report.clients.iter()).map(move |client| (server, client.clone()))
            })
            .collect();
        Effects {
            answers: vec![(conn, BalancerAnswer::Who(sessions))],
            events: Vec::new(),
        }
    }

    /// A connection closed, for whatever reason.
    pub fn closed(&mut self, now: Duration, conn: ConnId) -> Effects {
        let mut effects = self.tick(now);
        self.refused.remove(&conn);
        let lost = self.members.closed(conn);
        (effects.events).extend(lost.into_iter().map(|server| Event::Lost { server }));
        effects
    }

    /// Time has passed: finds out which servers fell silent.
    pub fn tick(&mut self, now: Duration) -> Effects {
        self.occupancy.expire(now);
        let lost = self.members.expire(now);
        Effects {
            answers: Vec::new(),
            events: (lost.into_iter())
                .map(|server| Event::Lost { server })
                .collect(),
        }
    }

    /// When [`Balancer::tick`] is due, if nothing happens before.
    pub fn next_tick(&self) -> Option<Duration> {
        self.members.next_expiry()
    }

    /// Whether clients are admitted.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// A new cluster opens when every server of the plan has registered, and one of them knows a
    /// leader: before that, nobody could be served. A balancer that was started again does not need
    /// the complete cluster, only a majority.
    fn may_open(&self) -> bool {
        if self.opened_before {
            return self.members.up() >= self.members.majority();
        }
        self.members.registered() == self.members.servers()
            && (self.members.live()).any(|(_, member)| member.report.majority)
    }

    /// The least occupied of the servers that can serve, the lowest id among equals; `avoid` only
    /// when there is no other. None when no majority is up, or no server knows of one.
    fn choose(&self, client: ClientId, avoid: Option<ServerId>) -> Option<(ServerId, String)> {
        if self.members.up() < self.members.majority() {
            return None;
        }
        let candidates = (self.members.live())
            .filter(|(_, member)| member.report.majority && !member.report.draining);
        let (server, member) = candidates.min_by_key(|&(server, _)| {
            let avoided = avoid == Some(server);
            (avoided, self.occupancy.count(server, client), server)
        })?;
        Some((server, member.report.address.clone()))
    }

    fn refuse(&mut self, conn: ConnId, server: ServerId, reason: String, effects: &mut Effects) {
        let before = self.refused.insert(conn, reason.clone());
        if before.as_ref() != Some(&reason) {
            effects.events.push(Event::Refused {
                peer: server.to_string(),
                reason: reason.clone(),
            });
        }
        (effects.answers).push((conn, BalancerAnswer::Refused { reason }));
    }
}
