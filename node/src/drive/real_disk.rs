//! The log's disk: one directory of the machine's file system.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::log::{Disk, DiskError, DiskOperation};

/// Open files at a time: the segment that is written to, and those that are read.
const MAX_OPEN_FILES: usize = 64;

/// A file is extended by so much at a time, each synced, so that a sync of another file never waits
/// for more.
const PIECE_BYTES: usize = 256 << 10;

/// A directory with the files of one log. While it is open for writing no other process can open
/// it so.
pub struct RealDisk {
    path: PathBuf,
    directory: Directory,
    files: Mutex<BTreeMap<String, Arc<File>>>,
}

enum Directory {
    /// Locked until it is dropped, or the process ends in whatever way.
    Writable(Flock<File>),
    ReadOnly,
}

impl RealDisk {
    /// Opens the directory for writing, and makes it if it is not there.
    ///
    /// # Errors
    /// One of kind `WouldBlock` if another process has it open.
    pub fn open(path: &Path) -> Result<RealDisk, DiskError> {
        make_directory(path)?;
        let directory =
            File::open(path).map_err(|error| failure(DiskOperation::Open, path, &error))?;
        let lock = lock(path, directory)?;
        Ok(RealDisk {
            path: path.to_path_buf(),
            directory: Directory::Writable(lock),
            files: Mutex::default(),
        })
    }

    /// Opens an existing directory for reading, locked or not. Every change fails.
    pub fn read_only(path: &Path) -> Result<RealDisk, DiskError> {
        fs::read_dir(path).map_err(|error| failure(DiskOperation::Open, path, &error))?;
        Ok(RealDisk {
            path: path.to_path_buf(),
            directory: Directory::ReadOnly,
            files: Mutex::default(),
        })
    }

    /// The open file. The lock on the table is held only while it is opened: a sync does not hold
    /// up readers.
    fn file(&self, operation: DiskOperation, name: &str) -> Result<Arc<File>, DiskError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(name) {
            return Ok(file.clone());
        }
        let mut options = OpenOptions::new();
        options.read(true);
        options.write(matches!(self.directory, Directory::Writable(_)));
        let file = self.on_file(operation, name, options.open(self.path.join(name)))?;
        let file = Arc::new(file);
        if files.len() >= MAX_OPEN_FILES {
            files.pop_first();
        }
        files.insert(name.to_string(), file.clone());
        Ok(file)
    }

    fn writable(&self, operation: DiskOperation, name: &str) -> Result<&File, DiskError> {
        match &self.directory {
            Directory::Writable(directory) => Ok(directory),
            Directory::ReadOnly => {
                let error = io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
                Err(failure(operation, &self.path.join(name), &error))
            }
        }
    }

    fn on_file<T>(
        &self,
        operation: DiskOperation,
        name: &str,
        result: io::Result<T>,
    ) -> Result<T, DiskError> {
        result.map_err(|error| failure(operation, &self.path.join(name), &error))
    }
}

impl Disk for RealDisk {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self) -> Result<Vec<String>, DiskError> {
        let names = fs::read_dir(&self.path).and_then(|entries| {
            let names = entries.map(|entry| Ok(entry?.file_name().into_string()));
            names.collect::<io::Result<Vec<_>>>()
        });
        let names = names.map_err(|error| failure(DiskOperation::List, &self.path, &error))?;
        // A name that is not UTF-8 is not one of the log's.
        let mut names: Vec<String> = names.into_iter().flatten().collect();
        names.sort_unstable();
        Ok(names)
    }

    fn length(&self, file: &str) -> Result<u64, DiskError> {
        let open = self.file(DiskOperation::Length, file)?;
        Ok(self
            .on_file(DiskOperation::Length, file, open.metadata())?
            .len())
    }

    fn read_at(&self, file: &str, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        let open = self.file(DiskOperation::Read, file)?;
        self.on_file(DiskOperation::Read, file, open.read_exact_at(bytes, offset))
    }

    fn create(&self, file: &str) -> Result<(), DiskError> {
        self.writable(DiskOperation::Create, file)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        let created = options.open(self.path.join(file));
        self.on_file(DiskOperation::Create, file, created)?;
        Ok(())
    }

    fn write_at(&self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.writable(DiskOperation::Write, file)?;
        let open = self.file(DiskOperation::Write, file)?;
        self.on_file(DiskOperation::Write, file, open.write_all_at(bytes, offset))
    }

    fn extend(&self, file: &str, length: u64) -> Result<(), DiskError> {
        self.writable(DiskOperation::Extend, file)?;
        let open = self.file(DiskOperation::Extend, file)?;
        let zeros = [0; PIECE_BYTES];
        let mut at = self.length(file)?;
        while at < length {
            let piece =
                &zeros[..PIECE_BYTES.min(usize::try_from(length - at).unwrap_or(PIECE_BYTES))];
            let written = open.write_all_at(piece, at).and_then(|()| open.sync_data());
            self.on_file(DiskOperation::Extend, file, written)?;
            at += piece.len() as u64;
        }
        Ok(())
    }

    fn sync(&self, file: &str) -> Result<(), DiskError> {
        self.writable(DiskOperation::Sync, file)?;
        let open = self.file(DiskOperation::Sync, file)?;
        self.on_file(DiskOperation::Sync, file, open.sync_data())
    }

    fn sync_dir(&self) -> Result<(), DiskError> {
        let directory = self.writable(DiskOperation::SyncDir, "")?;
        directory
            .sync_all()
            .map_err(|error| failure(DiskOperation::SyncDir, &self.path, &error))
    }

    fn rename(&self, file: &str, to: &str) -> Result<(), DiskError> {
        self.writable(DiskOperation::Rename, file)?;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.remove(file);
        files.remove(to);
        let renamed = fs::rename(self.path.join(file), self.path.join(to));
        self.on_file(DiskOperation::Rename, file, renamed)
    }

    fn truncate(&self, file: &str, length: u64) -> Result<(), DiskError> {
        self.writable(DiskOperation::Truncate, file)?;
        let open = self.file(DiskOperation::Truncate, file)?;
        // POSIX lets fdatasync leave out a length that is not needed to read the data, and a
        // shorter one might be seen so. Truncation is rare: it waits for the whole inode here.
        let truncated = open.set_len(length).and_then(|()| open.sync_all());
        self.on_file(DiskOperation::Truncate, file, truncated)
    }

    fn remove(&self, file: &str) -> Result<(), DiskError> {
        self.writable(DiskOperation::Remove, file)?;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.remove(file);
        let removed = fs::remove_file(self.path.join(file));
        self.on_file(DiskOperation::Remove, file, removed)
    }
}

/// Locks the open directory, which must still be the one at `path`. The lock is on the directory
/// itself, so no lock file is left behind, and it stays on it when it gets another name.
fn lock(path: &Path, directory: File) -> Result<Flock<File>, DiskError> {
    let taken = |reason: &str| DiskError {
        operation: DiskOperation::Lock,
        file: path.display().to_string(),
        kind: io::ErrorKind::WouldBlock,
        reason: reason.to_string(),
    };
    let lock =
        Flock::lock(directory, FlockArg::LockExclusiveNonblock).map_err(
            |(_, errno)| match errno {
                Errno::EWOULDBLOCK => {
                    taken("another process has this log open; stop that server first")
                }
                errno => failure(DiskOperation::Lock, path, &io::Error::from(errno)),
            },
        )?;
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let locked = lock.metadata().map(identity);
    let locked = locked.map_err(|error| failure(DiskOperation::Lock, path, &error))?;
    match fs::metadata(path).map(identity) {
        Ok(there) if there == locked => Ok(lock),
        _ => Err(taken(
            "another process has just put another directory in its place; stop that server first",
        )),
    }
}

/// Makes the directory and its parents, and its name durable.
fn make_directory(path: &Path) -> Result<(), DiskError> {
    if path.is_dir() {
        return Ok(());
    }
    let made = fs::create_dir_all(path);
    made.map_err(|error| failure(DiskOperation::Create, path, &error))?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|parent| parent.sync_all())
        .map_err(|error| failure(DiskOperation::SyncDir, parent, &error))
}

fn failure(operation: DiskOperation, path: &Path, error: &io::Error) -> DiskError {
    DiskError::new(operation, path.display().to_string(), error)
}

#[cfg(test)]
#[path = "real_disk_tests.rs"]
mod tests;
