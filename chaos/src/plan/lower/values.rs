//! Single values: a scalar of the tree to a number, a duration, a list of texts.

use std::time::Duration;

use super::Lowering;
use crate::plan::error::{Errors, Place};
use crate::plan::raw::Typed;
use crate::plan::words::{self, Wrong};
use crate::plan::yaml::{Content, Node};

impl Lowering {
    /// Records the mistakes of a text, each at its own characters.
    pub(super) fn add_wrongs(&mut self, node: &Node, wrongs: Vec<Wrong>) {
        for wrong in wrongs {
            let place = node.part(wrong.start, wrong.length);
            self.errors.add_help(place, wrong.message, wrong.help);
        }
    }

    /// The text of a scalar.
    pub(super) fn text<'a>(&mut self, typed: Typed<'a>) -> Option<&'a str> {
        let text = typed.value.text().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            let key = typed.key.text().unwrap_or_default();
            let (message, help) = match &typed.value.content {
                Content::Empty | Content::Text(_) => (
                    format!("`{key}` has no value"),
                    "write one behind the colon, or remove the key",
                ),
                _ => (
                    format!("`{key}` takes one value, not {}", typed.value.describe()),
                    "write a single word or a text in quotes",
                ),
            };
            self.errors.add_help(typed.value.place, message, help);
        }
        text
    }

    /// Reads a scalar by one of the readers of `words`.
    pub(super) fn word<T>(
        &mut self,
        typed: Typed,
        read: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let text = self.text(typed)?;
        match read(text) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.add_wrongs(typed.value, vec![wrong]);
                None
            }
        }
    }

    pub(super) fn whole_number(&mut self, typed: Typed, least: u64, most: u64) -> Option<u64> {
        self.word(typed, |text| words::whole_number(text, least, most))
    }

    pub(super) fn duration(&mut self, typed: Typed) -> Option<Duration> {
        self.word(typed, words::duration)
    }

    /// A duration of which 0 makes no sense.
    pub(super) fn positive_duration(&mut self, typed: Typed) -> Option<Duration> {
        let duration = self.duration(typed)?;
        if duration.is_zero() {
            let key = typed.key.text().unwrap_or_default();
            self.errors.add_help(
                typed.value.place,
                format!("`{key}` cannot be 0"),
                "write how long, as 500ms or 2s",
            );
            return None;
        }
        Some(duration)
    }

    /// A list of texts; one text stands for a list of one.
    pub(super) fn texts<'a>(&mut self, typed: Typed<'a>) -> Vec<&'a Node> {
        let Content::List(nodes) = &typed.value.content else {
            return self.text(typed).map(|_| typed.value).into_iter().collect();
        };
        let key = typed.key.text().unwrap_or_default();
        let (texts, others): (Vec<&Node>, Vec<&Node>) =
            nodes.iter().partition(|node| node.text().is_some());
        for other in others {
            self.errors.add_help(
                other.place,
                format!("`{key}` is a list of words, not of {}", other.describe()),
                format!("write {key}: [one, two]"),
            );
        }
        texts
    }

    /// A list of maps, each with its place and sorted by `read`.
    pub(super) fn items<'a, T>(
        &mut self,
        typed: Option<Typed<'a>>,
        read: impl Fn(&'a Node, &mut Errors) -> Option<T>,
    ) -> Vec<(Place, T)> {
        let Some(typed) = typed else {
            return Vec::new();
        };
        match &typed.value.content {
            Content::Empty => Vec::new(),
            Content::List(nodes) => nodes
                .iter()
                .filter_map(|node| Some((node.place, read(node, &mut self.errors)?)))
                .collect(),
            _ => {
                let key = typed.key.text().unwrap_or_default();
                self.errors.add_help(
                    typed.value.place,
                    format!("`{key}` is a list, not {}", typed.value.describe()),
                    "begin each item on a line of its own with `- `, or put it into brackets: [{…}]",
                );
                Vec::new()
            }
        }
    }
}
