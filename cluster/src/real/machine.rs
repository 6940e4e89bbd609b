//! Faults of servers' disks and clocks: tables for those that run, changed files for those that do
//! not.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use paxosctl_chaos::plan::{Damage, Place};
use paxosctl_chaos::target::{self, Change, Observation, TargetError};
use paxosctl_node::machine::MachineRule;

use super::node::Node;
use super::tables::Table;
use super::{RealTarget, failed};
use crate::runtime::{MACHINE_FILE, NodeSpec, RuntimeError, replace_file};

impl RealTarget {
    /// Writes the table of a server that ever had one.
    pub(super) fn write_machine(&self, spec: &NodeSpec) -> Result<(), RuntimeError> {
        let Some(table) = self.machines.table(&spec.name) else {
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
        let names = self.machines.replace(rules);
        let generation = self.machines.generation();
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
                    return Change::never_started(name);
                };
                if !node.is_down() {
                    return Change::nothing(name, "it runs, and its disk is left alone");
                }
                let log = node.spec.dir.join("log");
                let changed = match damage {
                    Damage::Wipe => wipe(name, &log),
                    Damage::FlipByte { place } => {
                        flip(name, &log, place, seed.wrapping_add(number))
                    }
                };
                changed.unwrap_or_else(|error| {
                    Change::nothing(name, &format!("cannot change {}: {error}", log.display()))
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
fn flip(name: &str, log: &Path, place: Place, seed: u64) -> io::Result<Change> {
    let Some(flip) = target::flip(&segments(log)?, place, seed) else {
        return Ok(Change::nothing(name, "its log is empty"));
    };
    let path = log.join(&flip.file);
    let open = OpenOptions::new().read(true).write(true).open(&path)?;
    let mut byte = [0];
    open.read_exact_at(&mut byte, flip.offset)?;
    let from = byte[0];
    let to = from ^ flip.mask;
    open.write_all_at(&[to], flip.offset)?;
    open.sync_all()?;
    Ok(Change::Flipped {
        node: name.to_owned(),
        file: flip.file,
        offset: flip.offset,
        from,
        to,
    })
}

/// The files of a log and how much of each is written, in their order.
fn segments(log: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(log)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && name.ends_with(".log")
        {
            files.push((name, target::written_bytes(&fs::read(entry.path())?)));
        }
    }
    files.sort_unstable();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_changes_one_byte() {
        let dir = tempfile::tempdir().expect("a directory");
        for seed in 0..50 {
            // Blank space follows.
            let first = [[7; 300], [0; 300]].concat();
            fs::write(dir.path().join("00000001.log"), first).expect("written");
            fs::write(dir.path().join("00000002.log"), [7; 100]).expect("written");
            let change = flip("s1", dir.path(), Place::Anywhere, seed).expect("changed");
            let mut all = fs::read(dir.path().join("00000001.log")).expect("read");
            assert!(all.drain(300..).all(|byte| byte == 0));
            all.extend(fs::read(dir.path().join("00000002.log")).expect("read"));
            let changed: Vec<usize> = (0..400).filter(|&at| all[at] != 7).collect();
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
            assert_eq!(changed, [base + offset as usize]);
            assert_eq!((from, to), (7, all[changed[0]]));
        }
    }
}
