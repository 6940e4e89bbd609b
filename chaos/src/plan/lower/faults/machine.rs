//! Faults of servers' disks and clocks.

use std::time::Duration;

use paxosctl_node::machine::LONGEST_SYNC;

use super::name_of;
use crate::plan::lower::Lowering;
use crate::plan::raw::{RawClock, RawDiskFull, RawFlipByte, RawSlowDisk, Typed};
use crate::plan::words::{self, closest};
use crate::plan::yaml::Content;
use crate::plan::{Damage, DamageFault, MachineFault, MachineTrouble, Nodes, Place, Verb};

/// The verbs of this file.
pub(super) const MACHINE_VERBS: [&str; 7] = [
    "slow_disk",
    "fail_fsync",
    "disk_full",
    "torn_write",
    "clock",
    "flip_byte",
    "wipe",
];

impl Lowering {
    pub(super) fn machine(&mut self, typed: &Typed) -> Option<Verb> {
        match name_of(typed) {
            "slow_disk" => self.slow_disk(typed),
            "disk_full" => self.disk_full(typed),
            "clock" => self.clock(typed),
            "fail_fsync" => on(self.servers_of(typed), MachineTrouble::FailFsync),
            "torn_write" => on(self.servers_of(typed), MachineTrouble::TornWrite),
            "flip_byte" => self.flip_byte(typed),
            _ => {
                let (servers, damage) = (self.servers_of(typed)?, Damage::Wipe);
                Some(Verb::Damage(DamageFault { servers, damage }))
            }
        }
    }

    fn slow_disk(&mut self, typed: &Typed) -> Option<Verb> {
        if !self.is_map(typed, "slow_disk: {node: s2, by: 20ms}") {
            return None;
        }
        let raw = RawSlowDisk::read(typed.value, &mut self.errors)?;
        let servers = self.node_of(raw.node, typed, "slow_disk: {node: s2, by: 20ms}");
        let by = match raw.by {
            Some(by) => self.positive_duration(by),
            None => {
                self.errors.add_help(
                    typed.key.place,
                    "`by` is missing in `slow_disk`",
                    "say how much longer a sync takes: slow_disk: {node: …, by: 20ms}",
                );
                None
            }
        };
        let jitter = match raw.jitter {
            Some(jitter) => self.duration(jitter),
            None => Some(Duration::ZERO),
        };
        let probability = match raw.probability {
            Some(probability) => self.word(probability, words::share),
            None => Some(1.0),
        };
        let (by, jitter, probability) = (by?, jitter?, probability?);
        if let Some(typed) = raw.jitter
            && jitter > by
        {
            self.errors.add_help(
                typed.value.place,
                "`jitter` is greater than `by`",
                "no sync ends before it began; make `jitter` smaller",
            );
            return None;
        }
        if by + jitter > LONGEST_SYNC {
            let place = raw.by.map_or(typed.value.place, |by| by.value.place);
            self.errors.add_help(
                place,
                "no sync takes longer than a minute here",
                "a disk that never answers is a server that is paused: write pause: …",
            );
            return None;
        }
        let what = MachineTrouble::SlowDisk {
            by,
            jitter,
            probability,
        };
        on(servers, what)
    }

    /// `disk_full: s2`, or with the bytes that still fit.
    fn disk_full(&mut self, typed: &Typed) -> Option<Verb> {
        if !matches!(typed.value.content, Content::Map(_)) {
            let what = MachineTrouble::DiskFull { after_bytes: 0 };
            return on(self.servers_of(typed), what);
        }
        let raw = RawDiskFull::read(typed.value, &mut self.errors)?;
        let servers = self.node_of(raw.node, typed, "disk_full: {node: s2, after: 64KiB}");
        let after_bytes = match raw.after {
            Some(after) => self.word(after, words::bytes),
            None => Some(0),
        };
        let after_bytes = after_bytes?;
        on(servers, MachineTrouble::DiskFull { after_bytes })
    }

    /// `clock: {node: s2, jump: -30s}` or `clock: {node: s2, rate: 1.5}`.
    fn clock(&mut self, typed: &Typed) -> Option<Verb> {
        if !self.is_map(typed, "clock: {node: s2, jump: -30s}") {
            return None;
        }
        let raw = RawClock::read(typed.value, &mut self.errors)?;
        let servers = self.node_of(raw.node, typed, "clock: {node: s2, jump: -30s}");
        let what = match (raw.jump, raw.rate) {
            (Some(jump), None) => {
                let (by, back) = self.word(jump, words::signed_duration)?;
                MachineTrouble::ClockJump { by, back }
            }
            (None, Some(rate)) => MachineTrouble::ClockRate {
                permille: self.word(rate, words::clock_rate)?,
            },
            (Some(_), Some(rate)) => {
                self.errors.add_help(
                    rate.key.place,
                    "a clock that jumps and runs wrong at once",
                    "give each a fault of its own with the same `at`; both are in force then",
                );
                return None;
            }
            (None, None) => {
                self.errors.add_help(
                    typed.key.place,
                    "nothing is wrong with this clock",
                    "let it jump, as jump: 30s or jump: -30s, or run wrong, as rate: 1.5",
                );
                return None;
            }
        };
        on(servers, what)
    }

    /// `flip_byte: s2`, or with the part of the log.
    fn flip_byte(&mut self, typed: &Typed) -> Option<Verb> {
        let (servers, place) = if let Content::Map(_) = typed.value.content {
            let raw = RawFlipByte::read(typed.value, &mut self.errors)?;
            let servers = self.node_of(raw.node, typed, "flip_byte: {node: s2, where: end}");
            let place = match raw.place {
                Some(place) => self.place(place),
                None => Some(Place::Anywhere),
            };
            (servers, place)
        } else {
            (self.servers_of(typed), Some(Place::Anywhere))
        };
        let (servers, place) = (servers?, place?);
        let damage = Damage::FlipByte { place };
        Some(Verb::Damage(DamageFault { servers, damage }))
    }

    fn place(&mut self, typed: Typed) -> Option<Place> {
        let text = self.text(typed)?;
        let found = Place::NAMES.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let near = closest(text, Place::NAMES.iter().map(|(name, _)| *name));
            let help = match near {
                Some(name) => format!("did you mean `{name}`?"),
                None => "write start, middle or end, or leave it out for any place".to_owned(),
            };
            let message = format!("`{text}` is no place in a log");
            self.errors.add_help(typed.value.place, message, help);
        }
        found.map(|(_, place)| *place)
    }

    fn is_map(&mut self, typed: &Typed, example: &str) -> bool {
        let is_map = matches!(typed.value.content, Content::Map(_));
        if !is_map {
            let message = format!(
                "`{}` is a map of keys, not {}",
                name_of(typed),
                typed.value.describe()
            );
            self.errors
                .add_help(typed.value.place, message, format!("write {example}"));
        }
        is_map
    }

    fn node_of(&mut self, node: Option<Typed>, owner: &Typed, example: &str) -> Option<Nodes> {
        let Some(node) = node else {
            self.errors.add_help(
                owner.key.place,
                format!("`node` is missing in `{}`", name_of(owner)),
                format!("say whose: {example}"),
            );
            return None;
        };
        self.servers_of(&node)
    }

    /// A target of which every node is a server.
    fn servers_of(&mut self, typed: &Typed) -> Option<Nodes> {
        let nodes = self.nodes(typed)?;
        let Some(other) = no_server(&nodes, &|name| self.names.is_server(name)) else {
            return Some(nodes);
        };
        let message = match self.names.has(&other) {
            true => format!("`{other}` is no server, and only servers have a log and a clock"),
            false => {
                format!("`{other}` means more than servers, and only they have a log and a clock")
            }
        };
        self.errors.add_help(
            typed.value.place,
            message,
            "name servers, as s2, leader, follower, random(1) or servers",
        );
        None
    }
}

fn on(servers: Option<Nodes>, what: MachineTrouble) -> Option<Verb> {
    let servers = servers?;
    Some(Verb::Machine(MachineFault { servers, what }))
}

/// The part of a target that means something else than servers.
fn no_server(nodes: &Nodes, is_server: &dyn Fn(&str) -> bool) -> Option<String> {
    match nodes {
        Nodes::Named(names) => names.iter().find(|name| !is_server(name)).cloned(),
        Nodes::Balancer | Nodes::Clients | Nodes::All => Some(nodes.to_string()),
        Nodes::Several(several) => several.iter().find_map(|nodes| no_server(nodes, is_server)),
        _ => None,
    }
}
