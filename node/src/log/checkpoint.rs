//! Checkpoints: what makes it unnecessary to read a long log from its beginning.
//!
//! A checkpoint stands before a segment: the writer begins one whose first groups say again all that
//! earlier ones say and that still counts, but for the values of slots that are chosen and on disk.
//! Where those are, and what the server made of them, is in the file `checkpoint`, which is written
//! beside the log when those groups are durable. Opening then reads the log from that segment on.
//!
//! The file is no part of the log: it is believed only if all of it is sound and fits the segments,
//! and without it the whole log is read. What it saves reading may be damaged without anybody's
//! noticing at the start, so [`Unread`](super::Unread) reads it afterwards. Whoever meets damage has
//! the file removed: the next start reads the whole log, and finds it.
//!
//! The file: `paxosckp`, the format (4 bytes), the length of its first part (8 bytes), that part, in
//! postcard's encoding ([`Content`]), the packed places, and a CRC32C of all before it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::chat_index::ChatIndex;
use super::disk::{Disk, DiskError};
use super::location::Location;
use super::places::{Block, Places};
use super::record::Record;
use super::segment::{self, Identity, SegmentHeader, file_name, part};
use crate::ids::Slot;

pub(super) const FILE: &str = "checkpoint";
/// Where it is written before it takes the other's place.
pub(super) const NEW: &str = "checkpoint.new";
const MAGIC: [u8; 8] = *b"paxosckp";
const FORMAT: u32 = 1;
const HEAD_BYTES: usize = 20;
const CRC_BYTES: usize = 4;

/// A checkpoint as [`History::checkpoint`](super::History::checkpoint) makes it, for
/// [`LogWriter::checkpoint`](super::LogWriter::checkpoint).
#[derive(Clone)]
pub struct Checkpoint {
    /// What the new segment says again, apart from the vote state.
    pub(super) records: Vec<Record>,
    pub(super) places: Places,
    pub(super) applied: Applied,
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checkpoint(up to {})", self.applied.chat.noted())
    }
}

/// What the server made of all slots up to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Applied {
    pub chat: ChatIndex,
    /// Its sessions, as it encodes them.
    pub sessions: Vec<u8>,
}

/// A segment with another behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sealed {
    pub first_sequence: u64,
    /// How far it is written.
    pub length: u64,
}

/// What the file holds, apart from the packed places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    pub identity: Identity,
    pub incarnation: u64,
    /// The segments that need not be read, from the first on.
    pub sealed: Vec<Sealed>,
    /// Of the segment behind them.
    pub first_sequence: u64,
    /// Of what follows the groups that belong to the checkpoint.
    pub next_sequence: u64,
    /// The lengths of the packed places in bytes.
    pub packed: Vec<u32>,
    /// The places behind them.
    pub places: Vec<Location>,
    pub applied: Applied,
}

/// The checkpoint file of a log. Clones are handles to the same.
#[derive(Clone)]
pub(super) struct Checkpoints {
    disk: Arc<dyn Disk>,
    distrusted: Arc<Mutex<bool>>,
}

impl Checkpoints {
    pub fn new(disk: Arc<dyn Disk>) -> Checkpoints {
        Checkpoints {
            disk,
            distrusted: Arc::default(),
        }
    }

    /// Puts a checkpoint in the place of the last one.
    pub fn write(&self, content: &Content, packed: &[Block]) -> Result<(), DiskError> {
        let distrusted = self.distrusted.lock();
        if *distrusted.unwrap_or_else(PoisonError::into_inner) {
            return Ok(());
        }
        let disk = &*self.disk;
        disk.create(NEW)?;
        let written = write(disk, content, packed)
            .and_then(|()| disk.sync(NEW))
            .and_then(|()| disk.rename(NEW, FILE))
            .and_then(|()| disk.sync_dir());
        if written.is_err() {
            // It is of no use, and the next one needs its name.
            let _ = disk.remove(NEW);
        }
        written
    }

    /// Removes the checkpoint, durably, and lets none be written any more: there is damage in what
    /// it saves reading. If it cannot be removed there is nothing more to do: the next process
    /// meets the same.
    pub fn distrust(&self) {
        let mut distrusted = self.distrusted.lock();
        let distrusted = distrusted.as_deref_mut();
        *distrusted.unwrap_or_else(|error| error.get_mut()) = true;
        let _ = remove(&*self.disk).and_then(|()| self.disk.sync_dir());
    }
}

/// Removes what there is of checkpoints.
pub(super) fn remove(disk: &dyn Disk) -> Result<(), DiskError> {
    for file in disk.list()? {
        if file == FILE || file == NEW {
            disk.remove(&file)?;
        }
    }
    Ok(())
}

fn write(disk: &dyn Disk, content: &Content, packed: &[Block]) -> Result<(), DiskError> {
    // Encoding into memory cannot fail: it is a plain serde type.
    let content = postcard::to_stdvec(content).expect("a checkpoint can be encoded");
    let mut head = Vec::with_capacity(HEAD_BYTES);
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&FORMAT.to_le_bytes());
    head.extend_from_slice(&(content.len() as u64).to_le_bytes());
    let (mut at, mut crc) = (0, 0);
    let parts = [&head[..], &content].into_iter();
    for part in parts.chain(packed.iter().map(|block| &**block)) {
        disk.write_at(NEW, at, part)?;
        at += part.len() as u64;
        crc = crc32c::crc32c_append(crc, part);
    }
    disk.write_at(NEW, at, &crc.to_le_bytes())
}

/// A checkpoint that can be believed.
pub(super) struct Sound {
    pub content: Content,
    pub places: Places,
    /// The header of the last segment that need not be read.
    pub last_sealed: SegmentHeader,
}

/// The checkpoint of the log in `numbers`; none if there is none, and why not to believe it
/// otherwise.
pub(super) fn load(
    disk: &dyn Disk,
    identity: Identity,
    numbers: &[u32],
) -> Result<Option<Sound>, String> {
    let unreadable = |error: DiskError| error.to_string();
    if !disk
        .list()
        .map_err(unreadable)?
        .iter()
        .any(|file| file == FILE)
    {
        return Ok(None);
    }
    let (content, places) = read(disk)?;
    if content.identity != identity {
        return Err("it is that of another log".into());
    }
    let segments = (1..)
        .zip(&content.sealed)
        .map(|(number, &sealed)| (number, sealed));
    let begun = Sealed {
        first_sequence: content.first_sequence,
        length: segment::HEADER_BYTES as u64,
    };
    let mut last_sealed = None;
    for (number, sealed) in segments.chain([(content.sealed.len() as u32 + 1, begun)]) {
        let file = file_name(number);
        if numbers.get(number as usize - 1) != Some(&number) {
            return Err(format!("{file} is not there"));
        }
        let mut header = [0; segment::HEADER_BYTES];
        let length = disk.length(&file).map_err(unreadable)?;
        if length >= sealed.length {
            disk.read_at(&file, 0, &mut header).map_err(unreadable)?;
        }
        let expected = SegmentHeader {
            format: segment::FORMAT,
            identity,
            incarnation: content.incarnation,
            segment: number,
            first_sequence: sealed.first_sequence,
        };
        if SegmentHeader::decode(&header) != Some(expected) {
            return Err(format!("{file} is not the segment that it knows"));
        }
        if (number as usize) <= content.sealed.len() {
            last_sealed = Some(expected);
        }
    }
    let last_sealed = last_sealed.ok_or("no segment is before it")?;
    Ok(Some(Sound {
        content,
        places,
        last_sealed,
    }))
}

fn read(disk: &dyn Disk) -> Result<(Content, Places), String> {
    let unreadable = |error: DiskError| error.to_string();
    let length = usize::try_from(disk.length(FILE).map_err(unreadable)?);
    let mut bytes = vec![0; length.unwrap_or(usize::MAX)];
    disk.read_at(FILE, 0, &mut bytes).map_err(unreadable)?;
    let all = bytes
        .len()
        .checked_sub(CRC_BYTES)
        .filter(|&all| all >= HEAD_BYTES);
    let (all, crc) = bytes.split_at(all.ok_or("it is too short")?);
    if all[..8] != MAGIC || crc32c::crc32c(all).to_le_bytes() != *crc {
        return Err("it is not what was written".into());
    }
    if u32::from_le_bytes(part(all, 8)) != FORMAT {
        return Err("another version of paxosctl wrote it".into());
    }
    let content_bytes = usize::try_from(u64::from_le_bytes(part(all, 12))).unwrap_or(usize::MAX);
    let (content, mut rest) = (all[HEAD_BYTES..].split_at_checked(content_bytes))
        .ok_or("its first part is longer than all of it")?;
    let content: Content = postcard::from_bytes(content)
        .map_err(|_| "it cannot be read; another version of paxosctl may have written it")?;
    let mut packed = Vec::with_capacity(content.packed.len());
    for &bytes in &content.packed {
        let block;
        (block, rest) = (rest.split_at_checked(bytes as usize)).ok_or("places are missing")?;
        packed.push(Block::from(block));
    }
    let places = Places::new(packed, content.places.clone());
    Ok((content, places))
}

impl Checkpoint {
    /// All slots up to this one are chosen.
    pub(super) fn chosen(&self) -> Slot {
        self.applied.chat.noted()
    }
}
