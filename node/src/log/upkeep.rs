//! What the log needs done beside its writes, by whoever has the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::checkpoint::{Checkpoints, Content};
use super::disk::Disk;
use super::error::LogError;
use super::places::Block;
use super::segment::{self, NEXT};

/// A piece of work that [`LogWriter::upkeep`](super::LogWriter::upkeep) hands out. It touches no
/// file that the writer writes to, so another thread may do it meanwhile. Pieces are done one at a
/// time, in their order; if one is never done, the log is slower for it, and as safe.
pub struct Upkeep {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) work: Work,
}

pub(super) enum Work {
    /// Makes the blank file of the next segment, and says when it is ready.
    NextSegment { bytes: u64, ready: Arc<AtomicBool> },
    /// Writes the file of a checkpoint whose groups are durable.
    Checkpoint {
        checkpoints: Checkpoints,
        content: Box<Content>,
        packed: Vec<Block>,
    },
}

impl Upkeep {
    /// Does the work.
    ///
    /// # Errors
    /// Those of the disk. The log goes on without what was to be done.
    pub fn run(self) -> Result<(), LogError> {
        match self.work {
            Work::NextSegment { bytes, ready } => {
                segment::create_blank(&*self.disk, NEXT, bytes)?;
                ready.store(true, Ordering::Release);
                Ok(())
            }
            Work::Checkpoint {
                checkpoints,
                content,
                packed,
            } => Ok(checkpoints.write(&content, &packed)?),
        }
    }
}

/// The blank file of the next segment, as the writer knows of it.
#[derive(Default)]
pub(super) struct Next {
    asked: bool,
    ready: Arc<AtomicBool>,
}

impl Next {
    /// The work of making it, once.
    pub fn ask(&mut self, bytes: u64) -> Option<Work> {
        if std::mem::replace(&mut self.asked, true) {
            return None;
        }
        self.ready = Arc::default();
        let ready = self.ready.clone();
        Some(Work::NextSegment { bytes, ready })
    }

    /// Whether it is there and may be used; it is used up then.
    pub fn take(&mut self) -> bool {
        let ready = self.ready.swap(false, Ordering::Acquire);
        self.asked &= !ready;
        ready
    }
}
