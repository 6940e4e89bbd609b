//! Reading a log from its beginning to its end, and judging where and how it ends.
//!
//! A group is written only after the sync of the one before it returned, and a segment is begun
//! only after the last group of the one before it was synced. So of everything in the log, at most
//! one group was not yet durable when a machine lost power: the last group of the last segment.
//! That group may be *torn*: missing in part or in whole. Nobody was told of it, so it is cut off.
//! Anything else that is not as it was written was durable once, and others may rely on it: that is
//! *damage*, and a server must not go on as if it had never promised what stood there.
//!
//! Behind the last group of a segment stands blank space, or the file ends: nothing was written
//! there. In a segment with another behind it that is so, too, and the next one's header says which
//! group comes first in it, so that none can be missing in between.
//!
//! When a process dies and its machine lives on, a torn group is the beginning of one: blank space
//! follows, or the file ends early. When the power fails, the sectors that were not written are
//! blank, or the file ends early. Nothing else is taken for torn, so that no changed byte ever is,
//! wherever it stands, in the last group too, whose records may have been durable and promised to
//! others. What a file is not protected against is its being cut short, or blanked, behind our back:
//! that looks as if less had been written.

use super::checkpoint::Sealed;
use super::disk::Disk;
use super::error::LogError;
use super::group::{self, GroupHeader, MAX_PAYLOAD_BYTES, Mark};
use super::segment::{self, FORMAT, SegmentHeader};
use crate::planted::{self, Bug};

/// One step through the log.
pub(super) enum Step<'a> {
    Segment(SegmentHeader),
    Group(GroupView<'a>),
    End(End),
}

/// A group with the right checksum and sequence number.
pub(super) struct GroupView<'a> {
    pub segment: u32,
    pub offset: u64,
    pub sequence: u64,
    pub payload: &'a [u8],
}

/// Where the log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// The last segment that is in use, none in a directory without one.
    pub last: Option<SegmentHeader>,
    /// The length of its sound part.
    pub length: u64,
    /// What follows the sound part, without the blank space behind it, and was never durable.
    pub torn_bytes: u64,
    /// The number of a segment file whose creation did not finish: a last one without a header.
    pub unfinished: Option<u32>,
    pub next_sequence: u64,
    /// The segments before the last.
    pub sealed: Vec<Sealed>,
}

/// Goes through a log without changing anything.
pub(super) struct Scanner<'a> {
    disk: &'a dyn Disk,
    numbers: Vec<u32>,
    /// How many of `numbers` were loaded.
    loaded: usize,
    header: Option<SegmentHeader>,
    bytes: Vec<u8>,
    offset: usize,
    next_sequence: u64,
    sealed: Vec<Sealed>,
}

enum Judgement {
    /// A whole group of so many bytes.
    Group(usize),
    /// Nothing was written here and behind it.
    Blank,
    Torn,
    Damaged(String),
}

impl<'a> Scanner<'a> {
    pub fn new(disk: &'a dyn Disk) -> Result<Scanner<'a>, LogError> {
        let numbers = segment::list(disk)?;
        for (expected, &found) in (1..).zip(&numbers) {
            if found != expected {
                let what = format!(
                    "the segment file is missing, though {} is there",
                    segment::file_name(found)
                );
                let file = segment::file_name(expected);
                return Err(LogError::damaged(disk, &file, 0, what));
            }
        }
        Ok(Scanner {
            disk,
            numbers,
            loaded: 0,
            header: None,
            bytes: Vec::new(),
            offset: 0,
            next_sequence: 1,
            sealed: Vec::new(),
        })
    }

    /// The numbers of all segments.
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Begins behind these segments, of which `last` is the header of the last, with group number
    /// `next_sequence`.
    pub fn skip(&mut self, sealed: &[Sealed], last: Option<SegmentHeader>, next_sequence: u64) {
        self.sealed = sealed.to_vec();
        self.loaded = sealed.len();
        self.header = last;
        self.next_sequence = next_sequence;
    }

    /// Reads one segment, one that is not the last, and says where it ends.
    pub fn segment(&mut self) -> Result<(SegmentHeader, End), LogError> {
        let number = self.loaded as u32 + 1;
        let missing = "the segment file is missing";
        let (true, Step::Segment(header)) = (self.numbers.contains(&number), self.load(number)?)
        else {
            return Err(self.damaged(number, 0, missing));
        };
        while self.offset < self.bytes.len()
            && let Judgement::Group(bytes) = self.judge_group()?
        {
            self.offset += bytes;
            self.next_sequence += 1;
        }
        Ok((header, self.end(None)))
    }

    /// The next step; after [`Step::End`], that again.
    pub fn step(&mut self) -> Result<Step<'_>, LogError> {
        if self.offset < self.bytes.len() {
            match self.judge_group()? {
                Judgement::Group(bytes) => {
                    let offset = self.offset;
                    self.offset += bytes;
                    self.next_sequence += 1;
                    return Ok(Step::Group(GroupView {
                        segment: self.numbers[self.loaded - 1],
                        offset: offset as u64,
                        sequence: self.next_sequence - 1,
                        payload: group::payload(&self.bytes[offset..offset + bytes]),
                    }));
                }
                Judgement::Blank if !self.is_last() => {}
                _ => return Ok(Step::End(self.end(None))),
            }
        }
        match self.numbers.get(self.loaded) {
            None => Ok(Step::End(self.end(None))),
            Some(&number) => self.load(number),
        }
    }

    fn end(&self, unfinished: Option<u32>) -> End {
        End {
            last: self.header,
            length: self.offset as u64,
            torn_bytes: group::written_bytes(&self.bytes[self.offset..]) as u64,
            unfinished,
            next_sequence: self.next_sequence,
            sealed: self.sealed.clone(),
        }
    }

    fn is_last(&self) -> bool {
        self.loaded == self.numbers.len()
    }

    fn damaged(&self, number: u32, offset: usize, what: impl Into<String>) -> LogError {
        LogError::damaged(self.disk, &segment::file_name(number), offset as u64, what)
    }

    /// Reads the next segment and checks its header.
    fn load(&mut self, number: u32) -> Result<Step<'_>, LogError> {
        let file = segment::file_name(number);
        let length = self.disk.length(&file)?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.disk.read_at(&file, 0, &mut bytes)?;

        let found = bytes.first_chunk();
        let Some(header) = found.and_then(SegmentHeader::decode) else {
            // The header is synced before a group follows it. So a segment whose creation was cut
            // short is the last, and holds nothing but a part of it.
            let is_last = self.loaded + 1 == self.numbers.len();
            if is_last && segment::is_unfinished(&bytes) {
                return Ok(Step::End(self.end(Some(number))));
            }
            return Err(self.damaged(number, 0, "the segment header is not what was written"));
        };
        if header.format != FORMAT {
            return Err(LogError::OtherFormat {
                file: format!("{}/{file}", self.disk.place()),
                expected: FORMAT,
                found: header.format,
            });
        }
        if header.segment != number {
            let what = format!("the file holds segment {}", header.segment);
            return Err(self.damaged(number, 0, what));
        }
        if let Some(previous) = self.header
            && (previous.identity, previous.incarnation) != (header.identity, header.incarnation)
        {
            return Err(self.damaged(number, 0, "the segment belongs to another log"));
        }
        if header.first_sequence != self.next_sequence {
            let what = format!(
                "the segment begins with group {}, but group {} comes next",
                header.first_sequence, self.next_sequence
            );
            return Err(self.damaged(number, 0, what));
        }
        if let Some(before) = self.header
            && self.loaded > self.sealed.len()
        {
            self.sealed.push(Sealed {
                first_sequence: before.first_sequence,
                length: self.offset as u64,
            });
        }
        self.header = Some(header);
        self.bytes = bytes;
        self.offset = segment::HEADER_BYTES;
        self.loaded += 1;
        Ok(Step::Segment(header))
    }

    /// What stands at the offset. Where it is torn the log ends before it.
    fn judge_group(&self) -> Result<Judgement, LogError> {
        let rest = &self.bytes[self.offset..];
        let judgement = match GroupHeader::decode(rest) {
            None => self.judge_without_header(rest),
            Some(header) if header.sequence != self.next_sequence => Judgement::Damaged(format!(
                "group {} stands where group {} belongs",
                header.sequence, self.next_sequence
            )),
            // The header has the right checksum, so its length is what was written.
            Some(header) if header.payload_bytes as usize > MAX_PAYLOAD_BYTES => {
                Judgement::Damaged(format!(
                    "group {} claims {} bytes, more than a group can have",
                    header.sequence, header.payload_bytes
                ))
            }
            Some(header) => match rest.get(..header.group_bytes()) {
                None => Judgement::Torn,
                Some(_) => match self.judge_whole(rest, &header) {
                    Judgement::Torn if planted::is(Bug::TornRecordAccepted) => {
                        Judgement::Group(header.group_bytes())
                    }
                    judgement => judgement,
                },
            },
        };
        let number = self.numbers[self.loaded - 1];
        match judgement {
            Judgement::Group(_) | Judgement::Blank => Ok(judgement),
            Judgement::Torn if self.is_last() => Ok(judgement),
            Judgement::Damaged(_) if self.is_last() && planted::is(Bug::MiddleDamageCut) => {
                Ok(Judgement::Torn)
            }
            Judgement::Torn => Err(self.damaged(
                number,
                self.offset,
                "a group is incomplete, though a later segment was begun, which happens only when \
                 all before it is durable",
            )),
            Judgement::Damaged(what) => Err(self.damaged(number, self.offset, what)),
        }
    }

    /// What stands here is no group header, or a changed one, so nothing says how long the group
    /// is.
    fn judge_without_header(&self, rest: &[u8]) -> Judgement {
        match group::written_bytes(rest) {
            0 => return Judgement::Blank,
            // The writing ended in the middle of the header. All groups have an end mark behind it.
            written if written <= group::HEADER_BYTES => return Judgement::Torn,
            _ => {}
        }
        // All sectors with a part of the header were written: it was right once, and has changed.
        if !group::header_is_blank(rest, self.offset as u64) {
            return Judgement::Damaged("the header of a group is not what was written".to_string());
        }
        // A sector with a part of the header is blank. If a later group is there, this one was
        // durable before that was written. The search costs one pass over the segment's rest.
        for start in 1..rest.len() {
            let later = &rest[start..];
            if later[0] != group::MAGIC[0] {
                continue;
            }
            if let Some(header) = GroupHeader::decode(later)
                && header.sequence > self.next_sequence
                && later.get(..header.group_bytes()).is_some_and(|group| {
                    crc32c::crc32c(group::payload(group)) == header.payload_crc
                })
            {
                return Judgement::Damaged(format!(
                    "the header of group {} is blank, but group {} follows at byte {}",
                    self.next_sequence,
                    header.sequence,
                    self.offset + start
                ));
            }
        }
        Judgement::Torn
    }

    /// The header is right, and the file goes on to the end of the group at least.
    fn judge_whole(&self, rest: &[u8], header: &GroupHeader) -> Judgement {
        let (group, beyond) = rest.split_at(header.group_bytes());
        let mark = group::mark(group);
        let is_right = crc32c::crc32c(group::payload(group)) == header.payload_crc;
        if is_right && mark == Mark::Written {
            return Judgement::Group(group.len());
        }
        if is_right && mark == Mark::Other {
            return Judgement::Damaged(format!(
                "the end mark of group {} is not what was written",
                header.sequence
            ));
        }
        if !group::is_blank(beyond) {
            return Judgement::Damaged(format!(
                "the checksum of group {} is wrong, and more follows it",
                header.sequence
            ));
        }
        // Its end was never written, or a sector of it.
        if mark == Mark::Missing
            || group::blank_sectors(group, self.offset as u64) > header.sparse_sectors
        {
            return Judgement::Torn;
        }
        Judgement::Damaged(format!(
            "the checksum of group {} is wrong, though all of it was written",
            header.sequence
        ))
    }
}
