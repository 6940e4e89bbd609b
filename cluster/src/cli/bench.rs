//! What was typed to measure.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// The most servers, as in a plan.
const MOST_SERVERS: i64 = 9;
/// The most messages of one client that may wait for their acknowledgements: more would wait for
/// their turn in the client.
const MOST_IN_FLIGHT: i64 = 64;
/// As many as may come through the balancer's door, and some for others.
const MOST_CONNECTIONS: i64 = 4000;
/// The longest text that a server takes.
const MOST_BYTES: i64 = 65_536;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    #[command(flatten)]
    pub throughput: ThroughputArgs,
    #[command(subcommand)]
    pub what: Option<BenchTyped>,
}

#[derive(Debug, Subcommand)]
pub enum BenchTyped {
    /// Kill the leader under load again and again: how long is nothing acknowledged?
    Failover(FailoverArgs),
    /// Start and stop clusters: how long does each take?
    Startup(StartupArgs),
    /// Store many messages: does the cluster stay as fast, and as small?
    History(HistoryArgs),
    /// Kill and pause nodes at random under full load for a long time: is all of it still there?
    Soak(SoakArgs),
    /// Judge a long made-up run: how long does it take, and how much memory?
    Check(BenchCheckArgs),
    /// Simulate: how much time of a cluster's life in a second?
    Sim(BenchSimArgs),
}

#[derive(Debug, Args)]
pub struct SoakArgs {
    /// How long; a gigabyte of disk for each minute should do
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub minutes: u32,
    /// How many servers the cluster has
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(3..=MOST_SERVERS))]
    pub servers: u16,
    /// How many clients talk, each as fast as it is answered
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4000))]
    pub clients: u32,
    /// The same nodes at the same intervals again
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Print a JSON object for each line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct BenchCheckArgs {
    /// How many messages: 500k, 1M …; a tenth of them is judged, too
    #[arg(long, value_name = "N", default_value = "1M", value_parser = parse_count)]
    pub messages: u64,
    /// How many servers hold them
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=MOST_SERVERS))]
    pub replicas: u16,
    /// Print a JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct BenchSimArgs {
    /// How much of a cluster's life each run simulates
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub seconds: u64,
    /// How many runs there are of each load
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: u64,
    /// Print a JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// How many messages: 500k, 10M …
    #[arg(long, value_name = "N", default_value = "10M", value_parser = parse_count)]
    pub messages: u64,
    /// How many servers the cluster has
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(3..=MOST_SERVERS))]
    pub servers: u16,
    /// How many clients talk
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4000))]
    pub clients: u32,
    /// How many messages of a client wait for their acknowledgements at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=MOST_IN_FLIGHT))]
    pub in_flight: u32,
    /// How long a message's text is
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=MOST_BYTES))]
    pub bytes: u32,
    /// Print a JSON object for each step instead of tables
    #[arg(long)]
    pub json: bool,
}

/// A number of at least ten, perhaps of thousands (`500k`) or millions (`10M`).
pub(super) fn parse_count(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k') => (&text[..text.len() - 1], 1_000),
        Some(b'M') => (&text[..text.len() - 1], 1_000_000),
        _ => (text, 1),
    };
    let number: Option<u64> = digits.parse().ok();
    number
        .and_then(|number| number.checked_mul(unit))
        .filter(|number| (10..=1_000_000_000_000).contains(number))
        .ok_or_else(|| "write a number of at least 10, such as 5000, 500k or 10M".into())
}

#[derive(Debug, Args)]
pub struct FailoverArgs {
    /// How often the leader is killed; it is started again and catches up before the next time
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub kills: u32,
    /// How many clients talk meanwhile
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4000))]
    pub clients: u32,
    /// How many servers the cluster has
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(3..=MOST_SERVERS))]
    pub servers: u16,
    #[command(flatten)]
    pub compare: CompareArgs,
    /// Print a JSON object a system instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct StartupArgs {
    /// How many servers the cluster has
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=MOST_SERVERS))]
    pub servers: u16,
    /// How often a new cluster is started and stopped
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rounds: u32,
    /// Print a JSON object for each direction instead of a table
    #[arg(long)]
    pub json: bool,
}

/// A load, and how to show what it came to.
#[derive(Debug, Args)]
pub struct ThroughputArgs {
    /// How many servers the cluster has
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=MOST_SERVERS))]
    pub servers: u16,
    /// How many clients talk at a time: a row for each number
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,16,64,256,1024", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub clients: Vec<u32>,
    /// How long a message's text is
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=MOST_BYTES))]
    pub bytes: u32,
    /// How long to measure, for each row; the second before is not counted
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// How many messages of a client wait for their acknowledgements at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MOST_IN_FLIGHT))]
    pub in_flight: u32,
    /// How many connections to each server the clients share; with 1 they are the sessions of one
    /// client process, as a load in a plan is. As many as there are clients: each has its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MOST_CONNECTIONS))]
    pub connections: u32,
    /// Measure each row so often, each time a new cluster, and count all as one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    #[command(flatten)]
    pub compare: CompareArgs,
    /// Print a JSON object a row instead of a table
    #[arg(long)]
    pub json: bool,
}

/// What to measure beside this program's own cluster.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Measure another system under the same load in turns, and print the ratio
    #[arg(long, value_name = "SYSTEM", value_enum)]
    pub compare: Option<Compared>,
    /// The etcd server's program [default: the `etcd` in PATH]
    #[arg(long, value_name = "FILE", requires = "compare")]
    pub etcd: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compared {
    /// An etcd that is installed (Debian: etcd-server), as durable as it comes
    Etcd,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_may_be_of_thousands_and_millions() {
        assert_eq!(parse_count("10"), Ok(10));
        assert_eq!(parse_count("500k"), Ok(500_000));
        assert_eq!(parse_count("10M"), Ok(10_000_000));
        for wrong in [
            "",
            "k",
            "9",
            "1.5M",
            "10G",
            "-3k",
            "99999999999999999999M",
            "ä",
        ] {
            assert!(parse_count(wrong).is_err(), "{wrong}");
        }
    }
}
