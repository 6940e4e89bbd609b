//! Clusters that are up: `.paxosctl/clusters/NAME/`.
//!
//! `state.json` is there while the cluster is up. It is written once every process runs, and removed
//! once every process is gone. What it says of processes is checked against `/proc` each time: a
//! machine that was switched off removes no files.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::clock::monotonic;
use crate::exit::Failure;
use crate::runtime::{Identity, Process, boot_id, replace_file};

const STATE_FILE: &str = "state.json";
const FORMATION_FILE: &str = "cluster.json";
const LOCK_FILE: &str = "lock";
pub(super) const VERSION: u32 = 1;

/// How long another command may hold a lock that we wait for: a restart and a table's loading fit.
const LOCKED_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A cluster that is up, or was when its state was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunningCluster {
    version: u32,
    pub name: String,
    /// The plan that it was started from.
    pub plan: PathBuf,
    /// The cluster's id, 16 hexadecimal digits.
    cluster: String,
    boot: String,
    pub balancer: SocketAddr,
    /// The command in whose foreground it runs; none when it is detached.
    keeper: Option<Identity>,
    pub nodes: Vec<RunningNode>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunningNode {
    pub name: String,
    pub address: Option<SocketAddr>,
    pub dir: PathBuf,
    /// The command line that starts it again, without the program and without any tie to a parent.
    pub arguments: Vec<OsString>,
    #[serde(flatten)]
    pub identity: Identity,
}

/// What the disks of a cluster's servers belong to. Outlives `down`, with the disks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formation {
    version: u32,
    cluster: String,
    pub servers: u16,
}

/// All clusters below one directory.
#[derive(Debug, Clone)]
pub struct Clusters {
    dir: PathBuf,
}

/// Held while a cluster is being started or stopped.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "held, never read")] Flock<fs::File>);

impl RunningCluster {
    pub fn new(
        name: &str,
        plan: &Path,
        cluster: u64,
        balancer: SocketAddr,
        keeper: Option<Identity>,
        nodes: Vec<RunningNode>,
    ) -> RunningCluster {
        RunningCluster {
            version: VERSION,
            name: name.to_owned(),
            plan: plan.to_owned(),
            cluster: format!("{cluster:016x}"),
            boot: boot_id(),
            balancer,
            keeper,
            nodes,
        }
    }

    pub fn id(&self) -> u64 {
        u64::from_str_radix(&self.cluster, 16).unwrap_or_default()
    }

    /// The command in whose foreground it runs, while that lives.
    pub fn keeper(&self) -> Option<Identity> {
        self.keeper.filter(|keeper| keeper.is_alive())
    }

    /// The processes of the cluster that still run. Another process under a reused pid is none.
    pub fn processes(&self) -> Vec<Process> {
        if self.boot != boot_id() {
            return Vec::new();
        }
        self.nodes
            .iter()
            .filter_map(|node| Process::adopt(&node.name, &node.dir, node.identity))
            .collect()
    }

    /// Whether the machine was started anew since: then no process of it is left.
    pub fn is_of_another_boot(&self) -> bool {
        self.boot != boot_id()
    }

    pub fn is_up(&self) -> bool {
        !self.processes().is_empty()
    }
}

impl Formation {
    pub fn new(cluster: u64, servers: u16) -> Formation {
        Formation {
            version: VERSION,
            cluster: format!("{cluster:016x}"),
            servers,
        }
    }

    pub fn id(&self) -> u64 {
        u64::from_str_radix(&self.cluster, 16).unwrap_or_default()
    }
}

impl Clusters {
    pub fn new(home: &Path) -> Clusters {
        Clusters {
            dir: home.join("clusters"),
        }
    }

    pub fn dir_of(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Takes the cluster's lock, making its directory.
    ///
    /// # Errors
    /// Another command is starting or stopping it.
    pub fn lock(&self, name: &str) -> Result<Lock, Failure> {
        let path = self.dir_of(name).join(LOCK_FILE);
        let open = || {
            fs::create_dir_all(self.dir_of(name))?;
            OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
        };
        let file = open().map_err(|error| Failure::file("open", &path, error))?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map(Lock)
            .map_err(|_| {
                Failure::Cluster(format!(
                    "another paxosctl is at work on the cluster `{name}`; wait for it, then look with \
                     `paxosctl ps`"
                ))
            })
    }

    /// Takes the lock of a cluster that is up, and waits for another command that has it.
    ///
    /// # Errors
    /// The other command does not give it back.
    pub fn lock_soon(&self, name: &str) -> Result<Lock, Failure> {
        let deadline = monotonic() + LOCKED_WITHIN;
        loop {
            match self.lock(name) {
                Ok(lock) => return Ok(lock),
                Err(failure) if monotonic() >= deadline => return Err(failure),
                Err(_) => thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// The state of one cluster; none when it is not up as far as files tell.
    ///
    /// # Errors
    /// The state file cannot be read, or was written by another version.
    pub fn read(&self, name: &str) -> Result<Option<RunningCluster>, Failure> {
        read_json(&self.dir_of(name).join(STATE_FILE))
    }

    /// # Errors
    /// The state file cannot be written.
    pub fn write(&self, cluster: &RunningCluster) -> Result<(), Failure> {
        write_json(&self.dir_of(&cluster.name).join(STATE_FILE), cluster)
    }

    /// # Errors
    /// The state file is there and cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), Failure> {
        self.forget_in_force(name)?;
        let path = self.dir_of(name).join(STATE_FILE);
        match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Failure::file("remove", &path, error)),
        }
    }

    /// What the disks under this name belong to; none when there are none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn formation(&self, name: &str) -> Result<Option<Formation>, Failure> {
        read_json(&self.dir_of(name).join(FORMATION_FILE))
    }

    /// # Errors
    /// The file cannot be written.
    pub fn write_formation(&self, name: &str, formation: &Formation) -> Result<(), Failure> {
        write_json(&self.dir_of(name).join(FORMATION_FILE), formation)
    }

    /// Every cluster that has a state file, by name, whether its processes live or not.
    ///
    /// # Errors
    /// A directory or a state file cannot be read.
    pub fn all(&self) -> Result<Vec<RunningCluster>, Failure> {
        let mut clusters = Vec::new();
        for name in self.names()? {
            clusters.extend(self.read(&name)?);
        }
        Ok(clusters)
    }

    /// The names of all clusters that have a directory.
    pub(super) fn names(&self) -> Result<Vec<String>, Failure> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Failure::file("read", &self.dir, error)),
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// The cluster that a command is about: the named one, or the only one.
    ///
    /// # Errors
    /// Several have a state file and none is named.
    pub fn pick(
        &self,
        name: Option<&str>,
        how_to_name: &str,
    ) -> Result<Option<RunningCluster>, Failure> {
        if let Some(name) = name {
            return self.read(name);
        }
        let mut all = self.all()?;
        if all.len() > 1 {
            let names: Vec<&str> = all.iter().map(|cluster| cluster.name.as_str()).collect();
            return Err(Failure::Usage(format!(
                "several clusters are up: {}; name one: `{how_to_name}`",
                names.join(", ")
            )));
        }
        Ok(all.pop())
    }
}

pub(super) fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Option<T>, Failure> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(Failure::file("read", path, error)),
    };
    let known = |value: &serde_json::Value| value["version"] == VERSION;
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    if !known(&value) {
        return Err(Failure::Cluster(format!(
            "{} is damaged or was written by another version of paxosctl; stop its processes with \
             that version, or remove the file if there are none",
            path.display()
        )));
    }
    serde_json::from_value(value).map(Some).map_err(|error| {
        Failure::Cluster(format!("{} is damaged: {error}; remove it", path.display()))
    })
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let mut json = serde_json::to_vec_pretty(value).expect("state is JSON");
    json.push(b'\n');
    replace_file(path, &json).map_err(|error| Failure::Cluster(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str, identity: Identity) -> RunningCluster {
        let balancer = "127.0.0.1:7000".parse().expect("address");
        let node = RunningNode {
            name: "s1".into(),
            address: None,
            dir: "nodes/s1".into(),
            arguments: vec!["node".into(), "server".into()],
            identity,
        };
        RunningCluster::new(
            name,
            Path::new("plan.yaml"),
            0xabc,
            balancer,
            None,
            vec![node],
        )
    }

    fn me() -> Identity {
        Identity::of(std::process::id()).expect("this process runs")
    }

    fn write(clusters: &Clusters, cluster: &RunningCluster) {
        fs::create_dir_all(clusters.dir_of(&cluster.name)).expect("directory");
        clusters.write(cluster).expect("written");
    }

    #[test]
    fn state_is_read_as_it_was_written() {
        let home = tempfile::tempdir().expect("temp dir");
        let clusters = Clusters::new(home.path());
        assert_eq!(clusters.read("chat").expect("readable"), None);
        let written = cluster("chat", me());
        write(&clusters, &written);
        let read = clusters.read("chat").expect("readable").expect("there");
        assert_eq!(read, written);
        assert_eq!(read.id(), 0xabc);
        assert!(read.is_up());
        clusters.remove("chat").expect("removed");
        clusters.remove("chat").expect("removing nothing is fine");
        assert_eq!(clusters.read("chat").expect("readable"), None);
    }

    #[test]
    fn a_reused_pid_or_another_boot_is_not_the_cluster() {
        let reused = Identity {
            start_ticks: me().start_ticks + 1,
            ..me()
        };
        assert!(!cluster("chat", reused).is_up());
        let mut earlier_boot = cluster("chat", me());
        earlier_boot.boot = "another".into();
        assert!(!earlier_boot.is_up());
    }

    #[test]
    fn one_cluster_needs_no_name_and_several_do() {
        let home = tempfile::tempdir().expect("temp dir");
        let clusters = Clusters::new(home.path());
        assert_eq!(clusters.pick(None, "ps NAME").expect("none"), None);
        write(&clusters, &cluster("one", me()));
        let picked = clusters.pick(None, "ps NAME").expect("one");
        assert_eq!(picked.map(|cluster| cluster.name), Some("one".into()));
        write(&clusters, &cluster("two", me()));
        let error = clusters.pick(None, "ps NAME").expect_err("ambiguous");
        assert_eq!(
            error.to_string(),
            "several clusters are up: one, two; name one: `ps NAME`"
        );
        let picked = clusters.pick(Some("two"), "ps NAME").expect("named");
        assert_eq!(picked.map(|cluster| cluster.name), Some("two".into()));
    }

    #[test]
    fn a_lock_is_held_by_one() {
        let home = tempfile::tempdir().expect("temp dir");
        let clusters = Clusters::new(home.path());
        let held = clusters.lock("chat").expect("free");
        assert!(clusters.lock("chat").is_err());
        clusters.lock("other").expect("another cluster's is free");
        drop(held);
        clusters.lock("chat").expect("free again");
    }

    #[test]
    fn a_state_file_of_another_version_is_refused() {
        let home = tempfile::tempdir().expect("temp dir");
        let clusters = Clusters::new(home.path());
        let dir = clusters.dir_of("chat");
        fs::create_dir_all(&dir).expect("directory");
        fs::write(dir.join(STATE_FILE), "{\"version\":99}").expect("written");
        let error = clusters.read("chat").expect_err("refused").to_string();
        assert!(error.contains("another version"), "{error}");
    }
}
