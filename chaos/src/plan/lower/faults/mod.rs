//! Faults: what is broken, when, how often, and when it is healed.

mod links;
mod machine;
mod modes;
mod names;
mod partitions;
mod random;
mod timing;

use std::time::Duration;

use names::FaultNames;

use super::{Lowering, is_load_name};
use crate::plan::error::Place;
use crate::plan::raw::{RawFault, Typed};
use crate::plan::targets;
use crate::plan::yaml::{Content, Node};
use crate::plan::{Fault, Nodes, RandomFaults, Verb};

const VERBS: &str = "kill, stop, restart, pause, delay, drop, duplicate, reorder, partition, isolate, \
                     mode, slow_disk, fail_fsync, disk_full, torn_write, flip_byte, wipe, clock, \
                     random";

impl Lowering {
    /// The faults that are written out, and those that are drawn. `end` is the end of the traffic,
    /// when that is known.
    pub(super) fn faults(
        &mut self,
        typed: Option<Typed>,
        end: Option<Duration>,
    ) -> (Vec<Fault>, Vec<RandomFaults>) {
        let items = self.items(typed, RawFault::read);
        let names = FaultNames::new(&items);
        let mut faults: Vec<Fault> = Vec::new();
        let mut random: Vec<RandomFaults> = Vec::new();
        for (index, (place, raw)) in items.iter().enumerate() {
            let id = self.fault_id(&names, index);
            if let Some(typed) = raw.random {
                random.extend(self.random(*place, raw, typed, id, end));
            } else if let Some(fault) = self.fault(*place, raw, id, end) {
                if let (Some(end), Some(at)) = (end, raw.at) {
                    self.check_end(&fault, at, raw.times, end);
                }
                faults.push(fault);
            }
        }
        (faults, random)
    }

    /// A fault without a plan around it.
    pub(in crate::plan::lower) fn lone_fault(&mut self, root: &Node) -> Option<Fault> {
        let item = [(root.place, RawFault::read(root, &mut self.errors)?)];
        let id = self.fault_id(&FaultNames::new(&item), 0);
        self.fault(root.place, &item[0].1, id, None)
    }

    fn fault(
        &mut self,
        place: Place,
        raw: &RawFault,
        id: String,
        end: Option<Duration>,
    ) -> Option<Fault> {
        let at = self.at(raw.at, place);
        let verbs = verbs(raw);
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
        let (every, times) = self.repetition(raw, at, lasts, end);
        let fault = Fault {
            id,
            line: place.line,
            at: at?,
            every,
            times,
            lasts,
            verb: verb?,
            drawn_by: None,
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
        if raw.duplicate.is_some() {
            return self.duplicate(typed);
        }
        if raw.reorder.is_some() {
            return self.reorder(typed);
        }
        if raw.mode.is_some() {
            return self.mode(typed);
        }
        if raw.partition.is_some() {
            return self.partition(typed).map(Verb::Partition);
        }
        if raw.isolate.is_some() {
            return self.isolate(typed).map(Verb::Partition);
        }
        if machine::MACHINE_VERBS.contains(&name_of(typed)) {
            return self.machine(typed);
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
        let mut sound = !items.is_empty();
        for node in &items {
            let text = node.text().unwrap_or_default();
            match targets::nodes(text, &self.names) {
                Ok(nodes) => {
                    let nodes = targets::apart(nodes);
                    if nodes.iter().any(|node| all.contains(node)) {
                        sound = false;
                        self.errors.add_help(
                            node.place,
                            format!("`{text}` is named twice"),
                            "name each node once",
                        );
                    }
                    all.extend(nodes);
                }
                Err(wrongs) => {
                    sound = false;
                    self.add_wrongs(node, wrongs);
                }
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
        sound.then(|| targets::join(all))
    }
}

fn name_of<'a>(typed: &Typed<'a>) -> &'a str {
    typed.key.text().unwrap_or_default()
}

/// What was given that says what to break; one, in a sound fault.
fn verbs<'a>(raw: &RawFault<'a>) -> Vec<Typed<'a>> {
    let verbs = [
        raw.kill,
        raw.stop,
        raw.restart,
        raw.pause,
        raw.delay,
        raw.drop,
        raw.duplicate,
        raw.reorder,
        raw.mode,
        raw.partition,
        raw.isolate,
        raw.slow_disk,
        raw.fail_fsync,
        raw.disk_full,
        raw.torn_write,
        raw.flip_byte,
        raw.wipe,
        raw.clock,
    ];
    verbs.into_iter().flatten().collect()
}
