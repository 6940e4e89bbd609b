//! The log on disk: a segmented write-ahead log, deterministic above the [`Disk`] trait.
//!
//! [`Log::open`] recovers what was durable and returns a [`LogWriter`] for new records and a
//! [`History`] for reading the chosen ones. The layout is told in `segment` and `group`, the rule
//! that tells a torn tail from damage in `scan`. Of a long log the beginning is not read on opening,
//! see `checkpoint`.

mod chat_index;
mod checkpoint;
mod disk;
mod dump;
mod error;
mod group;
mod history;
mod location;
mod memory_disk;
mod open;
mod places;
mod record;
mod recover;
mod scan;
mod segment;
mod unread;
mod upkeep;
mod vote;
mod writer;

#[cfg(test)]
mod tests;

pub use chat_index::ChatIndex;
pub use checkpoint::Checkpoint;
pub use disk::{Disk, DiskError, DiskOperation};
pub use dump::{Dumped, LogEnd, dump};
pub use error::LogError;
pub use history::{History, size_bytes};
pub use location::{Located, Location};
pub use memory_disk::{MemoryDisk, SECTOR_BYTES, Unsynced};
pub use open::{LogPlace, SetAside, open_or_set_aside};
pub use record::{Member, Record};
pub use recover::{Log, LogLimits, Opened, ReadLog, RecoveredLog};
pub use segment::{Identity, SegmentHeader};
pub use unread::Unread;
pub use upkeep::Upkeep;
pub use writer::LogWriter;
