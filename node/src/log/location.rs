//! Where a value is on disk, and reading it from there.

use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::error::LogError;
use super::group::{self, GroupHeader, RecordHead, Unreadable, decode_value, record_at};
use super::segment::file_name;
use crate::ids::Slot;
use crate::planted::{self, Bug};
use crate::value::Value;

/// The place of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The segment's number, from 1.
    pub segment: u32,
    /// The offset of the record's group in the segment's file.
    pub group: u32,
    /// The offset of the record in its group.
    pub record: u32,
}

impl Location {
    /// No record is here.
    pub(super) const START: Location = Location {
        segment: 0,
        group: 0,
        record: 0,
    };
}

/// A value that the log's writer made durable, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    pub slot: Slot,
    pub location: Location,
    /// Shared with the record that was written.
    pub value: Value,
}

/// Reads values by their location. Consecutive slots mostly lie in one group, so the last group is
/// kept.
pub(super) struct GroupReader<'a> {
    disk: &'a dyn Disk,
    /// The segment and offset of the group in `bytes`.
    at: Option<(u32, u32)>,
    bytes: Vec<u8>,
}

impl<'a> GroupReader<'a> {
    pub fn new(disk: &'a dyn Disk) -> GroupReader<'a> {
        GroupReader {
            disk,
            at: None,
            bytes: Vec::new(),
        }
    }

    /// The value of `slot` at `location`. Everything is checked again: the group's checksums, and
    /// that the record is one of that slot.
    pub fn value(&mut self, slot: Slot, location: Location) -> Result<Value, LogError> {
        self.load(location)?;
        self.decode(slot, location)
            .map_err(|Unreadable| self.damaged(location, format!("slot {slot} is not there")))
    }

    fn decode(&self, slot: Slot, location: Location) -> Result<Value, Unreadable> {
        let payload = group::payload(&self.bytes);
        let at = (location.record as usize)
            .checked_sub(group::HEADER_BYTES)
            .ok_or(Unreadable)?;
        let (head, value) = RecordHead::decode(record_at(payload, at)?)?;
        match head.slot() == Some(slot) {
            true => decode_value(value),
            false => Err(Unreadable),
        }
    }

    fn load(&mut self, location: Location) -> Result<(), LogError> {
        let at = (location.segment, location.group);
        if self.at == Some(at) {
            return Ok(());
        }
        self.at = None;
        let file = file_name(location.segment);
        let offset = u64::from(location.group);
        self.bytes.resize(group::HEADER_BYTES, 0);
        self.disk.read_at(&file, offset, &mut self.bytes)?;
        let Some(header) = GroupHeader::decode(&self.bytes) else {
            return Err(self.damaged(location, "the header of a group has changed".to_string()));
        };
        self.bytes.resize(header.group_bytes(), 0);
        let (_, rest) = self.bytes.split_at_mut(group::HEADER_BYTES);
        let rest_offset = offset + group::HEADER_BYTES as u64;
        self.disk.read_at(&file, rest_offset, rest)?;
        let payload = group::payload(&self.bytes);
        if crc32c::crc32c(payload) != header.payload_crc && !planted::is(Bug::TornRecordAccepted) {
            return Err(self.damaged(
                location,
                format!("the checksum of group {} is wrong", header.sequence),
            ));
        }
        self.at = Some(at);
        Ok(())
    }

    fn damaged(&self, location: Location, what: String) -> LogError {
        let file = file_name(location.segment);
        LogError::damaged(self.disk, &file, u64::from(location.group), what)
    }
}
