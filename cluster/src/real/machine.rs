//! Faults of servers' disks and clocks: tables for those that run, changed files for those that do
//! not.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use paxosctl_chaos::plan::{Damage, Place};
use paxosctl_chaos::target::{Change, Observation, TargetError};
use paxosctl_node::machine::{Machine, MachineRule};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::actions::{never_started, nothing};
use super::node::Node;
use super::tables::Table;
use super::{RealTarget, failed};
use crate::runtime::{MACHINE_FILE, NodeSpec, RuntimeError, replace_file};

/// How near the start or the end of a log is.
const NEAR_BYTES: u64 = 64;

/// What was last written for each server that ever had a machine table.
#[derive(Debug, Default)]
pub(super) struct Machines {
    generation: u64,
    tables: BTreeMap<String, Machine>,
}

impl Machines {
    /// The rule that ended the server, if it reported that one struck which does that.
    pub fn deadly(&self, node: &str, struck: &[String]) -> Option<String> {
        let rules = self.deadly_rules(node);
        rules
            .map(|rule| &rule.id)
            .find(|id| struck.contains(id))
            .cloned()
    }

    /// Whether something is in force that may end the server.
    pub fn may_end(&self, node: &str) -> bool {
        self.deadly_rules(node).next().is_some()
    }

    fn deadly_rules(&self, node: &str) -> impl Iterator<Item = &MachineRule> {
        let rules = self
            .tables
            .get(node)
            .into_iter()
            .flat_map(|table| &table.rules);
        rules.filter(|rule| rule.what.is_deadly())
    }

    /// What strikes once is over: the next process must not find it.
    fn struck(&mut self, node: &str, id: &str) {
        if let Some(table) = self.tables.get_mut(node) {
            table
                .rules
                .retain(|rule| rule.id != id || !rule.what.is_over_once_it_struck());
        }
    }

    /// The tables that change, under the next generation.
    fn next(&mut self, rules: &[MachineRule]) -> Vec<String> {
        let mut wanted: BTreeMap<&str, Vec<MachineRule>> = BTreeMap::new();
        for node in self.tables.keys() {
            wanted.insert(node, Vec::new());
        }
        for rule in rules {
            wanted.entry(&rule.node).or_default().push(rule.clone());
        }
        let changed: Vec<(String, Vec<MachineRule>)> = wanted
            .into_iter()
            .filter(|(node, rules)| {
                let now = self.tables.get(*node).map_or(&[][..], |table| &table.rules);
                now != rules
            })
            .map(|(node, rules)| (node.to_owned(), rules))
            .collect();
        self.generation += 1;
        let generation = self.generation;
        let mut names = Vec::new();
        for (node, rules) in changed {
            names.push(node.clone());
            self.tables.insert(node, Machine { generation, rules });
        }
        names
    }
}

impl RealTarget {
    /// Writes the table of a server that ever had one.
    pub(super) fn write_machine(&self, spec: &NodeSpec) -> Result<(), RuntimeError> {
        let Some(table) = self.machines.tables.get(&spec.name) else {
            return Ok(());
        };
        let json = serde_json::to_vec(table).expect("a machine table is JSON");
        replace_file(&spec.dir.join(MACHINE_FILE), &json)
    }

    /// Puts the rules in force: written for every server of which something changes, and confirmed
    /// by each of them that runs.
    pub(super) fn set_machines(
        &mut self,
        rules: &[MachineRule],
    ) -> Result<Vec<Change>, TargetError> {
        let names = self.machines.next(rules);
        let generation = self.machines.generation;
        for name in &names {
            if let Some(node) = self.find(name) {
                node.seen.machine_refused = None;
                let spec = node.spec.clone();
                self.write_machine(&spec).map_err(failed)?;
            }
        }
        let table = Table {
            what: "machine table",
            generation,
            in_force: Node::machine_in_force,
            refused: |node| node.seen.machine_refused.as_deref(),
            loaded: |node, generation| Change::Machine { node, generation },
            later: |node, generation| Change::MachineLater { node, generation },
        };
        self.load(&names, &table)
    }

    /// Changes the disks of servers that are down.
    pub(super) fn damage(&mut self, names: &[String], damage: Damage, seed: u64) -> Vec<Change> {
        names
            .iter()
            .zip(0..)
            .map(|(name, number)| {
                let Some(node) = self.find(name) else {
                    return never_started(name);
                };
                if !node.is_down() {
                    return nothing(name, "it runs, and its disk is left alone");
                }
                let log = node.spec.dir.join("log");
                let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(number));
                let changed = match damage {
                    Damage::Wipe => wipe(name, &log),
                    Damage::FlipByte { place } => flip(name, &log, place, &mut rng),
                };
                changed.unwrap_or_else(|error| {
                    nothing(name, &format!("cannot change {}: {error}", log.display()))
                })
            })
            .collect()
    }

    /// The observation for a server whose end its machine's troubles explain.
    pub(super) fn fallen(
        &mut self,
        node: &str,
        status: &str,
        struck: &[String],
    ) -> Option<Observation> {
        let rule = self.machines.deadly(node, struck)?;
        self.machines.struck(node, &rule);
        Some(Observation::Fell {
            node: node.to_owned(),
            status: status.to_owned(),
            rule,
        })
    }
}

fn wipe(name: &str, log: &Path) -> io::Result<Change> {
    let bytes = segments(log)?.iter().map(|(_, length)| length).sum();
    fs::remove_dir_all(log)?;
    if let Some(parent) = log.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(Change::Wiped {
        node: name.to_owned(),
        bytes,
    })
}

/// Changes one byte of the log to another value.
fn flip(name: &str, log: &Path, place: Place, rng: &mut ChaCha8Rng) -> io::Result<Change> {
    let segments = segments(log)?;
    let total: u64 = segments.iter().map(|(_, length)| length).sum();
    if total == 0 {
        return Ok(nothing(name, "its log is empty"));
    }
    let near = NEAR_BYTES.min(total);
    let mut at = match place {
        Place::Anywhere => rng.random_range(0..total),
        Place::Start => rng.random_range(0..near),
        Place::Middle => rng.random_range(total / 4..=total - 1 - total / 4),
        Place::End => rng.random_range(total - near..total),
    };
    for (file, length) in segments {
        if at >= length {
            at -= length;
            continue;
        }
        let path = log.join(&file);
        let open = OpenOptions::new().read(true).write(true).open(&path)?;
        let mut byte = [0];
        open.read_exact_at(&mut byte, at)?;
        let from = byte[0];
        let to = from ^ rng.random_range(1..=u8::MAX);
        open.write_all_at(&[to], at)?;
        open.sync_all()?;
        return Ok(Change::Flipped {
            node: name.to_owned(),
            file,
            offset: at,
            from,
            to,
        });
    }
    Ok(nothing(name, "its log changed meanwhile"))
}

/// The files of a log and their lengths, in their order.
fn segments(log: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(log)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && name.ends_with(".log")
        {
            files.push((name, entry.metadata()?.len()));
        }
    }
    files.sort_unstable();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_changes_one_byte_where_it_was_told_to() {
        let dir = tempfile::tempdir().expect("a directory");
        let write = || {
            fs::write(dir.path().join("00000001.log"), [7; 300]).expect("written");
            fs::write(dir.path().join("00000002.log"), [7; 100]).expect("written");
        };
        for seed in 0..200 {
            for (place, range) in [
                (Place::Anywhere, 0..400),
                (Place::Start, 0..64),
                (Place::Middle, 100..300),
                (Place::End, 336..400),
            ] {
                write();
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let change = flip("s1", dir.path(), place, &mut rng).expect("changed");
                let mut all = fs::read(dir.path().join("00000001.log")).expect("read");
                all.extend(fs::read(dir.path().join("00000002.log")).expect("read"));
                let changed: Vec<usize> = (0..400).filter(|&at| all[at] != 7).collect();
                assert_eq!(changed.len(), 1);
                assert!(range.contains(&changed[0]), "{place:?} {changed:?}");
                let Change::Flipped {
                    file,
                    offset,
                    from,
                    to,
                    ..
                } = change
                else {
                    panic!("{change:?}");
                };
                let base = if file == "00000001.log" { 0 } else { 300 };
                assert_eq!(base + offset as usize, changed[0]);
                assert_eq!((from, to), (7, all[changed[0]]));
            }
        }
    }

    #[test]
    fn only_servers_of_which_something_changes_get_a_new_table() {
        let rule = |node: &str, id: &str| MachineRule {
            id: id.into(),
            node: node.into(),
            what: paxosctl_node::machine::Trouble::FailSync,
        };
        let mut machines = Machines::default();
        assert_eq!(
            machines.next(&[rule("s1", "f1"), rule("s2", "f2")]),
            ["s1", "s2"]
        );
        assert_eq!(
            machines.next(&[rule("s1", "f1"), rule("s3", "f3")]),
            ["s2", "s3"]
        );
        assert_eq!(machines.tables["s1"].generation, 1);
        assert_eq!(machines.tables["s2"].generation, 2);
        assert!(machines.may_end("s3") && !machines.may_end("s2"));
        let struck = ["f1".to_owned()];
        assert_eq!(machines.deadly("s1", &struck), Some("f1".into()));
        assert_eq!(machines.deadly("s3", &struck), None);
        machines.struck("s1", "f1");
        assert!(!machines.may_end("s1"));
        assert_eq!(machines.next(&[rule("s3", "f3")]), Vec::<String>::new());
    }
}
