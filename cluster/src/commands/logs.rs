//! `logs`: what the nodes of a cluster reported, in words.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use paxosctl_chaos::history::node_event;
use paxosctl_node::event::NodeEvent;

use super::words::describe;
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::print;
use crate::runtime::{EVENTS_FILE, STDERR_FILE, Tail, Watcher};
use crate::state::Clusters;

#[derive(Debug)]
pub struct LogsRequest {
    /// One node only.
    pub node: Option<String>,
    pub follow: bool,
    pub cluster: Option<String>,
    pub clusters: Clusters,
}

/// Which of a node's two files a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Events,
    Words,
}

/// Prints the nodes' events by time, then what each said on standard error, which has no times.
/// Following, everything is printed as it comes.
pub fn logs(request: &LogsRequest) -> Result<Outcome, Failure> {
    let mut nodes = node_dirs(request)?;
    if let Some(wanted) = &request.node {
        let names: Vec<String> = nodes.iter().map(|(name, _)| name.clone()).collect();
        nodes.retain(|(name, _)| name == wanted);
        if nodes.is_empty() {
            return Err(Failure::Usage(format!(
                "there is no node `{wanted}`; there are {}",
                names.join(", ")
            )));
        }
    }
    let mut tails = Vec::new();
    let mut events = Vec::new();
    let mut words = Vec::new();
    for (name, dir) in &nodes {
        for (source, file) in [(Source::Events, EVENTS_FILE), (Source::Words, STDERR_FILE)] {
            let path = dir.join(file);
            let mut read = || {
                let mut tail = Tail::from_start(&path)?;
                tail.read(|line| match source {
                    Source::Events => events.extend(event_of(line).map(|event| (name, event))),
                    Source::Words => words.push(word_line(name, line)),
                })?;
                Ok::<Tail, std::io::Error>(tail)
            };
            match read() {
                Ok(tail) => tails.push(((name.clone(), source), tail, path)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Failure::file("read", &path, error)),
            }
        }
    }
    events.sort_by_key(|(_, event)| event.at_us);
    let start_us = events.first().map_or(0, |(_, event)| event.at_us);
    let mut text: String = events
        .iter()
        .filter_map(|(name, event)| event_line(name, event, start_us))
        .collect();
    text.extend(words);
    print(&text)?;
    if request.follow {
        follow(tails, start_us)?;
    }
    Ok(Outcome::Success)
}

/// Prints what comes until Ctrl-C.
fn follow(tails: Vec<((String, Source), Tail, PathBuf)>, start_us: u64) -> Result<(), Failure> {
    let interrupt = Interrupt::install()?;
    let (sender, lines) = channel();
    let watch = || {
        let mut watcher = Watcher::start(move |(name, source): &(String, Source), tail| {
            let mut text = String::new();
            let read = tail.read(|line| match source {
                Source::Events => {
                    let line = event_of(line).and_then(|event| event_line(name, &event, start_us));
                    text.extend(line);
                }
                Source::Words => text.push_str(&word_line(name, line)),
            });
            read.is_ok() && sender.send(text).is_ok()
        })?;
        for (key, tail, path) in tails {
            watcher.follow(key, tail, &path);
        }
        Ok(watcher)
    };
    let _watcher = watch().map_err(|error: std::io::Error| {
        Failure::Cluster(format!("cannot watch the nodes' files: {error}"))
    })?;
    while !interrupt.is_set() {
        if let Ok(text) = lines.recv_timeout(Duration::from_millis(100)) {
            print(&text)?;
        }
    }
    Ok(())
}

/// The nodes and their directories: of a cluster that is up, or of the named one that was.
fn node_dirs(request: &LogsRequest) -> Result<Vec<(String, PathBuf)>, Failure> {
    let how = "paxosctl logs --cluster NAME";
    if let Some(cluster) = request.clusters.pick(request.cluster.as_deref(), how)? {
        let nodes = cluster.nodes.into_iter();
        return Ok(nodes.map(|node| (node.name, node.dir)).collect());
    }
    let Some(name) = &request.cluster else {
        return Err(Failure::Usage(format!(
            "nothing is running; name a cluster that was up: `{how}`"
        )));
    };
    let nodes = dirs_with_events(&request.clusters.dir_of(name));
    if nodes.is_empty() {
        return Err(Failure::Usage(format!("there is no cluster `{name}` here")));
    }
    Ok(nodes)
}

fn dirs_with_events(dir: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut nodes: Vec<(String, PathBuf)> = entries
        .flatten()
        .filter(|entry| entry.path().join(EVENTS_FILE).is_file())
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect();
    nodes.sort();
    nodes
}

/// None for half a line, which a killed node may leave.
fn event_of(line: &[u8]) -> Option<NodeEvent> {
    node_event(line).ok()
}

fn event_line(name: &str, event: &NodeEvent, start_us: u64) -> Option<String> {
    let seconds = event.at_us.saturating_sub(start_us) as f64 / 1e6;
    let words = describe(&event.event)?;
    Some(format!("{name:<9}| {seconds:9.3}s  {words}\n"))
}

fn word_line(name: &str, line: &[u8]) -> String {
    format!("{name:<9}| {}\n", String::from_utf8_lossy(line))
}
