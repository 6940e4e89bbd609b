//! What an etcd counts of itself, in the text form of Prometheus.

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Metrics {
    /// How often it synced its log.
    pub syncs: u64,
    pub leads: bool,
    pub leader_changes: u64,
    /// The last entry of the log that it applied.
    pub applied: u64,
}

impl Metrics {
    /// What is not there counts as 0.
    pub fn read(text: &str) -> Metrics {
        let value = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
                // Large numbers come with an exponent.
                .and_then(|value| value.trim().parse::<f64>().ok())
                .map_or(0, |value| value as u64)
        };
        Metrics {
            syncs: value("etcd_disk_wal_fsync_duration_seconds_count"),
            leads: value("etcd_server_is_leader") == 1,
            leader_changes: value("etcd_server_leader_changes_seen_total"),
            applied: value("etcd_server_proposals_applied_total"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_among_others() {
        let text = "# HELP etcd_server_is_leader Whether …\n\
                    etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.001\"} 7\n\
                    etcd_disk_wal_fsync_duration_seconds_count 12\n\
                    etcd_server_is_leader 1\n\
                    etcd_server_proposals_applied_total 1.234567e+06\n";
        let expected = Metrics {
            syncs: 12,
            leads: true,
            leader_changes: 0,
            applied: 1_234_567,
        };
        assert_eq!(Metrics::read(text), expected);
    }
}
