//! When a fault fires, how often, and how long it lasts.

use std::time::Duration;

use super::name_of;
use crate::plan::lower::Lowering;
use crate::plan::raw::{RawFault, Typed};
use crate::plan::words::show_duration;
use crate::plan::{Fault, Nodes, Verb};

/// More firings than that are a slip.
const MOST_TIMES: u64 = 10_000;

impl Lowering {
    /// `for` of a pause or a link fault, `restart_after` of a kill or a stop.
    pub(super) fn lasts(&mut self, raw: &RawFault, verb: &Typed) -> Option<Duration> {
        let verb_name = name_of(verb);
        let ends = matches!(
            verb_name,
            "kill" | "stop" | "fail_fsync" | "torn_write" | "flip_byte" | "wipe"
        );
        // It lasts for a while, and what it ended starts again after that.
        let either = verb_name == "disk_full";
        if let Some(lasts) = raw.lasts
            && (ends || verb_name == "restart")
        {
            let help = match ends {
                true => "what is down comes back by itself with restart_after: 2s",
                false => {
                    "a restart stops and starts at once; for a time in between write \
                          stop: …, restart_after: 2s"
                }
            };
            let message = format!("`for` does not go with `{verb_name}`");
            self.errors.add_help(lasts.key.place, message, help);
            return None;
        }
        if let Some(after) = raw.restart_after
            && !ends
            && !either
        {
            let help = match verb_name {
                "restart" => "a restart starts at once; write stop: …, restart_after: 2s",
                _ => "it says when what was killed or stopped starts again; write for: 2s",
            };
            let message = format!("`restart_after` does not go with `{verb_name}`");
            self.errors.add_help(after.key.place, message, help);
            return None;
        }
        if let (Some(_), Some(after)) = (raw.lasts, raw.restart_after) {
            let message = format!("`for` and `restart_after` mean the same of a `{verb_name}`");
            let help = "keep one of them: when there is room again, the server starts again";
            self.errors.add_help(after.key.place, message, help);
        }
        let typed = raw.lasts.or(raw.restart_after)?;
        self.positive_duration(typed)
    }

    /// How long from one firing to the next, and how many there are. Without `times` a fault is
    /// repeated as long as a firing is healed before the last traffic, at `end`.
    pub(super) fn repetition(
        &mut self,
        raw: &RawFault,
        at: Option<Duration>,
        lasts: Option<Duration>,
        end: Option<Duration>,
    ) -> (Option<Duration>, u32) {
        let every = raw.every.and_then(|every| self.positive_duration(every));
        let times = raw
            .times
            .and_then(|times| self.whole_number(times, 1, MOST_TIMES));
        if let (None, Some(times)) = (raw.every, raw.times) {
            self.errors.add_help(
                times.key.place,
                "`times` without `every`",
                "say how long it is from one firing to the next: every: 5s",
            );
        }
        let fitting = || {
            let room = end?
                .checked_sub(at?)?
                .checked_sub(lasts.unwrap_or_default())?;
            let more = room.as_micros().checked_div(every?.as_micros())?;
            Some((more as u64 + 1).min(MOST_TIMES))
        };
        (every, times.or_else(fitting).unwrap_or(1) as u32)
    }

    /// Whether a firing begins before the one before it is healed.
    pub(super) fn check_repetition(&mut self, raw: &RawFault, fault: &Fault) {
        let (Some(typed), Some(every)) = (raw.every, fault.every) else {
            return;
        };
        if fault.times < 2 {
            return;
        }
        match (fault.lasts, &fault.verb) {
            (Some(lasts), _) if every <= lasts => self.errors.add_help(
                typed.value.place,
                format!(
                    "it fires every {}, but each firing lasts {}",
                    show_duration(every),
                    show_duration(lasts)
                ),
                "make `every` longer than that",
            ),
            (None, Verb::Kill(nodes) | Verb::Stop(nodes)) if is_fixed(nodes) => {
                self.errors.add_help(
                    typed.key.place,
                    "the second firing finds its target down",
                    "let it come back: restart_after: 2s",
                );
            }
            (None, Verb::Machine(fault)) if fault.what.is_deadly() && is_fixed(&fault.servers) => {
                self.errors.add_help(
                    typed.key.place,
                    "the second firing finds its target down",
                    "let it come back: restart_after: 2s",
                );
            }
            (None, Verb::Machine(fault)) if fault.what.is_deadly() => {}
            (
                None,
                Verb::Pause(_)
                | Verb::Links(_)
                | Verb::Partition(_)
                | Verb::Mode(_)
                | Verb::Machine(_),
            ) => {
                self.errors.add_help(
                    typed.key.place,
                    "it fires again, but never heals",
                    "say how long each firing lasts: for: 2s",
                );
            }
            _ => {}
        }
    }

    /// A fault that nobody chats under proves nothing.
    pub(super) fn check_end(
        &mut self,
        fault: &Fault,
        at: Typed,
        times: Option<Typed>,
        end: Duration,
    ) {
        let last = fault.last_firing();
        if last <= end {
            return;
        }
        let place = match times {
            Some(times) if fault.at <= end => times.value.place,
            _ => at.value.place,
        };
        let when = show_duration(last);
        let (message, help) = if end.is_zero() {
            (
                format!("the fault fires at {when}, but there is no traffic"),
                "nothing is proved by breaking an idle cluster: add traffic after it".to_owned(),
            )
        } else {
            let end = show_duration(end);
            (
                format!("the fault fires at {when}, after the last traffic at {end}"),
                format!("move it before {end}, or let somebody speak after it"),
            )
        };
        self.errors.add_help(place, message, help);
    }
}

/// Whether every firing means the same nodes.
fn is_fixed(nodes: &Nodes) -> bool {
    match nodes {
        Nodes::Named(_) | Nodes::Servers | Nodes::Balancer | Nodes::Clients | Nodes::All => true,
        Nodes::Several(several) => several.iter().all(is_fixed),
        _ => false,
    }
}
