//! Reading the log of a server that is down.

use std::sync::Arc;

use paxosctl_node::ids::{Ballot, Slot};
use paxosctl_node::log::{Disk, Log};

use super::{LogSource, ReplicaLog};
use crate::check::DiskLog;

/// How much of a log on disk is read at a time, in bytes.
const CHUNK_BYTES: usize = 16 << 20;

/// What a disk holds that no process is writing; None if it holds no log.
///
/// # Errors
/// Why the log cannot be read.
pub fn read_disk(disk: Arc<dyn Disk>) -> Result<Option<DiskLog>, String> {
    let log = Log::read_only(disk).map_err(|error| error.to_string())?;
    let Some(log) = log else {
        return Ok(None);
    };
    let chosen = log.history.chosen();
    let mut values = Vec::new();
    while (values.len() as u64) < chosen.0 {
        let from = Slot(values.len() as u64 + 1);
        let chunk = log
            .history
            .read(from, CHUNK_BYTES)
            .map_err(|error| error.to_string())?;
        if chunk.is_empty() {
            return Err(format!("slot {from} of {chosen} is missing"));
        }
        values.extend(chunk);
    }
    let accepted = log.recovered.accepted.last();
    Ok(Some(DiskLog {
        last: accepted.map_or(chosen, |&(slot, _, _)| slot),
        promised: log.recovered.promised,
        log: ReplicaLog {
            chosen,
            source: LogSource::Disk,
            values,
        },
    }))
}

impl DiskLog {
    /// What was read from a disk; an empty one if there is no log.
    pub fn of(read: Result<Option<DiskLog>, String>) -> DiskLog {
        match read {
            Ok(log) => log.unwrap_or_else(DiskLog::empty),
            Err(reason) => DiskLog::unreadable(reason),
        }
    }

    /// The disk of a server that never wrote anything.
    fn empty() -> DiskLog {
        DiskLog {
            log: ReplicaLog {
                source: LogSource::Disk,
                values: Vec::new(),
                chosen: Slot(0),
            },
            last: Slot(0),
            promised: Ballot::ZERO,
        }
    }

    /// A disk that cannot be read.
    fn unreadable(reason: String) -> DiskLog {
        DiskLog {
            log: ReplicaLog::unreadable(reason),
            ..DiskLog::empty()
        }
    }
}

impl ReplicaLog {
    /// The chosen log of a server that is down, and that had one at `place` when it ran.
    pub fn of_dead_server(read: Result<Option<DiskLog>, String>, place: &str) -> ReplicaLog {
        match read {
            Ok(Some(log)) => log.log,
            Ok(None) => ReplicaLog::unreadable(format!("{place} holds no log")),
            Err(reason) => ReplicaLog::unreadable(reason),
        }
    }

    /// A log that cannot be read.
    pub fn unreadable(reason: String) -> ReplicaLog {
        ReplicaLog {
            source: LogSource::Unreadable { reason },
            values: Vec::new(),
            chosen: Slot(0),
        }
    }
}
