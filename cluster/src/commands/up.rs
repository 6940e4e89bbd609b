//! `up`: a cluster that stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use paxosctl_chaos::plan::{self, Plan};
use paxosctl_chaos::target::{Observation, Target};

use super::words::{count, describe};
use crate::cli::UpArgs;
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::note;
use crate::randomness::random_u64;
use crate::real::{ClusterSpec, RealTarget};
use crate::runtime::{Identity, Runtime, STDERR_FILE, Tail, Watcher};
use crate::state::{Beginning, Clusters, Formation, RunningCluster, RunningNode};

/// How often the foreground looks around when nothing is reported.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A cluster to start.
#[derive(Debug)]
pub struct UpRequest {
    pub plan: Plan,
    /// The cluster's name.
    pub name: String,
    pub detach: bool,
    /// Forget what the servers of this name have on disk.
    pub fresh: bool,
    pub clusters: Clusters,
}

impl UpRequest {
    pub(super) fn new(typed: UpArgs, clusters: Clusters) -> Result<UpRequest, Failure> {
        let plan = plan::load(&typed.plan).map_err(|errors| Failure::Usage(errors.to_string()))?;
        let name = typed.name.unwrap_or_else(|| plan.name.clone());
        check_name(&name)?;
        Ok(UpRequest {
            plan,
            name,
            detach: typed.detach,
            fresh: typed.fresh,
            clusters,
        })
    }
}

/// A name becomes the name of a directory, and a word on a command line.
fn check_name(name: &str) -> Result<(), Failure> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if !name.is_empty()
        && name.len() <= 64
        && name.chars().all(plain)
        && !name.starts_with(['.', '-'])
    {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "`{name}` cannot name a cluster: up to 64 letters, digits, `-`, `_` and `.`, beginning \
         with a letter or a digit"
    )))
}

/// Starts the balancer and the servers. In the foreground it shows what they report until Ctrl-C
/// or `down`; detached it returns once they are ready.
pub fn up(request: &UpRequest) -> Result<Outcome, Failure> {
    let name = request.name.as_str();
    let clusters = &request.clusters;
    let lock = clusters.lock(name)?;
    refuse_if_up(clusters, name)?;
    let dir = clusters.dir_of(name);
    if request.fresh {
        forget(&dir)?;
    }
    let formation = formation(request)?;
    let interrupt = Interrupt::install()?;
    let seed = match request.plan.seed {
        Some(seed) => seed,
        None => random_u64()?,
    };
    let mut spec = ClusterSpec::of_plan(&request.plan.cluster, dir.clone(), formation.id(), seed);
    // A plan's clients say what the plan tells them; here people chat.
    spec.clients.clear();
    let runtime = Runtime::local().map_err(|error| Failure::Cluster(error.to_string()))?;
    note(&format!(
        "starting the cluster `{name}`: a balancer and {}",
        count(spec.servers.into(), "server")
    ));
    let target = RealTarget::start(spec, runtime, interrupt.clone())?;
    let keeper = if request.detach {
        None
    } else {
        Identity::of(std::process::id())
    };
    let running = describe_running(&target, name, &request.plan.path, formation.id(), keeper);
    clusters.begin_record(&Beginning::now(&running))?;
    clusters.write(&running)?;

    if request.detach {
        let balancer = target.balancer_address();
        if let Err(error) = target.release() {
            clusters.remove(name)?;
            return Err(Failure::Cluster(error.to_string()));
        }
        note(&ready_words(
            clusters,
            name,
            &format!("balancer at {balancer}"),
        )?);
        return Ok(Outcome::Success);
    }
    drop(lock);
    note(&ready_words(clusters, name, "Ctrl-C stops it")?);
    let result = stay(target, &interrupt, name);
    // A `down` elsewhere removed it, and perhaps somebody started the name anew since.
    if clusters.read(name)?.as_ref() == Some(&running) {
        clusters.remove(name)?;
    }
    result
}

/// The state of a cluster whose processes `target` holds, and that ends with `keeper` if there is
/// one.
pub(super) fn describe_running(
    target: &RealTarget,
    name: &str,
    plan: &Path,
    cluster: u64,
    keeper: Option<Identity>,
) -> RunningCluster {
    let nodes = target
        .processes()
        .filter(|(spec, _, _)| !spec.takes_commands)
        .map(|(spec, address, process)| RunningNode {
            name: spec.name.clone(),
            address,
            dir: absolute(&spec.dir),
            arguments: spec.detached_arguments(),
            identity: process.identity(),
        })
        .collect();
    RunningCluster::new(
        name,
        &absolute(plan),
        cluster,
        target.balancer_address(),
        keeper,
        nodes,
    )
}

/// # Errors
/// The cluster runs already, wholly or in part. What is left of one that is dead is cleared away.
pub(super) fn refuse_if_up(clusters: &Clusters, name: &str) -> Result<(), Failure> {
    let Some(running) = clusters.read(name)? else {
        return Ok(());
    };
    let alive = running.processes();
    if alive.is_empty() {
        note(&format!(
            "the processes of an earlier cluster `{name}` are gone; starting it again"
        ));
        return clusters.remove(name);
    }
    let pids: Vec<String> = alive
        .iter()
        .map(|process| format!("{} {}", process.name(), process.pid()))
        .collect();
    Err(Failure::Cluster(format!(
        "the cluster `{name}` is up already, {} of {} processes ({}); `paxosctl chat --cluster \
         {name}` joins it, `paxosctl down {name}` stops it, `--name` starts another one",
        alive.len(),
        running.nodes.len(),
        pids.join(", ")
    )))
}

/// The identity of the cluster's disks: that of an earlier `up`, or a new one.
fn formation(request: &UpRequest) -> Result<Formation, Failure> {
    let (name, servers) = (request.name.as_str(), request.plan.cluster.servers);
    if let Some(earlier) = request.clusters.formation(name)? {
        if earlier.servers == servers {
            return Ok(earlier);
        }
        return Err(Failure::Usage(format!(
            "{} keeps the chat of {} servers, and the plan has {servers}; `--fresh` forgets that \
             chat, `--name` starts another cluster",
            request.clusters.dir_of(name).display(),
            earlier.servers
        )));
    }
    let formation = Formation::new(random_u64()?, servers);
    request.clusters.write_formation(name, &formation)?;
    Ok(formation)
}

/// Removes everything of a cluster but its lock.
fn forget(dir: &Path) -> Result<(), Failure> {
    let entries = fs::read_dir(dir).map_err(|error| Failure::file("read", dir, error))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            fs::remove_dir_all(&path).map_err(|error| Failure::file("remove", &path, error))?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            fs::remove_file(&path).map_err(|error| Failure::file("remove", &path, error))?;
        }
    }
    Ok(())
}

fn ready_words(clusters: &Clusters, name: &str, first: &str) -> Result<String, Failure> {
    // With one cluster no command needs its name.
    let alone = clusters.all()?.len() == 1;
    let (chat, other) = if alone {
        (String::new(), String::new())
    } else {
        (format!(" --cluster {name}"), format!(" {name}"))
    };
    Ok(format!(
        "the cluster `{name}` is ready ({first})\n  paxosctl chat{chat} --name YOU\n  paxosctl \
         ps{other}\n  paxosctl down{other}"
    ))
}

/// Shows what the nodes report until Ctrl-C, or until all of them are gone.
fn stay(mut target: RealTarget, interrupt: &Interrupt, name: &str) -> Result<Outcome, Failure> {
    let _words = show_words(&target)?;
    loop {
        for observation in target.poll(target.now() + LOOK_EVERY) {
            show(&observation);
        }
        if interrupt.is_set() {
            break;
        }
        if !target.any_running() {
            note(&format!(
                "the cluster `{name}` is down: every process ended"
            ));
            return Ok(Outcome::Success);
        }
    }
    note(&format!("stopping the cluster `{name}`"));
    if let Err(leftovers) = target.tear_down() {
        let lines: Vec<String> = leftovers.iter().map(ToString::to_string).collect();
        return Err(Failure::Cluster(lines.join("\n")));
    }
    note(&format!("the cluster `{name}` is down"));
    // Ctrl-C is how a foreground cluster is meant to be stopped; a script still wants to know.
    interrupt.check()?;
    Ok(Outcome::Success)
}

/// Passes on what the nodes say on standard error.
fn show_words(target: &RealTarget) -> Result<Watcher<String>, Failure> {
    let watch = || {
        let mut watcher = Watcher::start(|node: &String, tail| {
            let read = tail.read(|line| {
                note(&format!("{node:<9}| {}", String::from_utf8_lossy(line)));
            });
            read.is_ok()
        })?;
        for (spec, _, _) in target.processes() {
            let path = spec.dir.join(STDERR_FILE);
            watcher.follow(spec.name.clone(), Tail::from_end(&path)?, &path);
        }
        Ok(watcher)
    };
    watch().map_err(|error: std::io::Error| {
        Failure::Cluster(format!("cannot watch the nodes' words: {error}"))
    })
}

fn show(observation: &Observation) {
    match observation {
        Observation::Node { node, event } => {
            if let Some(words) = describe(&event.event) {
                note(&format!("{node:<9}| {words}"));
            }
        }
        Observation::Died { node, status, .. } | Observation::Fell { node, status, .. } => {
            note(&format!("{node:<9}| ended: {status}"));
        }
        Observation::Log { .. } => {}
    }
}

/// State outlives the working directory of the command that wrote it.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_make_no_good_directories_are_refused() {
        for name in ["chat", "a.b_c-1", "7"] {
            check_name(name).expect("fine");
        }
        for name in ["", ".", "..", ".hidden", "-x", "a/b", "a b", "ä"] {
            assert_eq!(check_name(name).expect_err(name).code(), 2);
        }
    }
}
