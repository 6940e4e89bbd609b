//! A node of the world, and its process while it runs.

use std::collections::{BTreeMap, VecDeque};

use paxosctl_node::ids::ServerId;
use paxosctl_node::link::NodeLinks;

use super::balancer::BalancerProcess;
use super::client::ClientProcess;
use super::disk::{Directory, SimDisk};
use super::network::{Line, LineState};
use super::queue::{Happening, Life, NodeIndex};
use super::server::ServerProcess;
use crate::plan::Load;
use crate::target::Ending;

/// How many of a node's last words are kept.
const LAST_WORDS: usize = 20;

pub(super) struct Node {
    pub name: String,
    pub role: Role,
    index: NodeIndex,
    /// How often its process was started.
    pub lives: u32,
    pub state: State,
    pub paused: bool,
    /// What happened to it while it was paused.
    pub backlog: VecDeque<Happening>,
    pub ending: Ending,
    pub seen: Seen,
    pub directory: Directory,
    /// Of the disk with which it first began.
    pub first_incarnation: Option<u64>,
    /// A copy of its log when its last process began.
    pub older: Option<SimDisk>,
    said: VecDeque<String>,
}

#[derive(Debug, Clone)]
pub(super) enum Role {
    Balancer,
    Server(ServerId),
    Client,
    Load(Load),
}

pub(super) enum State {
    Down {
        status: String,
    },
    /// The process was made and does not run yet.
    Starting,
    Running(Box<Process>),
}

/// What the present process of a node reported.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub ready: bool,
    pub joined: bool,
    /// The rules of the machine table that struck.
    pub struck: Vec<String>,
}

pub(super) struct Process {
    pub pid: u32,
    pub started_us: u64,
    pub links: NodeLinks,
    pub lines: BTreeMap<Line, LineState>,
    pub kind: Kind,
    /// When its timer is due.
    pub wake_us: Option<u64>,
    /// When the effects of what it took are carried out.
    pub acts_us: Option<u64>,
    /// It is killed after so many more effects.
    pub fuse: Option<u32>,
}

pub(super) enum Kind {
    Balancer(Box<BalancerProcess>),
    Server(Box<ServerProcess>),
    Client(Box<ClientProcess>),
}

impl Process {
    /// Whether what it sends waits until there is a connection.
    pub fn lets_wait(&self) -> bool {
        matches!(self.kind, Kind::Client(_))
    }
}

impl Node {
    pub fn new(index: NodeIndex, name: String, role: Role) -> Node {
        Node {
            name,
            role,
            index,
            lives: 0,
            state: State::Down {
                status: String::new(),
            },
            paused: false,
            backlog: VecDeque::new(),
            ending: Ending::Unasked,
            seen: Seen::default(),
            directory: Directory::default(),
            first_incarnation: None,
            older: None,
            said: VecDeque::new(),
        }
    }

    /// Its present or last process.
    pub fn life(&self) -> Life {
        Life {
            node: self.index,
            number: self.lives,
        }
    }

    pub fn is_down(&self) -> bool {
        matches!(self.state, State::Down { .. })
    }

    pub fn is_server(&self) -> bool {
        matches!(self.role, Role::Server(_))
    }

    /// How its process ended, if it did.
    pub fn status(&self) -> Option<&str> {
        match &self.state {
            State::Down { status } => Some(status),
            State::Starting | State::Running(_) => None,
        }
    }

    /// Whether it left for good.
    pub fn has_left(&self) -> bool {
        self.ending == Ending::InOrder && self.is_down()
    }

    /// Words for people; the last of them are kept.
    pub fn say(&mut self, words: String) {
        if self.said.len() == LAST_WORDS {
            self.said.pop_front();
        }
        self.said.push_back(words);
    }

    pub fn last_words(&self) -> Vec<String> {
        self.said.iter().cloned().collect()
    }

    pub fn process(&mut self) -> Option<&mut Process> {
        match &mut self.state {
            State::Running(process) => Some(process),
            State::Down { .. } | State::Starting => None,
        }
    }
}
