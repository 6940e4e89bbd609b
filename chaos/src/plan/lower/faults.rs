//! Faults: what is broken, when, how often, and when it is healed.

use std::time::Duration;

use paxosctl_node::link::Kind;

use super::{Lowering, is_load_name};
use crate::plan::error::Place;
use crate::plan::raw::{RawDelay, RawDrop, RawFault, Typed};
use crate::plan::targets;
use crate::plan::words::{self, show_duration};
use crate::plan::yaml::{Content, Node};
use crate::plan::{Fault, Link, Nodes, Verb};

const VERBS: &str = "kill, stop, restart, pause, delay, drop, partition";

/// More firings than that are a slip.
const MOST_TIMES: u64 = 10_000;

impl Lowering {
    /// `end` is the end of the traffic, when that is known.
    pub(super) fn faults(&mut self, typed: Option<Typed>, end: Option<Duration>) -> Vec<Fault> {
        let items = self.items(typed, RawFault::read);
        let mut faults: Vec<Fault> = Vec::new();
        for (index, (place, raw)) in items.iter().enumerate() {
            let id = self.fault_id(raw.name, index + 1, &faults);
            if let Some(fault) = self.fault(*place, raw, id) {
                if let (Some(end), Some(at)) = (end, raw.at) {
                    self.check_end(&fault, at, raw.times, end);
                }
                faults.push(fault);
            }
        }
        faults
    }

    /// `f1`, `f2`, … by the place in the plan, unless the plan names it.
    fn fault_id(&mut self, name: Option<Typed>, number: usize, earlier: &[Fault]) -> String {
        let default = format!("f{number}");
        let Some(name) = name else {
            return default;
        };
        let Some(text) = self.text(name) else {
            return default;
        };
        let fits = text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(super::is_name_character)
            && text.len() <= 32;
        let taken = text != default
            && text.strip_prefix('f').is_some_and(|digits| {
                !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
            });
        if !fits {
            self.errors.add_help(
                name.value.place,
                format!("`{text}` cannot name a fault"),
                "use a letter, then letters, digits, `-` and `_`, up to 32",
            );
        } else if taken || text == "heal" {
            self.errors.add_help(
                name.value.place,
                format!("`{text}` cannot name this fault"),
                "f1, f2, … and heal are used by paxosctl itself; choose another word",
            );
        } else if earlier.iter().any(|fault| fault.id == text) {
            self.errors.add_help(
                name.value.place,
                format!("there are two faults called `{text}`"),
                "give each fault a name of its own, or none",
            );
        }
        text.to_owned()
    }

    fn fault(&mut self, place: Place, raw: &RawFault, id: String) -> Option<Fault> {
        if let Some(random) = raw.random {
            self.errors.add_help(
                random.key.place,
                "`random` faults are not supported yet",
                "write the faults out; a target may be random: kill: random(1)",
            );
            return None;
        }
        let at = self.at(raw.at, place);
        let verbs = [
            raw.kill,
            raw.stop,
            raw.restart,
            raw.pause,
            raw.delay,
            raw.drop,
            raw.partition,
        ];
        let verbs: Vec<Typed> = verbs.into_iter().flatten().collect();
        let [typed] = verbs.as_slice() else {
            match verbs.get(1) {
                Some(second) => self.errors.add_help(
                    second.key.place,
                    format!("`{}` in a fault that has a verb already", name_of(second)),
                    "give it an item of its own with the same `at`",
                ),
                None => self.errors.add_help(
                    place,
                    "a fault that breaks nothing",
                    format!("name what to do, one of {VERBS}"),
                ),
            }
            return None;
        };
        let verb = self.verb(raw, typed);
        let lasts = self.lasts(raw, typed);
        let (every, times) = self.repetition(raw);
        let fault = Fault {
            id,
            line: place.line,
            at: at?,
            every,
            times,
            lasts,
            verb: verb?,
        };
        self.check_repetition(raw, &fault);
        Some(fault)
    }

    fn verb(&mut self, raw: &RawFault, typed: &Typed) -> Option<Verb> {
        if raw.delay.is_some() {
            return self.delay(typed);
        }
        if raw.drop.is_some() {
            return self.drop_verb(typed);
        }
        if raw.partition.is_some() {
            let text = self.text(*typed)?;
            return match targets::partition(text, &self.names) {
                Ok(partition) => Some(Verb::Partition(partition)),
                Err(wrongs) => {
                    self.add_wrongs(typed.value, wrongs);
                    None
                }
            };
        }
        let nodes = self.nodes(typed)?;
        if name_of(typed) != "pause" {
            self.check_no_load(typed, &nodes);
        }
        Some(match name_of(typed) {
            "kill" => Verb::Kill(nodes),
            "stop" => Verb::Stop(nodes),
            "restart" => Verb::Restart(nodes),
            _ => Verb::Pause(nodes),
        })
    }

    /// A load is a source of traffic: to be cut off or paused, not to be restarted.
    fn check_no_load(&mut self, typed: &Typed, nodes: &Nodes) {
        let named = match nodes {
            Nodes::Named(names) => names.as_slice(),
            _ => &[],
        };
        if let Some(load) = named.iter().find(|name| is_load_name(name)) {
            self.errors.add_help(
                typed.value.place,
                format!("{load} cannot be killed, stopped or restarted"),
                "a load is where traffic comes from; pause it, or cut its links",
            );
        }
    }

    /// A target; a YAML list of names means the same as names with commas.
    fn nodes(&mut self, typed: &Typed) -> Option<Nodes> {
        let mut all = Vec::new();
        let items = self.texts(*typed);
        for node in &items {
            match targets::nodes(node.text().unwrap_or_default(), &self.names) {
                Ok(nodes) => all.push(nodes),
                Err(wrongs) => self.add_wrongs(node, wrongs),
            }
        }
        if let Content::List(written) = &typed.value.content
            && written.is_empty()
        {
            self.errors.add_help(
                typed.value.place,
                format!("`{}` has no target", name_of(typed)),
                "name a node, as s1 or leader",
            );
        }
        if all.len() < items.len().max(1) {
            return None;
        }
        Some(match all.len() {
            1 => all.remove(0),
            _ => Nodes::Several(all),
        })
    }

    fn delay(&mut self, typed: &Typed) -> Option<Verb> {
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
        Some(Verb::Delay {
            links: links?,
            by: by?,
            jitter: jitter?,
            kinds: kinds?,
            probability: probability?,
        })
    }

    fn drop_verb(&mut self, typed: &Typed) -> Option<Verb> {
        let raw = RawDrop::read(typed.value, &mut self.errors)?;
        let links = self.links(raw.link, typed);
        let kinds = self.kinds(raw.kinds);
        let probability = self.probability(raw.probability);
        Some(Verb::Drop {
            links: links?,
            kinds: kinds?,
            probability: probability?,
        })
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

    /// `for` of a pause or a link fault, `restart_after` of a kill or a stop.
    fn lasts(&mut self, raw: &RawFault, verb: &Typed) -> Option<Duration> {
        let verb_name = name_of(verb);
        let ends = matches!(verb_name, "kill" | "stop");
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
        {
            let help = match verb_name {
                "restart" => "a restart starts at once; write stop: …, restart_after: 2s",
                _ => "it says when what was killed or stopped starts again; write for: 2s",
            };
            let message = format!("`restart_after` does not go with `{verb_name}`");
            self.errors.add_help(after.key.place, message, help);
            return None;
        }
        let typed = raw.lasts.or(raw.restart_after)?;
        self.positive_duration(typed)
    }

    fn repetition(&mut self, raw: &RawFault) -> (Option<Duration>, u32) {
        let every = raw.every.and_then(|every| self.positive_duration(every));
        let times = raw
            .times
            .and_then(|times| self.whole_number(times, 1, MOST_TIMES));
        match (raw.every, raw.times) {
            (Some(every), None) => self.errors.add_help(
                every.key.place,
                "`every` without `times`",
                "say how often it fires: times: 3",
            ),
            (None, Some(times)) => self.errors.add_help(
                times.key.place,
                "`times` without `every`",
                "say how long it is from one firing to the next: every: 5s",
            ),
            _ => {}
        }
        (every, times.unwrap_or(1) as u32)
    }

    /// Whether a firing begins before the one before it is healed.
    fn check_repetition(&mut self, raw: &RawFault, fault: &Fault) {
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
            (
                None,
                Verb::Pause(_) | Verb::Delay { .. } | Verb::Drop { .. } | Verb::Partition(_),
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
    fn check_end(&mut self, fault: &Fault, at: Typed, times: Option<Typed>, end: Duration) {
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

fn name_of<'a>(typed: &Typed<'a>) -> &'a str {
    typed.key.text().unwrap_or_default()
}
