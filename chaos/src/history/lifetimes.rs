//! When each process was down or paused, as it was observed.

use std::collections::BTreeMap;

use super::Evidence;
use crate::target::{Action, Change};

/// A time during which something was broken, with both its uncertain ends: breaking began at
/// `from_us` and was observed at `surely_from_us`; healing began at `surely_to_us` and was observed
/// at `to_us`. In between it was surely broken; outside the wider span it surely was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from_us: u64,
    pub surely_from_us: u64,
    /// `u64::MAX` when it was not healed.
    pub surely_to_us: u64,
    pub to_us: u64,
}

impl Span {
    /// A span that has begun and not ended.
    pub fn open(from_us: u64, surely_from_us: u64) -> Span {
        Span {
            from_us,
            surely_from_us,
            surely_to_us: u64::MAX,
            to_us: u64::MAX,
        }
    }

    /// Whether the thing was broken throughout this moment, beyond doubt.
    pub fn surely(&self, at_us: u64) -> bool {
        self.surely_from_us <= at_us && at_us < self.surely_to_us
    }

    /// Whether the thing may have been broken at this moment.
    pub fn maybe(&self, at_us: u64) -> bool {
        self.from_us <= at_us && at_us < self.to_us
    }
}

/// What a process is doing at the end of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Up,
    Down,
    Paused,
}

/// The spans of every process that was ever down or paused.
#[derive(Debug, Default)]
pub struct Lifetimes {
    pub down: BTreeMap<String, Vec<Span>>,
    pub paused: BTreeMap<String, Vec<Span>>,
}

impl Lifetimes {
    pub fn of(evidence: &Evidence) -> Lifetimes {
        let mut lifetimes = Lifetimes::default();
        // Deaths and actions in the order of time, so that spans open and close in turn.
        let mut steps: Vec<(u64, usize, bool)> = Vec::new();
        for (place, action) in evidence.actions.iter().enumerate() {
            steps.push((action.at_us, place, false));
        }
        for (place, death) in evidence.deaths.iter().enumerate() {
            steps.push((death.at_us, place, true));
        }
        steps.sort_by_key(|&(at_us, _, _)| at_us);
        for (_, place, is_death) in steps {
            if is_death {
                let death = &evidence.deaths[place];
                lifetimes.went_down(&death.node, death.at_us, death.at_us);
            } else {
                let line = &evidence.actions[place];
                lifetimes.begin_healing(&line.action, line.at_us);
                for change in &line.changes {
                    lifetimes.change(change, line.at_us, line.done_us);
                }
            }
        }
        lifetimes
    }

    /// What the process is doing at the end.
    pub fn at_end(&self, node: &str) -> State {
        let open = |spans: &BTreeMap<String, Vec<Span>>| {
            spans
                .get(node)
                .and_then(|spans| spans.last())
                .is_some_and(|span| span.to_us == u64::MAX)
        };
        if open(&self.down) {
            State::Down
        } else if open(&self.paused) {
            State::Paused
        } else {
            State::Up
        }
    }

    /// Whether the process was surely neither running nor about to run.
    pub fn surely_out(&self, node: &str, at_us: u64) -> bool {
        self.any(node, |span| span.surely(at_us))
    }

    /// Whether the process was surely down: whatever runs later is another one.
    pub fn surely_down(&self, node: &str, at_us: u64) -> bool {
        self.down
            .get(node)
            .is_some_and(|spans| spans.iter().any(|span| span.surely(at_us)))
    }

    /// Whether the process may have been down or paused.
    pub fn maybe_out(&self, node: &str, at_us: u64) -> bool {
        self.any(node, |span| span.maybe(at_us))
    }

    /// Whether the process may have been paused, and not down.
    pub fn maybe_paused(&self, node: &str, at_us: u64) -> bool {
        self.paused
            .get(node)
            .is_some_and(|spans| spans.iter().any(|span| span.maybe(at_us)))
    }

    /// Every moment at which anything changes.
    pub fn moments(&self) -> impl Iterator<Item = u64> {
        self.down
            .values()
            .chain(self.paused.values())
            .flatten()
            .flat_map(|span| {
                [
                    span.from_us,
                    span.surely_from_us,
                    span.surely_to_us,
                    span.to_us,
                ]
            })
    }

    fn any(&self, node: &str, wanted: impl Fn(&Span) -> bool) -> bool {
        let holds = |spans: &BTreeMap<String, Vec<Span>>| {
            spans
                .get(node)
                .is_some_and(|spans| spans.iter().any(&wanted))
        };
        holds(&self.down) || holds(&self.paused)
    }

    /// From the moment when a start or a resume is begun, the process is no longer surely out.
    fn begin_healing(&mut self, action: &Action, at_us: u64) {
        let (spans, nodes) = match action {
            Action::Start { nodes } => (&mut self.down, nodes),
            Action::Resume { nodes } => (&mut self.paused, nodes),
            _ => return,
        };
        for node in nodes {
            if let Some(span) = spans.get_mut(node).and_then(|spans| spans.last_mut()) {
                span.surely_to_us = span.surely_to_us.min(at_us);
            }
        }
    }

    fn change(&mut self, change: &Change, at_us: u64, done_us: u64) {
        match change {
            Change::Exited { node, .. } => self.went_down(node, at_us, done_us),
            Change::Paused { node } => {
                let spans = self.paused.entry(node.clone()).or_default();
                if spans.last().is_none_or(|span| span.to_us != u64::MAX) {
                    spans.push(Span::open(at_us, done_us));
                }
            }
            Change::Started { node, .. } => close(&mut self.down, node, at_us, done_us),
            Change::Resumed { node } => close(&mut self.paused, node, at_us, done_us),
            Change::Links { .. }
            | Change::LinksLater { .. }
            | Change::Machine { .. }
            | Change::MachineLater { .. }
            | Change::Flipped { .. }
            | Change::Wiped { .. }
            | Change::Nothing { .. } => {}
        }
    }

    fn went_down(&mut self, node: &str, at_us: u64, done_us: u64) {
        // What is dead is not paused any more, and out without a gap.
        close(&mut self.paused, node, done_us, done_us);
        let spans = self.down.entry(node.to_string()).or_default();
        if spans.last().is_none_or(|span| span.to_us != u64::MAX) {
            spans.push(Span::open(at_us, done_us));
        }
    }
}

fn close(spans: &mut BTreeMap<String, Vec<Span>>, node: &str, at_us: u64, done_us: u64) {
    if let Some(span) = spans.get_mut(node).and_then(|spans| spans.last_mut())
        && span.to_us == u64::MAX
    {
        span.surely_to_us = span.surely_to_us.min(at_us);
        span.to_us = done_us;
    }
}
