//! A server's directory as the place of its log.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::machine::LoadedMachine;
use super::real_disk::RealDisk;
use super::reporter::Reporter;
use super::{NodeError, OnDamage, ServerConfig};
use crate::log::{
    Disk, DiskError, DiskOperation, Identity, LogLimits, LogPlace, Opened, SetAside,
    open_or_set_aside,
};

/// The log's directory in the server's.
const LOG: &str = "log";
/// A log that was set aside, before its number.
const SET_ASIDE: &str = "log.damaged-";

/// A server's directory.
struct Directory<'a> {
    config: &'a ServerConfig,
    machine: &'a LoadedMachine,
}

impl LogPlace for Directory<'_> {
    fn open(&self) -> Result<Arc<dyn Disk>, DiskError> {
        let disk = RealDisk::open(&self.config.dir.join(LOG))?;
        Ok(Arc::new(self.machine.disk(disk)))
    }

    fn set_aside(&self) -> Result<String, DiskError> {
        set_aside(&self.config.dir).map(|to| to.display().to_string())
    }

    fn has_damaged(&self) -> Result<bool, DiskError> {
        Ok(!damaged_logs(&self.config.dir)?.is_empty())
    }
}

/// Opens the log; see [`open_or_set_aside`].
pub fn open_log(
    config: &ServerConfig,
    machine: &LoadedMachine,
    reporter: Reporter,
) -> Result<Opened, NodeError> {
    let identity = Identity {
        cluster: config.cluster,
        server: config.server,
        servers: config.members.len() as u16,
    };
    // Alone it has nobody to learn from.
    let may_repair = config.on_damage == OnDamage::Repair && config.members.len() > 1;
    let place = Directory { config, machine };
    let mut tell = |set_aside: SetAside| {
        reporter.say(&set_aside);
        reporter.event(set_aside.event());
    };
    let opened = open_or_set_aside(
        &place,
        identity,
        LogLimits::default(),
        may_repair,
        &mut rand::random,
        &mut tell,
    )?;
    Ok(opened)
}

/// Gives the log's directory another name, durably. A crash in between leaves a damaged log, which
/// is found again, or none.
fn set_aside(dir: &Path) -> Result<PathBuf, DiskError> {
    let from = dir.join(LOG);
    let failed = |error: &io::Error| {
        DiskError::new(DiskOperation::SetAside, from.display().to_string(), error)
    };
    let number = damaged_logs(dir)?.into_iter().max().unwrap_or(0) + 1;
    let to = dir.join(format!("{SET_ASIDE}{number}"));
    fs::rename(&from, &to)
        .and_then(|()| File::open(dir)?.sync_all())
        .map_err(|error| failed(&error))?;
    Ok(to)
}

/// The numbers of the logs that were set aside. A directory that cannot be read says nothing of
/// them, and must not pass for one without any: the server would vote.
fn damaged_logs(dir: &Path) -> Result<Vec<u32>, DiskError> {
    let failed =
        |error: &io::Error| DiskError::new(DiskOperation::List, dir.display().to_string(), error);
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| failed(&error))? {
        let name = entry.map_err(|error| failed(&error))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(SET_ASIDE));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::ids::{Ballot, ServerId};
    use crate::log::{LogError, Record};

    fn config(dir: &Path, on_damage: OnDamage) -> ServerConfig {
        ServerConfig {
            cluster: 9,
            server: ServerId(1),
            members: (1..=3)
                .map(|id| (ServerId(id), ([127, 0, 0, 1], id).into()))
                .collect(),
            balancer: ([127, 0, 0, 1], 2).into(),
            dir: dir.to_owned(),
            first_leader: None,
            seed: 1,
            mode: None,
            on_damage,
        }
    }

    fn open(config: &ServerConfig) -> Result<Opened, NodeError> {
        let machine = LoadedMachine::begin("s1", &config.dir, Reporter);
        open_log(config, &machine, Reporter)
    }

    /// A log with a promise in it, of which some byte is changed.
    fn damaged(dir: &Path) -> u64 {
        let mut opened = open(&config(dir, OnDamage::Stop)).unwrap();
        let ballot = Ballot::new(7, ServerId(1));
        opened
            .writer
            .commit(&[Record::Promised { ballot }])
            .unwrap();
        let file = dir.join("log/00000001.log");
        let mut bytes = fs::read(&file).unwrap();
        // In the payload of the first group.
        bytes[48 + 28] ^= 0x10;
        fs::write(&file, bytes).unwrap();
        opened.recovered.incarnation
    }

    #[test]
    fn a_damaged_log_is_kept_and_a_new_one_begun_that_remembers_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for number in 1..=2 {
            let old = damaged(dir.path());
            let changed = fs::read(dir.path().join("log/00000001.log")).unwrap();
            let opened = open(&config(dir.path(), OnDamage::Repair)).unwrap();
            assert_ne!(opened.recovered.incarnation, old);
            assert_eq!(opened.recovered.promised, Ballot::ZERO);
            assert!(!opened.recovered.formed && opened.recovered.lost);
            let kept = dir
                .path()
                .join(format!("log.damaged-{number}/00000001.log"));
            assert_eq!(fs::read(kept).unwrap(), changed);
            drop(opened);
            // It knows for ever.
            let again = open(&config(dir.path(), OnDamage::Repair)).unwrap();
            assert!(again.recovered.lost);
        }
    }

    /// Two processes that were started at once: one of them gets the log. The other must not set the
    /// new log aside, too, under the feet of the first.
    #[test]
    fn of_two_processes_at_once_one_sets_the_log_aside() {
        for _ in 0..100 {
            let dir = tempfile::tempdir().unwrap();
            damaged(dir.path());
            let both = Barrier::new(2);
            let begin = || {
                both.wait();
                let opened = open(&config(dir.path(), OnDamage::Repair));
                // Neither ends before both have tried.
                both.wait();
                opened.map(|opened| opened.recovered.lost)
            };
            let results = thread::scope(|scope| {
                let other = scope.spawn(begin);
                [begin(), other.join().unwrap()]
            });
            let opened = results.iter().filter(|result| matches!(result, Ok(true)));
            assert_eq!(opened.count(), 1, "{results:?}");
            assert_eq!(damaged_logs(dir.path()).unwrap(), [1]);
        }
    }

    #[test]
    fn a_process_that_died_when_it_had_set_the_log_aside_is_carried_on() {
        let dir = tempfile::tempdir().unwrap();
        damaged(dir.path());
        set_aside(dir.path()).unwrap();
        assert!(
            open(&config(dir.path(), OnDamage::Stop))
                .unwrap()
                .recovered
                .lost
        );
    }

    #[test]
    fn what_was_set_aside_is_never_overlooked() {
        let dir = tempfile::tempdir().unwrap();
        assert!(damaged_logs(dir.path()).unwrap().is_empty());
        let error = damaged_logs(&dir.path().join("away")).unwrap_err();
        assert_eq!(error.kind, io::ErrorKind::NotFound);
    }

    #[test]
    fn a_server_alone_has_nobody_to_learn_from_and_stops() {
        let dir = tempfile::tempdir().unwrap();
        let mut alone = config(dir.path(), OnDamage::Repair);
        alone.members.truncate(1);
        drop(open(&alone).unwrap());
        let file = dir.path().join("log/00000001.log");
        let mut bytes = fs::read(&file).unwrap();
        bytes[20] ^= 1;
        fs::write(&file, bytes).unwrap();
        assert!(matches!(
            open(&alone),
            Err(NodeError::Log(LogError::Damaged { .. }))
        ));
    }

    #[test]
    fn a_server_that_must_stop_leaves_all_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        damaged(dir.path());
        let refused = open(&config(dir.path(), OnDamage::Stop));
        let error = refused.map(|_| ()).unwrap_err().to_string();
        assert!(
            error.contains("log/00000001.log, byte 48: the checksum of group 1"),
            "{error}"
        );
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(names.len(), 1);
    }
}
