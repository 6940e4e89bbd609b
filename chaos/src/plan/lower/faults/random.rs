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
        let pick = match inner.pick {
            Some(pick) => self.pick(pick),
            None => Some(all_that_heals()),
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
        let each_lasts = match (inner.lasts, every) {
            (Some(lasts), _) => self.range(lasts)?,
            (None, Some((least, most))) => (least / 2, most),
            (None, None) => return None,
        };
        let spare_majority = match inner.spare {
            Some(spare) => self.spare(spare)?,
            None => true,
        };
        let swarm = match inner.swarm {
            Some(swarm) => self.word(swarm, words::yes_or_no)?,
            None => false,
        };
        let (at, whole, every) = (at?, whole?, every?);
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
            spare_majority,
            swarm,
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

    fn pick(&mut self, typed: Typed) -> Option<Vec<RandomKind>> {
        if typed.value.text() == Some("all") {
            return Some(all_that_heals());
        }
        let nodes = self.texts(typed);
        let mut kinds = Vec::new();
        for &node in &nodes {
            match self.random_kind(node) {
                Some(kind) if kinds.contains(&kind) => self.errors.add_help(
                    node.place,
                    format!("`{}` is picked twice", kind.name()),
                    "to draw it more often write weights: {kill: 3}",
                ),
                Some(kind) => kinds.push(kind),
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

fn all_that_heals() -> Vec<RandomKind> {
    let all = RandomKind::ALL.into_iter();
    all.filter(|kind| !kind.is_for_good()).collect()
}
