//! One node of the cluster, and what it reported since it was last started.

use std::time::Duration;

use paxosctl_chaos::target::Ending;
use paxosctl_node::event::Event;

use crate::runtime::{NodeSpec, Process, State};

#[derive(Debug)]
pub(super) struct Node {
    pub spec: NodeSpec,
    pub process: Process,
    pub ending: Ending,
    /// Whether its end was dealt with.
    pub end_noted: bool,
    /// When its end was first seen.
    pub ended_at: Option<Duration>,
    /// What the running process reported; nothing of an earlier one's counts.
    pub seen: Seen,
}

/// What the present process of a node reported.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The pid of the last `started` line: lines of an earlier process may still come in.
    pid: Option<u32>,
    pub ready: bool,
    pub joined: bool,
    pub links: Option<u64>,
    pub links_refused: Option<String>,
    pub machine: Option<u64>,
    pub machine_refused: Option<String>,
    /// The rules of the machine table that struck.
    pub struck: Vec<String>,
}

impl Node {
    pub fn new(spec: NodeSpec, process: Process) -> Node {
        Node {
            spec,
            process,
            ending: Ending::Unasked,
            end_noted: false,
            ended_at: None,
            seen: Seen::default(),
        }
    }

    /// One that another command started, and that has long said what it says at its start.
    pub fn adopted(spec: NodeSpec, process: Process) -> Node {
        let mut node = Node::new(spec, process);
        node.ending = Ending::Asked;
        node.seen = Seen {
            pid: Some(node.process.pid()),
            ready: true,
            joined: true,
            ..Seen::default()
        };
        node
    }

    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Takes the place of the process that ended.
    pub fn restarted(&mut self, process: Process) {
        self.process = process;
        self.ending = Ending::Unasked;
        self.end_noted = false;
        self.ended_at = None;
        self.seen = Seen::default();
    }

    /// Whether the present process said that it runs, and so handles its signals.
    pub fn has_started(&self) -> bool {
        self.seen.pid == Some(self.process.pid())
    }

    pub fn is_ready(&self) -> bool {
        self.has_started() && self.seen.ready
    }

    pub fn is_down(&mut self) -> bool {
        self.process.ended().is_some()
    }

    pub fn is_paused(&mut self) -> bool {
        self.process.state() == State::Paused
    }

    /// Whether it left for good: it takes part in nothing any more.
    pub fn has_left(&mut self) -> bool {
        self.ending == Ending::InOrder && self.is_down()
    }

    /// The link table that the present process has in force.
    pub fn links_in_force(&self) -> Option<u64> {
        self.seen.links.filter(|_| self.has_started())
    }

    /// The machine table that the present process has in force.
    pub fn machine_in_force(&self) -> Option<u64> {
        self.seen.machine.filter(|_| self.has_started())
    }

    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Started { pid, links } => {
                self.seen = Seen {
                    pid: Some(*pid),
                    links: Some(*links),
                    ..Seen::default()
                };
            }
            Event::Ready { .. } => self.seen.ready = true,
            Event::Joined { .. } => self.seen.joined = true,
            Event::Links { generation } => self.seen.links = Some(*generation),
            Event::Machine { generation } => self.seen.machine = Some(*generation),
            Event::MachineRefused { reason } => self.seen.machine_refused = Some(reason.clone()),
            Event::DiskTrouble { rule, .. } => self.seen.struck.push(rule.clone()),
            Event::LinksRefused { reason } => self.seen.links_refused = Some(reason.clone()),
            _ => {}
        }
    }
}
