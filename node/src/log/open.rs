//! Opening a server's log at its start, and setting a damaged one aside.

use std::fmt;
use std::sync::Arc;

use super::disk::{Disk, DiskError};
use super::error::LogError;
use super::record::Record;
use super::recover::{Log, Opened};
use super::segment::Identity;
use crate::event::Event;

/// Where a server's log lies, beside those that were damaged.
pub trait LogPlace {
    /// The log's disk; an empty one is made if there is none. While it is held nobody else can set
    /// the log aside.
    fn open(&self) -> Result<Arc<dyn Disk>, DiskError>;

    /// Gives the log another name, durably, and returns that. A crash in between leaves a damaged
    /// log, which is found again, or none.
    fn set_aside(&self) -> Result<String, DiskError>;

    /// Whether any log was ever set aside here and is still kept. A place that cannot be read says
    /// nothing of it, and must not pass for one without any: the server would vote.
    fn has_damaged(&self) -> Result<bool, DiskError>;
}

/// An open log, and whether a damaged one had to make room for it.
pub struct Opening {
    pub opened: Opened,
    pub set_aside: Option<SetAside>,
}

/// A damaged log, and where it is kept. As text it is what people should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    pub file: String,
    pub offset: u64,
    pub what: String,
    /// Where it is now.
    pub to: String,
}

impl SetAside {
    /// The evidence of it.
    pub fn event(self) -> Event {
        Event::LogSetAside {
            file: self.file,
            offset: self.offset,
            what: self.what,
            to: self.to,
        }
    }
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SetAside {
            file,
            offset,
            what,
            to,
        } = self;
        write!(
            f,
            "the log is damaged: {file}, byte {offset}: {what}. It is kept as {to}. This server \
             begins a new log: it learns everything from its peers, and does not vote, because it \
             cannot prove what it promised"
        )
    }
}

/// Opens the log at `place`. A damaged one is set aside, if it `may_repair`, and a new one is begun
/// under a new incarnation: its peers remember the old one, so the server will not vote, and learns
/// all that is chosen from them. What it had promised is lost, and nobody relies on it any more.
///
/// # Errors
/// As [`Log::open`].
pub fn open_or_set_aside(
    place: &dyn LogPlace,
    identity: Identity,
    may_repair: bool,
    new_incarnation: &mut dyn FnMut() -> u64,
) -> Result<Opening, LogError> {
    let damaged = place.open()?;
    let (file, offset, what) = match open(place, damaged.clone(), identity, new_incarnation()) {
        Ok(opened) => {
            return Ok(Opening {
                opened,
                set_aside: None,
            });
        }
        Err(LogError::Damaged {
            file, offset, what, ..
        }) if may_repair => (file, offset, what),
        Err(error) => return Err(error),
    };
    let to = place.set_aside()?;
    // Until here it was locked: another process must not set aside what this one begins now.
    drop(damaged);
    Ok(Opening {
        opened: open(place, place.open()?, identity, new_incarnation())?,
        set_aside: Some(SetAside {
            file,
            offset,
            what,
            to,
        }),
    })
}

fn open(
    place: &dyn LogPlace,
    disk: Arc<dyn Disk>,
    identity: Identity,
    incarnation_if_new: u64,
) -> Result<Opened, LogError> {
    let mut opened = Log::open(disk, identity, incarnation_if_new)?;
    // Also when the process that set it aside came no further.
    if !opened.recovered.lost && place.has_damaged()? {
        opened.writer.commit(&[Record::Lost])?;
        opened.recovered.lost = true;
    }
    Ok(opened)
}
