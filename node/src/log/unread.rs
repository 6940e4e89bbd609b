//! Reading afterwards what a checkpoint saved reading at the start.

use std::sync::Arc;

use super::checkpoint::{Checkpoints, Sealed};
use super::disk::Disk;
use super::error::LogError;
use super::scan::Scanner;
use super::segment::{SegmentHeader, file_name};

/// The segments that opening did not read.
pub struct Unread {
    disk: Arc<dyn Disk>,
    checkpoints: Checkpoints,
    sealed: Vec<Sealed>,
    /// Of the segment behind them, which was read.
    end_sequence: u64,
    /// How many were read since, and the last of them.
    read: usize,
    last: Option<SegmentHeader>,
}

impl Unread {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        checkpoints: Checkpoints,
        sealed: Vec<Sealed>,
        end_sequence: u64,
    ) -> Unread {
        Unread {
            disk,
            checkpoints,
            sealed,
            end_sequence,
            read: 0,
            last: None,
        }
    }

    /// How many there are.
    pub fn segments(&self) -> usize {
        self.sealed.len()
    }

    /// Reads the next segment, all of it. False if there is none.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if something in it is not what was written. The log's checkpoint is
    /// gone then, so that the next start finds the same. Errors of the disk.
    pub fn read_next(&mut self) -> Result<bool, LogError> {
        let read = self.check();
        if let Err(LogError::Damaged { .. }) = &read {
            self.checkpoints.distrust();
        }
        read
    }

    fn check(&mut self) -> Result<bool, LogError> {
        let Some(sealed) = self.sealed.get(self.read) else {
            return Ok(false);
        };
        let behind = self.sealed.get(self.read + 1);
        let next_sequence = behind.map_or(self.end_sequence, |next| next.first_sequence);
        let known = &self.sealed[..self.read];
        let mut scanner = Scanner::new(&*self.disk)?;
        scanner.skip(known, self.last, sealed.first_sequence);
        let (header, end) = scanner.segment()?;
        self.read += 1;
        if (end.length, end.next_sequence) != (sealed.length, next_sequence) {
            let file = file_name(header.segment);
            let what = "groups are missing at the end of the segment";
            return Err(LogError::damaged(&*self.disk, &file, end.length, what));
        }
        self.last = Some(header);
        Ok(true)
    }
}
