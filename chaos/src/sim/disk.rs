//! A server's disk in virtual time: what the log's writer syncs is durable only when the time of the
//! sync has passed.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use paxosctl_node::log::{Disk, DiskError, DiskOperation, Log, LogPlace, MemoryDisk, Unsynced};
use paxosctl_node::machine::{DiskWorld, FaultyDisk, Strike, Troubles};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A disk whose syncs can be put off. Clones are handles to the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct SimDisk {
    pub memory: MemoryDisk,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Syncs do not happen before [`SimDisk::settle`].
    puts_off: bool,
    put_off: VecDeque<Put>,
    /// Syncs that were asked for since [`SimDisk::put_off`].
    syncs: u32,
    /// The process was killed in the middle of a call: it changes nothing any more.
    dead: bool,
}

#[derive(Debug)]
enum Put {
    File(String),
    Directory,
}

impl SimDisk {
    /// From now on syncs seem done at once, and are only when [`SimDisk::settle`] is called.
    pub fn put_off(&self) {
        let mut state = self.lock();
        state.puts_off = true;
        state.syncs = 0;
    }

    /// The syncs that were asked for since they are put off.
    pub fn syncs(&self) -> u32 {
        self.lock().syncs
    }

    /// Does the syncs that were put off. From now on they happen at once.
    pub fn settle(&self) {
        let mut state = self.lock();
        state.puts_off = false;
        self.catch_up(&mut state);
    }

    /// The syncs that were put off are never done, whatever was said.
    pub fn pretend(&self) {
        let mut state = self.lock();
        state.puts_off = false;
        state.put_off.clear();
    }

    /// An independent copy of what is there now.
    pub fn copy(&self) -> SimDisk {
        SimDisk {
            memory: self.memory.fork(),
            state: Arc::default(),
        }
    }

    fn catch_up(&self, state: &mut State) {
        for put in state.put_off.drain(..) {
            // It was there when the sync was asked for.
            let _ = match put {
                Put::File(file) => self.memory.sync(&file),
                Put::Directory => self.memory.sync_dir(),
            };
        }
    }

    /// The process that wrote is gone. Without power only what was synced is sure to be there.
    pub fn crash(&self, power: Power, rng: &mut ChaCha8Rng) {
        let mut state = self.lock();
        state.puts_off = false;
        state.put_off.clear();
        state.dead = false;
        match power {
            Power::Stays => self.memory.restart(),
            Power::Fails => {
                let kept: f64 = [0.0, 0.5, 0.9][rng.random_range(0..3)];
                let seed = rng.random();
                let crash = |disk: &MemoryDisk| {
                    let mut rng = ChaCha8Rng::seed_from_u64(seed);
                    disk.crash_keeping(&mut |_: Unsynced<'_>| rng.random_bool(kept));
                };
                let torn = self.memory.fork();
                crash(&torn);
                // A torn write that looks as if one byte had changed passes for damage, rightly. It
                // is so unlikely that a run is not to be spoiled by it.
                match Log::read_only(Arc::new(torn)) {
                    Ok(_) => crash(&self.memory),
                    Err(_) => self.memory.crash(),
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk for something that is written: the syncs before it are done first.
    fn first(&self, operation: DiskOperation, file: &str) -> Result<&MemoryDisk, DiskError> {
        let mut state = self.lock();
        if state.dead {
            let error = io::Error::from(io::ErrorKind::BrokenPipe);
            return Err(DiskError::new(operation, file, &error));
        }
        if !state.put_off.is_empty() {
            self.catch_up(&mut state);
        }
        Ok(&self.memory)
    }

    /// The process that writes is killed, and changes nothing from now on.
    pub fn kill(&self) {
        self.lock().dead = true;
    }

    fn sync_or_put_off(
        &self,
        put: Put,
        sync: impl FnOnce(&MemoryDisk) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        let mut state = self.lock();
        state.syncs += 1;
        if state.puts_off {
            state.put_off.push_back(put);
            return Ok(());
        }
        sync(&self.memory)
    }
}

/// Whether the machine goes on when a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    /// What was written is there, synced or not.
    Stays,
    Fails,
}

impl Disk for SimDisk {
    fn place(&self) -> String {
        "log".into()
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        self.memory.list()
    }

    fn length(&self, file: &str) -> Result<u64, DiskError> {
        self.memory.length(file)
    }

    fn read_at(&self, file: &str, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        self.memory.read_at(file, offset, bytes)
    }

    fn create(&self, file: &str) -> Result<(), DiskError> {
        self.first(DiskOperation::Create, file)?.create(file)
    }

    fn write_at(&self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let disk = self.first(DiskOperation::Write, file)?;
        disk.write_at(file, offset, bytes)
    }

    fn extend(&self, file: &str, length: u64) -> Result<(), DiskError> {
        self.first(DiskOperation::Extend, file)?
            .extend(file, length)
    }

    fn rename(&self, file: &str, to: &str) -> Result<(), DiskError> {
        self.first(DiskOperation::Rename, file)?.rename(file, to)
    }

    fn sync(&self, file: &str) -> Result<(), DiskError> {
        self.sync_or_put_off(Put::File(file.to_owned()), |memory| memory.sync(file))
    }

    fn sync_dir(&self) -> Result<(), DiskError> {
        self.sync_or_put_off(Put::Directory, MemoryDisk::sync_dir)
    }

    fn truncate(&self, file: &str, length: u64) -> Result<(), DiskError> {
        self.first(DiskOperation::Truncate, file)?
            .truncate(file, length)
    }

    fn remove(&self, file: &str) -> Result<(), DiskError> {
        self.first(DiskOperation::Remove, file)?.remove(file)
    }
}

/// What a machine's troubles did to the disk, until the world looks at it.
#[derive(Debug)]
pub(super) struct Happened {
    /// The server's directory, whose log is written.
    disk: SimDisk,
    state: Mutex<(Duration, Vec<Strike>)>,
}

impl Happened {
    pub fn new(disk: SimDisk) -> Happened {
        Happened {
            disk,
            state: Mutex::default(),
        }
    }

    /// How long it was held up since the last look, and the rules that struck.
    pub fn take(&self) -> (Duration, Vec<Strike>) {
        std::mem::take(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl DiskWorld for Happened {
    fn hold_up(&self, by: Duration) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 += by;
    }

    fn sync_failed(&self, file: &str) {
        self.disk.memory.fail_next_sync();
        let _ = self.disk.memory.sync(file);
    }

    fn strike(&self, strike: Strike) {
        if strike.kills {
            self.disk.kill();
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.push(strike);
    }
}

/// A server's directory: its log, and those that were set aside.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pub log: Mutex<SimDisk>,
    pub set_aside: Mutex<Vec<SimDisk>>,
}

impl Directory {
    pub fn log(&self) -> SimDisk {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The log is gone.
    pub fn wipe(&self) {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = SimDisk::default();
    }

    /// The log is as this copy.
    pub fn set_back(&self, copy: SimDisk) {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = copy;
    }

    /// The logs that were set aside, in their order.
    pub fn damaged(&self) -> Vec<SimDisk> {
        self.set_aside
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A directory as the process over it sees it.
pub(super) struct Opened<'a> {
    pub directory: &'a Directory,
    pub troubles: Arc<Troubles>,
}

impl LogPlace for Opened<'_> {
    fn open(&self) -> Result<Arc<dyn Disk>, DiskError> {
        Ok(Arc::new(FaultyDisk::new(
            self.directory.log(),
            self.troubles.clone(),
        )))
    }

    fn set_aside(&self) -> Result<String, DiskError> {
        let mut damaged = (self.directory.set_aside.lock()).unwrap_or_else(PoisonError::into_inner);
        damaged.push(self.directory.log());
        self.directory.wipe();
        Ok(format!("log.damaged-{}", damaged.len()))
    }

    fn has_damaged(&self) -> Result<bool, DiskError> {
        Ok(!self.directory.damaged().is_empty())
    }
}
