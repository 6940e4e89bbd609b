//! One command's hold on a cluster that is up: its lock, its processes, and what is known of it.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

use paxosctl_chaos::history::micros;
use paxosctl_chaos::plan::{self, Fault, can_name_client};
use paxosctl_chaos::schedule::View;
use paxosctl_chaos::target::{Action, Change, Target};
use paxosctl_node::link::Table;
use paxosctl_node::wire::ServerStatus;

use crate::clock::monotonic;
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::observer::Observer;
use crate::real::{BALANCER, RealTarget};
use crate::runtime::LINKS_FILE;
use crate::state::{Beginning, Clusters, InForce, Lock, Record, RunningCluster, TypedFault};

/// How long a server may take to say how it is.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// The lock is held, and the state is saved, as long as this lives.
pub(super) struct Session<'a> {
    pub clusters: &'a Clusters,
    pub cluster: RunningCluster,
    pub in_force: InForce,
    target: RealTarget,
    beginning: Beginning,
    _lock: Lock,
}

/// Times of one step, for its record.
pub(super) struct Times {
    pub at_us: u64,
    pub done_us: u64,
}

impl<'a> Session<'a> {
    /// # Errors
    /// No such cluster is up, or another command does not let go of it.
    pub fn open(
        clusters: &'a Clusters,
        name: Option<&str>,
        interrupt: &Interrupt,
    ) -> Result<Session<'a>, Failure> {
        let how = "--cluster NAME";
        let Some(picked) = clusters.pick(name, how)? else {
            return Err(Failure::Cluster(
                "no such cluster is up here; `paxosctl up PLAN -d` starts one".into(),
            ));
        };
        let name = picked.name.as_str();
        let lock = clusters.lock_soon(name)?;
        let Some(cluster) = clusters.read(name)? else {
            return Err(Failure::Cluster(format!(
                "the cluster `{name}` was stopped meanwhile"
            )));
        };
        if cluster.is_of_another_boot() {
            return Err(Failure::Cluster(format!(
                "the machine was started anew since the cluster `{name}` was up; `paxosctl down \
                 {name}` clears it away"
            )));
        }
        let table = Table {
            generation: newest_generation(&cluster),
            rules: Vec::new(),
        };
        let target = RealTarget::adopt(&cluster, table, interrupt.clone())?;
        let mut session = Session {
            clusters,
            in_force: clusters.in_force(name)?,
            beginning: beginning(clusters, &cluster)?,
            cluster,
            target,
            _lock: lock,
        };
        // A node that is started again takes what is in force.
        session.target.set_links_in_force(session.in_force.rules());
        Ok(session)
    }

    pub fn has_node(&self, name: &str) -> bool {
        self.cluster.nodes.iter().any(|node| node.name == name)
    }

    /// What is known of the cluster: its processes, and what its servers say. Asked anew each time.
    pub fn view(&self) -> View {
        let mut view = View {
            servers: self.servers().cloned().collect(),
            ..View::default()
        };
        let alive: Vec<String> = self
            .cluster
            .processes()
            .iter()
            .map(|process| process.name().to_owned())
            .collect();
        for node in &self.cluster.nodes {
            if !alive.contains(&node.name) {
                view.down.insert(node.name.clone());
            } else if node.identity.is_stopped() {
                view.paused.insert(node.name.clone());
            }
        }
        let unable: BTreeSet<&String> = view.down.union(&view.paused).collect();
        let statuses = self.ask(&unable);
        view.leader = statuses
            .iter()
            .filter_map(|status| status.leader.filter(|b| b.owner() == Some(status.server)))
            .max()
            .and_then(|ballot| ballot.owner())
            .map(|leader| leader.to_string());
        for status in &statuses {
            for client in &status.clients {
                // A name that a plan cannot have is no word for a target either.
                if can_name_client(&client.name) && !view.clients.contains(&client.name) {
                    view.clients.push(client.name.clone());
                    let server = status.server.to_string();
                    view.server_of.insert(client.name.clone(), server);
                }
            }
        }
        view.clients.sort();
        view
    }

    fn servers(&self) -> impl Iterator<Item = &String> {
        let names = self.cluster.nodes.iter().map(|node| &node.name);
        names.filter(|name| *name != BALANCER)
    }

    /// Asks all servers at the same time.
    fn ask(&self, unable: &BTreeSet<&String>) -> Vec<ServerStatus> {
        let id = self.cluster.id();
        thread::scope(|scope| {
            let asked: Vec<_> = self
                .cluster
                .nodes
                .iter()
                .filter(|node| node.name != BALANCER && !unable.contains(&node.name))
                .filter_map(|node| node.address)
                .map(|address| {
                    scope.spawn(move || {
                        Observer::connect(address, id, ANSWER_WITHIN)
                            .and_then(|mut observer| observer.status())
                            .ok()
                    })
                })
                .collect();
            asked
                .into_iter()
                .filter_map(|thread| thread.join().ok().flatten())
                .collect()
        })
    }

    /// What was typed, as a plan would read it.
    ///
    /// # Errors
    /// What a plan could not say either.
    pub fn read(
        &self,
        typed: &TypedFault,
        lasts: Option<(&str, &str)>,
        view: &View,
    ) -> Result<Fault, Failure> {
        let lasts = lasts.map_or_else(String::new, |(key, length)| {
            let length = serde_json::to_string(length).expect("text is JSON");
            format!("{key}: {length}, ")
        });
        let text = format!(
            "{{at: 0s, {lasts}{}}}",
            typed.yaml(std::slice::from_ref(&typed.on))
        );
        let servers = u16::try_from(view.servers.len()).unwrap_or(u16::MAX);
        plan::parse_fault(&text, servers, &view.clients).map_err(|errors| {
            // The text around what was typed is ours: its lines and columns say nothing.
            let errors = errors.errors.iter().map(|error| match &error.help {
                Some(help) => {
                    let help = help.replace("this plan has", "this cluster has");
                    format!("error: {}\n  = help: {help}", error.message)
                }
                None => format!("error: {}", error.message),
            });
            Failure::Usage(errors.collect::<Vec<_>>().join("\n"))
        })
    }

    /// Carries actions out, one after the other, and returns all that was observed.
    ///
    /// # Errors
    /// The system refused one.
    pub fn act(
        &mut self,
        actions: impl IntoIterator<Item = Action>,
    ) -> Result<(Vec<Change>, Times), Failure> {
        let at_us = self.now_us();
        let mut changes = Vec::new();
        let mut refused = None;
        for action in actions {
            match self.target.apply(&action) {
                Ok(effect) => changes.extend(effect.changes),
                Err(error) => {
                    refused = Some(Failure::Cluster(error.to_string()));
                    break;
                }
            }
        }
        let done_us = self.now_us();
        // A started node is another process now. It lives on once that is written down.
        self.save_processes()?;
        if let Err(error) = self.target.release_started() {
            refused.get_or_insert(Failure::Cluster(error.to_string()));
        }
        match refused {
            Some(failure) => Err(failure),
            None => Ok((changes, Times { at_us, done_us })),
        }
    }

    fn save_processes(&mut self) -> Result<(), Failure> {
        let before = self.cluster.clone();
        for (spec, _, process) in self.target.processes() {
            let nodes = &mut self.cluster.nodes;
            if let Some(node) = nodes.iter_mut().find(|node| node.name == spec.name) {
                node.identity = process.identity();
            }
        }
        if self.cluster == before {
            return Ok(());
        }
        self.clusters.write(&self.cluster)
    }

    /// Writes down what was done, and what is in force by it.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(&self, record: &Record) -> Result<(), Failure> {
        let name = &self.cluster.name;
        self.clusters.write_in_force(name, &self.in_force)?;
        self.clusters.record(name, record)
    }

    fn now_us(&self) -> u64 {
        micros(monotonic()).saturating_sub(self.beginning.ready_us)
    }
}

/// The generation of the newest link table that any node was given.
fn newest_generation(cluster: &RunningCluster) -> u64 {
    let tables = cluster.nodes.iter().filter_map(|node| {
        let text = fs::read_to_string(node.dir.join(LINKS_FILE)).ok()?;
        serde_json::from_str::<Table>(&text).ok()
    });
    tables.map(|table| table.generation).max().unwrap_or(0)
}

/// When the cluster was ready. A record that somebody removed begins anew.
fn beginning(clusters: &Clusters, cluster: &RunningCluster) -> Result<Beginning, Failure> {
    if let Some((beginning, _)) = clusters.records(&cluster.name)? {
        return Ok(beginning);
    }
    let beginning = Beginning::now(cluster);
    clusters.begin_record(&beginning)?;
    Ok(beginning)
}
