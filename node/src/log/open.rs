//! Opening a server's log at its start, and setting a damaged one aside.

use std::fmt;
use std::sync::Arc;

use super::disk::{Disk, DiskError};
use super::error::LogError;
use super::record::Record;
use super::recover::{Log, LogLimits, Opened};
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
/// `tell` hears that a log was set aside before the new one is begun: that may fail, or end the
/// process, and the next one would find nothing to tell.
///
/// # Errors
/// As [`Log::open`].
pub fn open_or_set_aside(
    place: &dyn LogPlace,
    identity: Identity,
    limits: LogLimits,
    may_repair: bool,
    new_incarnation: &mut dyn FnMut() -> u64,
    tell: &mut dyn FnMut(SetAside),
) -> Result<Opened, LogError> {
    let damaged = place.open()?;
    let (file, offset, what) =
        match open(place, damaged.clone(), identity, limits, new_incarnation()) {
            Err(LogError::Damaged {
                file, offset, what, ..
            }) if may_repair => (file, offset, what),
            opened => return opened,
        };
    let to = place.set_aside()?;
    // Until here it was locked: another process must not set aside what this one begins now.
    drop(damaged);
    tell(SetAside {
        file,
        offset,
        what,
        to,
    });
    open(place, place.open()?, identity, limits, new_incarnation())
}

fn open(
    place: &dyn LogPlace,
    disk: Arc<dyn Disk>,
    identity: Identity,
    limits: LogLimits,
    incarnation_if_new: u64,
) -> Result<Opened, LogError> {
    let mut opened = Log::open_with(disk, identity, incarnation_if_new, limits)?;
    // Also when the process that set it aside came no further.
    if !opened.recovered.lost && place.has_damaged()? {
        opened.writer.commit(&[Record::Lost])?;
        opened.recovered.lost = true;
    }
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::sync::Weak;

    use super::*;
    use crate::ids::{Ballot, ServerId};
    use crate::log::MemoryDisk;

    const IDENTITY: Identity = Identity {
        cluster: 9,
        server: ServerId(1),
        servers: 3,
    };

    /// Logs in memory. It insists that a log is held while it is set aside, and no longer.
    #[derive(Default)]
    struct Place {
        log: RefCell<MemoryDisk>,
        damaged: RefCell<Vec<MemoryDisk>>,
        held: RefCell<Option<Weak<MemoryDisk>>>,
        /// The log that is begun in place of a damaged one fails its first sync.
        next_fails: Cell<bool>,
    }

    impl Place {
        fn is_held(&self) -> bool {
            let held = self.held.borrow();
            held.as_ref().is_some_and(|held| held.strong_count() > 0)
        }

        /// Opens the log, and returns what was told.
        fn open(&self, may_repair: bool) -> (Result<Opened, LogError>, Vec<SetAside>) {
            let limits = LogLimits::default();
            let (mut incarnation, mut told) = (10, Vec::new());
            let mut next = || {
                incarnation += 1;
                incarnation
            };
            let opened = open_or_set_aside(
                self,
                IDENTITY,
                limits,
                may_repair,
                &mut next,
                &mut |set_aside| {
                    told.push(set_aside);
                },
            );
            (opened, told)
        }

        /// A log with a promise in it, of which a bit is flipped.
        fn damage(&self) {
            let mut opened = self.open(false).0.unwrap();
            let ballot = Ballot::new(7, ServerId(1));
            let promised = Record::Promised { ballot };
            opened.writer.commit(&[promised]).unwrap();
            let log = self.log.borrow();
            // In the payload of the first group.
            assert!(log.flip_bit("00000001.log", 48 + 28, 4));
        }
    }

    impl LogPlace for Place {
        fn open(&self) -> Result<Arc<dyn Disk>, DiskError> {
            assert!(!self.is_held(), "two hold the log");
            let disk = Arc::new(self.log.borrow().clone());
            *self.held.borrow_mut() = Some(Arc::downgrade(&disk));
            Ok(disk)
        }

        fn set_aside(&self) -> Result<String, DiskError> {
            assert!(self.is_held(), "another process may set it aside, too");
            let damaged = self.log.take();
            if self.next_fails.get() {
                self.log.borrow().fail_next_sync();
            }
            self.damaged.borrow_mut().push(damaged);
            Ok("log.damaged-1".into())
        }

        fn has_damaged(&self) -> Result<bool, DiskError> {
            Ok(!self.damaged.borrow().is_empty())
        }
    }

    #[test]
    fn a_damaged_log_makes_room_for_a_new_one_that_knows_of_it() {
        let place = Place::default();
        place.damage();
        let (opened, told) = place.open(true);
        let recovered = opened.unwrap().recovered;
        assert!(recovered.lost && !recovered.formed);
        assert_eq!(
            (recovered.incarnation, recovered.promised),
            (12, Ballot::ZERO)
        );
        let expected = SetAside {
            file: "memory/00000001.log".into(),
            offset: 48,
            what: "the checksum of group 1 is wrong, though all of it was written".into(),
            to: "log.damaged-1".into(),
        };
        assert_eq!(told, [expected]);
        // It knows for ever, even if whoever needs the space removes what was set aside.
        place.damaged.take();
        let (opened, told) = place.open(true);
        assert!(opened.unwrap().recovered.lost && told.is_empty());
    }

    #[test]
    fn what_was_set_aside_is_told_even_if_no_new_log_can_be_begun() {
        let place = Place::default();
        place.damage();
        place.next_fails.set(true);
        let (opened, told) = place.open(true);
        assert!(matches!(opened, Err(LogError::Disk(_))));
        assert_eq!(told.len(), 1);
        // The next process begins one that knows.
        let (opened, told) = place.open(true);
        assert!(opened.unwrap().recovered.lost && told.is_empty());
    }

    #[test]
    fn a_server_that_may_not_repair_leaves_all_as_it_is() {
        let place = Place::default();
        place.damage();
        let (opened, told) = place.open(false);
        assert!(matches!(opened, Err(LogError::Damaged { .. })));
        assert!(told.is_empty() && place.damaged.borrow().is_empty());
    }

    /// Only damage is repaired: the log of another server is no reason to begin anew.
    #[test]
    fn a_foreign_log_is_not_set_aside() {
        let place = Place::default();
        let other = Identity {
            cluster: 10,
            ..IDENTITY
        };
        drop(Log::open(Arc::new(place.log.borrow().clone()), other, 5).unwrap());
        let (opened, told) = place.open(true);
        assert!(matches!(opened, Err(LogError::OtherCluster { .. })));
        assert!(told.is_empty() && place.damaged.borrow().is_empty());
    }
}
