//! Notes what happens, if it is wanted.

use std::collections::VecDeque;

use paxosctl_node::event::Event;

use super::network::Packet;
use super::queue::{End, NodeIndex};
use super::world::World;
use crate::target::Action;
use crate::trace::{Fate, TraceStep, TraceWhat, words};

/// The most steps that are kept; the oldest go first.
const MOST_STEPS: usize = 2_000_000;

/// The last steps of a run.
#[derive(Debug, Default)]
pub(super) struct Trace {
    steps: VecDeque<TraceStep>,
}

impl Trace {
    fn note(&mut self, at_us: u64, what: TraceWhat) {
        if self.steps.len() == MOST_STEPS {
            self.steps.pop_front();
        }
        self.steps.push_back(TraceStep { at_us, what });
    }

    pub fn into_steps(self) -> Vec<TraceStep> {
        self.steps.into()
    }
}

impl World {
    pub(super) fn trace_message(&mut self, conn: usize, from: End, packet: &Packet, fate: Fate) {
        if self.trace.is_none() {
            return;
        }
        let fate = match fate {
            Fate::Arrives { at_us } => Fate::Arrives {
                at_us: at_us.saturating_sub(self.ready_us.unwrap_or(at_us)),
            },
            other => other,
        };
        let (from, to) = self.names(conn, from);
        let (message, quiet) = packet.in_words();
        self.note(TraceWhat::Sent {
            from,
            to,
            message,
            quiet,
            fate,
        });
    }

    pub(super) fn trace_action(&mut self, action: &Action) {
        if self.trace.is_some() {
            let words = words::action(action);
            self.note(TraceWhat::Action { words });
        }
    }

    pub(super) fn trace_event(&mut self, node: NodeIndex, event: &Event) {
        if self.trace.is_some() {
            let (node, event) = (self.nodes[node].name.clone(), event.clone());
            self.note(TraceWhat::Event { node, event });
        }
    }

    pub(super) fn trace_end(&mut self, node: NodeIndex, status: &str) {
        if self.trace.is_some() {
            let (node, status) = (self.nodes[node].name.clone(), status.to_owned());
            self.note(TraceWhat::Ended { node, status });
        }
    }

    fn names(&self, conn: usize, from: End) -> (String, String) {
        let ends = &self.conns[conn].ends;
        let name = |end: End| self.nodes[ends[end].node].name.clone();
        (name(from), name(1 - from))
    }

    fn note(&mut self, what: TraceWhat) {
        let at_us = self.run_us();
        if let Some(trace) = &mut self.trace {
            trace.note(at_us, what);
        }
    }
}

impl Packet {
    /// As a person reads it, and whether it only says that somebody is alive.
    fn in_words(&self) -> (String, bool) {
        match self {
            Packet::Peer(message) => words::peer(message),
            Packet::ToServer(message) => words::to_server(message),
            Packet::ToClient(message) => words::to_client(message),
            Packet::ToBalancer(message) => words::to_balancer(message),
            Packet::FromBalancer(answer) => words::from_balancer(answer),
        }
    }
}
