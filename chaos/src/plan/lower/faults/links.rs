//! Faults of links: what happens to messages on their way.

use std::collections::BTreeSet;
use std::time::Duration;

use paxosctl_node::link::{Distribution, Kind, LONGEST_DELAY, MOST_COPIES};

use super::name_of;
use crate::plan::lower::Lowering;
use crate::plan::raw::{RawDelay, RawDrop, RawDuplicate, RawReorder, Typed};
use crate::plan::targets;
use crate::plan::words::{self, show_duration};
use crate::plan::yaml::Node;
use crate::plan::{Link, LinkEffect, LinkFault, Verb};

/// What every fault of links has: which messages, and where.
struct Which<'a> {
    link: Option<Typed<'a>>,
    kinds: Option<Typed<'a>>,
    probability: Option<Typed<'a>>,
    side: Option<Typed<'a>>,
}

/// The same keys of each map.
macro_rules! which {
    ($raw:ident) => {
        Which {
            link: $raw.link,
            kinds: $raw.kinds,
            probability: $raw.probability,
            side: $raw.side,
        }
    };
}

impl Lowering {
    pub(super) fn delay(&mut self, typed: &Typed) -> Option<Verb> {
        let raw = RawDelay::read(typed.value, &mut self.errors)?;
        let by = match raw.by {
            Some(by) => self.positive_duration(by),
            None => {
                self.errors.add_help(
                    typed.key.place,
                    "`by` is missing in `delay`",
                    "say by how much: delay: {link: \"s1 <-> s2\", by: 150ms}",
                );
                None
            }
        };
        let jitter = match raw.jitter {
            Some(jitter) => self.duration(jitter),
            None => Some(Duration::ZERO),
        };
        if let (Some(by), Some(jitter), Some(typed)) = (by, jitter, raw.jitter)
            && jitter > by
        {
            self.errors.add_help(
                typed.value.place,
                "a jitter above the delay",
                format!("no message can come early: at most {}", show_duration(by)),
            );
        }
        let distribution = match raw.distribution {
            Some(distribution) => self.word(distribution, words::distribution),
            None => Some(Distribution::Uniform),
        };
        if let (Some(typed), Some(Duration::ZERO)) = (raw.distribution, jitter) {
            self.errors.add_help(
                typed.key.place,
                "a distribution without a jitter",
                "say how far the delays stray: jitter: 50ms",
            );
        }
        let (by, jitter, distribution) = (by?, jitter?, distribution?);
        let longest_us = distribution.longest_us(by.as_micros() as u64, jitter.as_micros() as u64);
        if let (Some(typed), true) = (raw.by, longest_us > LONGEST_DELAY.as_micros() as u64) {
            let longest = show_duration(Duration::from_micros(longest_us));
            self.too_long(typed, &format!("a message could be delayed by {longest}"));
        }
        let effect = LinkEffect::Delay {
            by,
            jitter,
            distribution,
        };
        self.link_fault(typed, which!(raw), effect)
    }

    pub(super) fn drop_verb(&mut self, typed: &Typed) -> Option<Verb> {
        let raw = RawDrop::read(typed.value, &mut self.errors)?;
        self.link_fault(typed, which!(raw), LinkEffect::Drop)
    }

    pub(super) fn duplicate(&mut self, typed: &Typed) -> Option<Verb> {
        let raw = RawDuplicate::read(typed.value, &mut self.errors)?;
        let copies = match raw.copies {
            Some(copies) => self.whole_number(copies, 2, MOST_COPIES.into()),
            None => Some(2),
        };
        let copies = copies.unwrap_or(2) as u32;
        self.link_fault(typed, which!(raw), LinkEffect::Duplicate { copies })
    }

    pub(super) fn reorder(&mut self, typed: &Typed) -> Option<Verb> {
        let raw = RawReorder::read(typed.value, &mut self.errors)?;
        let within = match raw.within {
            Some(within) => self.positive_duration(within),
            None => {
                self.errors.add_help(
                    typed.key.place,
                    "`within` is missing in `reorder`",
                    "say how long a message is held back at most: reorder: {link: \"s1 <-> s2\", \
                     within: 50ms}",
                );
                None
            }
        };
        if let (Some(typed), Some(true)) = (raw.within, within.map(|within| within > LONGEST_DELAY))
        {
            self.too_long(typed, "a message could be held back for longer");
        }
        let effect = within.map(|within| LinkEffect::Reorder { within });
        self.link_fault(typed, which!(raw), effect?)
    }

    fn too_long(&mut self, typed: Typed, message: &str) {
        let help = format!(
            "at most {} is possible: is the unit right?",
            show_duration(LONGEST_DELAY)
        );
        self.errors.add_help(typed.value.place, message, help);
    }

    fn link_fault(&mut self, typed: &Typed, which: Which, effect: LinkEffect) -> Option<Verb> {
        let links = self.links(which.link, typed);
        let kinds = self.kinds(which.kinds);
        let probability = match which.probability {
            Some(typed) => self.word(typed, words::share),
            None => Some(1.0),
        };
        let side = match which.side {
            Some(typed) => self.word(typed, words::side).map(Some),
            None => Some(None),
        };
        Some(Verb::Links(LinkFault {
            links: links?,
            kinds: kinds?,
            probability: probability?,
            side: side?,
            effect,
        }))
    }

    /// One link or a list of them.
    fn links(&mut self, typed: Option<Typed>, owner: &Typed) -> Option<Vec<Link>> {
        let Some(typed) = typed else {
            let verb = name_of(owner);
            self.errors.add_help(
                owner.key.place,
                format!("`link` is missing in `{verb}`"),
                format!("say between whom: {verb}: {{link: \"s1 <-> s2\", …}}"),
            );
            return None;
        };
        let mut links = Vec::new();
        let mut sound = true;
        for node in self.texts(typed) {
            match targets::links(node.text().unwrap_or_default(), &self.names) {
                Ok(more) => links.extend(more),
                Err(wrongs) => {
                    sound = false;
                    self.add_wrongs(node, wrongs);
                }
            }
        }
        if sound && links.is_empty() {
            self.errors.add_help(
                typed.key.place,
                "`link` names no link",
                "write link: \"s1 <-> s2\"",
            );
        }
        (sound && !links.is_empty()).then_some(links)
    }

    fn kinds(&mut self, typed: Option<Typed>) -> Option<Vec<Kind>> {
        let Some(typed) = typed else {
            return Some(Vec::new());
        };
        let nodes: Vec<&Node> = self.texts(typed);
        let mut sound = !nodes.is_empty();
        let mut kinds = BTreeSet::new();
        for node in &nodes {
            match words::kinds(node.text().unwrap_or_default()) {
                Ok(named) => kinds.extend(named),
                Err(wrong) => {
                    sound = false;
                    self.add_wrongs(node, vec![wrong]);
                }
            }
        }
        if nodes.is_empty() {
            let help = "name kinds of messages, or remove the line to mean all";
            self.errors
                .add_help(typed.key.place, "`kinds` names no kind", help);
        }
        sound.then(|| kinds.into_iter().collect())
    }
}
