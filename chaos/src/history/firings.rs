//! The actions of a run, gathered by the firing of the fault that they served.

use super::{ActionLine, Evidence, HEAL, Step};
use crate::target::Action;

/// More nodes or links are counted, not named.
const NAMED: usize = 4;

/// One firing of one fault: what broke, and what healed it.
#[derive(Debug)]
pub struct Firing<'a> {
    /// `f1`.
    pub fault: &'a str,
    /// From 1.
    pub number: u32,
    /// As the plan says it: `kill leader`.
    pub planned: &'a str,
    pub breaks: Vec<&'a ActionLine>,
    /// Its own healing, or else the healing of everything at the end.
    pub heals: Vec<&'a ActionLine>,
}

impl Firing<'_> {
    /// When it was begun.
    pub fn begun_us(&self) -> u64 {
        self.breaks.iter().map(|line| line.at_us).min().unwrap_or(0)
    }

    /// From when on its effect was observed.
    pub fn in_force_us(&self) -> u64 {
        self.breaks
            .iter()
            .map(|line| line.done_us)
            .max()
            .unwrap_or(0)
    }

    /// When its healing was begun. A step that only starts nodes disturbs nothing beyond itself.
    pub fn healing_us(&self) -> Option<u64> {
        if self.only_starts() {
            return Some(self.in_force_us());
        }
        self.heals.iter().map(|line| line.at_us).min()
    }

    /// When its healing was observed.
    pub fn healed_us(&self) -> Option<u64> {
        if self.only_starts() {
            return Some(self.in_force_us());
        }
        self.heals.iter().map(|line| line.done_us).max()
    }

    /// Whether the plan heals it, or it needs no healing: it does not last until all is healed at the
    /// end.
    pub fn heals_itself(&self) -> bool {
        self.only_starts() || self.heals.iter().any(|line| line.fault != HEAL)
    }

    /// Whether it may have had an effect at this time.
    pub fn active_at(&self, at_us: u64) -> bool {
        self.begun_us() <= at_us && self.healed_us().is_none_or(|healed| at_us <= healed)
    }

    /// Whether the links were disturbed, and not processes.
    pub fn on_links(&self) -> bool {
        self.breaks
            .iter()
            .any(|line| matches!(line.action, Action::Links { .. }))
    }

    /// `f1 (kill leader: s2)`; of many nodes or links the first few.
    pub fn describe(&self) -> String {
        let mut resolved: Vec<&str> = Vec::new();
        for name in self.breaks.iter().flat_map(|line| &line.resolved) {
            if !resolved.contains(&name.as_str()) {
                resolved.push(name);
            }
        }
        let mut names = resolved[..resolved.len().min(NAMED)].join(",");
        if resolved.len() > NAMED {
            names.push_str(&format!(" and {} more", resolved.len() - NAMED));
        }
        if resolved.is_empty() || self.planned.ends_with(&resolved.join(",")) {
            format!("{} ({})", self.fault, self.planned)
        } else {
            format!("{} ({}: {names})", self.fault, self.planned)
        }
    }

    fn only_starts(&self) -> bool {
        self.breaks
            .iter()
            .all(|line| matches!(line.action, Action::Start { .. } | Action::Resume { .. }))
    }
}

impl Evidence {
    /// Every firing that was begun, in the order of beginning.
    pub fn firings(&self) -> Vec<Firing<'_>> {
        let mut firings: Vec<Firing> = Vec::new();
        for line in self.actions.iter().filter(|line| line.fault != HEAL) {
            let known = firings
                .iter()
                .position(|firing| firing.fault == line.fault && firing.number == line.firing);
            let place = known.unwrap_or_else(|| {
                firings.push(Firing {
                    fault: &line.fault,
                    number: line.firing,
                    planned: &line.planned,
                    breaks: Vec::new(),
                    heals: Vec::new(),
                });
                firings.len() - 1
            });
            match line.step {
                Step::Break => firings[place].breaks.push(line),
                Step::Heal => firings[place].heals.push(line),
            }
        }
        // A heal without a break is no firing: there was nothing to observe.
        firings.retain(|firing| !firing.breaks.is_empty());
        for firing in &mut firings {
            if firing.heals.is_empty() {
                let begun_us = firing.begun_us();
                firing.heals = self
                    .actions
                    .iter()
                    .filter(|line| line.fault == HEAL && line.at_us >= begun_us)
                    .collect();
            }
        }
        firings.sort_by_key(Firing::begun_us);
        firings
    }
}
