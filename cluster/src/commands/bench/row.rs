//! What was measured, as rows of a table or as JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::disk::Syncs;
use super::tally::Measured;
use crate::output::wide_columns;

/// One measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub system: &'static str,
    pub servers: u16,
    pub clients: u32,
    /// To each server.
    pub connections: u32,
    pub in_flight: u32,
    pub bytes: u32,
    pub seconds: f64,
    pub acks: u64,
    pub acks_per_s: f64,
    pub p50_us: f64,
    pub p95_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
    /// Of one server, on average.
    pub fsyncs_per_s: f64,
    pub messages_per_fsync: f64,
    pub fdatasync_p50_us: f64,
    pub fdatasync_min_us: f64,
    /// Processor seconds for a million messages, by node; `load` is the clients.
    pub cpu: BTreeMap<String, f64>,
    /// How often somebody stood for election, or a leader was seen to change.
    pub elections: u64,
    /// Of the first system's row: its acknowledgements a second and its p50, divided by the other's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ratio {
    pub acks_per_s: f64,
    pub p50: f64,
}

/// How much was measured, and how.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub servers: u16,
    pub clients: u32,
    /// To each server; at most as many as there are clients.
    pub connections: u32,
    pub in_flight: u32,
    pub bytes: u32,
}

/// What one round, or several together, came to.
#[derive(Debug, Clone)]
pub struct Round {
    pub measured: Measured,
    /// Of all servers together.
    pub fsyncs: u64,
    pub cpu_s: BTreeMap<String, f64>,
    pub elections: u64,
    pub disk: Syncs,
}

impl Row {
    pub fn new(system: &'static str, shape: Shape, round: &Round) -> Row {
        let measured = &round.measured;
        let (acks, seconds) = (measured.acks(), measured.lasted.as_secs_f64());
        let fsyncs = round.fsyncs as f64 / f64::from(shape.servers);
        let millions = acks as f64 / 1e6;
        let cpu = round.cpu_s.iter();
        Row {
            system,
            servers: shape.servers,
            clients: shape.clients,
            connections: shape.connections,
            in_flight: shape.in_flight,
            bytes: shape.bytes,
            seconds,
            acks,
            acks_per_s: measured.acks_per_s(),
            p50_us: measured.percentile_us(50.0),
            p95_us: measured.percentile_us(95.0),
            p99_us: measured.percentile_us(99.0),
            p999_us: measured.percentile_us(99.9),
            max_us: measured.max_us(),
            fsyncs_per_s: fsyncs / seconds,
            messages_per_fsync: per(acks as f64, fsyncs),
            fdatasync_p50_us: round.disk.p50_us,
            fdatasync_min_us: round.disk.min_us,
            cpu: cpu
                .map(|(node, s)| (node.clone(), per(*s, millions)))
                .collect(),
            elections: round.elections,
            ratio: None,
        }
    }
}

impl Round {
    /// Both rounds as one.
    pub fn and(mut self, other: Round) -> Round {
        self.measured = self.measured.and(&other.measured);
        self.fsyncs += other.fsyncs;
        self.elections += other.elections;
        for (node, seconds) in other.cpu_s {
            *self.cpu_s.entry(node).or_default() += seconds;
        }
        // The middle of each; together about that of both.
        self.disk.p50_us = f64::midpoint(self.disk.p50_us, other.disk.p50_us);
        self.disk.min_us = self.disk.min_us.min(other.disk.min_us);
        self
    }
}

/// Sets the ratio of the first row to the one after it, if there is one.
pub fn compare(rows: &mut [Row]) {
    if let [first, other, ..] = rows {
        first.ratio = Some(Ratio {
            acks_per_s: per(first.acks_per_s, other.acks_per_s),
            p50: per(first.p50_us, other.p50_us),
        });
    }
}

/// Nothing in nothing is nothing.
fn per(value: f64, of: f64) -> f64 {
    if of > 0.0 { value / of } else { 0.0 }
}

/// The value that this share of them does not exceed; 0 for none. The middle of an even number is
/// the lower one.
pub fn share_of(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// A line of JSON.
pub fn json(row: &impl Serialize) -> String {
    let mut line = serde_json::to_string(row).expect("plain numbers are JSON");
    line.push('\n');
    line
}

/// The rows as a table.
pub fn table(rows: &[Row]) -> String {
    let header = [
        "SYSTEM",
        "CLIENTS",
        "CONNECTIONS",
        "ACKS/S",
        "P50",
        "P95",
        "P99",
        "P99.9",
        "MAX",
        "FSYNCS/S",
        "MSGS/FSYNC",
        "FDATASYNC",
        "(MIN)",
        "RATIO",
        "P50 RATIO",
    ];
    let cells = rows.iter().map(|row| {
        vec![
            row.system.to_owned(),
            row.clients.to_string(),
            format!("{} a server", row.connections),
            format!("{:.0}", row.acks_per_s),
            time(row.p50_us),
            time(row.p95_us),
            time(row.p99_us),
            time(row.p999_us),
            time(row.max_us),
            format!("{:.0}", row.fsyncs_per_s),
            format!("{:.1}", row.messages_per_fsync),
            time(row.fdatasync_p50_us),
            time(row.fdatasync_min_us),
            row.ratio
                .map_or(String::new(), |ratio| format!("{:.2}", ratio.acks_per_s)),
            row.ratio
                .map_or(String::new(), |ratio| format!("{:.2}", ratio.p50)),
        ]
    });
    wide_columns(&header, cells)
}

/// Processor time by node, of the rows of one system.
pub fn cpu_table(system: &str, rows: &[Row]) -> String {
    let of_it = || rows.iter().filter(|row| row.system == system);
    let nodes: BTreeSet<&String> = of_it().flat_map(|row| row.cpu.keys()).collect();
    let mut header = vec!["SYSTEM", "CLIENTS"];
    header.extend(nodes.iter().map(|node| node.as_str()));
    let cells = of_it().map(|row| {
        let mut cells = vec![row.system.to_owned(), row.clients.to_string()];
        let of_node = |node: &&String| row.cpu.get(*node).map(|seconds| format!("{seconds:.2}"));
        cells.extend(nodes.iter().map(|node| of_node(node).unwrap_or_default()));
        cells
    });
    wide_columns(&header, cells)
}

/// A time as a person reads it.
pub fn time(microseconds: f64) -> String {
    if microseconds < 1_000.0 {
        format!("{microseconds:.0} µs")
    } else if microseconds < 1_000_000.0 {
        format!("{:.2} ms", microseconds / 1e3)
    } else {
        format!("{:.2} s", microseconds / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_few_values_is_one_of_them() {
        let values = [9.0, 1.0, 5.0, 7.0];
        assert_eq!(share_of(&values, 0.5), 5.0);
        assert_eq!(share_of(&values, 0.9), 9.0);
        assert_eq!(share_of(&values, 1.0), 9.0);
        assert_eq!(share_of(&values[..1], 0.5), 9.0);
        assert_eq!(share_of(&[], 0.5), 0.0);
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        assert_eq!(time(999.0), "999 µs");
        assert_eq!(time(1_234.0), "1.23 ms");
        assert_eq!(time(2_500_000.0), "2.50 s");
    }
}
