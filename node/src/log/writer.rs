//! Writing: one write and one sync a commit.

use std::sync::Arc;

use super::checkpoint::{Checkpoint, Checkpoints, Content, Sealed};
use super::disk::Disk;
use super::error::LogError;
use super::group::{GroupBuilder, MAX_PAYLOAD_BYTES, RecordHead};
use super::location::{Located, Location};
use super::record::Record;
use super::recover::LogLimits;
use super::segment::{self, NEXT, SegmentHeader, file_name};
use super::upkeep::{Next, Upkeep, Work};
use super::vote::VoteState;
use crate::planted::{self, Bug};

/// A checkpoint is worth its while when the log has grown by this part of it.
const CHECKPOINT_SHARE: u64 = 8;

/// Where a writer goes on.
pub(super) struct WriterEnd {
    /// Of the last segment.
    pub header: SegmentHeader,
    pub length: u64,
    pub next_sequence: u64,
    /// The segments before it.
    pub sealed: Vec<Sealed>,
    /// How many of them a checkpoint saves reading.
    pub unread: usize,
}

/// The end of the log, where records are added.
///
/// The first error of any kind closes it for good: every later call fails with
/// [`LogError::Poisoned`]. Above all a failed sync is never tried again, because the system may
/// have dropped what was to be synced and then report success. The process is meant to stop, and
/// the next one to recover from what the disk really has.
pub struct LogWriter {
    disk: Arc<dyn Disk>,
    /// Of the segment that is written to.
    header: SegmentHeader,
    /// How far the segment is written, in bytes. Everything below it is durable.
    length: u64,
    next: Next,
    next_sequence: u64,
    vote: VoteState,
    limits: LogLimits,
    /// The segments before the one that is written to.
    sealed: Vec<Sealed>,
    checkpoints: Checkpoints,
    /// How long the log was at its last checkpoint, in bytes.
    checkpoint_at: u64,
    /// A checkpoint whose file is to be written.
    file_due: Option<Work>,
    /// The first failure.
    poison: Option<String>,
}

impl LogWriter {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        end: WriterEnd,
        vote: VoteState,
        limits: LogLimits,
        checkpoints: Checkpoints,
    ) -> LogWriter {
        let unread = end.unread.min(end.sealed.len());
        LogWriter {
            disk,
            header: end.header,
            length: end.length,
            next: Next::default(),
            next_sequence: end.next_sequence,
            vote,
            limits,
            checkpoints,
            checkpoint_at: end.sealed[..unread]
                .iter()
                .map(|sealed| sealed.length)
                .sum(),
            sealed: end.sealed,
            file_due: None,
            poison: None,
        }
    }

    /// Makes the records durable, in order, and returns where the values among them are, in the
    /// same order. When it returns an error, none, some or all of the records may survive a crash:
    /// nobody may be told of any.
    ///
    /// One write and one sync, unless the segment is full, or the records are above the
    /// limit of a group and are written in parts. Nothing is written for no records.
    pub fn commit(&mut self, records: &[Record]) -> Result<Vec<Located>, LogError> {
        self.unless_poisoned(|writer| writer.write(records))
    }

    /// Whether so much was written since the last checkpoint that another is worth its while.
    pub fn checkpoint_is_due(&self) -> bool {
        let sealed_bytes: u64 = self.sealed.iter().map(|sealed| sealed.length).sum();
        let bytes = sealed_bytes + self.length;
        bytes - self.checkpoint_at >= self.limits.checkpoint_bytes.max(bytes / CHECKPOINT_SHARE)
    }

    /// Begins a segment with a checkpoint, if one is due. Its records are as durable then as after
    /// [`LogWriter::commit`], and it tells as that does where the values among them are. It must
    /// have been made when the last of what was committed before was handed out, or later.
    pub fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<Vec<Located>, LogError> {
        // What is recorded as chosen can not be unknown to it. If it is, it is not as it must be.
        if !self.checkpoint_is_due() || checkpoint.chosen() < self.vote.chosen {
            return Ok(Vec::new());
        }
        self.unless_poisoned(|writer| writer.write_checkpoint(checkpoint))
    }

    fn unless_poisoned<T>(
        &mut self,
        write: impl FnOnce(&mut LogWriter) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        if let Some(cause) = &self.poison {
            return Err(LogError::Poisoned {
                cause: cause.clone(),
            });
        }
        let written = write(self);
        if let Err(error) = &written {
            self.poison = Some(error.to_string());
        }
        written
    }

    fn write_checkpoint(&mut self, checkpoint: Checkpoint) -> Result<Vec<Located>, LogError> {
        let Checkpoint {
            records,
            places,
            applied,
        } = checkpoint;
        // Whoever reads from here on knows the values of no more slots before the records say them
        // again. The last of those says how many are chosen.
        self.vote.chosen = places.known();
        self.roll()?;
        let (sealed, first_sequence) = (self.sealed.clone(), self.header.first_sequence);
        let located = self.write(&records)?;
        let (packed, places) = places.parts();
        self.file_due = Some(Work::Checkpoint {
            checkpoints: self.checkpoints.clone(),
            content: Box::new(Content {
                identity: self.header.identity,
                incarnation: self.header.incarnation,
                first_sequence,
                next_sequence: self.next_sequence,
                packed: packed.iter().map(|block| block.len() as u32).collect(),
                places,
                applied,
                sealed,
            }),
            packed: packed.to_vec(),
        });
        self.checkpoint_at = self.sealed.iter().map(|sealed| sealed.length).sum();
        Ok(located)
    }

    /// Work that is due and need not be done before the next commit; none if nothing is due.
    pub fn upkeep(&mut self) -> Option<Upkeep> {
        if self.poison.is_some() {
            return None;
        }
        let work = match self.file_due.take() {
            Some(work) => work,
            None => self.next_segment_due()?,
        };
        let disk = self.disk.clone();
        Some(Upkeep { disk, work })
    }

    fn next_segment_due(&mut self) -> Option<Work> {
        let limit = self.limits.segment_limit(self.header.segment);
        let bytes = self.limits.segment_limit(self.header.segment + 1);
        (self.length > limit / 2).then(|| self.next.ask(bytes))?
    }

    fn write(&mut self, records: &[Record]) -> Result<Vec<Located>, LogError> {
        let mut located = Vec::new();
        let mut rest = records;
        while !rest.is_empty() {
            let mut group = GroupBuilder::new(self.limits.group_bytes);
            let mut offsets = Vec::with_capacity(rest.len());
            for record in rest {
                match group.push(record)? {
                    Some(offset) => offsets.push(offset),
                    None => break,
                }
            }
            self.roll_unless_fits(group.group_bytes() as u64)?;
            let start = self.write_group(group)?;
            let written;
            (written, rest) = rest.split_at(offsets.len());
            for (record, &offset) in written.iter().zip(&offsets) {
                self.vote.note(&RecordHead::of(record));
                if let Record::Accepted { slot, value, .. } | Record::Learned { slot, value } =
                    record
                {
                    located.push(Located {
                        slot: *slot,
                        location: Location {
                            segment: self.header.segment,
                            group: start,
                            record: offset,
                        },
                        value: value.clone(),
                    });
                }
            }
        }
        Ok(located)
    }

    /// Writes the group and syncs. Returns its offset in the segment.
    fn write_group(&mut self, group: GroupBuilder) -> Result<u32, LogError> {
        let start = self.length;
        let file = file_name(self.header.segment);
        let bytes = group.finish(start, self.next_sequence);
        let written =
            self.disk
                .write_at(&file, start, &bytes)
                .and_then(|()| match self.disk.sync(&file) {
                    Err(_) if planted::is(Bug::FsyncErrorIgnored) => Ok(()),
                    synced => synced,
                });
        if let Err(error) = written {
            // A failed sync leaves the group where the next process can read it, in the system's
            // cache, though the disk may not have it: that process would stand by promises that a
            // power cut takes away. Nobody was told of this group, so it is taken back. If that
            // fails too there is nothing more to do, and the first error is the one to report.
            let _ = self.disk.truncate(&file, start);
            return Err(error.into());
        }
        self.length += bytes.len() as u64;
        self.next_sequence += 1;
        // A segment has a group beyond its limit only if it is the segment's first own, so every
        // offset is far below 4 GiB.
        Ok(u32::try_from(start).expect("a group begins below the size limit of a segment"))
    }

    /// Begins a new segment if the group would take this one above its limit, unless the segment is
    /// nearly empty: a group above the limit has to go somewhere.
    fn roll_unless_fits(&mut self, group_bytes: u64) -> Result<(), LogError> {
        if self.length + group_bytes <= self.limits.segment_limit(self.header.segment) {
            return Ok(());
        }
        let nearly_empty = segment::HEADER_BYTES + self.repeated()?.group_bytes();
        match self.length <= nearly_empty as u64 {
            true => Ok(()),
            false => self.roll(),
        }
    }

    /// What every later segment begins with.
    fn repeated(&self) -> Result<GroupBuilder, LogError> {
        let mut repeated = GroupBuilder::new(MAX_PAYLOAD_BYTES);
        for record in self.vote.records() {
            // Far below the limit of a group: there are at most 65,535 members.
            repeated.push(&record)?;
        }
        Ok(repeated)
    }

    /// Begins a new segment.
    fn roll(&mut self) -> Result<(), LogError> {
        let header = SegmentHeader {
            segment: segment::next_number(self.header.segment)?,
            first_sequence: self.next_sequence,
            ..self.header
        };
        let file = file_name(header.segment);
        match self.next.take() {
            true => self.disk.rename(NEXT, &file)?,
            false => self.disk.create(&file)?,
        }
        segment::begin(&*self.disk, &header)?;
        self.sealed.push(Sealed {
            first_sequence: self.header.first_sequence,
            length: self.length,
        });
        self.header = header;
        self.length = segment::HEADER_BYTES as u64;
        // So that the vote state is never lost with an old segment.
        self.write_group(self.repeated()?)?;
        Ok(())
    }
}
