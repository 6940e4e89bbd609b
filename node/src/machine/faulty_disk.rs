//! A disk that does what the rules in force say: slow, failing, full or torn writes.
//!
//! They meet what is written to the log itself, which nobody can do without. Reads are never touched,
//! nor what is made ready beside the log, and neither is anything below the log: what reaches the real disk is
//! what a real fault would have left there.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Machine, Trouble};
use crate::event::Event;
use crate::log::{Disk, DiskError, DiskOperation};

/// The system's numbers for an error of the device and for a full one.
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// A rule did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    pub generation: u64,
    pub rule: String,
    /// How often so far.
    pub hits: u64,
    /// What it did this time, in words.
    pub what: String,
    /// Whether the process must be killed at once.
    pub kills: bool,
}

impl Strike {
    /// The evidence of it.
    pub fn event(self) -> Event {
        Event::DiskTrouble {
            generation: self.generation,
            rule: self.rule,
            hits: self.hits,
            what: self.what,
        }
    }
}

/// What troubles do beyond the disk.
pub trait DiskWorld: Send + Sync {
    /// The caller goes on only after so long.
    fn hold_up(&self, by: Duration);

    /// A sync of the file failed: what waited for it may be lost, though it can still be read.
    fn sync_failed(&self, _file: &str) {}

    /// A rule struck for the first time. If it kills, nothing of the process may run any more.
    fn strike(&self, strike: Strike);
}

/// What is wrong with the disk at the moment, shared by those who use it and those who set it.
pub struct Troubles {
    state: Mutex<State>,
    world: Arc<dyn DiskWorld>,
}

struct State {
    generation: u64,
    rules: Vec<DiskRule>,
    rng: ChaCha8Rng,
}

struct DiskRule {
    id: String,
    what: Trouble,
    hits: u64,
    /// For a disk that fills up: the bytes that still fit.
    room: u64,
    last: String,
}

impl Troubles {
    /// No trouble yet. `seed` feeds what rules leave open; `world` hears of each rule's first strike
    /// before anything else happens.
    pub fn new(seed: u64, world: Arc<dyn DiskWorld>) -> Troubles {
        Troubles {
            state: Mutex::new(State {
                generation: 0,
                rules: Vec::new(),
                rng: ChaCha8Rng::seed_from_u64(seed),
            }),
            world,
        }
    }

    /// Puts the disk's rules among those of `machine` in force; one that was in force already goes
    /// on. Returns what the rules that struck more than once and have ended did in all.
    pub fn set(&self, machine: &Machine) -> Vec<Strike> {
        let mut state = self.lock();
        let mut before = std::mem::take(&mut state.rules);
        for rule in &machine.rules {
            if matches!(rule.what, Trouble::Clock { .. }) {
                continue;
            }
            let same = |known: &DiskRule| known.id == rule.id && known.what == rule.what;
            let known = before.iter().position(same);
            let kept = known.map(|at| before.remove(at));
            state.rules.push(kept.unwrap_or_else(|| DiskRule {
                id: rule.id.clone(),
                what: rule.what,
                hits: 0,
                room: match rule.what {
                    Trouble::Full { after_bytes } => after_bytes,
                    _ => 0,
                },
                last: String::new(),
            }));
        }
        let ended = totals(state.generation, &before);
        state.generation = machine.generation;
        ended
    }

    /// What the rules in force that struck more than once did so far.
    pub fn so_far(&self) -> Vec<Strike> {
        let state = self.lock();
        totals(state.generation, &state.rules)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a rule struck, and tells of it if that was the first time.
    fn strike(&self, id: &str, trouble: Trouble, what: String, kills: bool) {
        let mut state = self.lock();
        let generation = state.generation;
        let mut rules = state.rules.iter_mut();
        // It may have been taken out of force meanwhile, and did strike all the same.
        let mut hits = 1;
        if let Some(rule) = rules.find(|rule| rule.id == id && rule.what == trouble) {
            rule.hits += 1;
            rule.last.clone_from(&what);
            hits = rule.hits;
        }
        drop(state);
        if hits == 1 {
            self.world.strike(Strike {
                generation,
                rule: id.to_owned(),
                hits,
                what,
                kills,
            });
        }
    }

    /// Holds the sync that begins now up, or fails it.
    fn sync(&self) -> Result<(), io::Error> {
        let mut struck = Vec::new();
        let mut slower = Duration::ZERO;
        let mut fails = false;
        let mut state = self.lock();
        let State { rules, rng, .. } = &mut *state;
        for rule in rules {
            match rule.what {
                Trouble::FailSync if rule.hits == 0 => {
                    fails = true;
                    struck.push((rule.id.clone(), rule.what, "a sync failed".to_owned()));
                }
                Trouble::SlowSync {
                    by_us,
                    jitter_us,
                    probability,
                } if rng.random_bool(probability) => {
                    let least_us = by_us.saturating_sub(jitter_us);
                    let longer_us = rng.random_range(least_us..=by_us.saturating_add(jitter_us));
                    slower += Duration::from_micros(longer_us);
                    let what = format!("a sync was held up by {longer_us} µs");
                    struck.push((rule.id.clone(), rule.what, what));
                }
                _ => {}
            }
        }
        drop(state);
        for (id, trouble, what) in struck {
            self.strike(&id, trouble, what, false);
        }
        if !slower.is_zero() {
            self.world.hold_up(slower);
        }
        match fails {
            true => Err(io::Error::from_raw_os_error(EIO)),
            false => Ok(()),
        }
    }

    /// Whether a rule in force fills the disk.
    fn fills(&self) -> bool {
        let fills = |rule: &DiskRule| matches!(rule.what, Trouble::Full { .. });
        self.lock().rules.iter().any(fills)
    }

    /// Where a write of `length` bytes is cut off, if it is. `is_group` says whether it adds to
    /// what is in the file.
    fn write(&self, length: u64, is_group: bool) -> Option<Cut> {
        let mut state = self.lock();
        let State { rules, rng, .. } = &mut *state;
        for rule in rules {
            let bytes = match rule.what {
                // Two bytes are missing at least: one could as well have changed.
                Trouble::TornAppend if rule.hits == 0 && length > 2 && is_group => {
                    rng.random_range(1..length - 1)
                }
                Trouble::Full { .. } if rule.room < length => std::mem::take(&mut rule.room),
                Trouble::Full { .. } => {
                    rule.room -= length;
                    continue;
                }
                _ => continue,
            };
            return Some(Cut {
                rule: rule.id.clone(),
                trouble: rule.what,
                bytes,
            });
        }
        None
    }
}

/// A write that is cut off.
struct Cut {
    rule: String,
    trouble: Trouble,
    /// How much is written.
    bytes: u64,
}

fn totals(generation: u64, rules: &[DiskRule]) -> Vec<Strike> {
    let often = rules.iter().filter(|rule| rule.hits > 1);
    often
        .map(|rule| Strike {
            generation,
            rule: rule.id.clone(),
            hits: rule.hits,
            what: rule.last.clone(),
            kills: false,
        })
        .collect()
}

/// The disk as the log sees it.
pub struct FaultyDisk<D> {
    disk: D,
    troubles: Arc<Troubles>,
}

/// Whether the file is a segment of the log.
fn is_of_log(file: &str) -> bool {
    file.ends_with(".log")
}

impl<D: Disk> FaultyDisk<D> {
    pub fn new(disk: D, troubles: Arc<Troubles>) -> FaultyDisk<D> {
        FaultyDisk { disk, troubles }
    }

    fn failed(&self, operation: DiskOperation, file: &str, error: &io::Error) -> DiskError {
        DiskError::new(operation, format!("{}/{file}", self.disk.place()), error)
    }
}

impl<D: Disk> Disk for FaultyDisk<D> {
    fn place(&self) -> String {
        self.disk.place()
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        self.disk.list()
    }

    fn length(&self, file: &str) -> Result<u64, DiskError> {
        self.disk.length(file)
    }

    fn read_at(&self, file: &str, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        self.disk.read_at(file, offset, bytes)
    }

    fn create(&self, file: &str) -> Result<(), DiskError> {
        self.disk.create(file)
    }

    fn write_at(&self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        if !is_of_log(file) {
            return self.disk.write_at(file, offset, bytes);
        }
        // A torn header of a new segment leaves an empty segment, not a torn tail.
        let Some(cut) = self.troubles.write(bytes.len() as u64, offset > 0) else {
            return self.disk.write_at(file, offset, bytes);
        };
        let written = usize::try_from(cut.bytes).unwrap_or(bytes.len());
        if written > 0 {
            self.disk.write_at(file, offset, &bytes[..written])?;
        }
        let kills = cut.trouble == Trouble::TornAppend;
        let all = bytes.len();
        let (what, error) = match kills {
            true => (
                format!("killed in the middle of a write: {written} of {all} bytes written"),
                EIO,
            ),
            false => (
                format!("no space left: {written} of {all} bytes written"),
                ENOSPC,
            ),
        };
        self.troubles.strike(&cut.rule, cut.trouble, what, kills);
        Err(self.failed(
            DiskOperation::Write,
            file,
            &io::Error::from_raw_os_error(error),
        ))
    }

    fn sync(&self, file: &str) -> Result<(), DiskError> {
        if is_of_log(file)
            && let Err(error) = self.troubles.sync()
        {
            self.troubles.world.sync_failed(file);
            return Err(self.failed(DiskOperation::Sync, file, &error));
        }
        self.disk.sync(file)
    }

    fn sync_dir(&self) -> Result<(), DiskError> {
        self.disk.sync_dir()
    }

    fn extend(&self, file: &str, length: u64) -> Result<(), DiskError> {
        // What still fits is for what is written: a disk that fills up gives no space ahead.
        if self.troubles.fills() {
            let full = io::Error::from_raw_os_error(ENOSPC);
            return Err(self.failed(DiskOperation::Extend, file, &full));
        }
        self.disk.extend(file, length)
    }

    fn rename(&self, file: &str, to: &str) -> Result<(), DiskError> {
        self.disk.rename(file, to)
    }

    fn truncate(&self, file: &str, length: u64) -> Result<(), DiskError> {
        self.disk.truncate(file, length)
    }

    fn remove(&self, file: &str) -> Result<(), DiskError> {
        self.disk.remove(file)
    }
}

#[cfg(test)]
#[path = "faulty_disk_tests.rs"]
mod tests;
