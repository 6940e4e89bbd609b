//! What is going to happen, in the order of virtual time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use paxosctl_node::client::Ask;

use super::network::Packet;

/// A node's place in the world.
pub(super) type NodeIndex = usize;

/// One run of a node's process. What is meant for an earlier one comes to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    pub node: NodeIndex,
    pub number: u32,
}

/// An end of a connection: 0 is the one that dialled.
pub(super) type End = usize;

#[derive(Debug)]
pub(super) enum Happening {
    /// A message leaves that the sender's link table held back.
    Leave {
        conn: usize,
        from: End,
        packet: Box<Packet>,
    },
    /// A message reaches the other end.
    Arrive {
        conn: usize,
        from: End,
        packet: Box<Packet>,
    },
    /// A message is taken that the receiver's link table held back.
    Take {
        conn: usize,
        from: End,
        packet: Box<Packet>,
    },
    /// An end hears that its connection is closed.
    Closed {
        conn: usize,
        end: End,
    },
    /// The weather breaks a connection.
    Break,
    /// A dialler's hello arrives.
    Hello {
        dial: u64,
    },
    /// The listener's welcome leaves.
    Accept {
        dial: u64,
        listener: Life,
    },
    /// The welcome arrives.
    Answered {
        dial: u64,
    },
    Established {
        dial: u64,
    },
    /// The dialler gives up, or was refused.
    DialOver {
        dial: u64,
    },
    Redial {
        of: Life,
        line: super::network::Line,
    },
    /// The process begins to run.
    Begin(Life),
    /// A timer is due.
    Wake(Life),
    /// The effects of what the process took are carried out.
    Act(Life),
    /// A write to the log is durable, or has failed.
    Written(Life),
    /// The process is killed.
    Die(Life),
    Terminate(Life),
    /// Its tables are loaded anew.
    Reload {
        of: Life,
        tables: Tables,
    },
    /// The user of a client wants something.
    Ask {
        of: Life,
        ask: Box<Ask>,
    },
    /// The last messages of a client have left.
    Farewell(Life),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tables {
    Links,
    Machine,
}

#[derive(Debug)]
struct Planned {
    at_us: u64,
    number: u64,
    what: Happening,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Planned) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Planned) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Planned) -> Ordering {
        (self.at_us, self.number).cmp(&(other.at_us, other.number))
    }
}

/// What happens at the same time happens in the order in which it was planned.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Planned>>,
    planned: u64,
}

impl Queue {
    pub fn plan(&mut self, at_us: u64, what: Happening) {
        self.planned += 1;
        self.heap.push(Reverse(Planned {
            at_us,
            number: self.planned,
            what,
        }));
    }

    pub fn next_at(&self) -> Option<u64> {
        self.heap.peek().map(|planned| planned.0.at_us)
    }

    pub fn pop(&mut self) -> Option<(u64, Happening)> {
        self.heap
            .pop()
            .map(|planned| (planned.0.at_us, planned.0.what))
    }
}
