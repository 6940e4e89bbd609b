//! What the log needs of a disk, and nothing more.

use std::fmt;
use std::io;

/// The files of one directory. The real one is `drive::RealDisk`; [`super::MemoryDisk`] is one that
/// loses, tears and breaks what it holds on request.
///
/// Names are plain file names. Calls return when they are done. A write is durable only when
/// [`Disk::sync`] of its file has returned; a file's existence (or removal) only when
/// [`Disk::sync_dir`] has. The log's writer and its readers share one disk, so every method takes
/// `&self`.
pub trait Disk: Send + Sync {
    /// Where the files are, for people: the path of the directory.
    fn place(&self) -> String;

    /// The names of all files, ascending.
    fn list(&self) -> Result<Vec<String>, DiskError>;

    /// The length of the file in bytes.
    fn length(&self, file: &str) -> Result<u64, DiskError>;

    /// Fills `bytes` with what the file holds from `offset` on. A file that ends before that is an
    /// error of kind `UnexpectedEof`.
    fn read_at(&self, file: &str, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError>;

    /// Makes an empty file. An existing one is an error of kind `AlreadyExists`.
    fn create(&self, file: &str) -> Result<(), DiskError>;

    /// Writes at `offset`, which is at most the file's length; what goes beyond makes it longer.
    /// After an error any part of `bytes` may be there.
    fn write_at(&self, file: &str, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// Makes the file `length` bytes long by zeros at its end, really written and durable, so that
    /// a sync of what is written over them later has nothing to do but that. A longer file stays
    /// as it is. After an error the file may have any part of them. Nobody may write to the file
    /// meanwhile.
    fn extend(&self, file: &str, length: u64) -> Result<(), DiskError>;

    /// Makes the file's bytes and its length durable (fdatasync). After an error nothing is known
    /// about what was written since the last success, and a later success says nothing about it
    /// either: the call must not be repeated in the hope of a better answer.
    fn sync(&self, file: &str) -> Result<(), DiskError>;

    /// Makes the creations and removals of files durable.
    fn sync_dir(&self) -> Result<(), DiskError>;

    /// Gives the file another name; a file that has that is gone. Durable, as a whole, after the next
    /// [`Disk::sync_dir`].
    fn rename(&self, file: &str, to: &str) -> Result<(), DiskError>;

    /// Shortens the file to `length` bytes. Durable after the next [`Disk::sync`].
    fn truncate(&self, file: &str, length: u64) -> Result<(), DiskError>;

    /// Removes the file. Durable after the next [`Disk::sync_dir`].
    fn remove(&self, file: &str) -> Result<(), DiskError>;
}

/// A call to a [`Disk`] that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {operation} {file}: {reason}")]
pub struct DiskError {
    pub operation: DiskOperation,
    /// The path of the file or directory.
    pub file: String,
    pub kind: io::ErrorKind,
    /// The system's words.
    pub reason: String,
}

/// What was asked of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskOperation {
    Open,
    Lock,
    List,
    Length,
    Read,
    Create,
    Write,
    Extend,
    Rename,
    Sync,
    SyncDir,
    Truncate,
    Remove,
    SetAside,
}

impl DiskError {
    pub fn new(operation: DiskOperation, file: impl Into<String>, source: &io::Error) -> DiskError {
        DiskError {
            operation,
            file: file.into(),
            kind: source.kind(),
            reason: source.to_string(),
        }
    }
}

impl fmt::Display for DiskOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DiskOperation::Open => "open",
            DiskOperation::Lock => "lock",
            DiskOperation::List => "list",
            DiskOperation::Length => "find the length of",
            DiskOperation::Read => "read",
            DiskOperation::Create => "create",
            DiskOperation::Write => "write",
            DiskOperation::Extend => "extend",
            DiskOperation::Rename => "rename",
            DiskOperation::Sync => "sync",
            DiskOperation::SyncDir => "sync the directory",
            DiskOperation::Truncate => "truncate",
            DiskOperation::Remove => "remove",
            DiskOperation::SetAside => "set aside",
        })
    }
}
