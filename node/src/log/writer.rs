//! Writing: one write and one sync a commit.

use std::sync::Arc;

use super::disk::Disk;
use super::error::LogError;
use super::group::{GroupBuilder, MAX_PAYLOAD_BYTES, RecordHead};
use super::location::{Located, Location};
use super::record::Record;
use super::recover::LogLimits;
use super::segment::{self, NEXT, SegmentHeader, file_name};
use super::upkeep::{Next, Upkeep};
use super::vote::VoteState;
use crate::planted::{self, Bug};

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
    /// The first failure.
    poison: Option<String>,
}

impl LogWriter {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        header: SegmentHeader,
        length: u64,
        next_sequence: u64,
        vote: VoteState,
        limits: LogLimits,
    ) -> LogWriter {
        LogWriter {
            disk,
            header,
            length,
            next: Next::default(),
            next_sequence,
            vote,
            limits,
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
        if let Some(cause) = &self.poison {
            return Err(LogError::Poisoned {
                cause: cause.clone(),
            });
        }
        let written = self.write(records);
        if let Err(error) = &written {
            self.poison = Some(error.to_string());
        }
        written
    }

    /// Work that is due and need not be done before the next commit; none if nothing is due.
    pub fn upkeep(&mut self) -> Option<Upkeep> {
        let limit = self.limits.segment_limit(self.header.segment);
        if self.poison.is_some() || self.length <= limit / 2 {
            return None;
        }
        let bytes = self.limits.segment_limit(self.header.segment + 1);
        let work = self.next.ask(bytes)?;
        let disk = self.disk.clone();
        Some(Upkeep { disk, work })
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
        let mut repeated = GroupBuilder::new(MAX_PAYLOAD_BYTES);
        for record in self.vote.records() {
            // Far below the limit of a group: there are at most 65,535 members.
            repeated.push(&record)?;
        }
        if self.length <= (segment::HEADER_BYTES + repeated.group_bytes()) as u64 {
            return Ok(());
        }
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
        self.header = header;
        self.length = segment::HEADER_BYTES as u64;
        // So that the vote state is never lost with an old segment.
        self.write_group(repeated)?;
        Ok(())
    }
}
