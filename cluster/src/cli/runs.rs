//! What was typed to make runs: of plans, of less and less of a plan, of clusters with a bug.

use std::path::PathBuf;

use clap::Args;
use paxosctl_chaos::plan::{LARGEST_SCALE, SMALLEST_SCALE};

use super::{ProgressKind, Report, ReportParser};

#[derive(Debug, Args)]
pub struct RunArgs {
    /// The plans, YAML files
    #[arg(required = true, value_name = "PLAN")]
    pub plans: Vec<PathBuf>,
    /// Decides everything random; the plan's own or a new one when not given
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Run each plan so many times, each time with the next seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// Multiply the times of the plans, from 0.01 to 100: when all happens, how long it lasts and
    /// how late messages come; not rates, and not what is expected of the cluster's own speed
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = parse_time_scale)]
    pub time_scale: f64,
    /// Simulate the cluster in virtual time instead of starting processes: the same state machines,
    /// plans, checks and reports, and the same run again from the same seed
    #[arg(long)]
    pub sim: bool,
    /// Run each plan in both worlds, with the same seeds and expectations
    #[arg(long, conflicts_with = "sim")]
    pub both: bool,
    /// Do not cut down the plan of a simulated run that is violated
    #[arg(long)]
    pub no_shrink: bool,
    /// Plant a bug in the simulated cluster, to see what its violation looks like; `selftest --list`
    /// names them
    #[arg(long, value_name = "BUG", requires = "sim")]
    pub plant: Option<String>,
    /// Show the messages and events that led to the first violation of a simulated run
    #[arg(long)]
    pub trace: bool,
    /// So many runs at the same time, each with a cluster of its own [default: 1, and one a core with
    /// --sim]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub jobs: Option<u32>,
    /// Start no further run after one that is not a pass; runs that go on are finished
    #[arg(long)]
    pub fail_fast: bool,
    /// Where to save the run; several runs get a folder each below it
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Leave the cluster running after the run, for `ps`, `chat` and `down`
    #[arg(long)]
    pub keep: bool,
    /// Leave the cluster of the first run that is not a pass running
    #[arg(long, conflicts_with = "keep")]
    pub keep_on_fail: bool,
    /// Show the timeline and stop
    #[arg(long, conflicts_with_all = ["keep", "keep_on_fail", "out"])]
    pub dry_run: bool,
    /// How to report, and where to [default: table]; may be repeated. One file holds several runs:
    /// JSON as {"runs": [...]}, HTML as a list with a page for each run beside it. Each run also
    /// saves result.json and report.html in its directory
    #[arg(long = "report", value_name = "KIND[=PATH]", value_parser = ReportParser)]
    pub reports: Vec<Report>,
    /// How to show what happens meanwhile, on standard error
    #[arg(long, value_name = "HOW", value_enum, default_value_t = ProgressKind::Auto)]
    pub progress: ProgressKind,
}

#[derive(Debug, Args)]
pub struct ShrinkArgs {
    /// The directory of a saved run
    pub run_dir: PathBuf,
    /// Make at most so many runs [default: 3000 simulated ones, 60 of processes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: Option<u32>,
    /// Take a plan to fail if one of so many runs of processes does
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub tries: u32,
    /// The bug that was planted in the simulated run
    #[arg(long, value_name = "BUG")]
    pub plant: Option<String>,
}

#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// Only these bugs [default: all that this build can have]
    #[arg(value_name = "BUG")]
    pub bugs: Vec<String>,
    /// Search for each bug so often, each time with other seeds; the table has the median
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub hunts: u32,
    /// Give a search up after so many runs
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// So many searches at the same time [default: one a core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub jobs: Option<u32>,
    /// On real processes instead of simulated ones: those bugs that show themselves there soon
    #[arg(long)]
    pub processes: bool,
    /// Name the bugs and stop
    #[arg(long)]
    pub list: bool,
    /// Print a JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

fn parse_time_scale(text: &str) -> Result<f64, String> {
    let bounds = SMALLEST_SCALE..=LARGEST_SCALE;
    let scale: Option<f64> = text.parse().ok();
    scale.filter(|scale| bounds.contains(scale)).ok_or_else(|| {
        format!("write a number from {SMALLEST_SCALE} to {LARGEST_SCALE}; 0.1 is ten times faster")
    })
}
