//! Actions on simulated processes, each with the effect that was observed.

use std::time::Duration;

use paxosctl_node::link::{Rule, Table};
use paxosctl_node::log::Disk;
use paxosctl_node::machine::MachineRule;
use rand::RngExt;

use super::disk::Power;
use super::node::{Role, State};
use super::queue::{Happening, NodeIndex, Tables};
use super::world::World;
use crate::history::micros;
use crate::plan::{Damage, Place};
use crate::target::{Action, Change, Effect, Ending, TargetError, flip, written_bytes};

/// How soon a process that is killed is gone: it may do a little more.
const KILLED_WITHIN_US: u64 = 3000;
/// How many effects a process carries out at most before it is gone.
const LAST_EFFECTS: u32 = 12;
/// How long a node may take to stop in order.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
/// How long a restarted node may take to read its log and listen.
const STARTED_WITHIN: Duration = Duration::from_secs(30);
/// How long a signal takes to be handled, at most.
const SIGNALLED_WITHIN_US: u64 = 800;

/// What an action came to for one node: a change at once, or one to wait for.
enum Step {
    Done(Change),
    Wait,
}

impl World {
    pub fn carry_out_action(&mut self, action: &Action) -> Result<Effect, TargetError> {
        let changes = match action {
            Action::Kill { nodes } => self.kill(nodes),
            Action::Stop { nodes } => self.stop(nodes),
            Action::Start { nodes } => self.start_again(nodes),
            Action::Pause { nodes } => self.pause(nodes),
            Action::Resume { nodes } => self.go_on(nodes),
            Action::Links { rules } => self.set_links(rules),
            Action::Machine { rules } => self.set_machines(rules),
            Action::Damage {
                nodes,
                damage,
                seed,
            } => self.damage(nodes, *damage, *seed),
            // It tells what happened by itself.
            Action::Fall { .. } => Vec::new(),
        };
        Ok(Effect { changes })
    }

    fn kill(&mut self, names: &[String]) -> Vec<Change> {
        let steps = self.begin_all(names, |world, node| {
            if world.nodes[node].is_down() {
                return Step::Done(Change::nothing(
                    &world.nodes[node].name,
                    "it is down already",
                ));
            }
            world.nodes[node].ending = Ending::Asked;
            let life = world.nodes[node].life();
            if matches!(world.nodes[node].state, State::Starting) {
                world.die_starting(life);
                return Step::Wait;
            }
            if world.nodes[node].paused || world.rng.random_bool(0.4) {
                let power = world.power();
                world.die(life, "signal 9", power);
                return Step::Wait;
            }
            // Between any two effects of what it is about to do.
            let effects = world.rng.random_range(0..=LAST_EFFECTS);
            if let Some(process) = world.running(life) {
                process.fuse = Some(effects);
            }
            let at = world.now_us + world.rng.random_range(0..=KILLED_WITHIN_US);
            world.queue.plan(at, Happening::Die(life));
            Step::Wait
        });
        self.await_ends(names, steps, Duration::from_micros(KILLED_WITHIN_US + 1))
    }

    /// A process that is killed may lose its machine, too.
    fn power(&mut self) -> Power {
        match self.rng.random_bool(0.5) {
            true => Power::Fails,
            false => Power::Stays,
        }
    }

    fn stop(&mut self, names: &[String]) -> Vec<Change> {
        let steps = self.begin_all(names, |world, node| {
            let name = world.nodes[node].name.clone();
            if world.nodes[node].is_down() {
                return Step::Done(Change::nothing(&name, "it is down already"));
            }
            if world.nodes[node].paused {
                return Step::Done(Change::nothing(
                    &name,
                    "it is paused, and cannot stop in order",
                ));
            }
            world.nodes[node].ending = Ending::Asked;
            let life = world.nodes[node].life();
            let at = world.signalled_at();
            world.queue.plan(at, Happening::Terminate(life));
            Step::Wait
        });
        self.await_ends(names, steps, STOPPED_WITHIN)
    }

    fn await_ends(&mut self, names: &[String], steps: Vec<Step>, within: Duration) -> Vec<Change> {
        self.finish(names, steps, within, |world, node| {
            let node = &world.nodes[node];
            node.status().map(|status| Change::Exited {
                node: node.name.clone(),
                status: status.to_owned(),
            })
        })
    }

    fn start_again(&mut self, names: &[String]) -> Vec<Change> {
        let steps = self.begin_all(names, |world, node| {
            let name = world.nodes[node].name.clone();
            if !world.nodes[node].is_down() {
                return Step::Done(Change::nothing(&name, "it runs already"));
            }
            if world.nodes[node].has_left() {
                return Step::Done(Change::nothing(&name, "it left the chat"));
            }
            world.start(node);
            Step::Wait
        });
        self.finish(names, steps, STARTED_WITHIN, |world, index| {
            let node = &mut world.nodes[index];
            let name = node.name.clone();
            if let Some(status) = node.status() {
                let words = node.last_words().pop().unwrap_or_default();
                let reason = format!("it ended before it was ready ({status}): {words}");
                return Some(Change::nothing(&name, &reason));
            }
            let ready = node.seen.ready;
            let process = node.process().filter(|_| ready)?;
            Some(Change::Started {
                node: name,
                pid: process.pid,
            })
        })
    }

    fn pause(&mut self, names: &[String]) -> Vec<Change> {
        let steps = self.begin_all(names, |world, node| {
            let node = &mut world.nodes[node];
            let name = node.name.clone();
            Step::Done(if node.is_down() {
                Change::nothing(&name, "it is down")
            } else if node.paused {
                Change::nothing(&name, "it is paused already")
            } else {
                node.paused = true;
                Change::Paused { node: name }
            })
        });
        self.finish(names, steps, Duration::ZERO, |_, _| None)
    }

    fn go_on(&mut self, names: &[String]) -> Vec<Change> {
        let steps = self.begin_all(names, |world, index| {
            let node = &world.nodes[index];
            let name = node.name.clone();
            Step::Done(if node.is_down() {
                Change::nothing(&name, "it is down")
            } else if !node.paused {
                Change::nothing(&name, "it is not paused")
            } else {
                world.resume(index);
                Change::Resumed { node: name }
            })
        });
        self.finish(names, steps, Duration::ZERO, |_, _| None)
    }

    fn set_links(&mut self, rules: &[Rule]) -> Vec<Change> {
        let generation = self.links.generation + 1;
        self.links = Table {
            generation,
            rules: rules.to_vec(),
        };
        let all: Vec<NodeIndex> = (0..self.nodes.len()).collect();
        let loaded = |node: String| Change::Links { node, generation };
        let later = |node: String| Change::LinksLater { node, generation };
        self.load_tables(&all, Tables::Links, loaded, later)
    }

    fn set_machines(&mut self, rules: &[MachineRule]) -> Vec<Change> {
        let names = self.machines.replace(rules);
        let generation = self.machines.generation();
        let nodes: Vec<NodeIndex> = names.iter().filter_map(|name| self.find(name)).collect();
        let loaded = |node: String| Change::Machine { node, generation };
        let later = |node: String| Change::MachineLater { node, generation };
        self.load_tables(&nodes, Tables::Machine, loaded, later)
    }

    /// Tells nodes to load a table. Each does so a little sooner or later than the others, or when it
    /// comes back.
    fn load_tables(
        &mut self,
        nodes: &[NodeIndex],
        tables: Tables,
        loaded: impl Fn(String) -> Change,
        later: impl Fn(String) -> Change,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for &node in nodes {
            let of = self.nodes[node].life();
            let name = self.nodes[node].name.clone();
            if self.nodes[node].has_left() {
                continue;
            }
            let paused = self.nodes[node].paused;
            if self.nodes[node].process().is_none() || paused {
                if paused {
                    self.queue
                        .plan(self.now_us, Happening::Reload { of, tables });
                }
                // One that has not begun loads it when it does.
                changes.push(later(name));
                continue;
            }
            let at = self.signalled_at();
            self.queue.plan(at, Happening::Reload { of, tables });
            changes.push(loaded(name));
        }
        let until = self.now_us + SIGNALLED_WITHIN_US;
        self.advance(until, |_| true);
        changes
    }

    fn signalled_at(&mut self) -> u64 {
        self.now_us + self.rng.random_range(0..SIGNALLED_WITHIN_US)
    }

    /// Changes the disks of servers that are down.
    fn damage(&mut self, names: &[String], damage: Damage, seed: u64) -> Vec<Change> {
        let mut number = 0;
        let steps = self.begin_all(names, |world, node| {
            let seed = seed.wrapping_add(number);
            number += 1;
            let node = &world.nodes[node];
            let name = node.name.clone();
            Step::Done(if !matches!(node.role, Role::Server(_)) {
                Change::nothing(&name, "it has no log")
            } else if !node.is_down() {
                Change::nothing(&name, "it runs, and its disk is left alone")
            } else {
                match damage {
                    Damage::Wipe => world.wipe(&name),
                    Damage::FlipByte { place } => world.flip(&name, place, seed),
                }
            })
        });
        self.finish(names, steps, Duration::ZERO, |_, _| None)
    }

    fn wipe(&self, name: &str) -> Change {
        let bytes = self.segments(name).iter().map(|(_, length)| length).sum();
        if let Some(node) = self.find(name) {
            self.nodes[node].directory.wipe();
        }
        Change::Wiped {
            node: name.to_owned(),
            bytes,
        }
    }

    fn flip(&self, name: &str, place: Place, seed: u64) -> Change {
        let Some(flip) = flip(&self.segments(name), place, seed) else {
            return Change::nothing(name, "its log is empty");
        };
        let Some(node) = self.find(name) else {
            return Change::never_started(name);
        };
        let log = self.nodes[node].directory.log();
        let mut byte = [0];
        if log.read_at(&flip.file, flip.offset, &mut byte).is_err() {
            return Change::nothing(name, "its log changed meanwhile");
        }
        let to = byte[0] ^ flip.mask;
        log.memory.set_byte(&flip.file, flip.offset, to);
        Change::Flipped {
            node: name.to_owned(),
            file: flip.file,
            offset: flip.offset,
            from: byte[0],
            to,
        }
    }

    /// The files of a server's log and how much of each is written, in their order.
    fn segments(&self, name: &str) -> Vec<(String, u64)> {
        let Some(node) = self.find(name) else {
            return Vec::new();
        };
        let log = self.nodes[node].directory.log();
        let files = log.list().unwrap_or_default().into_iter();
        files
            .filter(|file| file.ends_with(".log"))
            .map(|file| {
                let written = written_bytes(&log.memory.contents(&file));
                (file, written)
            })
            .collect()
    }

    /// Begins the action on all nodes before the effect on any is awaited.
    fn begin_all(
        &mut self,
        names: &[String],
        mut step: impl FnMut(&mut World, NodeIndex) -> Step,
    ) -> Vec<Step> {
        names
            .iter()
            .map(|name| match self.find(name) {
                Some(node) => step(self, node),
                None => Step::Done(Change::never_started(name)),
            })
            .collect()
    }

    /// Waits for the open effects.
    fn finish(
        &mut self,
        names: &[String],
        steps: Vec<Step>,
        within: Duration,
        mut look: impl FnMut(&mut World, NodeIndex) -> Option<Change>,
    ) -> Vec<Change> {
        let mut changes: Vec<Option<Change>> = steps
            .into_iter()
            .map(|step| match step {
                Step::Done(change) => Some(change),
                Step::Wait => None,
            })
            .collect();
        let deadline = self.now_us + micros(within);
        self.advance(deadline, |world| {
            for (name, change) in names.iter().zip(&mut changes) {
                if change.is_none()
                    && let Some(node) = world.find(name)
                {
                    *change = look(world, node);
                }
            }
            changes.iter().any(Option::is_none)
        });
        names
            .iter()
            .zip(changes)
            .map(|(name, change)| {
                change.unwrap_or_else(|| {
                    let reason = format!("nothing came of it within {} s", within.as_secs());
                    Change::nothing(name, &reason)
                })
            })
            .collect()
    }
}
