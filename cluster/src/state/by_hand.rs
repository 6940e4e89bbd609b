//! What was broken by hand on a cluster that is up.
//!
//! Two files in the cluster's directory. `by_hand.json` is there while something is broken by hand,
//! and holds what is in force. `faults.jsonl` says what was done since the cluster was ready, one
//! JSON object a line; it outlives `down`, and the next `up` begins it anew.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use paxosctl_chaos::history::micros;
use paxosctl_chaos::target::Change;
use paxosctl_node::link::Rule;
use serde::{Deserialize, Serialize};

use super::cluster::{Clusters, RunningCluster, RunningNode, VERSION, read_json, write_json};
use crate::clock::{monotonic, unix_ms};
use crate::exit::Failure;
use crate::real::BALANCER;

const IN_FORCE_FILE: &str = "by_hand.json";
const RECORD_FILE: &str = "faults.jsonl";

/// What is broken by hand, and not healed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    version: u32,
    /// How many faults there were so far: they are called `h1`, `h2`, …
    pub faults: u64,
    pub links: Vec<DisturbedLinks>,
    /// Nodes that were killed or stopped by hand.
    pub down: Vec<String>,
}

/// Links that one fault disturbs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DisturbedLinks {
    /// `h3`; the rules have the same id.
    pub fault: String,
    /// `delay s1<->s2 by 150ms`.
    pub words: String,
    pub rules: Vec<Rule>,
}

/// What was typed, as an item of a plan's faults has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypedFault {
    /// `kill`, `delay`, …
    pub verb: String,
    /// A target, a link, or groups.
    pub on: String,
    /// What a link fault says beside its link, such as `by`, or the mode; none for other verbs.
    pub options: Option<Vec<(String, String)>>,
}

/// A line of `faults.jsonl`. Times are microseconds since the cluster was ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// The first line: whose faults these are.
    Cluster(Beginning),
    Break {
        at_us: u64,
        done_us: u64,
        fault: String,
        typed: TypedFault,
        /// As the run loop says it: `kill leader`.
        words: String,
        /// The nodes or links that the target turned out to be.
        resolved: Vec<String>,
        /// Who led just before.
        leader: Option<String>,
        changes: Vec<Change>,
    },
    Heal {
        at_us: u64,
        done_us: u64,
        words: String,
        /// The link faults that are over by this.
        links: Vec<String>,
        changes: Vec<Change>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beginning {
    pub version: u32,
    pub name: String,
    pub plan: PathBuf,
    pub servers: u16,
    /// When the cluster was ready, on the machine's monotonic clock.
    pub ready_us: u64,
    /// The same by the wall clock, in milliseconds since the Unix epoch.
    pub ready_ms: u64,
}

impl Beginning {
    /// The cluster is ready now.
    pub fn now(cluster: &RunningCluster) -> Beginning {
        let is_server = |node: &&RunningNode| node.name != BALANCER;
        let servers = cluster.nodes.iter().filter(is_server).count();
        Beginning {
            version: VERSION,
            name: cluster.name.clone(),
            plan: cluster.plan.clone(),
            servers: u16::try_from(servers).unwrap_or(u16::MAX),
            ready_us: micros(monotonic()),
            ready_ms: unix_ms(),
        }
    }
}

impl TypedFault {
    /// The verb and what it acts on, as YAML: `kill: "leader"`, `delay: {link: "s1->s2", by:
    /// "150ms"}`. Several links become a list.
    pub fn yaml(&self, on: &[String]) -> String {
        let quoted = |text: &str| serde_json::to_string(text).expect("text is JSON");
        let list = |items: &[String]| match items {
            [one] => quoted(one),
            several => format!(
                "[{}]",
                several
                    .iter()
                    .map(|item| quoted(item))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        };
        let options = match &self.options {
            None => return format!("{}: {}", self.verb, list(on)),
            Some(options) if self.verb == "mode" => {
                let modes = options.iter().map(|(_, mode)| quoted(mode));
                let mode = modes.collect::<String>();
                return format!("mode: {{{}: {mode}}}", quoted(&on.join(",")));
            }
            Some(options) => options,
        };
        let mut text = format!("{}: {{link: {}", self.verb, list(on));
        for (key, value) in options {
            let value = if key == "kinds" {
                let kinds: Vec<String> = value.split(',').map(str::to_owned).collect();
                list(&kinds)
            } else {
                quoted(value)
            };
            text += &format!(", {key}: {value}");
        }
        text + "}"
    }
}

impl Record {
    /// What was observed.
    pub fn changes(&self) -> &[Change] {
        match self {
            Record::Cluster(_) => &[],
            Record::Break { changes, .. } | Record::Heal { changes, .. } => changes,
        }
    }

    pub fn at_us(&self) -> u64 {
        match self {
            Record::Cluster(_) => 0,
            Record::Break { at_us, .. } | Record::Heal { at_us, .. } => *at_us,
        }
    }
}

impl InForce {
    /// The name of the next fault.
    pub fn next_fault(&mut self) -> String {
        self.faults += 1;
        format!("h{}", self.faults)
    }

    /// All rules together, for a link table.
    pub fn rules(&self) -> Vec<Rule> {
        let links = self.links.iter();
        links.flat_map(|links| links.rules.clone()).collect()
    }
}

impl Clusters {
    /// # Errors
    /// The file cannot be read, or was written by another version.
    pub fn in_force(&self, name: &str) -> Result<InForce, Failure> {
        Ok(read_json(&self.dir_of(name).join(IN_FORCE_FILE))?.unwrap_or_default())
    }

    /// # Errors
    /// The file cannot be written.
    pub fn write_in_force(&self, name: &str, in_force: &InForce) -> Result<(), Failure> {
        let versioned = InForce {
            version: VERSION,
            ..in_force.clone()
        };
        write_json(&self.dir_of(name).join(IN_FORCE_FILE), &versioned)
    }

    /// Begins the record of what is done by hand to a cluster that is ready now.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn begin_record(&self, beginning: &Beginning) -> Result<(), Failure> {
        let dir = self.dir_of(&beginning.name);
        self.forget_in_force(&beginning.name)?;
        let path = dir.join(RECORD_FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::file("remove", &path, error));
            }
            _ => {}
        }
        append(&path, &Record::Cluster(beginning.clone()))
    }

    /// # Errors
    /// The file cannot be written.
    pub fn record(&self, name: &str, record: &Record) -> Result<(), Failure> {
        append(&self.dir_of(name).join(RECORD_FILE), record)
    }

    /// What was done by hand to the cluster since it was ready; none when no cluster of this name
    /// ever was.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn records(&self, name: &str) -> Result<Option<(Beginning, Vec<Record>)>, Failure> {
        let path = self.dir_of(name).join(RECORD_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::file("read", &path, error)),
        };
        let damaged = |what: &str| Failure::Cluster(format!("{} {what}", path.display()));
        let mut records = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let record = serde_json::from_str(line)
                .map_err(|error| damaged(&format!("is damaged in line {}: {error}", number + 1)))?;
            records.push(record);
        }
        if records.is_empty() {
            return Err(damaged("is empty"));
        }
        match records.remove(0) {
            Record::Cluster(beginning) if beginning.version == VERSION => {
                Ok(Some((beginning, records)))
            }
            _ => Err(damaged("was written by another version of paxosctl")),
        }
    }

    /// The names of all clusters that have a record, up or down.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn recorded(&self) -> Result<Vec<String>, Failure> {
        let mut names = self.names()?;
        names.retain(|name| self.dir_of(name).join(RECORD_FILE).is_file());
        Ok(names)
    }

    /// Nothing is broken by hand any more.
    pub(super) fn forget_in_force(&self, name: &str) -> Result<(), Failure> {
        let path = self.dir_of(name).join(IN_FORCE_FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::file("remove", &path, error))
            }
            _ => Ok(()),
        }
    }
}

fn append(path: &Path, record: &Record) -> Result<(), Failure> {
    let mut line = serde_json::to_vec(record).expect("a record is JSON");
    line.push(b'\n');
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(&line)
    };
    write().map_err(|error| Failure::file("write", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(verb: &str, options: Option<&[(&str, &str)]>) -> TypedFault {
        TypedFault {
            verb: verb.into(),
            on: "leader".into(),
            options: options.map(|options| {
                let options = options.iter();
                options
                    .map(|(key, value)| (key.to_string(), value.to_string()))
                    .collect()
            }),
        }
    }

    #[test]
    fn what_was_typed_is_an_item_of_a_plan() {
        let one = ["s1".to_owned()];
        assert_eq!(typed("kill", None).yaml(&one), "kill: \"s1\"");
        let mode = typed("mode", Some(&[("mode", "a:5")]));
        assert_eq!(mode.yaml(&one), "mode: {\"s1\": \"a:5\"}");
        let delay = typed("delay", Some(&[("by", "5ms"), ("kinds", "accept,commit")]));
        let links = ["s1->s2".to_owned(), "s2->s1".to_owned()];
        assert_eq!(
            delay.yaml(&links),
            "delay: {link: [\"s1->s2\", \"s2->s1\"], by: \"5ms\", kinds: [\"accept\", \"commit\"]}"
        );
    }

    #[test]
    fn what_is_done_is_read_back_and_begins_anew_with_the_cluster() {
        let home = tempfile::tempdir().expect("temp dir");
        let clusters = Clusters::new(home.path());
        assert_eq!(clusters.records("chat").expect("readable"), None);
        fs::create_dir_all(clusters.dir_of("chat")).expect("directory");
        let beginning = Beginning {
            version: VERSION,
            name: "chat".into(),
            plan: "plan.yaml".into(),
            servers: 3,
            ready_us: 7,
            ready_ms: 8,
        };
        clusters.begin_record(&beginning).expect("begun");
        let record = Record::Heal {
            at_us: 1,
            done_us: 2,
            words: "heal".into(),
            links: vec!["h1".into()],
            changes: vec![Change::Resumed { node: "s1".into() }],
        };
        clusters.record("chat", &record).expect("recorded");
        let mut in_force = InForce::default();
        assert_eq!(in_force.next_fault(), "h1");
        clusters.write_in_force("chat", &in_force).expect("written");
        assert_eq!(clusters.in_force("chat").expect("readable").faults, 1);
        let read = clusters.records("chat").expect("readable");
        assert_eq!(read, Some((beginning.clone(), vec![record])));
        clusters.begin_record(&beginning).expect("begun");
        let read = clusters.records("chat").expect("readable");
        assert_eq!(read, Some((beginning, Vec::new())));
        assert_eq!(clusters.in_force("chat").expect("none").faults, 0);
    }
}
