//! An etcd cluster to compare with, of the program that this machine has installed: as durable as
//! it comes, on the loopback address, on the same disk, and with nothing else to do.

mod grpc;
mod http1;
mod metrics;
mod talk;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::cluster::{Cpu, Sample, cpu_of, kill};
use super::load::{Load, Said};
use super::row::Shape;
use crate::clock::monotonic;
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::output::note;
use crate::ports::{Ports, Wishes};
use crate::randomness::random_u64;
use crate::runtime::{
    DIE_WITH_PARENT, NodeSpec, Process, Runtime, RuntimeError, STDERR_FILE, last_lines, tear_down,
};
use metrics::Metrics;

/// How long the members may take until they serve.
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How many of a member's last words an error shows.
const LAST_LINES: usize = 5;

/// The installed program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program(PathBuf);

impl Program {
    /// The one at `path`, or the first in `search`, directories as in `PATH`.
    ///
    /// # Errors
    /// There is none.
    pub fn find(path: Option<&Path>, search: &std::ffi::OsStr) -> Result<Program, Failure> {
        if let Some(path) = path {
            return match is_program(path) {
                true => Ok(Program(path.to_owned())),
                false => Err(Failure::Usage(format!(
                    "{} is no program; --etcd names the etcd server's",
                    path.display()
                ))),
            };
        }
        let found = std::env::split_paths(search)
            .map(|dir| dir.join("etcd"))
            .find(|file| is_program(file));
        found.map(Program).ok_or_else(|| {
            Failure::Usage(
                "--compare etcd needs an etcd, and there is none in PATH: install it (on Debian \
                 and Ubuntu `apt-get install etcd-server`), or name its program with --etcd"
                    .into(),
            )
        })
    }
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// A running etcd cluster. Dropping it ends every process.
#[derive(Debug)]
pub struct Etcd {
    runtime: Runtime,
    members: Vec<Member>,
    /// Held as long as the members live.
    _ports: [Ports; 2],
}

#[derive(Debug)]
struct Member {
    spec: NodeSpec,
    process: Process,
    client: SocketAddr,
}

impl Etcd {
    /// A new cluster in `dir`, once every member serves.
    ///
    /// # Errors
    /// It did not come up.
    pub fn start(
        program: &Program,
        members: u16,
        dir: &Path,
        interrupt: &Interrupt,
    ) -> Result<Etcd, Failure> {
        let mut random = ChaCha8Rng::seed_from_u64(random_u64()?);
        let mut ports = || {
            Ports::choose(members, Wishes::default(), &mut random)
                .map_err(|error| Failure::Cluster(error.to_string()))
        };
        let (clients, peers) = (ports()?, ports()?);
        let runtime = Runtime::local().map_err(failed)?;
        let mut etcd = Etcd {
            runtime,
            members: Vec::new(),
            _ports: [clients, peers],
        };
        let [clients, peers] = &etcd._ports;
        let names = (1..=members).map(|number| format!("etcd{number}"));
        let all: Vec<String> = names
            .clone()
            .zip(&peers.servers)
            .map(|(name, peer)| format!("{name}=http://{peer}"))
            .collect();
        let pairs = clients.servers.iter().zip(&peers.servers);
        for (name, (client, peer)) in names.zip(pairs) {
            let spec = command_line(program, &name, dir, *client, *peer, &all.join(","));
            let process = etcd.runtime.start(&spec).map_err(failed)?;
            let client = *client;
            etcd.members.push(Member {
                spec,
                process,
                client,
            });
        }
        etcd.await_ready(interrupt)?;
        Ok(etcd)
    }

    /// Clients that put values under keys of their own, spread over the members: that is as fast as
    /// all of them at the leader, within what two runs differ, and takes less of the processors.
    ///
    /// # Errors
    /// The load could not be started.
    pub fn talk(&self, shape: Shape) -> Result<Load, Failure> {
        let talk = talk::Talk {
            members: self.members.iter().map(|member| member.client).collect(),
            shape,
        };
        Load::start(shape.clients, move |ears| talk::talk(&talk, ears))
    }

    /// # Errors
    /// A member does not say how it is.
    pub fn sample(&self) -> Result<Sample, Failure> {
        let mut sample = Sample::default();
        for member in &self.members {
            let metrics = member.metrics()?;
            sample.syncs += metrics.syncs;
            sample.elections = sample.elections.max(metrics.leader_changes);
        }
        sample.cpu = self
            .members
            .iter()
            .map(|member| Cpu {
                node: member.spec.name.clone(),
                used: cpu_of(&member.process),
            })
            .collect();
        Ok(sample)
    }

    /// Waits until a member has all the keys.
    ///
    /// # Errors
    /// There are fewer than were acknowledged, or more than were put.
    pub fn hold(&self, said: Said) -> Result<(), Failure> {
        let Said { acks, open } = said;
        let Some(member) = self.members.first() else {
            return Ok(());
        };
        let keys = talk::count_keys(member.client).map_err(Failure::Cluster)?;
        if (acks..=acks + open).contains(&keys) {
            return Ok(());
        }
        Err(Failure::Cluster(format!(
            "{acks} values were acknowledged and {open} are unknown, but etcd holds {keys}"
        )))
    }

    /// The member that leads, if one says so.
    pub fn leader(&self) -> Option<usize> {
        let leads = |member: &Member| member.metrics().is_ok_and(|metrics| metrics.leads);
        self.members.iter().position(leads)
    }

    /// Kills a member.
    ///
    /// # Errors
    /// It did not end.
    pub fn kill(&mut self, member: usize) -> Result<(), Failure> {
        kill(&mut self.members[member].process)
    }

    /// Starts a member again.
    ///
    /// # Errors
    /// The system refused.
    pub fn start_again(&mut self, member: usize) -> Result<(), Failure> {
        let member = &mut self.members[member];
        member.process = self.runtime.start(&member.spec).map_err(failed)?;
        Ok(())
    }

    /// Waits until every member serves and has what some member had when this was called.
    ///
    /// # Errors
    /// One does not come so far, or we were interrupted.
    pub fn await_caught_up(&mut self, interrupt: &Interrupt) -> Result<(), Failure> {
        let wanted = self.applied().max();
        self.await_ready(interrupt)?;
        let deadline = monotonic() + READY_WITHIN;
        while self.applied().count() < self.members.len() || self.applied().min() < wanted {
            interrupt.check()?;
            if monotonic() >= deadline {
                return Err(Failure::Cluster("an etcd member did not catch up".into()));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// The last entry that each member applied, of those that say so.
    fn applied(&self) -> impl Iterator<Item = u64> + '_ {
        let metrics = self
            .members
            .iter()
            .filter_map(|member| member.metrics().ok());
        metrics.map(|metrics| metrics.applied)
    }

    /// Ends every process.
    ///
    /// # Errors
    /// Something is still there.
    pub fn end(mut self) -> Result<(), Failure> {
        self.tear_down()
    }

    fn await_ready(&mut self, interrupt: &Interrupt) -> Result<(), Failure> {
        let deadline = monotonic() + READY_WITHIN;
        let mut waiting = BTreeSet::from_iter(0..self.members.len());
        loop {
            waiting.retain(|&member| !http1::is_healthy(self.members[member].client));
            if waiting.is_empty() {
                return Ok(());
            }
            interrupt.check()?;
            for member in &mut self.members {
                if let Some(status) = member.process.ended() {
                    let status = status.to_owned();
                    return Err(member.failed(&format!("ended ({status})")));
                }
            }
            if monotonic() >= deadline {
                let member = &self.members[waiting.first().copied().unwrap_or(0)];
                return Err(member.failed("is not ready"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn tear_down(&mut self) -> Result<(), Failure> {
        let members = self.members.drain(..);
        let mut processes: Vec<Process> = members.map(|member| member.process).collect();
        tear_down(&mut processes).map_err(|leftovers| {
            let lines: Vec<String> = leftovers.iter().map(ToString::to_string).collect();
            Failure::Cluster(lines.join("\n"))
        })
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        if let Err(error) = self.tear_down() {
            note(&format!("warning: {error}"));
        }
    }
}

impl Member {
    fn metrics(&self) -> Result<Metrics, Failure> {
        let text = http1::get(self.client, "/metrics").map_err(|error| {
            Failure::Cluster(format!(
                "{} does not say how it is: {error}",
                self.spec.name
            ))
        })?;
        Ok(Metrics::read(&text))
    }

    fn failed(&self, how: &str) -> Failure {
        let words = last_lines(&self.spec.dir.join(STDERR_FILE), LAST_LINES);
        Failure::Cluster(format!(
            "{} {how}: {}",
            self.spec.name,
            words.join("\n  | ")
        ))
    }
}

fn failed(error: RuntimeError) -> Failure {
    Failure::Cluster(error.to_string())
}

/// The command line of a member. Nothing of its durability is changed; it says nothing but errors.
fn command_line(
    program: &Program,
    name: &str,
    dir: &Path,
    client: SocketAddr,
    peer: SocketAddr,
    all: &str,
) -> NodeSpec {
    let dir = dir.join(name);
    let mut arguments = Vec::from(["node", "companion", "--dir"].map(Into::into));
    arguments.push(dir.clone().into());
    arguments.push(DIE_WITH_PARENT.into());
    arguments.push(std::process::id().to_string().into());
    arguments.push("--".into());
    arguments.push(program.0.clone().into());
    arguments.push("--data-dir".into());
    arguments.push(dir.join("data").into());
    let (client, peer) = (format!("http://{client}"), format!("http://{peer}"));
    let told = [
        ["--name", name],
        ["--listen-client-urls", &client],
        ["--advertise-client-urls", &client],
        ["--listen-peer-urls", &peer],
        ["--initial-advertise-peer-urls", &peer],
        ["--initial-cluster", all],
        ["--initial-cluster-state", "new"],
        ["--logger", "zap"],
        ["--log-level", "error"],
        ["--log-outputs", "stderr"],
    ];
    arguments.extend(told.into_iter().flatten().map(Into::into));
    NodeSpec {
        name: name.to_owned(),
        arguments,
        dir,
        takes_commands: false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_program_is_searched_as_a_shell_does() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("etcd");
        let none = Program::find(None, dir.path().as_os_str()).expect_err("there is none");
        assert_eq!(none.code(), 2);
        assert!(
            none.to_string().contains("apt-get install etcd-server"),
            "{none}"
        );

        fs::write(&file, "").expect("a file");
        Program::find(None, dir.path().as_os_str()).expect_err("it cannot be run");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("permissions");
        let found = Program::find(None, dir.path().as_os_str()).expect("there it is");
        assert_eq!(found, Program(file.clone()));
        assert_eq!(
            Program::find(Some(&file), "".as_ref()).expect("named"),
            found
        );
        let wrong = Program::find(Some(dir.path()), "".as_ref()).expect_err("a directory");
        assert!(wrong.to_string().contains("--etcd"), "{wrong}");
    }
}
