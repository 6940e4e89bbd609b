//! The machine under a server: loads the table file of the server's directory at the start and on
//! SIGUSR1, and does to the process what the table's rules do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use tokio::time::Instant;

use super::reporter::Reporter;
use crate::event::Event;
use crate::log::Disk;
use crate::machine::{DiskWorld, FaultyDisk, LocalMachine, Machine, Strike, Troubles};

/// The file's name in the server's directory.
pub const MACHINE_FILE: &str = "machine.json";

/// What the troubles of a disk do to this process.
struct ThisProcess(Reporter);

impl DiskWorld for ThisProcess {
    fn hold_up(&self, by: Duration) {
        thread::sleep(by);
    }

    fn strike(&self, strike: Strike) {
        let kills = strike.kills;
        self.0.event(strike.event());
        if kills {
            // If the system refuses to kill it, the write fails all the same, and that ends it.
            let _ = raise(Signal::SIGKILL);
        }
    }
}

pub struct LoadedMachine {
    file: PathBuf,
    reporter: Reporter,
    machine: LocalMachine,
    started: Instant,
}

impl LoadedMachine {
    /// The machine of a server that starts: with the table that its directory holds, if there is
    /// one.
    pub fn begin(name: &str, dir: &Path, reporter: Reporter) -> LoadedMachine {
        let seed = name
            .bytes()
            .fold(u64::from(std::process::id()), |seed, byte| {
                seed.wrapping_mul(31).wrapping_add(byte.into())
            });
        let troubles = Troubles::new(seed, Arc::new(ThisProcess(reporter)));
        let mut machine = LoadedMachine {
            file: dir.join(MACHINE_FILE),
            reporter,
            machine: LocalMachine::new(Arc::new(troubles)),
            started: Instant::now(),
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
        let events = self.machine.set(self.started.elapsed(), table);
        self.reporter.events(events);
    }

    /// The disk with this machine's troubles.
    pub fn disk<D: Disk>(&self, disk: D) -> FaultyDisk<D> {
        FaultyDisk::new(disk, self.machine.troubles().clone())
    }

    /// What the machine's clock shows.
    pub fn now(&self) -> Duration {
        self.machine.now(self.started.elapsed())
    }

    /// The time since the server's start, whatever the clock shows.
    pub fn truth(&self) -> Duration {
        self.started.elapsed()
    }

    /// When the clock will show `shown`.
    pub fn moment_of(&self, shown: Duration) -> Instant {
        Instant::now() + self.machine.true_wait(self.started.elapsed(), shown)
    }

    /// Reports what the rules in force did so far; for a server that is about to exit.
    pub fn report_so_far(&self) {
        self.reporter.events(self.machine.report_so_far());
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
