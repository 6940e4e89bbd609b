//! What was typed. [`crate::commands::lower`] turns it into what it means.

mod bench;
mod by_hand;
mod runs;

pub use bench::{
    BenchArgs, BenchCheckArgs, BenchSimArgs, BenchTyped, CompareArgs, Compared, FailoverArgs,
    HistoryArgs, SoakArgs, StartupArgs, ThroughputArgs,
};
pub use by_hand::{BreakTyped, DownArgs, Lasts, LinkArgs, OnCluster, PlanTyped};
pub use runs::{RunArgs, SelftestArgs, ShrinkArgs};

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::{Arg, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use paxosctl_node::ids::ServerId;
use paxosctl_node::link::Mode;
use paxosctl_node::planted;

const VERSION: &str = if planted::AVAILABLE {
    concat!(env!("CARGO_PKG_VERSION"), " (with planted bugs)")
} else {
    env!("CARGO_PKG_VERSION")
};

/// Runs a Paxos-replicated chat cluster from a plan, breaks it on purpose, and proves that nothing
/// acknowledged was lost.
#[derive(Debug, Parser)]
#[command(
    name = "paxosctl",
    version = VERSION,
    max_term_width = 100,
    after_help = "Exit codes: 0 every expectation holds, 1 one is violated, 2 usage or plan error, \
                  3 the cluster could not be run, 4 inconclusive, 130/143 interrupted."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Typed,
}

#[derive(Debug, Subcommand)]
pub enum Typed {
    /// Start a cluster from a plan, break it, judge it, report
    Run(RunArgs),
    /// Start a cluster from a plan and stay
    Up(UpArgs),
    /// Stop everything that `up` started
    Down {
        /// The cluster's name; needed when several run
        cluster: Option<String>,
    },
    #[command(flatten)]
    Break(BreakTyped),
    /// Let paused nodes of a running cluster go on
    Resume {
        /// As in a plan: s1, leader, followers, balancer, all, s1,s2 …
        target: String,
        #[command(flatten)]
        on: OnCluster,
    },
    /// Heal all that was broken by hand: links, pauses, and nodes that were killed or stopped
    Heal {
        #[command(flatten)]
        on: OnCluster,
    },
    /// Show the nodes of a running cluster
    Ps {
        /// The cluster's name; needed when several run
        cluster: Option<String>,
    },
    /// Show what the nodes of a cluster reported
    Logs(LogsArgs),
    /// Join the chat of a running cluster
    Chat(ChatArgs),
    /// Check plans without running them
    Validate {
        /// The plans, YAML files
        #[arg(required = true, value_name = "PLAN")]
        plans: Vec<PathBuf>,
    },
    /// Judge a saved run again, or a history from elsewhere
    Check(CheckArgs),
    /// Show how plans are written, or make one of what was done by hand
    #[command(subcommand)]
    Plan(PlanTyped),
    /// Report a saved run again as it was judged, in other forms
    Report(ReportArgs),
    /// Print the JSON schema of what `--report json` and `result.json` hold
    Schema {
        /// Which
        #[arg(value_enum, default_value_t = SchemaKind::Result)]
        of: SchemaKind,
    },
    /// Turn a saved run's history into a form that other tools read
    Export(ExportArgs),
    /// Look at a server's log on its disk
    #[command(subcommand)]
    Log(LogTyped),
    /// Cut a saved run that was violated down to the least plan that still is
    Shrink(ShrinkArgs),
    /// Plant bugs that real systems had, and see whether they are noticed
    Selftest(SelftestArgs),
    /// Measure how fast a cluster is: messages a second and how long each takes
    Bench(BenchArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell that will read it
        shell: Shell,
    },
    /// Run one node in the foreground: what the other commands start
    #[command(subcommand)]
    Node(NodeTyped),
}

#[derive(Debug, Args)]
pub struct UpArgs {
    /// The plan, a YAML file; its traffic and its faults are left out
    pub plan: PathBuf,
    /// Return once the cluster is ready, and leave it running
    #[arg(short = 'd', long)]
    pub detach: bool,
    /// Another name than the plan's, to run a plan twice side by side
    #[arg(long)]
    pub name: Option<String>,
    /// Forget the chat of an earlier `up` under this name
    #[arg(long)]
    pub fresh: bool,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// One node only
    pub node: Option<String>,
    /// Go on as it grows, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// The cluster's name; needed when several run
    #[arg(long)]
    pub cluster: Option<String>,
}

#[derive(Debug, Args)]
pub struct ChatArgs {
    /// The name that you speak under [default: your user name]
    #[arg(long)]
    pub name: Option<String>,
    /// The cluster's name; needed when several run
    #[arg(long)]
    pub cluster: Option<String>,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The run's directory, the one that holds `history.jsonl`; with --model a history's file
    #[arg(value_name = "RUN_DIR|FILE")]
    pub run_dir: PathBuf,
    /// How to report, and where to [default: table]; may be repeated
    #[arg(long = "report", value_name = "KIND[=PATH]", value_parser = ReportParser)]
    pub reports: Vec<Report>,
    /// Judge whether a history of these operations is linearizable: EDN maps, or Jepsen's log lines
    #[arg(long, value_enum)]
    pub model: Option<HistoryModel>,
    /// How long to search before the verdict is `unknown`, exit code 4
    #[arg(long, value_name = "N", default_value_t = 60, requires = "model")]
    pub budget_seconds: u64,
    /// How much memory to take before the verdict is `unknown`, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 2048, requires = "model")]
    pub budget_memory: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HistoryModel {
    /// read, write; at first nil
    Register,
    /// read, write, cas; at first nil
    CasRegister,
    /// get, put, append on strings; a key is at first the empty string
    Kv,
    /// append, read of the whole log or of its length; at first empty
    Log,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The run's directory, the one that holds `history.jsonl`
    pub run_dir: PathBuf,
    /// In which form
    #[arg(long, value_enum)]
    pub format: ExportFormat,
    /// The file to write; standard output when not given
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Jepsen's: one EDN map a line
    Edn,
    /// One JSON object a line
    Jsonl,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run's directory, the one that holds `result.json`
    pub run_dir: PathBuf,
    /// How to report, and where to [default: table]; may be repeated
    #[arg(long = "report", value_name = "KIND[=PATH]", value_parser = ReportParser)]
    pub reports: Vec<Report>,
}

/// What there are schemas of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// The judgement of a run, or of several
    Result,
}

#[derive(Debug, Subcommand)]
pub enum LogTyped {
    /// Print every record of a server's log, one a line
    Dump {
        /// The server's directory, the one that holds `log/`
        node_dir: PathBuf,
    },
}

/// A report: which, and the file to write it to; standard output when there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub kind: ReportKind,
    pub path: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportKind {
    /// Tables for a person
    Table,
    /// The same facts for a program; `paxosctl schema` describes them
    Json,
    /// For a CI system: a suite for each run, a case for each check
    Junit,
    /// For a person, what is wrong first
    Markdown,
    /// A page with charts over time, for a browser, in one file
    Html,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressKind {
    /// A bar on a terminal, else plain
    Auto,
    /// One line an event
    Plain,
    /// One JSON object a line
    Json,
    /// Nothing
    None,
}

#[derive(Debug, Subcommand)]
pub enum NodeTyped {
    /// A server: a replica of the log
    Server(ServerArgs),
    /// The balancer: shows clients to the least occupied server
    Balancer(BalancerArgs),
    /// A chat client: reads commands as JSON lines, or makes load
    Client(ClientArgs),
    /// Another program, of a system that `bench` compares with
    Companion(CompanionArgs),
}

#[derive(Debug, Args)]
pub struct CompanionArgs {
    /// The node's directory
    #[arg(long)]
    pub dir: PathBuf,
    /// Die with this process, which must be the parent
    #[arg(long, value_name = "PID")]
    pub die_with_parent: Option<u32>,
    /// The program and its arguments
    #[arg(required = true, last = true)]
    pub command: Vec<OsString>,
}

/// What every node is told.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// The node's directory
    #[arg(long)]
    pub dir: PathBuf,
    /// The cluster's id, 16 hexadecimal digits; nodes of another cluster are refused
    #[arg(long, value_name = "HEX", value_parser = parse_hex)]
    pub cluster: u64,
    /// Die with this process, which must be the parent
    #[arg(long, value_name = "PID")]
    pub die_with_parent: Option<u32>,
}

#[derive(Debug, Args)]
pub struct ServerArgs {
    #[command(flatten)]
    pub node: NodeArgs,
    /// The server's number: 1 is s1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub id: u16,
    /// Where every server listens, this one included: s1=127.0.0.1:7001,s2=…
    #[arg(long, value_name = "LIST", required = true, value_delimiter = ',', value_parser = parse_member)]
    pub members: Vec<(ServerId, SocketAddr)>,
    /// Where the balancer listens
    #[arg(long, value_name = "ADDRESS")]
    pub balancer: SocketAddr,
    /// The server that stands first in a new cluster
    #[arg(long, value_name = "SERVER")]
    pub first_leader: Option<ServerId>,
    /// Feeds the election timeouts
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Put off handling prepares, accepts, commits (p, a, c), log reads (g), requests (r) or all
    /// (s), each by a number of seconds: p:10::a:20::c:30; or be dead: d
    #[arg(long, value_name = "MODE")]
    pub mode: Option<Mode>,
    /// What to do when the log is damaged: set it aside and learn everything from the peers,
    /// without voting, or stop
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = OnDamageTyped::Repair)]
    pub on_damage: OnDamageTyped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnDamageTyped {
    Repair,
    Stop,
}

#[derive(Debug, Args)]
pub struct BalancerArgs {
    #[command(flatten)]
    pub node: NodeArgs,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// How many servers the cluster has: s1 … sN
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub servers: u16,
}

#[derive(Debug, Args)]
pub struct ClientArgs {
    #[command(flatten)]
    pub node: NodeArgs,
    /// The node's name, and the speaker's
    #[arg(long)]
    pub name: String,
    /// Where the balancer listens
    #[arg(long, value_name = "ADDRESS")]
    pub balancer: SocketAddr,
    /// The session's id, 16 hexadecimal digits [default: random]
    #[arg(long, value_name = "HEX", value_parser = parse_hex)]
    pub id: Option<u64>,
    /// Make load instead of reading commands:
    /// {"sessions":8,"rate":200.0,"bytes":[32,256],"lasts_ms":40000,"seed":1}
    #[arg(long, value_name = "JSON", value_parser = parse_load)]
    pub load: Option<paxosctl_node::drive::LoadConfig>,
}

fn parse_hex(text: &str) -> Result<u64, String> {
    u64::from_str_radix(text, 16)
        .map_err(|_| format!("`{text}` is not a number of up to 16 hexadecimal digits"))
}

fn parse_member(text: &str) -> Result<(ServerId, SocketAddr), String> {
    let (server, address) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not of the form s1=127.0.0.1:7001"))?;
    let address = address
        .parse()
        .map_err(|_| format!("`{address}` is not an address such as 127.0.0.1:7001"))?;
    Ok((server.parse()?, address))
}

fn parse_load(text: &str) -> Result<paxosctl_node::drive::LoadConfig, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Reads `KIND` or `KIND=PATH`. The kind goes through clap's own parser of fixed values, so that
/// its error lists them.
#[derive(Debug, Clone)]
struct ReportParser;

impl TypedValueParser for ReportParser {
    type Value = Report;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Report, clap::Error> {
        let text = StringValueParser::new().parse_ref(command, argument, value)?;
        let (kind, path) = match text.split_once('=') {
            Some((kind, path)) => (kind, Some(path)),
            None => (text.as_str(), None),
        };
        let kinds = PossibleValuesParser::new(
            ReportKind::value_variants()
                .iter()
                .filter_map(ValueEnum::to_possible_value),
        );
        let name = kinds.parse_ref(command, argument, kind.as_ref())?;
        let kind = ReportKind::from_str(&name, false).expect("it was just found among them");
        Ok(Report {
            kind,
            path: path.filter(|path| !path.is_empty()).map(PathBuf::from),
        })
    }

    fn possible_values(
        &self,
    ) -> Option<Box<dyn Iterator<Item = clap::builder::PossibleValue> + '_>> {
        Some(Box::new(
            ReportKind::value_variants()
                .iter()
                .filter_map(ValueEnum::to_possible_value),
        ))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_argument_says_what_it_is() {
        let mut open = vec![Cli::command()];
        while let Some(command) = open.pop() {
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "`{}` of `{}` has no description",
                    argument.get_id(),
                    command.get_name()
                );
            }
            open.extend(command.get_subcommands().cloned());
        }
    }

    fn reports(arguments: &[&str]) -> Result<Vec<Report>, clap::Error> {
        let all = ["paxosctl", "run", "plan.yaml"].iter().chain(arguments);
        Cli::try_parse_from(all).map(|cli| match cli.command {
            Typed::Run(run) => run.reports,
            other => panic!("parsed as {other:?}"),
        })
    }

    #[test]
    fn reports_have_a_kind_and_perhaps_a_file() {
        let parsed = reports(&["--report", "table", "--report", "json=out/a=b.json"]);
        assert_eq!(
            parsed.expect("valid"),
            [
                Report {
                    kind: ReportKind::Table,
                    path: None
                },
                Report {
                    kind: ReportKind::Json,
                    path: Some("out/a=b.json".into())
                },
            ]
        );
    }

    #[test]
    fn an_unknown_report_is_refused_with_the_known_ones() {
        let error = reports(&["--report", "pdf=x.pdf"]).expect_err("unknown");
        assert_eq!(error.kind(), clap::error::ErrorKind::InvalidValue);
        let text = error.to_string();
        for known in ["pdf", "table", "json", "junit", "markdown", "html"] {
            assert!(text.contains(known), "{text}");
        }
    }

    #[test]
    fn members_are_read_with_their_places() {
        let address: SocketAddr = "127.0.0.1:7001".parse().expect("address");
        assert_eq!(
            parse_member("s1=127.0.0.1:7001"),
            Ok((ServerId(1), address))
        );
        assert!(
            parse_member("s1")
                .expect_err("no address")
                .contains("s1=127.0.0.1:7001")
        );
        assert!(parse_member("x1=127.0.0.1:7001").is_err());
        assert!(parse_member("s1=here").is_err());
    }
}
