//! From what was typed to what it means.

use std::path::PathBuf;

use clap_complete::Shell;

use super::node;
use super::{
    BenchRequest, BreakRequest, ChatRequest, CheckRequest, DownRequest, ExportRequest, HealRequest,
    HistoryRequest, LogsRequest, NodeRequest, PlanExportRequest, PsRequest, ReportRequest,
    ResumeRequest, RunRequest, SelftestRequest, ShrinkRequest, UpRequest,
};
use crate::cli::{Cli, LogTyped, PlanTyped, SchemaKind, Typed};
use crate::exit::Failure;
use crate::state::{Clusters, home};

/// A command, with everything that it needs to know.
#[derive(Debug)]
pub enum Command {
    Run(RunRequest),
    Check(CheckRequest),
    Report(ReportRequest),
    Schema(SchemaKind),
    CheckHistory(HistoryRequest),
    Export(ExportRequest),
    Up(Box<UpRequest>),
    Down(DownRequest),
    Break(BreakRequest),
    Resume(ResumeRequest),
    Heal(HealRequest),
    Ps(PsRequest),
    Logs(LogsRequest),
    Chat(ChatRequest),
    Validate(Vec<PathBuf>),
    PlanExample,
    PlanExport(PlanExportRequest),
    LogDump(PathBuf),
    Shrink(Box<ShrinkRequest>),
    Selftest(SelftestRequest),
    Bench(BenchRequest),
    Completions(Shell),
    Node(NodeRequest),
}

/// Finds out what was meant. Plans are read here, and clusters are looked up.
///
/// # Errors
/// Usage and plan errors.
pub fn lower(typed: Cli) -> Result<Command, Failure> {
    let clusters = Clusters::new(&home());
    Ok(match typed.command {
        Typed::Run(run) => Command::Run(RunRequest::new(run, clusters)?),
        Typed::Report(report) => Command::Report(ReportRequest::new(report)?),
        Typed::Schema { of } => Command::Schema(of),
        Typed::Check(check) => match check.model {
            Some(model) => Command::CheckHistory(HistoryRequest::new(check, model)?),
            None => Command::Check(CheckRequest::new(check)?),
        },
        Typed::Export(export) => Command::Export(ExportRequest::new(export)?),
        Typed::Up(up) => Command::Up(Box::new(UpRequest::new(up, clusters)?)),
        Typed::Down { cluster } => Command::Down(DownRequest { cluster, clusters }),
        Typed::Break(typed) => Command::Break(BreakRequest::new(typed, clusters)),
        Typed::Resume { target, on } => Command::Resume(ResumeRequest {
            target,
            cluster: on.cluster,
            clusters,
        }),
        Typed::Heal { on } => Command::Heal(HealRequest {
            cluster: on.cluster,
            clusters,
        }),
        Typed::Ps { cluster } => Command::Ps(PsRequest { cluster, clusters }),
        Typed::Logs(logs) => Command::Logs(LogsRequest {
            node: logs.node,
            follow: logs.follow,
            cluster: logs.cluster,
            clusters,
        }),
        Typed::Chat(chat) => Command::Chat(ChatRequest::new(chat, &clusters)?),
        Typed::Validate { plans } => Command::Validate(plans),
        Typed::Plan(PlanTyped::Example) => Command::PlanExample,
        Typed::Plan(PlanTyped::Export { cluster, output }) => {
            Command::PlanExport(PlanExportRequest {
                cluster,
                output,
                clusters,
            })
        }
        Typed::Log(LogTyped::Dump { node_dir }) => Command::LogDump(node_dir),
        Typed::Shrink(typed) => Command::Shrink(Box::new(ShrinkRequest::new(typed)?)),
        Typed::Selftest(typed) => Command::Selftest(SelftestRequest::new(typed)?),
        Typed::Bench(typed) => Command::Bench(BenchRequest::new(typed)?),
        Typed::Completions { shell } => Command::Completions(shell),
        Typed::Node(typed) => Command::Node(node::lower(typed)?),
    })
}
