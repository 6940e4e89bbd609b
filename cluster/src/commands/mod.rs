//! What each command means, and doing it.

mod bench;
mod by_hand;
mod chat;
mod check;
mod check_history;
mod completions;
mod down;
mod export;
mod github;
mod judge;
mod log_dump;
mod logs;
mod lower;
mod node;
mod own_runs;
mod plan_export;
mod ps;
mod report;
mod reporting;
mod run;
mod schema;
mod selftest;
mod shrink;
mod timeline;
mod up;
mod validate;
mod words;

pub use bench::BenchRequest;
pub use by_hand::{BreakRequest, HealRequest, ResumeRequest};
pub use chat::ChatRequest;
pub use check::CheckRequest;
pub use check_history::HistoryRequest;
pub use down::DownRequest;
pub use export::ExportRequest;
pub use logs::LogsRequest;
pub use lower::{Command, lower};
pub use node::NodeRequest;
pub use plan_export::PlanExportRequest;
pub use ps::PsRequest;
pub use report::ReportRequest;
pub use run::RunRequest;
pub use selftest::SelftestRequest;
pub use shrink::ShrinkRequest;
pub use up::UpRequest;

use paxosctl_chaos::plan;

use crate::exit::{Failure, Outcome};
use crate::output::print;

/// Does what a command means.
///
/// # Errors
/// With the exit code that the failure stands for.
pub fn execute(command: Command) -> Result<Outcome, Failure> {
    match command {
        Command::Run(request) => run::run(&request),
        Command::Check(request) => check::check(&request),
        Command::Report(request) => report::report(&request),
        Command::Schema(of) => schema::schema(of),
        Command::CheckHistory(request) => check_history::check_history(&request),
        Command::Export(request) => export::export(&request),
        Command::Up(request) => up::up(&request),
        Command::Down(request) => down::down(&request),
        Command::Break(request) => by_hand::break_it(&request),
        Command::Resume(request) => by_hand::resume(&request),
        Command::Heal(request) => by_hand::heal(&request),
        Command::Ps(request) => ps::ps(&request),
        Command::Logs(request) => logs::logs(&request),
        Command::Chat(request) => chat::chat(&request),
        Command::Validate(plans) => validate::validate(&plans),
        Command::PlanExample => {
            print(plan::EXAMPLE)?;
            Ok(Outcome::Success)
        }
        Command::PlanExport(request) => plan_export::export(&request),
        Command::LogDump(dir) => log_dump::log_dump(&dir),
        Command::Shrink(request) => shrink::run(&request),
        Command::Selftest(request) => selftest::selftest(&request),
        Command::Bench(request) => bench::bench(&request),
        Command::Completions(shell) => completions::completions(shell),
        Command::Node(request) => node::node(request),
    }
}
