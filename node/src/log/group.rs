//! Groups: what one commit writes.
//!
//! All records that queued for one fsync form one group, written by one call. Integers are
//! little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | magic |
//! | 4 | length of the payload |
//! | 4 | CRC32C of the payload |
//! | 4 | sparse sectors, see below |
//! | 8 | sequence number, consecutive over the whole log, from 1 |
//! | 4 | CRC32C of the header before it |
//! | … | payload: for each record its length (4 bytes) and its postcard encoding |
//! | 2 | end mark |
//!
//! *Sparse sectors* make it possible to tell a torn group from a damaged one. Disks write sectors of
//! 512 bytes whole or not at all, and a sector that was not written reads as zeros where the file
//! is new. A group covers one or more sectors, the first and last in part; this field counts those
//! in which at most one byte *as written* is not zero. If more are blank when the group is read,
//! some were never written. If not, a wrong checksum means that what was written has changed: no
//! single changed byte can make a sector blank that is not counted here. The sectors that hold the
//! header are not counted: the magic and the length of the first record keep them from ever being
//! blank, except where the magic's first byte stands alone in its sector; that one proves nothing.
//!
//! A process that is killed in the middle of a write leaves a beginning of it, of any length, before
//! the zeros that the file was filled with. The *end mark* makes that visible: both of its bytes are
//! zero then, which no single changed byte can bring about. Where only its second byte is missing,
//! all that the group says is there.
//!
//! So a changed byte is never taken for a torn write. The price is that a torn write of which a
//! sparse sector is a part may be taken for damage.

use serde::Deserialize;

use super::error::LogError;
use super::memory_disk::SECTOR_BYTES;
use super::record::{Member, Record};
use super::segment::part;
use crate::ids::{Ballot, Slot};
use crate::value::Value;

/// No byte of it is zero, and no text in UTF-8 contains it.
pub(super) const MAGIC: [u8; 4] = *b"\xffgrp";
pub(super) const HEADER_BYTES: usize = 28;
/// Its bytes are not zero either.
const END_MARK: [u8; 2] = *b"\xfe\n";
/// No group is larger.
pub(super) const MAX_PAYLOAD_BYTES: usize = 128 << 20;
/// In front of each record.
pub(super) const LENGTH_BYTES: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GroupHeader {
    pub payload_bytes: u32,
    pub payload_crc: u32,
    pub sparse_sectors: u32,
    pub sequence: u64,
}

impl GroupHeader {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&MAGIC);
        header[4..8].copy_from_slice(&self.payload_bytes.to_le_bytes());
        header[8..12].copy_from_slice(&self.payload_crc.to_le_bytes());
        header[12..16].copy_from_slice(&self.sparse_sectors.to_le_bytes());
        header[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        let crc = crc32c::crc32c(&header[..24]);
        header[24..].copy_from_slice(&crc.to_le_bytes());
        header
    }

    /// The header at the start of `bytes`; none if they are too few or not an undamaged header.
    pub fn decode(bytes: &[u8]) -> Option<GroupHeader> {
        let header = bytes.get(..HEADER_BYTES)?;
        let crc = u32::from_le_bytes(part(header, 24));
        if header[..4] != MAGIC || crc32c::crc32c(&header[..24]) != crc {
            return None;
        }
        Some(GroupHeader {
            payload_bytes: u32::from_le_bytes(part(header, 4)),
            payload_crc: u32::from_le_bytes(part(header, 8)),
            sparse_sectors: u32::from_le_bytes(part(header, 12)),
            sequence: u64::from_le_bytes(part(header, 16)),
        })
    }

    /// The length of the whole group in bytes.
    pub fn group_bytes(&self) -> usize {
        HEADER_BYTES + self.payload_bytes as usize + END_MARK.len()
    }
}

/// Collects the records of a group.
pub(super) struct GroupBuilder {
    bytes: Vec<u8>,
    payload_limit: usize,
}

impl GroupBuilder {
    /// At most [`MAX_PAYLOAD_BYTES`] fit in any case.
    pub fn new(payload_limit: usize) -> GroupBuilder {
        GroupBuilder {
            bytes: vec![0; HEADER_BYTES],
            payload_limit: payload_limit.min(MAX_PAYLOAD_BYTES),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER_BYTES
    }

    /// Adds a record and returns its offset in the group; none, and nothing added, if the group
    /// would be too large.
    pub fn push(&mut self, record: &Record) -> Result<Option<u32>, LogError> {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; LENGTH_BYTES]);
        // Encoding into memory cannot fail: every record is a plain serde type.
        postcard::to_io(record, &mut self.bytes).expect("a record can be encoded");
        let record_bytes = self.bytes.len() - at - LENGTH_BYTES;
        if self.bytes.len() - HEADER_BYTES > self.payload_limit {
            self.bytes.truncate(at);
            if self.is_empty() {
                return Err(LogError::TooLarge {
                    bytes: record_bytes as u64,
                    limit: self.payload_limit.saturating_sub(LENGTH_BYTES) as u64,
                });
            }
            return Ok(None);
        }
        self.bytes[at..at + LENGTH_BYTES].copy_from_slice(&(record_bytes as u32).to_le_bytes());
        Ok(Some(at as u32))
    }

    /// The length of the whole group in bytes.
    pub fn group_bytes(&self) -> usize {
        self.bytes.len() + END_MARK.len()
    }

    /// The group as it is written at `offset` of its file.
    pub fn finish(mut self, offset: u64, sequence: u64) -> Vec<u8> {
        let payload = &self.bytes[HEADER_BYTES..];
        let (payload_bytes, payload_crc) = (payload.len() as u32, crc32c::crc32c(payload));
        self.bytes.extend_from_slice(&END_MARK);
        let header = GroupHeader {
            payload_bytes,
            payload_crc,
            sparse_sectors: sparse_sectors(&self.bytes, offset),
            sequence,
        };
        self.bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
        self.bytes
    }
}

/// The sectors of a group at `offset` of its file that hold nothing but zeros, not counting those
/// that hold its header.
pub(super) fn blank_sectors(group: &[u8], offset: u64) -> u32 {
    sectors_with_at_most(0, group, offset)
}

/// The sectors of which one changed byte could make blank ones, blank ones included.
fn sparse_sectors(group: &[u8], offset: u64) -> u32 {
    sectors_with_at_most(1, group, offset)
}

/// The sectors after the header that hold no more bytes than `most` that are not zero.
fn sectors_with_at_most(most: usize, group: &[u8], offset: u64) -> u32 {
    let after_header = sectors(group.len(), offset).skip_while(|part| part.start < HEADER_BYTES);
    after_header
        .filter(|part| {
            let set = group[part.clone()].iter().filter(|&&byte| byte != 0);
            set.take(most + 1).count() <= most
        })
        .count() as u32
}

/// Whether some sector that holds a part of the header of the group, or of what should be one, is
/// blank as no single changed byte can make it: written groups have none.
pub(super) fn header_is_blank(group: &[u8], offset: u64) -> bool {
    let mut header = sectors(group.len(), offset).take_while(|part| part.start < HEADER_BYTES);
    header.any(|part| part.len() > 1 && is_blank(&group[part]))
}

pub(super) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

/// The length of `bytes` without the zeros at its end.
pub(super) fn written_bytes(bytes: &[u8]) -> usize {
    let last = bytes.iter().rposition(|&byte| byte != 0);
    last.map_or(0, |last| last + 1)
}

/// The payload of a whole group.
pub(super) fn payload(group: &[u8]) -> &[u8] {
    let end = group.len().saturating_sub(END_MARK.len());
    group.get(HEADER_BYTES..end).unwrap_or_default()
}

/// What the last bytes of a whole group say of its writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// It was written to the end, or but for one byte that says nothing.
    Written,
    /// At least two bytes are missing.
    Missing,
    /// It has changed.
    Other,
}

pub(super) fn mark(group: &[u8]) -> Mark {
    let [first, second] = END_MARK;
    match *group {
        [.., 0, 0] => Mark::Missing,
        [.., one, other] if one == first && (other == second || other == 0) => Mark::Written,
        _ => Mark::Other,
    }
}

/// The parts of `length` bytes at `offset` of a file that lie in one sector each.
fn sectors(length: usize, offset: u64) -> impl Iterator<Item = std::ops::Range<usize>> {
    let sector_bytes = SECTOR_BYTES as usize;
    let lead = (offset % SECTOR_BYTES) as usize;
    let mut start = 0;
    std::iter::from_fn(move || {
        let end = ((start + lead) / sector_bytes + 1) * sector_bytes - lead;
        let part = start..end.min(length);
        start = end;
        (part.start < length).then_some(part)
    })
}

/// The records of a payload: the offset in the group, and the encoding, of each. Ends with an error
/// when the payload does not add up.
pub(super) fn records(payload: &[u8]) -> impl Iterator<Item = Result<(u32, &[u8]), Unreadable>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= payload.len() {
            return None;
        }
        let found = record_at(payload, at);
        let offset = (HEADER_BYTES + at) as u32;
        at = match &found {
            Ok(record) => at + LENGTH_BYTES + record.len(),
            Err(_) => payload.len(),
        };
        Some(found.map(|record| (offset, record)))
    })
}

/// The encoding of the record whose length stands at `at` of the payload.
pub(super) fn record_at(payload: &[u8], at: usize) -> Result<&[u8], Unreadable> {
    let rest = payload.get(at..).ok_or(Unreadable)?;
    let length = rest.get(..LENGTH_BYTES).ok_or(Unreadable)?;
    let length = u32::from_le_bytes(part(length, 0)) as usize;
    rest[LENGTH_BYTES..].get(..length).ok_or(Unreadable)
}

/// A payload with the right checksum that this program cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Unreadable {
    pub const WHAT: &'static str = "a group whose checksum is right holds a record that cannot be \
                                    read; another version of paxosctl may have written it";
}

/// A [`Record`] without its value: recovery looks at every record ever written, and needs the
/// values of few. The variants are those of `Record` in the same order, and the value stands last
/// in each, so that postcard reads one from the beginning of the other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) enum RecordHead {
    Promised { ballot: Ballot },
    Accepted { slot: Slot, ballot: Ballot },
    Learned { slot: Slot },
    Chosen { upto: Slot },
    Member(Member),
    Formed,
    Opened,
    Lost,
}

impl RecordHead {
    pub fn of(record: &Record) -> RecordHead {
        match *record {
            Record::Promised { ballot } => RecordHead::Promised { ballot },
            Record::Accepted { slot, ballot, .. } => RecordHead::Accepted { slot, ballot },
            Record::Learned { slot, .. } => RecordHead::Learned { slot },
            Record::Chosen { upto } => RecordHead::Chosen { upto },
            Record::Member(member) => RecordHead::Member(member),
            Record::Formed => RecordHead::Formed,
            Record::Opened => RecordHead::Opened,
            Record::Lost => RecordHead::Lost,
        }
    }

    /// The head of a record, and the encoding of its value, which is empty if it has none.
    pub fn decode(record: &[u8]) -> Result<(RecordHead, &[u8]), Unreadable> {
        let (head, value) = postcard::take_from_bytes(record).map_err(|_| Unreadable)?;
        let has_value = matches!(
            head,
            RecordHead::Accepted { .. } | RecordHead::Learned { .. }
        );
        match has_value != value.is_empty() {
            true => Ok((head, value)),
            false => Err(Unreadable),
        }
    }

    /// The slot that the record holds a value for.
    pub fn slot(&self) -> Option<Slot> {
        match self {
            RecordHead::Accepted { slot, .. } | RecordHead::Learned { slot } => Some(*slot),
            _ => None,
        }
    }
}

/// The value of an encoding that [`RecordHead::decode`] returned.
pub(super) fn decode_value(bytes: &[u8]) -> Result<Value, Unreadable> {
    decode_whole(bytes)
}

pub(super) fn decode_record(bytes: &[u8]) -> Result<Record, Unreadable> {
    decode_whole(bytes)
}

fn decode_whole<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Unreadable> {
    match postcard::take_from_bytes(bytes) {
        Ok((whole, [])) => Ok(whole),
        _ => Err(Unreadable),
    }
}
