//! Faults of links: what happens to messages on their way.

use std::time::Duration;

use paxosctl_node::link::Kind;

use super::name_of;
use crate::plan::lower::Lowering;
use crate::plan::raw::{RawDelay, RawDrop, Typed};
use crate::plan::targets;
use crate::plan::words::{self, show_duration};
use crate::plan::yaml::Node;
use crate::plan::{Link, LinkEffect, LinkFault, Verb};

impl Lowering {
    pub(super) fn delay(&mut self, typed: &Typed) -> Option<Verb> {
        let raw = RawDelay::read(typed.value, &mut self.errors)?;
        let links = self.links(raw.link, typed);
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
        let kinds = self.kinds(raw.kinds);
        let probability = self.probability(raw.probability);
        Some(Verb::Links(LinkFault {
            links: links?,
            kinds: kinds?,
            probability: probability?,
            effect: LinkEffect::Delay {
                by: by?,
                jitter: jitter?,
            },
        }))
    }

    pub(super) fn drop_verb(&mut self, typed: &Typed) -> Option<Verb> {
        let raw = RawDrop::read(typed.value, &mut self.errors)?;
        let links = self.links(raw.link, typed);
        let kinds = self.kinds(raw.kinds);
        let probability = self.probability(raw.probability);
        Some(Verb::Links(LinkFault {
            links: links?,
            kinds: kinds?,
            probability: probability?,
            effect: LinkEffect::Drop,
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
        let count = nodes.len();
        let mut kinds = Vec::new();
        for node in nodes {
            match words::kind(node.text().unwrap_or_default()) {
                Ok(kind) => kinds.push(kind),
                Err(wrong) => self.add_wrongs(node, vec![wrong]),
            }
        }
        if count == 0 {
            let help = "name kinds of messages, or remove the line to mean all";
            self.errors
                .add_help(typed.key.place, "`kinds` names no kind", help);
        }
        (count > 0 && kinds.len() == count).then_some(kinds)
    }

    fn probability(&mut self, typed: Option<Typed>) -> Option<f64> {
        match typed {
            Some(typed) => self.word(typed, words::share),
            None => Some(1.0),
        }
    }
}
