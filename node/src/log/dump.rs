//! Every record of a log, for people.

use std::ops::ControlFlow;

use super::disk::Disk;
use super::error::LogError;
use super::group::{self, Unreadable, decode_record};
use super::record::Record;
use super::scan::{Scanner, Step};
use super::segment::{SegmentHeader, file_name};

/// One line of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dumped {
    Segment {
        file: String,
        header: SegmentHeader,
    },
    Record {
        file: String,
        /// Of the record in the file, in bytes.
        offset: u64,
        /// The sequence number of its group. The records of one group became durable together.
        group: u64,
        record: Record,
    },
}

/// How a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEnd {
    /// There is no log.
    Absent,
    Clean {
        file: String,
        offset: u64,
    },
    /// From `offset` on stand `bytes` bytes that were never durable: a torn group, or a segment
    /// whose creation did not finish. Opening the log cuts them off.
    Torn {
        file: String,
        offset: u64,
        bytes: u64,
    },
    /// What was written at `offset` has changed. Nothing behind it was read.
    Damaged {
        file: String,
        offset: u64,
        what: String,
    },
    /// The visitor wanted no more.
    Stopped,
}

/// Shows every record of the log to `visit`, in order, until its end or until `visit` breaks off,
/// and says how the log ends. Changes nothing.
///
/// # Errors
/// Those of the disk, and [`LogError::OtherFormat`]. Damage is not an error here.
pub fn dump(
    disk: &dyn Disk,
    visit: &mut dyn FnMut(Dumped) -> ControlFlow<()>,
) -> Result<LogEnd, LogError> {
    match show(disk, visit) {
        Err(LogError::Damaged {
            file, offset, what, ..
        }) => {
            let name = file.rsplit('/').next().unwrap_or(&file).to_string();
            Ok(LogEnd::Damaged {
                file: name,
                offset,
                what,
            })
        }
        other => other,
    }
}

fn show(
    disk: &dyn Disk,
    visit: &mut dyn FnMut(Dumped) -> ControlFlow<()>,
) -> Result<LogEnd, LogError> {
    let mut scanner = Scanner::new(disk)?;
    loop {
        match scanner.step()? {
            Step::Segment(header) => {
                let file = file_name(header.segment);
                if visit(Dumped::Segment { file, header }).is_break() {
                    return Ok(LogEnd::Stopped);
                }
            }
            Step::Group(view) => {
                let file = file_name(view.segment);
                let unreadable =
                    |Unreadable| LogError::damaged(disk, &file, view.offset, Unreadable::WHAT);
                for record in group::records(view.payload) {
                    let (offset, record) = record.map_err(unreadable)?;
                    let dumped = Dumped::Record {
                        file: file.clone(),
                        offset: view.offset + u64::from(offset),
                        group: view.sequence,
                        record: decode_record(record).map_err(unreadable)?,
                    };
                    if visit(dumped).is_break() {
                        return Ok(LogEnd::Stopped);
                    }
                }
            }
            Step::End(end) => {
                let Some(last) = end.last else {
                    return Ok(LogEnd::Absent);
                };
                if let Some(number) = end.unfinished {
                    let file = file_name(number);
                    let length = usize::try_from(disk.length(&file)?).unwrap_or(usize::MAX);
                    let mut written = vec![0; length];
                    disk.read_at(&file, 0, &mut written)?;
                    let bytes = group::written_bytes(&written) as u64;
                    return Ok(LogEnd::Torn {
                        file,
                        offset: 0,
                        bytes,
                    });
                }
                let file = file_name(last.segment);
                let offset = end.length;
                return Ok(match end.torn_bytes {
                    0 => LogEnd::Clean { file, offset },
                    bytes => LogEnd::Torn {
                        file,
                        offset,
                        bytes,
                    },
                });
            }
        }
    }
}
