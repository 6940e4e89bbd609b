//! Why a log cannot be opened, written or read.

use super::disk::{Disk, DiskError};
use crate::ids::ServerId;

/// A failure of the log. None of them may be answered by carrying on: a server that cannot write or
/// prove its promises must not vote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The disk refused. It is not asked again.
    #[error(transparent)]
    Disk(#[from] DiskError),

    /// Something that was once durable is not what was written. Nothing was changed.
    #[error("the log is damaged: {file}, byte {offset}: {what}. What to do: {advice}.")]
    Damaged {
        file: String,
        offset: u64,
        what: String,
        advice: String,
    },

    #[error(
        "{file} belongs to cluster {found:016x}, this one is {expected:016x}. \
         What to do: give the server the directory of its own cluster, or an empty one."
    )]
    OtherCluster {
        file: String,
        expected: u64,
        found: u64,
    },

    #[error(
        "{file} is the log of server {found}, this one is {expected}. \
         What to do: start each server on its own directory."
    )]
    OtherServer {
        file: String,
        expected: ServerId,
        found: ServerId,
    },

    #[error(
        "{file} is the log of a cluster of {found} servers, this one has {expected}. The number of \
         servers is fixed for the life of a cluster. What to do: start it with {found} servers, or \
         create a new cluster."
    )]
    OtherSize {
        file: String,
        expected: u16,
        found: u16,
    },

    #[error(
        "{file} has log format {found}, this program reads format {expected}. \
         What to do: use the version of paxosctl that wrote it."
    )]
    OtherFormat {
        file: String,
        expected: u32,
        found: u32,
    },

    /// The writer failed before, and does not write again.
    #[error("the log is closed for writing since an earlier failure: {cause}")]
    Poisoned { cause: String },

    #[error("a record of {bytes} bytes is above the limit of {limit} bytes")]
    TooLarge { bytes: u64, limit: u64 },

    /// The number of segment files is limited by their names.
    #[error("the log has {segments} segments and cannot have more")]
    TooManySegments { segments: u32 },
}

impl LogError {
    /// Damage in `file` of `disk`, with what to do about it.
    pub(super) fn damaged(
        disk: &dyn Disk,
        file: &str,
        offset: u64,
        what: impl Into<String>,
    ) -> LogError {
        let place = disk.place();
        LogError::Damaged {
            file: format!("{place}/{file}"),
            offset,
            what: what.into(),
            advice: format!(
                "restore the file from a copy that lacks nothing (with an older one the server breaks \
                 promises that it has forgotten), or let a server that has peers set {place} aside \
                 (--on-damage repair): it comes back as a replica that learns from them, and does \
                 not vote, because it cannot prove what it promised"
            ),
        }
    }
}
