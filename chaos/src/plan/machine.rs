//! Faults of the machine under a server: its disk, and its clock.

use std::fmt;
use std::time::Duration;

use paxosctl_node::machine::Trouble;
use serde::{Deserialize, Serialize};

use super::Nodes;
use super::words::{show_bytes, show_duration, show_share};
use crate::history::micros;

/// What is wrong with some servers' machines for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MachineFault {
    pub servers: Nodes,
    pub what: MachineTrouble,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MachineTrouble {
    /// That share of the syncs of the log takes longer.
    SlowDisk {
        by: Duration,
        jitter: Duration,
        probability: f64,
    },
    /// The next sync of the log fails, and with it the server.
    FailFsync,
    /// So many more bytes fit on the log's disk; the server stops when no more do.
    DiskFull {
        after_bytes: u64,
    },
    /// The server is killed in the middle of its next write.
    TornWrite,
    ClockJump {
        by: Duration,
        back: bool,
    },
    /// In thousandths of the true speed.
    ClockRate {
        permille: u32,
    },
}

/// What is done to the disks of some servers while they are down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DamageFault {
    pub servers: Nodes,
    pub damage: Damage,
}

/// What is done to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// One byte of the log is changed.
    FlipByte { place: Place },
    /// The log is gone.
    Wipe,
}

/// A part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    Anywhere,
    /// The first 64 bytes, where the log says whose it is.
    Start,
    Middle,
    /// The last 64 bytes, where the last write is.
    End,
}

impl Place {
    /// Those that a plan can name.
    pub const NAMES: [(&str, Place); 3] = [
        ("start", Place::Start),
        ("middle", Place::Middle),
        ("end", Place::End),
    ];
}

impl MachineTrouble {
    /// As the server's machine has it.
    pub fn trouble(&self) -> Trouble {
        match *self {
            MachineTrouble::SlowDisk {
                by,
                jitter,
                probability,
            } => Trouble::SlowSync {
                by_us: micros(by),
                jitter_us: micros(jitter),
                probability,
            },
            MachineTrouble::FailFsync => Trouble::FailSync,
            MachineTrouble::DiskFull { after_bytes } => Trouble::Full { after_bytes },
            MachineTrouble::TornWrite => Trouble::TornAppend,
            MachineTrouble::ClockJump { by, back } => {
                let by_us = i64::try_from(micros(by)).unwrap_or(i64::MAX);
                Trouble::Clock {
                    jump_us: if back { -by_us } else { by_us },
                    rate_permille: 1000,
                }
            }
            MachineTrouble::ClockRate { permille } => Trouble::Clock {
                jump_us: 0,
                rate_permille: permille,
            },
        }
    }

    /// Whether the server ends when it strikes.
    pub fn is_deadly(&self) -> bool {
        self.trouble().is_deadly()
    }
}

/// `slow_disk s2 by 20ms ± 10ms, 50% of syncs`, `clock s2 jump -30s`.
impl fmt::Display for MachineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = &self.servers;
        match self.what {
            MachineTrouble::SlowDisk {
                by,
                jitter,
                probability,
            } => {
                write!(f, "slow_disk {servers} by {}", show_duration(by))?;
                if !jitter.is_zero() {
                    write!(f, " ± {}", show_duration(jitter))?;
                }
                if probability < 1.0 {
                    write!(f, ", {} of syncs", show_share(probability))?;
                }
                Ok(())
            }
            MachineTrouble::FailFsync => write!(f, "fail_fsync {servers}"),
            MachineTrouble::DiskFull { after_bytes: 0 } => write!(f, "disk_full {servers}"),
            MachineTrouble::DiskFull { after_bytes } => {
                write!(f, "disk_full {servers} after {}", show_bytes(after_bytes))
            }
            MachineTrouble::TornWrite => write!(f, "torn_write {servers}"),
            MachineTrouble::ClockJump { by, back } => {
                let sign = if back { "-" } else { "+" };
                write!(f, "clock {servers} jump {sign}{}", show_duration(by))
            }
            MachineTrouble::ClockRate { permille } => {
                write!(f, "clock {servers} rate {}", f64::from(permille) / 1000.0)
            }
        }
    }
}

/// `flip_byte s2 at the end`, `wipe s2`.
impl fmt::Display for DamageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = &self.servers;
        match self.damage {
            Damage::Wipe => write!(f, "wipe {servers}"),
            Damage::FlipByte { place } => {
                write!(f, "flip_byte {servers}")?;
                match Place::NAMES.iter().find(|(_, known)| *known == place) {
                    Some((name, _)) => write!(f, " at the {name}"),
                    None => Ok(()),
                }
            }
        }
    }
}
