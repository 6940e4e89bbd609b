//! A cluster of real processes, as the run loop sees it.

mod actions;
mod logs;
mod machine;
mod node;
mod spec;
mod start;
mod tables;

pub use logs::on_disk as log_on_disk;
pub use spec::{BALANCER, ClusterSpec, members};
pub use start::StartError;

use std::fs;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use nix::sys::signal::Signal;
use paxosctl_chaos::plan::Load;
use paxosctl_chaos::target::{
    Action, Effect, Ending, Machines, Observation, Op, Target, TargetError,
};
use paxosctl_node::drive::ClientCommand;
use paxosctl_node::event::{Event, NodeEvent};
use paxosctl_node::link::{Rule, Table};

use crate::clock::monotonic;
use crate::interrupt::Interrupt;
use crate::ports::Ports;
use crate::runtime::{
    EVENTS_FILE, LINKS_FILE, Leftover, NodeSpec, Process, RELEASED_FILE, Runtime, RuntimeError,
    STDERR_FILE, Tail, Watcher, last_lines, replace_file, tear_down,
};
use node::Node;

/// How many of a dead node's last words are kept.
const LAST_LINES: usize = 20;
/// How often processes are looked at while nothing is reported. The kernel tells of a child's end
/// by a signal only, which would have to be shared with everything else in the process.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The same, while the end or the stop of a process is awaited.
const LOOK_CLOSELY: Duration = Duration::from_millis(1);
/// How long an action's effect is still awaited after Ctrl-C.
const INTERRUPTED_WAIT: Duration = Duration::from_secs(1);
/// How long after a server's end its last lines may come in.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);
/// How long a node may take to say that it will outlive us.
const RELEASED_WITHIN: Duration = Duration::from_secs(5);

/// A running cluster of processes. Dropping it ends every one of them.
///
/// It must stay on the thread that made it: nodes die with the thread that started them.
#[derive(Debug)]
pub struct RealTarget {
    spec: ClusterSpec,
    runtime: Runtime,
    ports: Ports,
    interrupt: Interrupt,
    /// In the order of their first start.
    nodes: Vec<Node>,
    watcher: Watcher<String>,
    incoming: Receiver<Incoming>,
    sender: Sender<Incoming>,
    /// Observed and not yet returned; the times of node events are still the machine's.
    inbox: Vec<Observation>,
    /// What the cluster as a whole said while it started.
    opened: bool,
    led: bool,
    /// When the cluster was ready, on the monotonic clock.
    ready: Option<Duration>,
    links: Table,
    machines: Machines,
    unreadable: Option<String>,
    /// Whether the processes live on without us.
    released: bool,
}

/// The processes of a cluster, and the ports that are kept for them as long as this lives. Nothing
/// is ended when this is dropped.
#[derive(Debug)]
pub struct HandedOver {
    pub nodes: Vec<(NodeSpec, Process)>,
    pub ports: Ports,
}

/// What other threads report.
enum Incoming {
    Events {
        node: String,
        events: Vec<NodeEvent>,
        unreadable: Option<String>,
    },
    Observed(Observation),
}

impl RealTarget {
    pub fn balancer_address(&self) -> SocketAddr {
        self.ports.balancer
    }

    /// Every node, its address if it listens, and its process.
    pub fn processes(&self) -> impl Iterator<Item = (&NodeSpec, Option<SocketAddr>, &Process)> {
        self.nodes.iter().map(|node| {
            let address = self.address_of(node.name());
            (&node.spec, address, &node.process)
        })
    }

    /// Gives everything that runs away to somebody who ends it, and watches it no more: what the
    /// nodes report is read by nobody.
    pub fn hand_over(mut self) -> HandedOver {
        let nodes = self.nodes.drain(..);
        HandedOver {
            nodes: nodes.map(|node| (node.spec, node.process)).collect(),
            ports: std::mem::replace(&mut self.ports, Ports::none()),
        }
    }

    /// Whether any node still runs.
    pub fn any_running(&mut self) -> bool {
        self.nodes.iter_mut().any(|node| !node.is_down())
    }

    /// Ends every process, and returns when all are gone.
    ///
    /// # Errors
    /// What could not be ended.
    pub fn tear_down(&mut self) -> Result<(), Vec<Leftover>> {
        let mut processes: Vec<Process> = self.nodes.drain(..).map(|node| node.process).collect();
        tear_down(&mut processes)
    }

    /// Lets the balancer and the servers live on without us, as far as they live; clients leave.
    /// Afterwards nothing is ended when this is dropped.
    ///
    /// # Errors
    /// A node did not say that it will live on. Then everything is ended, as without this call.
    pub fn release(mut self) -> Result<(), TargetError> {
        let (stay, leave): (Vec<Node>, Vec<Node>) = self
            .nodes
            .drain(..)
            .partition(|node| !node.spec.takes_commands);
        self.nodes = stay;
        let mut clients: Vec<Process> = leave.into_iter().map(|node| node.process).collect();
        // A client that could not be ended dies with us all the same.
        let _ = tear_down(&mut clients);
        self.untie(|_| true)?;
        self.released = true;
        Ok(())
    }

    /// Lets the nodes live on without us that were started again in an adopted cluster. One that is
    /// not ready yet ends with us.
    ///
    /// # Errors
    /// A node did not say that it will live on: it ends with us.
    pub fn release_started(&mut self) -> Result<(), TargetError> {
        self.untie(|node| node.process.is_child() && node.is_ready())
    }

    /// Tells nodes to outlive us, and waits until they say that they will.
    fn untie(&mut self, meant: impl Fn(&Node) -> bool) -> Result<(), TargetError> {
        let mut tied: Vec<&mut Node> = self.nodes.iter_mut().filter(|node| meant(node)).collect();
        for node in &mut tied {
            node.process.signal(Signal::SIGUSR2).map_err(failed)?;
        }
        let deadline = monotonic() + RELEASED_WITHIN;
        let is_free = |node: &mut Node| {
            node.is_down()
                || fs::read_to_string(node.spec.dir.join(RELEASED_FILE))
                    .is_ok_and(|pid| pid == node.process.pid().to_string())
        };
        loop {
            tied.retain_mut(|node| !is_free(node));
            let Some(node) = tied.first() else {
                return Ok(());
            };
            if monotonic() >= deadline {
                let words = last_lines(&node.spec.dir.join(STDERR_FILE), 1);
                let why = words.first().map(|line| format!("; it says: {line}"));
                return Err(TargetError(format!(
                    "{} did not confirm that it will outlive this command{}",
                    node.name(),
                    why.unwrap_or_default()
                )));
            }
            std::thread::sleep(LOOK_CLOSELY);
        }
    }

    fn address_of(&self, name: &str) -> Option<SocketAddr> {
        if name == BALANCER {
            return Some(self.ports.balancer);
        }
        members(&self.ports)
            .find(|(server, _)| server.to_string() == name)
            .map(|(_, address)| address)
    }

    fn find(&mut self, name: &str) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.name() == name)
    }

    /// Starts a node, or starts it again over the directory that it left.
    fn launch(&mut self, spec: NodeSpec) -> Result<(), RuntimeError> {
        self.write_links(&spec)?;
        self.write_machine(&spec)?;
        if self.find(&spec.name).is_none() {
            // What an earlier cluster over the same directory reported is none of ours.
            let events = spec.dir.join(EVENTS_FILE);
            let tail = Tail::from_end(&events).map_err(|source| RuntimeError::File {
                doing: "open",
                path: events.clone(),
                source,
            })?;
            self.watcher.follow(spec.name.clone(), tail, &events);
        }
        let process = self.runtime.start(&spec)?;
        self.machines.begun(&spec.name);
        match self.find(&spec.name) {
            Some(node) => node.restarted(process),
            None => self.nodes.push(Node::new(spec, process)),
        }
        Ok(())
    }

    fn write_links(&self, spec: &NodeSpec) -> Result<(), RuntimeError> {
        let path = spec.dir.join(LINKS_FILE);
        fs::create_dir_all(&spec.dir).map_err(|source| RuntimeError::File {
            doing: "make",
            path: spec.dir.clone(),
            source,
        })?;
        let json = serde_json::to_vec(&self.links).expect("a link table is JSON");
        replace_file(&path, &json)
    }

    /// Takes in everything that was reported, and looks after every process.
    fn pump(&mut self) {
        while let Ok(report) = self.incoming.try_recv() {
            self.take(report);
        }
        let mut fallen = Vec::new();
        for node in &mut self.nodes {
            node.process.flush();
            if node.end_noted {
                continue;
            }
            let Some(status) = node.process.ended().map(str::to_owned) else {
                continue;
            };
            // Its last lines may still be on their way, and tell what ended it.
            let now = monotonic();
            let since = *node.ended_at.get_or_insert(now);
            if node.ending == Ending::Unasked && self.machines.may_end(node.name()) {
                if self
                    .machines
                    .deadly(node.name(), &node.seen.struck)
                    .is_some()
                {
                    node.end_noted = true;
                    let (name, struck) = (node.name().to_owned(), node.seen.struck.clone());
                    fallen.push((name, status, struck));
                    continue;
                }
                if now.saturating_sub(since) < LAST_LINES_WITHIN {
                    continue;
                }
            }
            node.end_noted = true;
            if !node.ending.expects(&status) {
                self.inbox.push(Observation::Died {
                    node: node.name().to_owned(),
                    status,
                    last_lines: last_lines(&node.spec.dir.join(STDERR_FILE), LAST_LINES),
                });
            }
        }
        for (node, status, struck) in fallen {
            let observation = self.fallen(&node, &status, &struck);
            self.inbox.extend(observation);
        }
    }

    fn take(&mut self, report: Incoming) {
        let (name, events, unreadable) = match report {
            Incoming::Observed(observation) => return self.inbox.push(observation),
            Incoming::Events {
                node,
                events,
                unreadable,
            } => (node, events, unreadable),
        };
        if self.unreadable.is_none() {
            self.unreadable = unreadable.map(|line| format!("{name}: {line}"));
        }
        for event in events {
            match event.event {
                Event::Opened => self.opened = true,
                Event::Leading { .. } => self.led = true,
                _ => {}
            }
            if let Some(node) = self.find(&name) {
                node.observe(&event.event);
            }
            self.inbox.push(Observation::Node {
                node: name.clone(),
                event,
            });
        }
    }

    /// Waits for the next report, at most `patience`.
    fn wait_for_report(&mut self, patience: Duration) {
        match self.incoming.recv_timeout(patience) {
            Ok(report) => self.take(report),
            // We hold a sender ourselves, so the channel stays open.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }

    /// Waits until `done`, and says whether it was before the deadline. Once we are interrupted,
    /// nothing is worth a long wait.
    fn wait_until(
        &mut self,
        mut deadline: Duration,
        mut done: impl FnMut(&mut RealTarget) -> bool,
    ) -> bool {
        let mut interrupted = false;
        loop {
            self.pump();
            if done(self) {
                return true;
            }
            let now = monotonic();
            if now >= deadline {
                return false;
            }
            if !interrupted && self.interrupt.is_set() {
                interrupted = true;
                deadline = deadline.min(now + INTERRUPTED_WAIT);
            }
            self.wait_for_report(LOOK_CLOSELY);
        }
    }

    fn command(&mut self, client: &str, command: &ClientCommand) {
        let line = serde_json::to_string(command).expect("a command is JSON");
        if let Some(node) = self.find(client) {
            node.process.command(&line);
        }
    }

    /// A client ends in an orderly way.
    fn leave(&mut self, client: &str) {
        // Noted first: it may be gone the moment that it reads the command.
        if let Some(node) = self.find(client)
            && !node.is_down()
        {
            node.ending = Ending::InOrder;
        }
        self.command(client, &ClientCommand::Leave);
        if let Some(node) = self.find(client) {
            node.process.close_input();
        }
    }

    /// Starts a client process; one that cannot be started is reported like one that died.
    fn join(&mut self, spec: NodeSpec) {
        if self.find(&spec.name).is_some_and(|node| !node.is_down()) {
            return;
        }
        let node = spec.name.clone();
        if let Err(error) = self.launch(spec) {
            self.inbox.push(Observation::Died {
                node,
                status: "not started".into(),
                last_lines: vec![error.to_string()],
            });
        }
    }

    fn join_load(&mut self, name: &str, load: &Load) {
        let spec = self.spec.load(name, load, &self.ports);
        self.join(spec);
    }

    /// These rules are in force already, as every node knows.
    pub fn set_links_in_force(&mut self, rules: Vec<Rule>) {
        self.links.rules = rules;
    }

    /// The new table, under the next generation.
    fn next_links(&mut self, rules: &[Rule]) -> u64 {
        self.links = Table {
            generation: self.links.generation + 1,
            rules: rules.to_vec(),
        };
        self.links.generation
    }
}

impl Target for RealTarget {
    fn now(&self) -> Duration {
        self.ready
            .map_or(Duration::ZERO, |ready| monotonic().saturating_sub(ready))
    }

    fn apply(&mut self, action: &Action) -> Result<Effect, TargetError> {
        let changes = match action {
            Action::Kill { nodes } => self.kill(nodes),
            Action::Stop { nodes } => self.stop(nodes),
            Action::Start { nodes } => self.start_again(nodes),
            Action::Pause { nodes } => self.pause(nodes),
            Action::Resume { nodes } => self.resume(nodes),
            Action::Links { rules } => self.set_links(rules),
            Action::Machine { rules } => self.set_machines(rules),
            Action::Damage {
                nodes,
                damage,
                seed,
            } => Ok(self.damage(nodes, *damage, *seed)),
            // It tells what happened by itself.
            Action::Fall { .. } => Ok(Vec::new()),
        }?;
        Ok(Effect { changes })
    }

    fn submit(&mut self, op: Op) {
        match op {
            Op::Join { client } => {
                let spec = self.spec.client(&client, &self.ports);
                self.join(spec);
            }
            Op::Leave { client } => self.leave(&client),
            Op::Say { client, text } => self.command(&client, &ClientCommand::Say { text }),
            Op::Read { client } => self.command(&client, &ClientCommand::Read),
            Op::Load { name, load } => self.join_load(&name, &load),
            Op::EndLoad { name } => self.leave(&name),
            Op::ReadLogs => self.read_logs(),
        }
    }

    fn poll(&mut self, until: Duration) -> Vec<Observation> {
        loop {
            self.pump();
            let now = self.now();
            if !self.inbox.is_empty() || now >= until {
                break;
            }
            self.wait_for_report(LOOK_EVERY.min(until - now));
            if self.interrupt.is_set() {
                // The run loop wants to know soon; what came meanwhile goes with it.
                self.pump();
                break;
            }
        }
        let ready_us = self.ready.map_or(u64::MAX, paxosctl_chaos::history::micros);
        let mut observations = std::mem::take(&mut self.inbox);
        for observation in &mut observations {
            if let Observation::Node { event, .. } = observation {
                event.at_us = event.at_us.saturating_sub(ready_us);
            }
        }
        observations
    }

    /// What a node reported and nobody can read is evidence lost.
    fn failure(&self) -> Option<TargetError> {
        let line = self.unreadable.as_ref()?;
        Some(TargetError(format!(
            "a node's event cannot be read: {line}"
        )))
    }
}

impl Drop for RealTarget {
    fn drop(&mut self) {
        if self.released {
            return;
        }
        if let Err(leftovers) = self.tear_down() {
            for leftover in leftovers {
                crate::output::note(&format!("warning: {leftover}"));
            }
        }
    }
}

fn failed(error: RuntimeError) -> TargetError {
    TargetError(error.to_string())
}
