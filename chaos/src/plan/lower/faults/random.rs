//! Faults that the seed draws: from which kinds, how often, and what they must spare.

use std::time::Duration;

use crate::plan::error::Place;
use crate::plan::lower::Lowering;
use crate::plan::raw::{RawFault, RawRandom, Typed};
use crate::plan::words::{self, closest, show_duration};
use crate::plan::yaml::{Content, Node};
use crate::plan::{RandomFaults, RandomKind};

/// More draws than that are a slip.
const MOST_DRAWS: u128 = 10_000;

impl Lowering {
    /// `end` is the end of the traffic, when that is known.
    pub(super) fn random(
        &mut self,
        place: Place,
        raw: &RawFault,
        typed: Typed,
        id: String,
        end: Option<Duration>,
    ) -> Option<RandomFaults> {
        let at = self.at(raw.at, place);
        self.check_alone(raw, &typed);
        let Some(lasts) = raw.lasts else {
            self.errors.add_help(
                typed.key.place,
                "random faults without an end",
                "say how long they are drawn: {at: 5s, for: 20s, random: {…}}",
            );
            return None;
        };
        let whole = self.positive_duration(lasts);
        let inner = RawRandom::read(typed.value, &mut self.errors)?;
        // What is missing or wrong is told below, and does not keep the rest from being checked.
        let spare = match inner.spare {
            Some(spare) => self.spare(spare),
            None => Some(true),
        };
        let pick = match inner.pick {
            Some(pick) if pick.value.text() != Some("all") => self.pick(pick, spare),
            _ => self.all_that_heals(typed.key.place, spare),
        };
        let weighted = pick.and_then(|pick| self.weights(pick, inner.weights));
        let every = match inner.every {
            Some(every) => self.range(every),
            None => {
                self.errors.add_help(
                    typed.key.place,
                    "`every` is missing in `random`",
                    "say how long it is from one fault to the next: every: 2s..4s",
                );
                None
            }
        };
        let each_lasts = match inner.lasts {
            Some(lasts) => self.range(lasts),
            None => every.map(RandomFaults::usual_length),
        };
        let swarm = match inner.swarm {
            Some(swarm) => self.word(swarm, words::yes_or_no),
            None => Some(false),
        };
        let (at, whole, every, each_lasts) = (at?, whole?, every?, each_lasts?);
        if let Some(end) = end
            && at + whole > end
        {
            self.errors.add_help(
                lasts.value.place,
                format!(
                    "faults are drawn until {}, after the last traffic at {}",
                    show_duration(at + whole),
                    show_duration(end)
                ),
                "draw for a shorter time, or let somebody speak after it",
            );
        }
        if whole.as_micros() / every.0.as_micros().max(1) > MOST_DRAWS {
            self.errors.add_help(
                lasts.value.place,
                format!("more than {MOST_DRAWS} faults may be drawn"),
                "make `every` longer, or `for` shorter",
            );
        }
        if whole < each_lasts.0 {
            self.errors.add_help(
                lasts.value.place,
                format!(
                    "no fault fits: each lasts at least {}",
                    show_duration(each_lasts.0)
                ),
                "draw for a longer time, or shorten `lasts` in `random`",
            );
        }
        Some(RandomFaults {
            id,
            line: place.line,
            at,
            lasts: whole,
            pick: weighted?,
            every,
            each_lasts,
            spare_majority: spare?,
            swarm: swarm?,
        })
    }

    /// What says when, or what else to do, belongs to a single fault.
    fn check_alone(&mut self, raw: &RawFault, random: &Typed) {
        let single = [raw.every, raw.times, raw.restart_after];
        for typed in single.into_iter().flatten() {
            let key = typed.key.text().unwrap_or_default();
            self.errors.add_help(
                typed.key.place,
                format!("`{key}` does not go with `random`"),
                "how often is said inside: random: {pick: [kill, pause], every: 2s..4s, lasts: 1s..2s}",
            );
        }
        if let Some(verb) = super::verbs(raw).first() {
            self.errors.add_help(
                random.key.place,
                format!("`random` in a fault that has `{}`", super::name_of(verb)),
                "give it an item of its own",
            );
        }
    }

    /// The kinds that are picked by name; each must be possible. `spare` is whether a majority is, if
    /// that is known.
    fn pick(&mut self, typed: Typed, spare: Option<bool>) -> Option<Vec<RandomKind>> {
        let servers = self.names.servers;
        let nodes = self.texts(typed);
        let mut kinds = Vec::new();
        for &node in &nodes {
            match self.random_kind(node) {
                Some(kind) if kinds.contains(&kind) => self.errors.add_help(
                    node.place,
                    format!("`{}` is picked twice", kind.name()),
                    "to draw it more often write weights: {kill: 3}",
                ),
                Some(kind) => {
                    kinds.push(kind);
                    if spare.is_some_and(|spare| !kind.is_possible(servers, spare)) {
                        self.never_drawn(node.place, kind);
                    }
                }
                None => {}
            }
        }
        if nodes.is_empty() && self.is_empty_list(typed) {
            self.errors.add_help(
                typed.value.place,
                "`pick` names nothing",
                "name kinds of faults, or remove the key to draw from all",
            );
        }
        (!kinds.is_empty() && kinds.len() == nodes.len()).then_some(kinds)
    }

    fn never_drawn(&mut self, place: Place, kind: RandomKind) {
        let servers = self.names.servers;
        let (why, help) = match servers {
            1 => (
                "in a cluster of one server",
                "write spare: none, as long as it needs no second server, or give the cluster 3",
            ),
            2 => (
                "where a majority of 2 servers is spared: that is both",
                "write spare: none, or give the cluster 3 servers",
            ),
            _ => ("in this cluster", "pick something else"),
        };
        let help = match kind.is_for_good() {
            true => "give the cluster 3 servers: a majority must be able to vote",
            false => help,
        };
        let message = format!("`{}` can never be drawn {why}", kind.name());
        self.errors.add_help(place, message, help);
    }

    /// Every kind that heals and is possible.
    fn all_that_heals(&mut self, place: Place, spare: Option<bool>) -> Option<Vec<RandomKind>> {
        let servers = self.names.servers;
        let kinds = RandomKind::all_that_heal(servers, spare.unwrap_or(false));
        if kinds.is_empty() {
            self.errors.add_help(
                place,
                "no fault can be drawn in a cluster of one server that is spared",
                "write random: {spare: none, …}, or give the cluster 3 servers",
            );
            return None;
        }
        Some(kinds)
    }

    fn is_empty_list(&self, typed: Typed) -> bool {
        matches!(&typed.value.content, Content::List(nodes) if nodes.is_empty())
    }

    fn random_kind(&mut self, node: &Node) -> Option<RandomKind> {
        let name = node.text().unwrap_or_default();
        let found = RandomKind::ALL.into_iter().find(|kind| kind.name() == name);
        if found.is_none() {
            let names = RandomKind::ALL.map(RandomKind::name);
            let help = match closest(name, names.into_iter()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("what can be drawn is {}", names.join(", ")),
            };
            let message = format!("`{name}` is no kind of fault that can be drawn");
            self.errors.add_help(node.place, message, help);
        }
        found
    }

    /// Each kind that is picked weighs 1 unless `weights` says otherwise.
    fn weights(
        &mut self,
        pick: Vec<RandomKind>,
        typed: Option<Typed>,
    ) -> Option<Vec<(RandomKind, u32)>> {
        let mut weighted: Vec<(RandomKind, u32)> = pick.into_iter().map(|kind| (kind, 1)).collect();
        let Some(typed) = typed else {
            return Some(weighted);
        };
        let Content::Map(entries) = &typed.value.content else {
            self.errors.add_help(
                typed.value.place,
                format!("`weights` is a map, not {}", typed.value.describe()),
                "write weights: {kill: 3, pause: 1}",
            );
            return None;
        };
        let mut sound = true;
        for (key, value) in entries {
            let kind = self.random_kind(key);
            let weight = self.whole_number(Typed { key, value }, 1, 1000);
            let (Some(kind), Some(weight)) = (kind, weight) else {
                sound = false;
                continue;
            };
            match weighted.iter_mut().find(|(picked, _)| *picked == kind) {
                Some(picked) => picked.1 = weight as u32,
                None => self.errors.add_help(
                    key.place,
                    format!("`{}` has a weight, but is not picked", kind.name()),
                    "add it to `pick`, or remove its weight",
                ),
            }
        }
        sound.then_some(weighted)
    }

    /// `2s..4s`, or `3s` for always the same.
    fn range(&mut self, typed: Typed) -> Option<(Duration, Duration)> {
        let range = self.word(typed, words::duration_range)?;
        if range.0.is_zero() {
            let key = typed.key.text().unwrap_or_default();
            self.errors.add_help(
                typed.value.place,
                format!("`{key}` cannot be 0"),
                "write how long, as 2s..4s",
            );
            return None;
        }
        Some(range)
    }

    fn spare(&mut self, typed: Typed) -> Option<bool> {
        match self.text(typed)? {
            "majority" => Some(true),
            "none" => Some(false),
            other => {
                self.errors.add_help(
                    typed.value.place,
                    format!("`{other}` cannot be spared"),
                    "write spare: majority, or spare: none to let everything break",
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What is told of a plan with so many servers and this `random`, which begins at 4:36.
    fn told(servers: u16, random: &str) -> Vec<String> {
        let text = format!(
            "version: 1\ncluster: {{servers: {servers}, clients: [ann]}}\ntraffic: [{{at: 9s, as: ann, say: x}}]\nfaults: [{{at: 2s, for: 3s, random: {random}}}]\n"
        );
        let errors = crate::plan::parse(Path::new("x.yaml"), &text).err();
        let errors = errors.into_iter().flat_map(|errors| errors.errors);
        errors
            .map(|e| format!("{}:{} {}", e.line, e.column, e.message))
            .collect()
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        assert_eq!(
            told(
                3,
                "{pick: [kil], every: 3s..1s, spare: minority, swarm: so}"
            ),
            [
                "4:44 `kil` is no kind of fault that can be drawn",
                "4:57 the range ends before it begins",
                "4:72 `minority` cannot be spared",
                "4:89 `so` is neither true nor false"
            ]
        );
    }

    #[test]
    fn what_can_never_be_drawn_is_refused() {
        assert_eq!(
            told(1, "{every: 1s}"),
            ["4:28 no fault can be drawn in a cluster of one server that is spared"]
        );
        assert_eq!(told(1, "{every: 1s, spare: none}"), [""; 0]);
        assert_eq!(
            told(1, "{every: 1s, spare: none, pick: [kill, drop, wipe]}"),
            [
                "4:74 `drop` can never be drawn in a cluster of one server",
                "4:80 `wipe` can never be drawn in a cluster of one server"
            ]
        );
        assert_eq!(told(2, "{every: 1s, pick: [drop]}"), [""; 0]);
        assert_eq!(told(2, "{every: 1s, spare: none, pick: [kill]}"), [""; 0]);
    }
}
