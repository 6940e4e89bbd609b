//! Segment files: their names and their headers.
//!
//! The log is cut into files `00000001.log`, `00000002.log`, … Each begins with a header that says
//! whose log it is. The header is written and synced, and the file's name synced, before any group
//! follows it. Behind the last group a file is blank: it is filled with zeros before it is used, so
//! that a sync needs to write nothing but the group. Each is filled in the background under the name
//! [`NEXT`], while the one before it is in use.

use std::io;

use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::error::LogError;
use super::group;
use crate::ids::ServerId;

const MAGIC: [u8; 8] = *b"paxoslog";
/// Every format keeps the layout of the segment header, so that a program can name a version that
/// it does not know.
pub(super) const FORMAT: u32 = 2;
pub(super) const HEADER_BYTES: usize = 48;
/// The blank file that becomes the next segment.
pub(super) const NEXT: &str = "next-segment";
/// A name has eight digits.
const MAX_SEGMENTS: u32 = 99_999_999;

/// Whose log it is. Checked against every segment when a log is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The id that keeps this cluster's nodes apart from others'.
    pub cluster: u64,
    pub server: ServerId,
    /// The number of servers of the cluster. A majority of another number is no majority.
    pub servers: u16,
}

/// The first bytes of a segment file. Integers are little-endian:
///
/// | bytes | what |
/// |---|---|
/// | 8 | `paxoslog` |
/// | 4 | format version |
/// | 8 | cluster |
/// | 2 | server |
/// | 2 | number of servers |
/// | 8 | incarnation |
/// | 4 | segment number, from 1 |
/// | 8 | sequence number of the segment's first group |
/// | 4 | CRC32C of all before it |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    pub format: u32,
    pub identity: Identity,
    /// Drawn at random when the directory was formatted.
    pub incarnation: u64,
    pub segment: u32,
    pub first_sequence: u64,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.format.to_le_bytes());
        bytes.extend_from_slice(&self.identity.cluster.to_le_bytes());
        bytes.extend_from_slice(&self.identity.server.0.to_le_bytes());
        bytes.extend_from_slice(&self.identity.servers.to_le_bytes());
        bytes.extend_from_slice(&self.incarnation.to_le_bytes());
        bytes.extend_from_slice(&self.segment.to_le_bytes());
        bytes.extend_from_slice(&self.first_sequence.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&bytes);
        header
    }

    /// None if the bytes are not a segment header, or not an undamaged one.
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<SegmentHeader> {
        let crc = u32::from_le_bytes(part(bytes, 44));
        if bytes[..8] != MAGIC || crc32c::crc32c(&bytes[..44]) != crc {
            return None;
        }
        Some(SegmentHeader {
            format: u32::from_le_bytes(part(bytes, 8)),
            identity: Identity {
                cluster: u64::from_le_bytes(part(bytes, 12)),
                server: ServerId(u16::from_le_bytes(part(bytes, 20))),
                servers: u16::from_le_bytes(part(bytes, 22)),
            },
            incarnation: u64::from_le_bytes(part(bytes, 24)),
            segment: u32::from_le_bytes(part(bytes, 32)),
            first_sequence: u64::from_le_bytes(part(bytes, 36)),
        })
    }

    /// Refuses a segment of another log, by the most telling difference.
    pub(super) fn check(&self, disk: &dyn Disk, expected: Identity) -> Result<(), LogError> {
        let file = format!("{}/{}", disk.place(), file_name(self.segment));
        let found = self.identity;
        if found.cluster != expected.cluster {
            return Err(LogError::OtherCluster {
                file,
                expected: expected.cluster,
                found: found.cluster,
            });
        }
        if found.server != expected.server {
            return Err(LogError::OtherServer {
                file,
                expected: expected.server,
                found: found.server,
            });
        }
        if found.servers != expected.servers {
            return Err(LogError::OtherSize {
                file,
                expected: expected.servers,
                found: found.servers,
            });
        }
        Ok(())
    }
}

/// `N` bytes of `bytes` from `at` on. The caller knows that they are there.
pub(super) fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

pub(super) fn file_name(segment: u32) -> String {
    format!("{segment:08}.log")
}

/// The number of the segment after `segment`.
pub(super) fn next_number(segment: u32) -> Result<u32, LogError> {
    match segment < MAX_SEGMENTS {
        true => Ok(segment + 1),
        false => Err(LogError::TooManySegments { segments: segment }),
    }
}

/// The numbers of the segment files on the disk, ascending. Other files are not the log's.
pub(super) fn list(disk: &dyn Disk) -> Result<Vec<u32>, LogError> {
    let mut numbers: Vec<u32> = disk
        .list()?
        .iter()
        .filter_map(|name| {
            let digits = name.strip_suffix(".log")?;
            let plain = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|&number| plain && number > 0)
        })
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Whether `bytes`, all of a segment file, are what is left of one whose creation did not finish:
/// nothing, or a beginning of its header, and blank space. No single changed byte makes a segment
/// with a group in it look so.
pub(super) fn is_unfinished(bytes: &[u8]) -> bool {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return true;
    };
    if !group::is_blank(rest) {
        return false;
    }
    // A beginning of any other length than the whole has zeros where its checksum ends.
    let (fields, crc) = header.split_at(HEADER_BYTES - 4);
    let expected = crc32c::crc32c(fields).to_le_bytes();
    let written = group::written_bytes(crc);
    crc[..written] == expected[..written] && written < crc.len()
}

/// Makes a blank file, as far as there is room for one of `bytes`: if there is not, the log itself
/// will say so.
pub(super) fn create_blank(disk: &dyn Disk, file: &str, bytes: u64) -> Result<(), LogError> {
    disk.create(file)?;
    extend_if_room(disk, file, bytes)
}

/// Blank space at the end of a file makes writing faster, and is not worth an error when the disk is
/// full.
pub(super) fn extend_if_room(disk: &dyn Disk, file: &str, bytes: u64) -> Result<(), LogError> {
    match disk.extend(file, bytes) {
        Err(error) if error.kind != io::ErrorKind::StorageFull => Err(error.into()),
        _ => Ok(()),
    }
}

/// Begins the segment in its file, which is empty or blank, with nothing but its header, durably.
pub(super) fn begin(disk: &dyn Disk, header: &SegmentHeader) -> Result<(), LogError> {
    let file = file_name(header.segment);
    let written = disk
        .write_at(&file, 0, &header.encode())
        .and_then(|()| disk.sync(&file))
        .and_then(|()| disk.sync_dir());
    if let Err(error) = written {
        // After a failed sync the next process would still read the header, though the disk may
        // not have it. An empty file tells it that the segment was never begun. If this fails too
        // there is nothing more to do, and the first error is the one to report.
        let _ = disk.truncate(&file, 0);
        return Err(error.into());
    }
    Ok(())
}
