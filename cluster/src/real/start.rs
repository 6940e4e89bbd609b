//! Bringing a cluster up: ports, processes, readiness.

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use paxosctl_chaos::history::node_event;
use paxosctl_chaos::target::Machines;
use paxosctl_node::event::NodeEvent;
use paxosctl_node::ids::ServerId;
use paxosctl_node::link::Table;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::node::Node;
use super::{BALANCER, Incoming, RealTarget, spec::ClusterSpec};
use crate::clock::monotonic;
use crate::interrupt::Interrupt;
use crate::ports::{PortError, Ports, Wishes};
use crate::runtime::{
    DIE_WITH_PARENT, EVENTS_FILE, NodeSpec, Process, Runtime, RuntimeError, STDERR_FILE, Tail,
    Watcher, last_lines,
};
use crate::state::{RunningCluster, RunningNode};

/// How long the balancer and the servers may take until they serve, and then each client to join.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How often ports are chosen again when another program was faster.
const PORT_TRIES: u32 = 3;
/// How many of a node's last words an error shows.
const LAST_LINES: usize = 5;

/// Why a cluster did not come up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("cannot watch the nodes: {0}; `fs.inotify.max_user_instances` may be used up")]
    Watch(#[source] std::io::Error),
    #[error("{node} ended before it was ready ({status}){}", quoted(.last_lines))]
    Ended {
        node: String,
        status: String,
        last_lines: Vec<String>,
    },
    #[error("after {} s {missing}{}", READY_WITHIN.as_secs(), quoted(.last_lines))]
    NotReady {
        missing: String,
        last_lines: Vec<String>,
    },
    #[error("interrupted")]
    Interrupted { signal: i32 },
}

impl RealTarget {
    /// Starts the balancer, the servers and then the clients, each when the one before it has
    /// joined, and returns when all of them are ready.
    ///
    /// # Errors
    /// The cluster did not come up. Whatever was started is ended.
    pub fn start(
        spec: ClusterSpec,
        runtime: Runtime,
        interrupt: Interrupt,
    ) -> Result<RealTarget, StartError> {
        // Ports are chosen from the cluster's id, which is drawn anew for every cluster.
        let mut random = ChaCha8Rng::seed_from_u64(spec.cluster ^ u64::from(std::process::id()));
        let mut tries = 1;
        loop {
            let ports = Ports::choose(spec.servers, spec.wishes, &mut random)?;
            let mut target =
                RealTarget::new(spec.clone(), runtime.clone(), interrupt.clone(), ports)?;
            let error = match target.bring_up() {
                Ok(()) => return Ok(target),
                Err(error) => error,
            };
            // Our own nodes hold their ports no more once they are ended.
            let _ = target.tear_down();
            let Some((node, address)) = target.ports.lost().into_iter().next() else {
                return Err(error);
            };
            if spec.wishes.name(&node) {
                let port = address.port();
                return Err(PortError::Taken { port, node }.into());
            }
            if tries == PORT_TRIES {
                return Err(error);
            }
            tries += 1;
        }
    }

    /// Takes hold of a cluster that another command started, and that lives on when this is dropped.
    /// Nodes that are down can be started again. `links` is the table in force.
    ///
    /// # Errors
    /// The nodes cannot be watched.
    pub fn adopt(
        running: &RunningCluster,
        links: Table,
        interrupt: Interrupt,
    ) -> Result<RealTarget, StartError> {
        let is_server = |node: &&RunningNode| node.name != BALANCER;
        let servers = running.nodes.iter().filter(is_server);
        let addresses: Vec<_> = servers.filter_map(|node| node.address).collect();
        let spec = ClusterSpec {
            servers: u16::try_from(addresses.len()).unwrap_or(u16::MAX),
            first_leader: None,
            clients: Vec::new(),
            wishes: Wishes::default(),
            dir: running
                .nodes
                .first()
                .and_then(|node| node.dir.parent())
                .map_or_else(Default::default, Path::to_owned),
            cluster: running.id(),
            seed: 0,
        };
        let ports = Ports::of_running(running.balancer, addresses);
        let mut target = RealTarget::new(spec, Runtime::local()?, interrupt, ports)?;
        target.released = true;
        target.links = links;
        target.ready = Some(monotonic());
        for node in &running.nodes {
            let events = node.dir.join(EVENTS_FILE);
            let tail = Tail::from_end(&events).map_err(StartError::Watch)?;
            target.watcher.follow(node.name.clone(), tail, &events);
            let process = Process::of_another(&node.name, &node.dir, node.identity);
            // Started again, a node is tied to us until it is written down and released: what nobody
            // knows of must not live on.
            let mut arguments = node.arguments.clone();
            arguments.push(DIE_WITH_PARENT.into());
            arguments.push(std::process::id().to_string().into());
            let spec = NodeSpec {
                name: node.name.clone(),
                arguments,
                dir: node.dir.clone(),
                takes_commands: false,
            };
            target.nodes.push(Node::adopted(spec, process));
        }
        Ok(target)
    }

    fn new(
        spec: ClusterSpec,
        runtime: Runtime,
        interrupt: Interrupt,
        ports: Ports,
    ) -> Result<RealTarget, StartError> {
        let (sender, incoming) = channel();
        let reports = sender.clone();
        let watcher = Watcher::start(move |node: &String, tail| {
            reports.send(read_events(node, tail)).is_ok()
        })
        .map_err(StartError::Watch)?;
        Ok(RealTarget {
            spec,
            runtime,
            ports,
            interrupt,
            nodes: Vec::new(),
            watcher,
            incoming,
            sender,
            inbox: Vec::new(),
            opened: false,
            led: false,
            ready: None,
            links: Table::default(),
            machines: Machines::default(),
            unreadable: None,
            released: false,
        })
    }

    fn bring_up(&mut self) -> Result<(), StartError> {
        self.launch(self.spec.balancer(&self.ports))?;
        for server in (1..=self.spec.servers).map(ServerId) {
            self.launch(self.spec.server(server, &self.ports))?;
        }
        self.await_all(|target| {
            if let Some(node) = target.nodes.iter().find(|node| !node.is_ready()) {
                return Some(format!("{} does not listen yet", node.name()));
            }
            if !target.led {
                return Some("no server leads yet".into());
            }
            (!target.opened).then(|| "the balancer does not admit clients yet".into())
        })?;
        for client in self.spec.clients.clone() {
            self.launch(self.spec.client(&client, &self.ports))?;
            self.await_all(|target| {
                let joined = target
                    .find(&client)
                    .is_some_and(|node| node.has_started() && node.seen.joined);
                (!joined).then(|| format!("{client} has not joined the chat yet"))
            })?;
        }
        self.ready = Some(monotonic());
        Ok(())
    }

    /// Waits until nothing is missing any more, as long as every node lives.
    fn await_all(
        &mut self,
        mut missing: impl FnMut(&mut RealTarget) -> Option<String>,
    ) -> Result<(), StartError> {
        let mut still_missing = None;
        self.wait_until(monotonic() + READY_WITHIN, |target| {
            still_missing = missing(target);
            still_missing.is_none()
                || target.interrupt.is_set()
                || target.nodes.iter_mut().any(|node| node.is_down())
        });
        if let Some(signal) = self.interrupt.signal() {
            return Err(StartError::Interrupted { signal });
        }
        for node in &mut self.nodes {
            if let Some(status) = node.process.ended() {
                return Err(StartError::Ended {
                    status: status.to_owned(),
                    node: node.name().to_owned(),
                    last_lines: last_lines(&node.spec.dir.join(STDERR_FILE), LAST_LINES),
                });
            }
        }
        match still_missing {
            None => Ok(()),
            Some(missing) => Err(StartError::NotReady {
                missing,
                last_lines: self.everyones_last_lines(),
            }),
        }
    }

    fn everyones_last_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for node in &self.nodes {
            for line in last_lines(&node.spec.dir.join(STDERR_FILE), LAST_LINES) {
                lines.push(format!("{}: {line}", node.name()));
            }
        }
        lines
    }
}

/// What a node's event file grew by.
fn read_events(node: &str, tail: &mut Tail) -> Incoming {
    let mut events: Vec<NodeEvent> = Vec::new();
    let mut unreadable = None;
    let read = tail.read(|line| match node_event(line) {
        Ok(event) => events.push(event),
        // Half a line, or none: its writer was killed before the end.
        Err(error) if error.is_eof() => {}
        Err(error) => {
            unreadable.get_or_insert_with(|| format!("{error}: {}", String::from_utf8_lossy(line)));
        }
    });
    if let Err(error) = read {
        unreadable.get_or_insert_with(|| error.to_string());
    }
    Incoming::Events {
        node: node.to_owned(),
        events,
        unreadable,
    }
}

fn quoted(lines: &[String]) -> String {
    if lines.is_empty() {
        return "; it said nothing".into();
    }
    lines
        .iter()
        .fold("; last lines:".into(), |text, line| text + "\n  | " + line)
}
