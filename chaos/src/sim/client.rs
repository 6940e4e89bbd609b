//! A client's process: one that a script speaks through, or a load.

use std::time::Duration;

use paxosctl_node::client::{Ask, FAREWELL, Host, HostConfig, HostEffect, Load, Teller, Told};
use paxosctl_node::ids::ServerId;
use paxosctl_node::value::Command;
use paxosctl_node::wire::{BalancerAnswer, ServerMessage};

use super::network::{Line, Packet, Standing};
use super::node::Kind;
use super::queue::{Happening, Life};
use super::world::World;
use crate::history::micros;

/// What the wall clock shows when a simulated world begins, in milliseconds: 2026-01-01.
const BEGINNING_MS: u64 = 1_767_225_600_000;

pub(super) struct ClientProcess {
    host: Host,
    teller: Teller,
    leaving: bool,
}

impl ClientProcess {
    pub fn new(name: &str, load: Option<Load>, seed: u64) -> ClientProcess {
        let config = HostConfig {
            name: name.to_owned(),
            client: None,
            load,
            seed,
        };
        ClientProcess {
            host: Host::new(config, Duration::ZERO),
            teller: Teller::new(name.to_owned()),
            leaving: false,
        }
    }
}

impl World {
    fn with_host(&mut self, of: Life, call: impl FnOnce(&mut Host, Duration, u64)) {
        let now_us = self.now_us;
        let Some(process) = self.running(of) else {
            return;
        };
        let now = Duration::from_micros(now_us - process.started_us);
        let Kind::Client(running) = &mut process.kind else {
            return;
        };
        if running.leaving {
            return;
        }
        call(&mut running.host, now, BEGINNING_MS + now_us / 1000);
        self.act_soon(of);
    }

    pub(super) fn wake_client(&mut self, of: Life) {
        self.act_client(of);
    }

    /// What the shell does after each batch of inputs.
    pub(super) fn act_client(&mut self, of: Life) {
        let now_us = self.now_us;
        let Some(process) = self.running(of) else {
            return;
        };
        let started_us = process.started_us;
        let now = Duration::from_micros(now_us - started_us);
        let Kind::Client(running) = &mut process.kind else {
            return;
        };
        if running.leaving {
            return;
        }
        running.host.tick(now, BEGINNING_MS + now_us / 1000);
        let leaves = running.host.may_leave(now);
        if leaves {
            running.leaving = true;
            running.host.leave(now);
        }
        let effects = running.host.take_effects();
        let next = running.host.next_tick(now);
        for effect in effects {
            if !self.may_act(of) {
                return;
            }
            self.client_does(of, effect);
        }
        if leaves {
            let at = now_us + micros(FAREWELL);
            self.queue.plan(at, Happening::Farewell(of));
        } else {
            self.wake_at(of, started_us.saturating_add(micros(next)));
        }
    }

    fn client_does(&mut self, of: Life, effect: HostEffect) {
        match effect {
            HostEffect::ToBalancer(message) => {
                self.send_dialling(of, Line::Balancer, Packet::ToBalancer(message));
            }
            HostEffect::ToServer {
                server, message, ..
            } => self.send_dialling(of, Line::Server(server), Packet::ToServer(message)),
            HostEffect::ForgetServer(server) => self.drop_line(of, Line::Server(server)),
            HostEffect::News(news) => {
                let Some(process) = self.running(of) else {
                    return;
                };
                let Kind::Client(running) = &mut process.kind else {
                    return;
                };
                for told in running.teller.tell(news) {
                    match told {
                        Told::Events(events) => self.report_all(of.node, events),
                        Told::Say(words) => self.say(of.node, words),
                    }
                }
            }
        }
    }

    /// Sends, and makes the connection first if need be.
    fn send_dialling(&mut self, of: Life, line: Line, packet: Packet) {
        let Some(process) = self.running(of) else {
            return;
        };
        let standing = process.lines.get(&line).map(|state| state.to);
        if matches!(standing, None | Some(Standing::Down)) {
            self.dial(of, line);
        }
        if let Some(process) = self.running(of)
            && let Some(state) = process.lines.get_mut(&line)
        {
            state.given_up = false;
        }
        self.send_over(of, line, packet);
    }

    pub(super) fn client_hears_server(
        &mut self,
        of: Life,
        server: ServerId,
        message: ServerMessage,
    ) {
        self.with_host(of, |host, now, _| host.from_server(now, server, message));
    }

    pub(super) fn client_hears_balancer(&mut self, of: Life, answer: BalancerAnswer) {
        self.with_host(of, |host, now, _| host.from_balancer(now, answer));
    }

    pub(super) fn client_line_failed(&mut self, of: Life, line: Line) {
        self.with_host(of, |host, now, _| match line {
            Line::Balancer => host.balancer_gone(now),
            Line::Server(server) => host.server_gone(now, server),
        });
    }

    /// The client's user wants something.
    pub(super) fn ask(&mut self, of: Life, ask: Ask) {
        if let Ask::Say(text) = &ask
            && text.len() > Command::MAX_TEXT_BYTES
        {
            return self.say(of.node, "not sent: the text is too long");
        }
        self.with_host(of, |host, now, at_ms| host.ask(now, at_ms, ask));
    }
}
