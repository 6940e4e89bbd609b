//! Reading every replica's log: from the live server, or from the disk of one that is down.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use paxosctl_chaos::check::DiskLog;
use paxosctl_chaos::target::{LogSource, Observation, ReplicaLog, read_disk};
use paxosctl_node::drive::RealDisk;
use paxosctl_node::ids::Slot;

use super::{Incoming, RealTarget, members};
use crate::observer::Observer;

/// How long a live server may take for each page of its log.
const PAGE_WITHIN: Duration = Duration::from_secs(5);

impl RealTarget {
    /// Reads all logs, each in a thread of its own; they arrive as observations.
    pub(super) fn read_logs(&mut self) {
        let cluster = self.spec.cluster;
        let servers: Vec<_> = members(&self.ports).collect();
        for (server, address) in servers {
            let name = server.to_string();
            let is_down = self.find(&name).is_none_or(|node| node.is_down());
            let dir = self.spec.dir.join(&name);
            let sender = self.sender.clone();
            thread::spawn(move || {
                let log = if is_down {
                    ReplicaLog::of_dead_server(read(&dir), &dir.display().to_string())
                } else {
                    Observer::connect(address, cluster, PAGE_WITHIN)
                        .and_then(|mut observer| observer.log())
                        .map(|values| ReplicaLog {
                            chosen: Slot(values.len() as u64),
                            source: LogSource::Served,
                            values,
                        })
                        .unwrap_or_else(|error| ReplicaLog::unreadable(error.to_string()))
                };
                // The run may be over by now.
                let _ = sender.send(Incoming::Observed(Observation::Log { server, log }));
            });
        }
    }
}

/// The log in a server's directory, which no process may be writing; an empty one if there is none.
pub fn on_disk(node_dir: &Path) -> DiskLog {
    DiskLog::of(read(node_dir))
}

fn read(node_dir: &Path) -> Result<Option<DiskLog>, String> {
    let dir = node_dir.join("log");
    if !dir.exists() {
        return Ok(None);
    }
    let disk = RealDisk::read_only(&dir).map_err(|error| error.to_string())?;
    read_disk(Arc::new(disk))
}
