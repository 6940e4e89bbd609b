//! Who takes what arrives.

use paxosctl_node::ids::ServerId;

use super::network::{Line, Packet, Standing};
use super::node::Kind;
use super::queue::{End, Happening, Life, NodeIndex};
use super::world::World;
use crate::history::micros;

impl World {
    /// A message reached the process for which it was.
    pub(super) fn take(&mut self, conn: usize, from: End, packet: Packet) {
        let known = &self.conns[conn];
        let (of, line, incarnation) = (known.ends[1 - from], known.line, known.incarnation);
        let sender = known.ends[from].node;
        if self.running(of).is_none() {
            return;
        }
        match packet {
            Packet::Peer(message) => {
                let from = ServerId(sender as u16);
                self.server_hears_peer(of, from, incarnation, message);
            }
            Packet::ToServer(message) => self.server_hears_client(of, conn, message),
            Packet::ToBalancer(message) => self.balancer_hears(of, conn, message),
            Packet::ToClient(message) => {
                if let Line::Server(server) = line {
                    self.client_hears_server(of, server, message);
                }
            }
            Packet::FromBalancer(answer) => {
                if self.is_server(of) {
                    self.server_hears_balancer(of, &answer);
                } else {
                    self.client_hears_balancer(of, answer);
                }
            }
        }
    }

    fn is_server(&mut self, of: Life) -> bool {
        let process = self.running(of);
        process.is_some_and(|process| matches!(process.kind, Kind::Server(_)))
    }

    /// Somebody's connection was accepted.
    pub(super) fn accepted(&mut self, of: Life, conn: usize) {
        // Peers only send on the connections that they make.
        if self.is_client(self.conns[conn].ends[0].node) {
            self.server_accepts(of, conn);
        }
    }

    fn is_client(&self, node: NodeIndex) -> bool {
        node > usize::from(self.servers)
    }

    /// A connection that was accepted is closed.
    pub(super) fn lost(&mut self, of: Life, conn: usize) {
        if self.is_server(of) {
            let dialler = self.conns[conn].ends[0].node;
            if self.is_client(dialler) {
                self.server_loses(of, conn);
            } else {
                self.server_is_left(of, ServerId(dialler as u16));
            }
        } else {
            self.balancer_loses(of, conn);
        }
    }

    /// A connection that the process made stands.
    pub(super) fn line_stands(&mut self, of: Life, line: Line) {
        if self.is_server(of) {
            self.server_line_stands(of, line);
        }
    }

    /// A connection that the process made is closed, or could not be made. Servers dial again.
    pub(super) fn line_failed(&mut self, of: Life, line: Line) {
        let is_server = self.is_server(of);
        let now_us = self.now_us;
        let Some(process) = self.running(of) else {
            return;
        };
        if is_server {
            let state = process.lines.entry(line).or_default();
            state.to = Standing::Down;
            let at = now_us + micros(state.redial.pause());
            self.queue.plan(at, Happening::Redial { of, line });
        } else {
            process.lines.remove(&line);
            self.client_line_failed(of, line);
        }
    }
}
