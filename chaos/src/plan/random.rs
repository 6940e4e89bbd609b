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
    Duplicate,
    Reorder,
    SlowDisk,
    FailFsync,
    DiskFull,
    TornWrite,
    Clock,
    FlipByte,
    Wipe,
}

impl RandomKind {
    /// Every kind, in the order in which a plan's errors list them.
    pub const ALL: [RandomKind; 17] = [
        RandomKind::Kill,
        RandomKind::Stop,
        RandomKind::Restart,
        RandomKind::Pause,
        RandomKind::Partition,
        RandomKind::Isolate,
        RandomKind::Delay,
        RandomKind::Drop,
        RandomKind::Duplicate,
        RandomKind::Reorder,
        RandomKind::SlowDisk,
        RandomKind::FailFsync,
        RandomKind::DiskFull,
        RandomKind::TornWrite,
        RandomKind::Clock,
        RandomKind::FlipByte,
        RandomKind::Wipe,
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
            RandomKind::Duplicate => "duplicate",
            RandomKind::Reorder => "reorder",
            RandomKind::SlowDisk => "slow_disk",
            RandomKind::FailFsync => "fail_fsync",
            RandomKind::DiskFull => "disk_full",
            RandomKind::TornWrite => "torn_write",
            RandomKind::Clock => "clock",
            RandomKind::FlipByte => "flip_byte",
            RandomKind::Wipe => "wipe",
        }
    }

    /// Whether it can ever be drawn in a cluster of so many servers: whether there is a link between
    /// two of them, and one that may fail.
    pub fn is_possible(self, servers: u16, spare_majority: bool) -> bool {
        let may_fail = match spare_majority || self.is_for_good() {
            true => servers.saturating_sub(1) / 2,
            false => servers,
        };
        match self {
            RandomKind::Delay | RandomKind::Drop | RandomKind::Duplicate | RandomKind::Reorder => {
                servers > 1
            }
            RandomKind::Partition | RandomKind::Isolate => servers > 1 && may_fail > 0,
            _ => may_fail > 0,
        }
    }

    /// What is drawn where a plan picks nothing: every kind that heals and is possible.
    pub fn all_that_heal(servers: u16, spare_majority: bool) -> Vec<RandomKind> {
        RandomKind::ALL
            .into_iter()
            .filter(|kind| !kind.is_for_good() && kind.is_possible(servers, spare_majority))
            .collect()
    }

    /// Whether a server never votes again after it: it forgot what it had promised. Such kinds are
    /// drawn only when they are picked by name, and never for more servers than the cluster can
    /// lose for good.
    pub fn is_for_good(self) -> bool {
        matches!(self, RandomKind::FlipByte | RandomKind::Wipe)
    }
}

#[cfg(test)]
mod tests {
    use super::RandomKind;

    fn possible(servers: u16, spare_majority: bool) -> Vec<&'static str> {
        RandomKind::ALL
            .into_iter()
            .filter(|kind| kind.is_possible(servers, spare_majority))
            .map(RandomKind::name)
            .collect()
    }

    #[test]
    fn small_clusters_have_little_to_break() {
        let on_links = ["delay", "drop", "duplicate", "reorder"];
        assert_eq!(possible(1, true), [""; 0]);
        assert_eq!(
            possible(1, false),
            [
                "kill",
                "stop",
                "restart",
                "pause",
                "slow_disk",
                "fail_fsync",
                "disk_full",
                "torn_write",
                "clock"
            ]
        );
        assert_eq!(possible(2, true), on_links);
        assert_eq!(possible(2, false).len(), RandomKind::ALL.len() - 2);
        assert_eq!(possible(3, true).len(), RandomKind::ALL.len());
    }
}
