//! The kinds of faults that can be drawn.

use serde::{Deserialize, Serialize};

/// A kind of fault that can be drawn; in a plan it goes by the name of its verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RandomKind {
    Kill,
    Stop,
    Restart,
    Pause,
    /// Groups, a shape, or a one-way cut.
    Partition,
    /// One server from everybody.
    Isolate,
    Delay,
    Drop,
    SlowDisk,
    FailFsync,
    TornWrite,
    Clock,
}

impl RandomKind {
    /// Every kind, in the order in which a plan's errors list them.
    pub const ALL: [RandomKind; 12] = [
        RandomKind::Kill,
        RandomKind::Stop,
        RandomKind::Restart,
        RandomKind::Pause,
        RandomKind::Partition,
        RandomKind::Isolate,
        RandomKind::Delay,
        RandomKind::Drop,
        RandomKind::SlowDisk,
        RandomKind::FailFsync,
        RandomKind::TornWrite,
        RandomKind::Clock,
    ];

    /// As a plan writes it.
    pub fn name(self) -> &'static str {
        match self {
            RandomKind::Kill => "kill",
            RandomKind::Stop => "stop",
            RandomKind::Restart => "restart",
            RandomKind::Pause => "pause",
            RandomKind::Partition => "partition",
            RandomKind::Isolate => "isolate",
            RandomKind::Delay => "delay",
            RandomKind::Drop => "drop",
            RandomKind::SlowDisk => "slow_disk",
            RandomKind::FailFsync => "fail_fsync",
            RandomKind::TornWrite => "torn_write",
            RandomKind::Clock => "clock",
        }
    }
}
