//! `log dump`: a server's log, record by record, as it stands on the disk.

use std::ops::ControlFlow;
use std::path::Path;

use paxosctl_node::drive::RealDisk;
use paxosctl_node::log::{Dumped, LogEnd, Record, dump};
use paxosctl_node::value::Value;

use crate::exit::{Failure, Outcome};
use crate::output::print;

/// Prints every record, one a line, and how the log ends. Damage is a finding: exit 1.
pub fn log_dump(node_dir: &Path) -> Result<Outcome, Failure> {
    let dir = node_dir.join("log");
    if !dir.is_dir() {
        return Err(Failure::Usage(format!(
            "{} holds no server's log: it has no directory `log`",
            node_dir.display()
        )));
    }
    let failed = |error: &dyn std::error::Error| Failure::Cluster(error.to_string());
    let disk = RealDisk::read_only(&dir).map_err(|error| failed(&error))?;
    let mut closed = None;
    let mut lines = String::new();
    let end = dump(&disk, &mut |dumped| {
        lines.push_str(&line(&dumped));
        lines.push('\n');
        if lines.len() < 64 * 1024 {
            return ControlFlow::Continue(());
        }
        match print(&std::mem::take(&mut lines)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => {
                closed = Some(failure);
                ControlFlow::Break(())
            }
        }
    })
    .map_err(|error| failed(&error))?;
    if let Some(failure) = closed {
        return Err(failure);
    }
    let (last, outcome) = ending(&end);
    print(&format!("{lines}{last}\n"))?;
    Ok(outcome)
}

fn line(dumped: &Dumped) -> String {
    match dumped {
        Dumped::Segment { file, header } => format!(
            "{file}  segment {} of {}, cluster {:016x}, incarnation {:016x}, format {}",
            header.segment,
            header.identity.server,
            header.identity.cluster,
            header.incarnation,
            header.format
        ),
        Dumped::Record {
            file,
            offset,
            group,
            record,
        } => format!("{file}:{offset}  group {group}  {}", words(record)),
    }
}

fn words(record: &Record) -> String {
    match record {
        Record::Promised { ballot } => format!("promised {ballot}"),
        Record::Accepted {
            slot,
            ballot,
            value,
        } => format!("accepted slot {slot} in {ballot}: {}", content(value)),
        Record::Learned { slot, value } => format!("learned slot {slot}: {}", content(value)),
        Record::Chosen { upto } => format!("chosen up to slot {upto}"),
        Record::Member(member) => format!(
            "member {} is incarnation {:016x}",
            member.server, member.incarnation
        ),
        Record::Formed => "formed: every member knows every other".into(),
        Record::Opened => "opened: the balancer admits clients".into(),
        Record::Lost => "lost: an earlier log was damaged, so this server never votes".into(),
    }
}

fn content(value: &Value) -> String {
    if value.commands().is_empty() {
        return "no-op".into();
    }
    let messages: Vec<String> = value
        .commands()
        .iter()
        .map(|command| {
            // Debug quotes the text and escapes what could confuse a terminal.
            format!(
                "{} #{} {:?}: {:?}",
                command.client, command.seq, command.name, command.text
            )
        })
        .collect();
    messages.join(" | ")
}

fn ending(end: &LogEnd) -> (String, Outcome) {
    match end {
        LogEnd::Absent => ("the log is empty".into(), Outcome::Success),
        LogEnd::Clean { file, offset } => (
            format!("{file}:{offset}  the log ends here, whole"),
            Outcome::Success,
        ),
        LogEnd::Torn {
            file,
            offset,
            bytes,
        } => (
            format!(
                "{file}:{offset}  a torn tail of {bytes} bytes, never durable; the server cuts it \
                 off when it starts"
            ),
            Outcome::Success,
        ),
        LogEnd::Damaged { file, offset, what } => (
            format!("{file}:{offset}  DAMAGED: {what}; nothing behind it was read"),
            Outcome::Violated,
        ),
        LogEnd::Stopped => ("stopped".into(), Outcome::Success),
    }
}
