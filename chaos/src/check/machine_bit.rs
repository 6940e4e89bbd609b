//! Whether a fault of a disk or a clock had its effect, by what the servers reported of it, and what
//! that was, in words.

use super::context::Context;
use crate::history::{ActionLine, ClockSet, DiskStrike, Firing, MachineRecord};
use crate::plan::{Damage, MachineTrouble, Verb};
use crate::report::{count, plain};
use crate::target::{Action, Change};

/// Why a firing is taken not to have done to the machines what was planned; none also for firings
/// of other kinds.
pub(crate) fn problem(context: &Context, firing: &Firing) -> Option<String> {
    let (nodes, is_damage) = nodes(firing)?;
    let mut nodes = nodes.iter();
    if is_damage {
        return nodes.find_map(|node| unnoticed(context, firing, node));
    }
    let fault = context.plan.faults.iter().find(|f| f.id == firing.fault)?;
    let Verb::Machine(fault) = &fault.verb else {
        return None;
    };
    let tables = Tables::of(firing);
    nodes.find_map(|node| {
        let record = record(context, node);
        match fault.what {
            MachineTrouble::SlowDisk { .. } => {
                (tables.hits(firing, record) == 0).then(|| format!("no sync of {node} was held up"))
            }
            MachineTrouble::ClockJump { .. } | MachineTrouble::ClockRate { .. } => {
                wrong_clock(&fault.what, &tables, node, record)
            }
            MachineTrouble::FailFsync => unharmed(
                firing,
                &tables,
                node,
                record,
                "synced nothing that could have failed",
            ),
            MachineTrouble::DiskFull { .. } => unharmed(
                firing,
                &tables,
                node,
                record,
                "did not come to fill its disk",
            ),
            MachineTrouble::TornWrite => unharmed(
                firing,
                &tables,
                node,
                record,
                "wrote nothing that could have been torn",
            )
            .or_else(|| {
                let cut = first_within(&record.cuts, firing).is_some();
                (!cut).then(|| format!("{node} had no torn write to cut off when it came back"))
            }),
        }
    })
}

/// What a firing did to the machines, in words: each different effect once, with its servers. Empty
/// for firings of other kinds.
pub(crate) fn effects(context: &Context, firing: &Firing) -> Vec<String> {
    let Some((nodes, is_damage)) = nodes(firing) else {
        return Vec::new();
    };
    let tables = Tables::of(firing);
    let mut effects: Vec<(String, Vec<&str>)> = Vec::new();
    for node in nodes {
        let words = match is_damage {
            true => damage_words(context, firing, node),
            false => trouble_words(firing, &tables, record(context, node)),
        };
        for words in words {
            match effects.iter_mut().find(|(known, _)| *known == words) {
                Some((_, nodes)) => nodes.push(node),
                None => effects.push((words, vec![node])),
            }
        }
    }
    let effects = effects.into_iter();
    effects
        .map(|(words, nodes)| format!("{}: {words}", nodes.join(", ")))
        .collect()
}

fn trouble_words(firing: &Firing, tables: &Tables, record: &MachineRecord) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(strike) = tables.last_strike(firing, record) {
        words.push(match strike.hits {
            1 => plain(&strike.what),
            hits => format!("{} held up", count(hits, "sync")),
        });
    }
    if firing.planned.starts_with("torn_write")
        && let Some((_, bytes)) = first_within(&record.cuts, firing)
    {
        words.push(format!(
            "{} cut off when it came back",
            count(*bytes, "byte")
        ));
    }
    if let Some(set) = tables.first_clock(record) {
        words.push(clock_words(tables, record, set));
    }
    words
}

fn damage_words(context: &Context, firing: &Firing, node: &str) -> Vec<String> {
    match first_within(&record(context, node).set_aside, firing) {
        Some((_, place)) => {
            let place = place.rsplit('/').next().unwrap_or(place);
            vec![format!("damage found and log set aside ({})", plain(place))]
        }
        None if began_anew(context, firing, node) => vec!["came back with a new log".into()],
        None => Vec::new(),
    }
}

/// The servers whose machines a firing concerned, and whether their disks were changed.
fn nodes<'a>(firing: &'a Firing) -> Option<(&'a [String], bool)> {
    firing.breaks.iter().find_map(|line| match &line.action {
        Action::Machine { .. } => Some((line.resolved.as_slice(), false)),
        Action::Damage { nodes, .. } => Some((nodes.as_slice(), true)),
        _ => None,
    })
}

fn record<'a>(context: &'a Context, node: &str) -> &'a MachineRecord {
    static NOTHING: MachineRecord = MachineRecord {
        strikes: Vec::new(),
        clocks: Vec::new(),
        set_aside: Vec::new(),
        cuts: Vec::new(),
    };
    let node = context.evidence.node(node);
    node.map_or(&NOTHING, |node| &node.machine)
}

/// The first report from a firing's beginning until its healing was observed.
fn first_within<'a, T>(reports: &'a [(u64, T)], firing: &Firing) -> Option<&'a (u64, T)> {
    let until_us = firing.healed_us().unwrap_or(u64::MAX);
    let mut reports = reports.iter();
    reports.find(|(at_us, _)| (firing.begun_us()..=until_us).contains(at_us))
}

/// The generations of the machine tables that were in force from a firing's break to its heal.
struct Tables {
    from: u64,
    to: u64,
}

impl Tables {
    fn of(firing: &Firing) -> Tables {
        let earliest = |lines: &[&ActionLine]| {
            let changes = lines.iter().flat_map(|line| &line.changes);
            changes.filter_map(generation).min()
        };
        Tables {
            from: earliest(&firing.breaks).unwrap_or(0),
            to: earliest(&firing.heals).unwrap_or(u64::MAX),
        }
    }

    fn last_strike<'a>(
        &self,
        firing: &Firing,
        record: &'a MachineRecord,
    ) -> Option<&'a DiskStrike> {
        let strikes = record.strikes.iter().filter(|strike| {
            strike.rule == firing.fault && (self.from..self.to).contains(&strike.generation)
        });
        strikes.max_by_key(|strike| strike.hits)
    }

    fn hits(&self, firing: &Firing, record: &MachineRecord) -> u64 {
        self.last_strike(firing, record)
            .map_or(0, |strike| strike.hits)
    }

    /// The first report of the clock under these tables.
    fn first_clock<'a>(&self, record: &'a MachineRecord) -> Option<&'a ClockSet> {
        let mut clocks = record.clocks.iter();
        clocks.find(|set| (self.from..self.to).contains(&set.generation))
    }

    /// The first report of the clock after them.
    fn next_clock<'a>(&self, record: &'a MachineRecord) -> Option<&'a ClockSet> {
        record.clocks.iter().find(|set| set.generation >= self.to)
    }
}

fn generation(change: &Change) -> Option<u64> {
    match change {
        Change::Machine { generation, .. } | Change::MachineLater { generation, .. } => {
            Some(*generation)
        }
        _ => None,
    }
}

/// A fault that ends its server did so only if the server said so and was observed to end.
fn unharmed(
    firing: &Firing,
    tables: &Tables,
    node: &str,
    record: &MachineRecord,
    idle: &str,
) -> Option<String> {
    let ended = firing
        .breaks
        .iter()
        .flat_map(|line| &line.changes)
        .any(|change| matches!(change, Change::Exited { node: ended, .. } if ended == node));
    if tables.hits(firing, record) == 0 {
        return Some(format!("{node} {idle}"));
    }
    (!ended).then(|| format!("{node} was not observed to end"))
}

fn wrong_clock(
    what: &MachineTrouble,
    tables: &Tables,
    node: &str,
    record: &MachineRecord,
) -> Option<String> {
    let Some(set) = tables.first_clock(record) else {
        return Some(format!("{node} did not report that its clock was set"));
    };
    match *what {
        MachineTrouble::ClockJump { back, .. } => {
            let jumped = set.after_us - set.before_us;
            let right = if back { jumped < 0 } else { jumped > 0 };
            (!right).then(|| format!("the clock of {node} jumped by {}", offset(jumped)))
        }
        MachineTrouble::ClockRate { permille } => {
            if set.rate_permille != permille {
                return Some(format!("another speed is in force at the clock of {node}"));
            }
            // A server that ended meanwhile does not say how far it had come.
            let next = tables.next_clock(record)?;
            let gained = next.before_us - set.after_us;
            let right = if permille > 1000 {
                gained > 0
            } else {
                gained < 0
            };
            (!right).then(|| format!("the clock of {node} gained {}", offset(gained)))
        }
        _ => None,
    }
}

fn clock_words(tables: &Tables, record: &MachineRecord, set: &ClockSet) -> String {
    if set.rate_permille == 1000 {
        return format!("clock jumped by {}", offset(set.after_us - set.before_us));
    }
    let rate = f64::from(set.rate_permille) / 1000.0;
    match tables.next_clock(record) {
        Some(next) => format!(
            "clock ran at {rate}, and came to be {} off",
            // What it gained exactly depends on when each server was told.
            offset((next.before_us - set.after_us) / 100_000 * 100_000)
        ),
        None => format!("clock ran at {rate}"),
    }
}

/// `+30 s`, `-1.234 s`.
fn offset(us: i64) -> String {
    let seconds = (us as f64 / 1e3).round() / 1e3;
    format!("{seconds:+} s")
}

/// A server comes back from a changed disk only by noticing it.
fn unnoticed(context: &Context, firing: &Firing, node: &str) -> Option<String> {
    let wiped = firing.breaks.iter().any(|line| {
        matches!(
            &line.action,
            Action::Damage {
                damage: Damage::Wipe,
                ..
            }
        )
    });
    let noticed = match wiped {
        true => began_anew(context, firing, node),
        false => first_within(&record(context, node).set_aside, firing).is_some(),
    };
    let started =
        |change: &&Change| matches!(change, Change::Started { node: at, .. } if at == node);
    let heals = firing.heals.iter().flat_map(|line| &line.changes);
    match (noticed, heals.filter(started).count()) {
        (true, _) => None,
        (false, 0) => Some(format!("{node} did not come back")),
        (false, _) => Some(format!("{node} did not notice that its disk was changed")),
    }
}

/// Whether the server came back with another log than it had.
fn began_anew(context: &Context, firing: &Firing, node: &str) -> bool {
    let until_us = firing.healed_us().unwrap_or(u64::MAX);
    let evidence = context.evidence;
    let servers = evidence.header.servers.iter().zip(&evidence.servers);
    servers
        .filter(|(name, _)| *name == node)
        .flat_map(|(_, server)| server.new_logs())
        .any(|at_us| (firing.begun_us()..=until_us).contains(&at_us))
}
