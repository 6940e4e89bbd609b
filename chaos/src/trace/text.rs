//! A sequence as lines for a terminal.

use std::fmt::Write;

use paxosctl_node::event::Event;

use super::{Fate, Sequence, TraceStep, TraceWhat};
use crate::report::plain;

/// A message that takes longer than this is worth a word.
const SLOW_US: u64 = 20_000;

/// The sequence, a line a step, with the violation in its place.
pub fn text(sequence: &Sequence) -> String {
    let mut out = String::new();
    let mut is_told = false;
    for step in &sequence.steps {
        if !is_told && step.at_us > sequence.at_us {
            mark(&mut out, sequence);
            is_told = true;
        }
        let _ = writeln!(
            out,
            "{:>11.6}  {}",
            seconds(step.at_us),
            plain(&words(step))
        );
    }
    if !is_told {
        mark(&mut out, sequence);
    }
    if sequence.left_out > 0 {
        let _ = writeln!(
            out,
            "{} in between that say nothing of it are left out",
            crate::report::count(sequence.left_out as u64, "step")
        );
    }
    out
}

fn mark(out: &mut String, sequence: &Sequence) {
    let _ = writeln!(
        out,
        "{:>11.6}  !!! {}",
        seconds(sequence.at_us),
        plain(&sequence.violation)
    );
}

fn seconds(at_us: u64) -> f64 {
    at_us as f64 / 1e6
}

/// One step in words.
pub(super) fn words(step: &TraceStep) -> String {
    match &step.what {
        TraceWhat::Sent {
            from,
            to,
            message,
            fate,
            ..
        } => {
            let fate = match fate {
                Fate::Arrives { at_us } if *at_us > step.at_us + SLOW_US => {
                    format!("  (arrives at {:.6})", seconds(*at_us))
                }
                Fate::Arrives { .. } => String::new(),
                Fate::Lost => "  (LOST by the network)".into(),
                Fate::DroppedLeaving | Fate::DroppedArriving => "  (DROPPED by a link rule)".into(),
            };
            format!("{from} -> {to}  {message}{fate}")
        }
        TraceWhat::Event { node, event } => format!("{node} *  {}", event_words(event)),
        TraceWhat::Ended { node, status } => format!("{node} †  {status}"),
        TraceWhat::Action { words } => format!("=== {words}"),
    }
}

/// A node's own line in words.
fn event_words(event: &Event) -> String {
    match event {
        Event::Started { .. } => "starts".into(),
        Event::Recovered {
            promised,
            accepted,
            chosen,
            ..
        } => format!(
            "found on its disk: promised {promised}, chosen {chosen}, {}",
            crate::report::count(accepted.len() as u64, "open acceptance")
        ),
        Event::Formed => "may vote".into(),
        Event::NotVoting { .. } => "does not vote: its disk is new".into(),
        Event::Promised { ballot } => format!("promised {ballot}"),
        Event::Accepted(accepted) => format!(
            "accepted slot {} in {} ({:08x})",
            accepted.slot, accepted.ballot, accepted.digest
        ),
        Event::Chosen { upto } => format!("takes slots up to {upto} for chosen"),
        Event::Leading {
            ballot,
            promised_by,
            after,
        } => {
            let servers: Vec<String> = promised_by.iter().map(ToString::to_string).collect();
            format!(
                "LEADS in {ballot} with promises of {}, after slot {after}",
                servers.join(", ")
            )
        }
        Event::SteppedDown { ballot } => format!("leads no more in {ballot}"),
        Event::DiskTrouble { what, .. } => format!("its disk: {what}"),
        Event::ClockSet { after_us, .. } => {
            format!("its clock is {:.3} s ahead", *after_us as f64 / 1e6)
        }
        Event::Say { seq, text, .. } => {
            let text: String = text.chars().take(24).collect();
            format!("says #{seq} {text:?}")
        }
        Event::Acked {
            seq, index, server, ..
        } => format!("#{seq} is acknowledged by {server}, index {index}"),
        Event::ReadAsked { id, .. } => format!("asks to read, #{id}"),
        Event::ReadDone {
            id, length, server, ..
        } => format!("read #{id} answered by {server}: chat of {length}"),
        other => format!("{other:?}"),
    }
}
