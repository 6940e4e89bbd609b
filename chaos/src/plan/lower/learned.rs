//! `learned`: when servers must have a message in their logs.

use super::Lowering;
use crate::plan::error::Place;
use crate::plan::raw::{RawLearned, Typed};
use crate::plan::words::show_duration;
use crate::plan::{Learned, Nodes, targets};

impl Lowering {
    /// The demands, each with servers and at least one limit.
    pub(super) fn learned(&mut self, typed: Option<Typed>) -> Vec<Learned> {
        let items = self.items(typed, RawLearned::read);
        let demands = items.iter();
        demands
            .filter_map(|(place, raw)| self.one_learned(*place, raw))
            .collect()
    }

    fn one_learned(&mut self, place: Place, raw: &RawLearned) -> Option<Learned> {
        let by = match raw.by {
            Some(by) => self.learners(by),
            None => {
                let help = "name servers: learned: [{by: \"s2,s3\", within: 1s}]";
                self.errors.add_help(place, "learned by whom?", help);
                None
            }
        };
        let after = raw.after.and_then(|after| self.duration(after));
        let within = raw.within.and_then(|within| self.positive_duration(within));
        if raw.after.is_none() && raw.within.is_none() {
            self.errors.add_help(
                place,
                "learned when?",
                "say after: 30s (not before), within: 33s (at the latest), or both",
            );
        }
        if let (Some(after), Some(within), Some(typed)) = (after, within, raw.within)
            && within <= after
        {
            self.errors.add_help(
                typed.value.place,
                format!(
                    "learned after {} and within {}: there is no such time",
                    show_duration(after),
                    show_duration(within)
                ),
                "both count from when it was said: make `within` longer than `after`",
            );
        }
        Some(Learned {
            by: by?,
            after,
            within,
        })
    }

    /// Servers that are known before the run.
    fn learners(&mut self, typed: Typed) -> Option<Vec<String>> {
        let mut learners: Vec<String> = Vec::new();
        let mut sound = true;
        for node in self.texts(typed) {
            let named = match targets::nodes(node.text().unwrap_or_default(), &self.names) {
                Ok(Nodes::Servers) => (1..=self.names.servers).map(|n| format!("s{n}")).collect(),
                Ok(Nodes::Named(names)) if names.iter().all(|name| self.names.is_server(name)) => {
                    names
                }
                Ok(other) => {
                    sound = false;
                    let help = "name servers, as s1 or \"s2,s3\", or write servers for all";
                    let message = format!("`{other}` is not a list of servers");
                    self.errors.add_help(node.place, message, help);
                    continue;
                }
                Err(wrongs) => {
                    sound = false;
                    self.add_wrongs(node, wrongs);
                    continue;
                }
            };
            for name in named {
                if !learners.contains(&name) {
                    learners.push(name);
                }
            }
        }
        (sound && !learners.is_empty()).then_some(learners)
    }
}
