//! What was typed to measure.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The most servers, as in a plan.
const MOST_SERVERS: i64 = 9;
/// The most messages of one client that may wait for their acknowledgements: more would wait for
/// their turn in the client.
const MOST_IN_FLIGHT: i64 = 64;
/// The longest text that a server takes.
const MOST_BYTES: i64 = 65_536;

#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(flatten)]
    pub throughput: ThroughputArgs,
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
    /// How many connections the clients share [default: each has its own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4000))]
    pub connections: Option<u32>,
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
