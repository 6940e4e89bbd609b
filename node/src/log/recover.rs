//! Opening a log: formatting an empty directory, or finding out what an earlier process promised.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::checkpoint::{self, Checkpoints, Content, Sound};
use super::disk::Disk;
use super::error::LogError;
use super::group::{self, MAX_PAYLOAD_BYTES, RecordHead, Unreadable};
use super::history::History;
use super::location::{GroupReader, Located, Location};
use super::places::Places;
use super::record::Member;
use super::scan::{End, GroupView, Scanner, Step};
use super::segment::{self, FORMAT, Identity, NEXT, SegmentHeader, file_name};
use super::unread::Unread;
use super::vote::VoteState;
use super::writer::{LogWriter, WriterEnd};
use crate::event::{Acceptance, Event};
use crate::ids::{Ballot, Slot};
use crate::planted::{self, Bug};
use crate::value::Value;

/// The log of one server. See [`Log::open`].
pub struct Log;

/// Sizes that may be chosen freely, and differently at every start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// A segment is closed before it would grow above this; at most 1 GiB.
    pub segment_bytes: u64,
    /// The same of the first segment. Each next one may be four times as large, up to the limit of
    /// all: they are filled with zeros before they are used, and a small log is not to wait for
    /// much of that.
    pub first_segment_bytes: u64,
    /// A commit with more encoded records than this is written in several groups, and a single
    /// record above it is refused; at most 128 MiB.
    pub group_bytes: usize,
    /// How much of the recent history [`History`] holds in memory.
    pub memory_bytes: usize,
    /// A checkpoint is due when so much was written since the last; more in a very long log.
    pub checkpoint_bytes: u64,
}

impl Default for LogLimits {
    fn default() -> LogLimits {
        LogLimits {
            segment_bytes: 16 << 20,
            first_segment_bytes: 256 << 10,
            group_bytes: MAX_PAYLOAD_BYTES,
            memory_bytes: 16 << 20,
            checkpoint_bytes: 128 << 20,
        }
    }
}

impl LogLimits {
    /// So that every group's offset in its segment is far below 4 GiB.
    const MAX_SEGMENT_BYTES: u64 = 1 << 30;

    /// The limit of the segment with this number.
    pub(super) fn segment_limit(&self, segment: u32) -> u64 {
        let most = self.segment_bytes.min(LogLimits::MAX_SEGMENT_BYTES);
        let fourfold = 4u64.saturating_pow(segment.saturating_sub(1));
        self.first_segment_bytes.saturating_mul(fourfold).min(most)
    }
}

/// An open log.
pub struct Opened {
    pub writer: LogWriter,
    pub recovered: RecoveredLog,
    /// Every chosen value, to rebuild the sessions from and to serve from.
    pub history: History,
    /// What a checkpoint saved reading, to be read by and by.
    pub unread: Option<Unread>,
    /// Why there was a checkpoint that was not believed.
    pub refused_checkpoint: Option<String>,
}

/// What an earlier process promised; in a new log, nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredLog {
    pub incarnation: u64,
    /// The highest ballot promised or accepted.
    pub promised: Ballot,
    /// The latest acceptance in each slot above `chosen`, ascending by slot.
    pub accepted: Vec<(Slot, Ballot, Value)>,
    /// Every slot up to this one is chosen.
    pub chosen: Slot,
    /// Ascending by server.
    pub members: Vec<Member>,
    pub formed: bool,
    pub opened: bool,
    /// An earlier log was damaged and set aside: the server must never vote.
    pub lost: bool,
    /// The length of the torn tail that was cut off (or, when the log is only read, would be).
    pub cut_bytes: u64,
}

impl RecoveredLog {
    /// The line of evidence with which every life of a server begins.
    pub fn evidence(&self) -> Event {
        let accepted = self
            .accepted
            .iter()
            .map(|(slot, ballot, value)| Acceptance {
                ballot: *ballot,
                slot: *slot,
                digest: value.digest(),
            });
        Event::Recovered {
            promised: self.promised,
            accepted: accepted.collect(),
            chosen: self.chosen,
            incarnation: self.incarnation,
            formed: self.formed,
            cut_bytes: self.cut_bytes,
        }
    }
}

/// A log that was read and not opened: that of a dead server, or one in a saved run.
pub struct ReadLog {
    pub identity: Identity,
    pub recovered: RecoveredLog,
    /// Every chosen value.
    pub history: History,
}

impl Log {
    /// Opens the log in the directory that is `disk`, or formats an empty one under
    /// `incarnation_if_new`, which the caller draws at random. A crash at any moment of it, and a
    /// torn tail, are repaired. Every record of every commit that returned is there.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when something durable has changed; nothing is written then. An error
    /// that names the difference when the log is another server's, cluster's, or format's.
    pub fn open(
        disk: Arc<dyn Disk>,
        identity: Identity,
        incarnation_if_new: u64,
    ) -> Result<Opened, LogError> {
        Log::open_with(disk, identity, incarnation_if_new, LogLimits::default())
    }

    /// [`Log::open`] with other sizes than the default ones.
    pub fn open_with(
        disk: Arc<dyn Disk>,
        identity: Identity,
        incarnation_if_new: u64,
        limits: LogLimits,
    ) -> Result<Opened, LogError> {
        let (read, refused_checkpoint) = Fold::open(&*disk, identity)?;
        let Read {
            fold,
            end,
            checkpoint,
        } = read;
        let vote = fold.vote.clone();
        let incarnation = end.last.map_or(incarnation_if_new, |last| last.incarnation);
        let (recovered, mut history) =
            fold.finish(&disk, incarnation, end.torn_bytes, limits.memory_bytes)?;
        // Nothing was changed up to here, so that a refused log stays as it was found.

        let checkpoints = Checkpoints::new(disk.clone());
        history.distrust_with(checkpoints.clone());
        let mut unread = None;
        let mut unread_segments = 0;
        match checkpoint {
            Some(content) => {
                unread_segments = content.sealed.len();
                history.restore(content.applied);
                let (disk, checkpoints) = (disk.clone(), checkpoints.clone());
                let (sealed, end) = (content.sealed, content.first_sequence);
                unread = Some(Unread::new(disk, checkpoints, sealed, end));
            }
            None => checkpoint::remove(&*disk)?,
        }
        // Nothing was ever written in these. The directory is synced below.
        if let Some(number) = end.unfinished {
            disk.remove(&file_name(number))?;
        }
        for file in disk.list()? {
            if file == NEXT || file == checkpoint::NEW {
                disk.remove(&file)?;
            }
        }
        let (header, length) = match end.last {
            Some(last) => {
                let file = file_name(last.segment);
                if end.torn_bytes > 0 {
                    disk.truncate(&file, end.length)?;
                }
                // Durable before anything is built on it: the cut, or else the torn tail could come
                // back behind what is written next; and what a process wrote that was killed before
                // its sync returned.
                disk.sync(&file)?;
                disk.sync_dir()?;
                // Blank space for what comes, where the cut took it, or it was not made in time.
                let limit = limits.segment_limit(last.segment);
                let ahead = limit.min(end.length + limits.first_segment_bytes);
                segment::extend_if_room(&*disk, &file, ahead)?;
                (last, end.length)
            }
            None => {
                let header = SegmentHeader {
                    format: FORMAT,
                    identity,
                    incarnation,
                    segment: 1,
                    first_sequence: 1,
                };
                let bytes = limits.segment_limit(1);
                segment::create_blank(&*disk, &file_name(1), bytes)?;
                segment::begin(&*disk, &header)?;
                (header, segment::HEADER_BYTES as u64)
            }
        };
        let end = WriterEnd {
            header,
            length,
            next_sequence: end.next_sequence,
            sealed: end.sealed,
            unread: unread_segments,
        };
        Ok(Opened {
            writer: LogWriter::new(disk, end, vote, limits, checkpoints),
            recovered,
            history,
            unread,
            refused_checkpoint,
        })
    }

    /// What [`Log::open`] would recover, whosever log it is, without changing anything. None in a
    /// directory without a log.
    ///
    /// # Errors
    /// Those of [`Log::open`].
    pub fn read_only(disk: Arc<dyn Disk>) -> Result<Option<ReadLog>, LogError> {
        let Read { fold, end, .. } = Fold::read(Scanner::new(&*disk)?, &*disk, None, None)?;
        let Some(last) = end.last else {
            return Ok(None);
        };
        let memory_bytes = LogLimits::default().memory_bytes;
        let (recovered, history) =
            fold.finish(&disk, last.incarnation, end.torn_bytes, memory_bytes)?;
        Ok(Some(ReadLog {
            identity: last.identity,
            recovered,
            history,
        }))
    }
}

/// What all records so far add up to.
#[derive(Default)]
struct Fold {
    vote: VoteState,
    /// The places of the chosen values.
    chosen: Places,
    /// The slots above them that have a value.
    open: BTreeMap<Slot, OpenSlot>,
}

#[derive(Default)]
struct OpenSlot {
    accepted: Option<(Ballot, Location)>,
    learned: Option<Location>,
}

impl OpenSlot {
    /// Where the value is if the slot is chosen: a learned value is the chosen one, whatever was
    /// accepted before or since.
    fn location(&self) -> Option<Location> {
        self.learned.or(self.accepted.map(|(_, location)| location))
    }
}

/// A log that was read to its end.
struct Read {
    fold: Fold,
    end: End,
    /// The checkpoint that it was read from.
    checkpoint: Option<Content>,
}

impl Fold {
    /// Reads the log from its checkpoint on, if it has one that can be believed. Says why, if not.
    fn open(disk: &dyn Disk, expected: Identity) -> Result<(Read, Option<String>), LogError> {
        let scanner = Scanner::new(disk)?;
        let refused = match checkpoint::load(disk, expected, scanner.numbers()) {
            Ok(None) => None,
            Ok(Some(sound)) => {
                let next_sequence = sound.content.next_sequence;
                let applied = sound.content.applied.chat.noted();
                let read = Fold::read(scanner, disk, Some(expected), Some(sound))?;
                let is_whole =
                    read.end.next_sequence >= next_sequence && read.fold.last_chosen() >= applied;
                if is_whole {
                    return Ok((read, None));
                }
                Some("the log ends before what belongs to it".to_owned())
            }
            Err(why) => Some(why),
        };
        let read = Fold::read(Scanner::new(disk)?, disk, Some(expected), None)?;
        Ok((read, refused))
    }

    fn read(
        mut scanner: Scanner<'_>,
        disk: &dyn Disk,
        expected: Option<Identity>,
        checkpoint: Option<Sound>,
    ) -> Result<Read, LogError> {
        let mut fold = Fold::default();
        let checkpoint = checkpoint.map(|sound| {
            let Sound {
                content,
                places,
                last_sealed,
            } = sound;
            scanner.skip(&content.sealed, Some(last_sealed), content.first_sequence);
            fold.chosen = places;
            content
        });
        loop {
            match scanner.step()? {
                Step::Segment(header) => {
                    if let Some(expected) = expected {
                        header.check(disk, expected)?;
                    }
                }
                Step::Group(group) => fold.note_group(&group).map_err(|what| {
                    LogError::damaged(disk, &file_name(group.segment), group.offset, what)
                })?,
                Step::End(end) => {
                    return Ok(Read {
                        fold,
                        end,
                        checkpoint,
                    });
                }
            }
        }
    }

    /// Takes in a group, or says why that is impossible.
    fn note_group(&mut self, group: &GroupView<'_>) -> Result<(), String> {
        for record in group::records(group.payload) {
            let head = record.and_then(|(offset, record)| {
                let (head, _) = RecordHead::decode(record)?;
                Ok((offset, head))
            });
            if head.is_err() && planted::is(Bug::TornRecordAccepted) {
                break;
            }
            let (offset, head) = head.map_err(|Unreadable| Unreadable::WHAT.to_string())?;
            let location = Location {
                segment: group.segment,
                group: u32::try_from(group.offset)
                    .map_err(|_| "a group begins above 4 GiB".to_string())?,
                record: offset,
            };
            self.note(&head, location)?;
        }
        Ok(())
    }

    fn note(&mut self, head: &RecordHead, location: Location) -> Result<(), String> {
        self.vote.note(head);
        match *head {
            // Once it is known that a slot is chosen, and where, nothing can change it.
            RecordHead::Accepted { slot, ballot } if slot > self.last_chosen() => {
                self.open.entry(slot).or_default().accepted = Some((ballot, location));
            }
            RecordHead::Learned { slot } if slot > self.last_chosen() => {
                self.open.entry(slot).or_default().learned = Some(location);
                self.advance_over_learned();
            }
            RecordHead::Chosen { upto } => {
                while self.last_chosen() < upto {
                    let slot = self.last_chosen().next();
                    let location = self.open.remove(&slot).and_then(|open| open.location());
                    self.chosen.push(Some(location.ok_or_else(|| {
                        format!("slot {slot} is recorded as chosen, but its value is not there")
                    })?));
                }
                self.advance_over_learned();
            }
            _ => {}
        }
        Ok(())
    }

    fn last_chosen(&self) -> Slot {
        self.chosen.last()
    }

    /// A learned value is chosen, with or without a Chosen record after it.
    fn advance_over_learned(&mut self) {
        while let Some(first) = self.open.first_entry()
            && *first.key() == self.chosen.last().next()
            && let Some(location) = first.get().learned
        {
            first.remove();
            self.chosen.push(Some(location));
        }
    }

    fn finish(
        self,
        disk: &Arc<dyn Disk>,
        incarnation: u64,
        cut_bytes: u64,
        memory_bytes: usize,
    ) -> Result<(RecoveredLog, History), LogError> {
        let mut reader = GroupReader::new(&**disk);
        let mut accepted = Vec::new();
        let mut located = Vec::new();
        for (&slot, open) in &self.open {
            if let Some((ballot, location)) = open.accepted {
                accepted.push((slot, ballot, reader.value(slot, location)?));
            }
            if let Some(location) = open.location() {
                let value = reader.value(slot, location)?;
                located.push(Located {
                    slot,
                    location,
                    value,
                });
            }
        }
        let recovered = RecoveredLog {
            incarnation,
            promised: self.vote.promised,
            accepted,
            chosen: self.last_chosen(),
            members: self.vote.members(),
            formed: self.vote.formed,
            opened: self.vote.opened,
            lost: self.vote.lost,
            cut_bytes,
        };
        let mut history = History::new(disk.clone(), self.chosen, memory_bytes);
        history.located(&located);
        Ok((recovered, history))
    }
}
