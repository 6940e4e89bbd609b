//! A disk in memory that can do to the log what real disks do: lose what was not synced, keep some
//! sectors of it and not others, flip bits, fail a sync, be full, die in the middle of a call.
//!
//! The model is the pessimistic reading of POSIX. A file has the bytes that a running program sees,
//! and those that would survive a power cut; only a sync carries the former over to the latter.
//! The same holds for names in the directory. A failed sync drops what was waiting, while readers
//! go on seeing it: that is what Linux does with dirty pages after a failed write-back.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, DiskError, DiskOperation};

/// The unit in which a disk writes all or nothing.
pub const SECTOR_BYTES: u64 = 512;

/// Files in memory. Clones are handles to the same disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

/// Something that was not synced when the power failed, and may have reached the disk all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced<'a> {
    /// The creation or removal of the file.
    Name { file: &'a str },
    /// The change of the file's length: if it did not reach the disk, a file ends with the last
    /// new sector that did.
    Length { file: &'a str },
    /// New bytes in this sector of the file, counted from 0. Bytes that did not reach the disk read
    /// as they were before, beyond the old end as zeros.
    Sector { file: &'a str, sector: u64 },
}

#[derive(Debug, Clone, Default)]
struct State {
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    files: BTreeMap<u64, FileState>,
    next_file: u64,
    /// Names that were given and are not durable: the old one and the new.
    renamed: Vec<(String, String)>,
    /// Changing calls so far.
    operations: u64,
    /// The changing call, counted from 1, in the middle of which the disk dies.
    dies_at: Option<u64>,
    dead: bool,
    fail_next_sync: bool,
    capacity_bytes: Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct FileState {
    visible: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

impl MemoryDisk {
    pub fn new() -> MemoryDisk {
        MemoryDisk::default()
    }

    /// An independent copy, faults included.
    pub fn fork(&self) -> MemoryDisk {
        MemoryDisk {
            state: Arc::new(Mutex::new(self.lock().clone())),
        }
    }

    /// The power fails and nothing unsynced survives.
    pub fn crash(&self) {
        self.crash_keeping(&mut |_| false);
    }

    /// The power fails; `keep` says of each unsynced thing whether it reached the disk. Any fault
    /// that was asked for is over.
    pub fn crash_keeping(&self, keep: &mut dyn FnMut(Unsynced<'_>) -> bool) {
        let mut state = self.lock();
        state.crash(keep);
    }

    /// The power fails while the unsynced bytes are written in order: the first `bytes` of each
    /// file's reached the disk, and so did the names.
    pub fn crash_torn(&self, bytes: usize) {
        let mut state = self.lock();
        for file in state.files.values_mut() {
            let mut left = bytes;
            for change in &mut file.pending {
                if let Change::Write { bytes, .. } = change {
                    bytes.truncate(left);
                    left -= bytes.len();
                }
            }
            file.pending.retain(
                |change| !matches!(change, Change::Write { bytes, .. } if bytes.is_empty()),
            );
        }
        state.crash(&mut |_| true);
    }

    /// Only the process died: the machine lives, and everything written is there for the next one,
    /// synced or not. Any fault that was asked for is over.
    pub fn restart(&self) {
        self.lock().clear_faults();
    }

    /// The disk dies in the middle of the changing call number `operation`, counted from 1 from
    /// now on: what that call changes may or may not survive, and every call fails from then on
    /// until a crash or a restart.
    pub fn die_at(&self, operation: u64) {
        let mut state = self.lock();
        state.dies_at = Some(state.operations + operation);
    }

    /// Changing calls so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// The next sync of a file fails, and loses what waited for it.
    pub fn fail_next_sync(&self) {
        self.lock().fail_next_sync = true;
    }

    /// A write fails when all files together would be longer than this; what fits is written.
    pub fn set_capacity(&self, capacity_bytes: Option<u64>) {
        self.lock().capacity_bytes = capacity_bytes;
    }

    /// The disk returns another bit than was written. Whether there is such a byte.
    pub fn flip_bit(&self, file: &str, offset: u64, bit: u8) -> bool {
        self.edit(file, offset, |byte| byte ^ (1 << (bit % 8)))
    }

    /// The disk returns another byte than was written. Whether there is such a byte.
    pub fn set_byte(&self, file: &str, offset: u64, value: u8) -> bool {
        self.edit(file, offset, |_| value)
    }

    /// Everything that a running program sees in the file; empty when there is none.
    pub fn contents(&self, file: &str) -> Vec<u8> {
        let state = self.lock();
        let number = state.names.get(file);
        number
            .and_then(|number| state.files.get(number))
            .map(|file| file.visible.clone())
            .unwrap_or_default()
    }

    /// Writes at the end of the file.
    ///
    /// # Errors
    /// Those of [`Disk::write_at`].
    pub fn append(&self, file: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.write_at(file, self.length(file)?, bytes)
    }

    fn edit(&self, file: &str, offset: u64, change: impl Fn(u8) -> u8) -> bool {
        let mut state = self.lock();
        let Ok(file) = state.file(DiskOperation::Write, file) else {
            return false;
        };
        let offset = offset as usize;
        if let Some(byte) = file.durable.get_mut(offset) {
            *byte = change(*byte);
        }
        match file.visible.get_mut(offset) {
            Some(byte) => {
                *byte = change(*byte);
                true
            }
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn crash(&mut self, keep: &mut dyn FnMut(Unsynced<'_>) -> bool) {
        let changed: BTreeSet<&String> = self
            .names
            .keys()
            .chain(self.durable_names.keys())
            .filter(|name| self.names.get(*name) != self.durable_names.get(*name))
            .collect();
        let mut names = self.durable_names.clone();
        for name in changed {
            // A rename happens as a whole, or not.
            if self.renamed.iter().any(|(old, _)| old == name) {
                continue;
            }
            if keep(Unsynced::Name { file: name }) {
                match self.names.get(name) {
                    Some(&number) => names.insert(name.clone(), number),
                    None => names.remove(name),
                };
                for (old, _) in self.renamed.iter().filter(|(_, new)| new == name) {
                    names.remove(old);
                }
            }
        }
        self.renamed.clear();
        self.names = names.clone();
        self.durable_names = names;
        for (name, number) in &self.names {
            if let Some(file) = self.files.get_mut(number) {
                file.crash(name, keep);
            }
        }
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        self.files.retain(|number, _| named.contains(number));
        self.clear_faults();
    }

    fn clear_faults(&mut self) {
        self.dies_at = None;
        self.dead = false;
        self.fail_next_sync = false;
    }

    fn file(&mut self, operation: DiskOperation, name: &str) -> Result<&mut FileState, DiskError> {
        self.names
            .get(name)
            .and_then(|number| self.files.get_mut(number))
            .ok_or_else(|| failure(operation, name, io::ErrorKind::NotFound))
    }

    fn alive(&self, operation: DiskOperation, name: &str) -> Result<(), DiskError> {
        if self.dead {
            return Err(failure(operation, name, io::ErrorKind::BrokenPipe));
        }
        Ok(())
    }

    /// Counts a changing call. When the disk dies in it, its effect stays behind unsynced, where
    /// the crash decides on it, and `finish` returns the error.
    fn begin(&mut self, operation: DiskOperation, name: &str) -> Result<(), DiskError> {
        self.alive(operation, name)?;
        self.operations += 1;
        self.dead = self.dies_at == Some(self.operations);
        Ok(())
    }

    /// Writes as much as there is room for.
    fn write(
        &mut self,
        operation: DiskOperation,
        file: &str,
        offset: usize,
        bytes: &[u8],
    ) -> Result<(), DiskError> {
        self.begin(operation, file)?;
        let free_bytes = match self.capacity_bytes {
            Some(capacity) => capacity.saturating_sub(self.total_bytes()),
            None => u64::MAX,
        };
        let target = self.file(operation, file)?;
        let length = target.visible.len();
        if offset > length {
            return Err(failure(operation, file, io::ErrorKind::InvalidInput));
        }
        let room = usize::try_from(free_bytes).unwrap_or(usize::MAX);
        let fits = bytes.len().min(room.saturating_add(length - offset));
        target.change(Change::Write {
            offset,
            bytes: bytes[..fits].to_vec(),
        });
        if fits < bytes.len() {
            return Err(failure(operation, file, io::ErrorKind::StorageFull));
        }
        self.alive(operation, file)
    }

    fn total_bytes(&self) -> u64 {
        let files = self.names.values().filter_map(|n| self.files.get(n));
        files.map(|file| file.visible.len() as u64).sum()
    }
}

impl FileState {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.visible);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
    }

    fn crash(&mut self, name: &str, keep: &mut dyn FnMut(Unsynced<'_>) -> bool) {
        for change in std::mem::take(&mut self.pending) {
            let Change::Write { offset, bytes } = change else {
                if keep(Unsynced::Length { file: name }) {
                    change.apply(&mut self.durable);
                }
                continue;
            };
            let end = offset + bytes.len();
            if end > self.durable.len() && keep(Unsynced::Length { file: name }) {
                self.durable.resize(end, 0);
            }
            let sector_bytes = SECTOR_BYTES as usize;
            for sector in offset / sector_bytes..end.div_ceil(sector_bytes) {
                let from = offset.max(sector * sector_bytes);
                let upto = end.min((sector + 1) * sector_bytes);
                let sector = sector as u64;
                if keep(Unsynced::Sector { file: name, sector }) {
                    let bytes = bytes[from - offset..upto - offset].to_vec();
                    let offset = from;
                    Change::Write { offset, bytes }.apply(&mut self.durable);
                }
            }
        }
        self.visible = self.durable.clone();
    }
}

impl Change {
    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Change::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if contents.len() < end {
                    contents.resize(end, 0);
                }
                contents[*offset..end].copy_from_slice(bytes);
            }
            Change::Truncate { length } => contents.truncate(*length),
        }
    }
}

impl Disk for MemoryDisk {
    fn place(&self) -> String {
        "memory".to_string()
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        let state = self.lock();
        state.alive(DiskOperation::List, "")?;
        Ok(state.names.keys().cloned().collect())
    }

    fn length(&self, file: &str) -> Result<u64, DiskError> {
        let mut state = self.lock();
        state.alive(DiskOperation::Length, file)?;
        Ok(state.file(DiskOperation::Length, file)?.visible.len() as u64)
    }

    fn read_at(&self, file: &str, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        let mut state = self.lock();
        state.alive(DiskOperation::Read, file)?;
        let visible = &state.file(DiskOperation::Read, file)?.visible;
        let found = usize::try_from(offset)
            .ok()
            .and_then(|from| visible.get(from..from.checked_add(bytes.len())?))
            .ok_or_else(|| failure(DiskOperation::Read, file, io::ErrorKind::UnexpectedEof))?;
        bytes.copy_from_slice(found);
        Ok(())
    }

    fn create(&self, file: &str) -> Result<(), DiskError> {
        let mut state = self.lock();
        state.begin(DiskOperation::Create, file)?;
        if state.names.contains_key(file) {
            return Err(failure(
                DiskOperation::Create,
                file,
                io::ErrorKind::AlreadyExists,
            ));
        }
        let number = state.next_file;
        state.next_file += 1;
        state.names.insert(file.to_string(), number);
        state.files.insert(number, FileState::default());
        state.alive(DiskOperation::Create, file)
    }

    fn write_at(&self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        self.lock().write(DiskOperation::Write, file, offset, bytes)
    }

    fn extend(&self, file: &str, length: u64) -> Result<(), DiskError> {
        let mut state = self.lock();
        state.alive(DiskOperation::Extend, file)?;
        let before = state.file(DiskOperation::Extend, file)?.visible.len();
        let more = usize::try_from(length).map_or(0, |length| length.saturating_sub(before));
        if more == 0 {
            return Ok(());
        }
        state.write(DiskOperation::Extend, file, before, &vec![0; more])?;
        state.file(DiskOperation::Extend, file)?.sync();
        Ok(())
    }

    fn sync(&self, file: &str) -> Result<(), DiskError> {
        let mut state = self.lock();
        state.begin(DiskOperation::Sync, file)?;
        // A disk that dies in a sync leaves everything unsynced: the crash decides.
        state.alive(DiskOperation::Sync, file)?;
        let fails = std::mem::take(&mut state.fail_next_sync);
        let target = state.file(DiskOperation::Sync, file)?;
        if fails {
            target.pending.clear();
            return Err(failure(DiskOperation::Sync, file, io::ErrorKind::Other));
        }
        target.sync();
        Ok(())
    }

    fn sync_dir(&self) -> Result<(), DiskError> {
        let mut state = self.lock();
        state.begin(DiskOperation::SyncDir, "")?;
        state.alive(DiskOperation::SyncDir, "")?;
        state.durable_names = state.names.clone();
        state.renamed.clear();
        let named: BTreeSet<u64> = state.names.values().copied().collect();
        state.files.retain(|number, _| named.contains(number));
        Ok(())
    }

    fn rename(&self, file: &str, to: &str) -> Result<(), DiskError> {
        let mut state = self.lock();
        state.begin(DiskOperation::Rename, file)?;
        state.file(DiskOperation::Rename, file)?;
        if let Some(number) = state.names.remove(file) {
            state.names.insert(to.to_string(), number);
            state.renamed.push((file.to_string(), to.to_string()));
        }
        state.alive(DiskOperation::Rename, file)
    }

    fn truncate(&self, file: &str, length: u64) -> Result<(), DiskError> {
        let mut state = self.lock();
        state.begin(DiskOperation::Truncate, file)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        state
            .file(DiskOperation::Truncate, file)?
            .change(Change::Truncate { length });
        state.alive(DiskOperation::Truncate, file)
    }

    fn remove(&self, file: &str) -> Result<(), DiskError> {
        let mut state = self.lock();
        state.begin(DiskOperation::Remove, file)?;
        state.file(DiskOperation::Remove, file)?;
        state.names.remove(file);
        state.alive(DiskOperation::Remove, file)
    }
}

fn failure(operation: DiskOperation, file: &str, kind: io::ErrorKind) -> DiskError {
    DiskError::new(operation, format!("memory/{file}"), &io::Error::from(kind))
}
