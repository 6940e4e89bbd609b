//! The machine under a server, as its table has it: loads the table file of the server's directory
//! at the start and on SIGUSR1, sets the disk's troubles and the clock by it, and reports what that
//! did.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use tokio::time::Instant;

use super::faulty_disk::{FaultyDisk, Strike, Troubles};
use super::reporter::Reporter;
use crate::event::Event;
use crate::log::Disk;
use crate::machine::{Clock, Machine};

/// The file's name in the server's directory.
pub const MACHINE_FILE: &str = "machine.json";

pub struct LocalMachine {
    file: PathBuf,
    reporter: Reporter,
    troubles: Arc<Troubles>,
    clock: Clock,
    started: Instant,
    /// Whether the clock has ever been anything but right.
    clock_was_set: bool,
}

impl LocalMachine {
    /// The machine of a server that starts: with the table that its directory holds, if there is
    /// one.
    pub fn begin(name: &str, dir: &Path, reporter: Reporter) -> LocalMachine {
        let seed = name
            .bytes()
            .fold(u64::from(std::process::id()), |seed, byte| {
                seed.wrapping_mul(31).wrapping_add(byte.into())
            });
        let mut machine = LocalMachine {
            file: dir.join(MACHINE_FILE),
            reporter,
            troubles: Arc::new(Troubles::new(seed, move |strike| {
                let kills = strike.kills;
                reporter.event(report(strike));
                if kills {
                    // Nothing of this process may run any more. If the system refuses to kill it,
                    // the write fails all the same, and that ends it.
                    let _ = raise(Signal::SIGKILL);
                }
            })),
            clock: Clock::default(),
            started: Instant::now(),
            clock_was_set: false,
        };
        match read(&machine.file) {
            Ok(Some(table)) => machine.set(&table),
            Ok(None) => {}
            Err(reason) => reporter.event(Event::MachineRefused { reason }),
        }
        machine
    }

    /// Puts the file's table in force.
    pub fn reload(&mut self) {
        match read(&self.file) {
            Ok(Some(table)) => self.set(&table),
            // There never was one, or it was taken away: the machine is sound.
            Ok(None) => self.set(&Machine::default()),
            Err(reason) => self.reporter.event(Event::MachineRefused { reason }),
        }
    }

    fn set(&mut self, table: &Machine) {
        let truth = self.started.elapsed();
        let ended = self.troubles.set(table);
        let mut events: Vec<Event> = ended.into_iter().map(report).collect();
        let before_us = self.clock.ahead_us(truth);
        self.clock.set(truth, &table.rules);
        let (after_us, rate_permille) = (self.clock.ahead_us(truth), self.clock.rate_permille());
        let is_right = after_us == 0 && rate_permille == 1000;
        if !is_right || self.clock_was_set {
            self.clock_was_set = !is_right;
            events.push(Event::ClockSet {
                generation: table.generation,
                before_us,
                after_us,
                rate_permille,
            });
        }
        events.push(Event::Machine {
            generation: table.generation,
        });
        self.reporter.events(events);
    }

    /// The disk with this machine's troubles.
    pub fn disk<D: Disk>(&self, disk: D) -> FaultyDisk<D> {
        FaultyDisk::new(disk, self.troubles.clone())
    }

    /// What the machine's clock shows.
    pub fn now(&self) -> Duration {
        self.clock.at(self.started.elapsed())
    }

    /// When the clock will show `shown`.
    pub fn moment_of(&self, shown: Duration) -> Instant {
        Instant::now() + self.clock.true_wait(shown.saturating_sub(self.now()))
    }

    /// Reports what the rules in force did so far; for a server that is about to exit.
    pub fn report_so_far(&self) {
        let strikes = self.troubles.so_far();
        self.reporter
            .events(strikes.into_iter().map(report).collect());
    }
}

fn report(strike: Strike) -> Event {
    Event::DiskTrouble {
        generation: strike.generation,
        rule: strike.rule,
        hits: strike.hits,
        what: strike.what,
    }
}

fn read(path: &Path) -> Result<Option<Machine>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let table: Machine =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    table
        .check()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Some(table))
}
