//! The chosen values, for reading: recent ones from memory, old ones from disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::chat_index::ChatIndex;
use super::checkpoint::{Applied, Checkpoint, Checkpoints};
use super::disk::Disk;
use super::error::LogError;
use super::location::{GroupReader, Located, Location};
use super::places::Places;
use super::record::Record;
use crate::ids::{Ballot, Slot};
use crate::value::{Command, Value};

/// All chosen values of one server, by slot and by chat index.
///
/// A few bytes of memory for each slot, a bounded number of recent values, and a sparse index from
/// chat positions to slots. A value leaves memory only when it is known where it is on disk.
pub struct History {
    disk: Arc<dyn Disk>,
    /// Where each chosen value is on disk.
    places: Places,
    /// The values of the last slots.
    recent: VecDeque<Value>,
    recent_bytes: usize,
    memory_bytes: usize,
    /// Values on disk of slots that are not known to be chosen.
    open: BTreeMap<Slot, (Location, Value)>,
    chat: ChatIndex,
    /// What the checkpoint holds that the log was opened with.
    sessions: Option<Vec<u8>>,
    /// None if the log is only read.
    checkpoints: Option<Checkpoints>,
}

impl History {
    /// The history of a log whose chosen values are at `places`.
    pub(super) fn new(disk: Arc<dyn Disk>, places: Places, memory_bytes: usize) -> History {
        History {
            disk,
            places,
            recent: VecDeque::new(),
            recent_bytes: 0,
            memory_bytes,
            open: BTreeMap::new(),
            chat: ChatIndex::default(),
            sessions: None,
            checkpoints: None,
        }
    }

    /// What the server made of the slots up to that of a checkpoint.
    pub(super) fn restore(&mut self, applied: Applied) {
        self.chat = applied.chat;
        self.sessions = Some(applied.sessions);
    }

    /// The log may have a checkpoint, which is not to be believed any more when damage is met.
    pub(super) fn distrust_with(&mut self, checkpoints: Checkpoints) {
        self.checkpoints = Some(checkpoints);
    }

    /// The sessions, as they were given to [`History::checkpoint`], after the slot up to which the
    /// chat is indexed; none if nothing is indexed yet.
    pub fn take_sessions(&mut self) -> Option<(Slot, Vec<u8>)> {
        let sessions = self.sessions.take()?;
        Some((self.chat.noted(), sessions))
    }

    /// The chat is to be indexed anew from the first slot on.
    pub fn forget_index(&mut self) {
        self.chat = ChatIndex::default();
    }

    /// All that need not be read again from the segments before the one that the log's writer
    /// begins with it. `sessions` are those after the last chosen slot, `accepted` is what was
    /// accepted above it.
    ///
    /// # Panics
    /// If the chat is not indexed up to the last chosen slot.
    pub fn checkpoint(
        &self,
        sessions: Vec<u8>,
        accepted: Vec<(Slot, Ballot, Value)>,
    ) -> Checkpoint {
        let (chosen, known) = (self.chosen(), self.places.known());
        assert_eq!(self.chat.noted(), chosen, "all that is chosen is indexed");
        let mut records = Vec::new();
        // They are being written, and it is not known where.
        for slot in (known.0 + 1..=chosen.0).map(Slot) {
            let value = self.recent_value(slot).expect("it is in memory").clone();
            records.push(Record::Learned { slot, value });
        }
        for (slot, ballot, value) in accepted {
            assert!(slot > chosen, "slot {slot} is accepted, but chosen");
            records.push(Record::Accepted {
                slot,
                ballot,
                value,
            });
        }
        records.push(Record::Chosen { upto: chosen });
        Checkpoint {
            records,
            places: self.places.clone(),
            applied: Applied {
                chat: self.chat.clone(),
                sessions,
            },
        }
    }

    /// Every slot up to this one is in the history.
    pub fn chosen(&self) -> Slot {
        self.places.last()
    }

    /// Adds the value of the next slot, which was chosen.
    ///
    /// # Panics
    /// If `slot` is not the next one: a history has no holes.
    pub fn push(&mut self, slot: Slot, value: Value) {
        assert_eq!(
            slot,
            self.chosen().next(),
            "slots enter the history in order"
        );
        // What was accepted in the slot need not be what was chosen in it.
        let place = match self.open.remove(&slot) {
            Some((location, written)) if written == value => Some(location),
            _ => None,
        };
        self.places.push(place);
        self.recent_bytes += size_bytes(&value);
        self.recent.push_back(value);
        self.evict();
    }

    /// Takes note of values that were made durable, in the order of their writing, before or after
    /// their slots are pushed. A value that is not the one chosen in its slot is passed over.
    pub fn located(&mut self, located: &[Located]) {
        for Located {
            slot,
            location,
            value,
        } in located
        {
            if *slot > self.chosen() {
                self.open.insert(*slot, (*location, value.clone()));
            } else if let Some(recent) = self.recent_value(*slot)
                && recent == value
            {
                self.places.set(*slot, *location);
            }
        }
        self.evict();
    }

    /// The chosen values of consecutive slots from `from` on, as many as have `max_bytes` together
    /// and at least one; none beyond the last chosen slot. Sizes are upper bounds of the encoded
    /// ones, by [`size_bytes`].
    ///
    /// # Errors
    /// [`LogError::Damaged`] when what is on disk is not what was written.
    pub fn read(&self, from: Slot, max_bytes: usize) -> Result<Vec<Value>, LogError> {
        let mut reader = GroupReader::new(&*self.disk);
        let mut values = Vec::new();
        let mut bytes = 0;
        for slot in (from.0.max(1)..=self.chosen().0).map(Slot) {
            let value = match self.recent_value(slot) {
                Some(value) => value.clone(),
                None => {
                    (reader.value(slot, self.location(slot))).map_err(|error| self.met(error))?
                }
            };
            bytes += size_bytes(&value);
            if bytes > max_bytes && !values.is_empty() {
                break;
            }
            values.push(value);
        }
        Ok(values)
    }

    /// Takes note that the messages of `slot` that took effect end before the chat index
    /// `first_index_after`. To be called for every slot, in order, after it was pushed or found on
    /// opening. `skipped` are the positions, ascending, among the value's messages of those that
    /// took no effect: repeats, and those that came before their predecessor.
    ///
    /// # Panics
    /// If the slot is not the next, or not in the history.
    pub fn note_index(&mut self, slot: Slot, first_index_after: u64, skipped: &[u32]) {
        assert!(slot <= self.chosen(), "only chosen slots have an index");
        self.chat.note(slot, first_index_after, skipped);
    }

    /// The number of messages in the chat, as far as [`History::note_index`] was told.
    pub fn last_index(&self) -> u64 {
        self.chat.first_index_after() - 1
    }

    /// A slot at which to begin to read in order to find the message at `index`, and the chat index
    /// of the first message that takes effect in that slot or after it. The message is in one of
    /// the [`ChatIndex::SLOTS`] slots from there on, if it is in the chat.
    pub fn find(&self, index: u64) -> (Slot, u64) {
        self.chat.find(index)
    }

    /// The messages of the chat at consecutive indexes from `first` on, at most `max_messages` of
    /// them, as many as have `max_bytes` together and at least one; none beyond the end of the chat.
    ///
    /// # Errors
    /// Those of [`History::read`].
    pub fn messages(
        &self,
        first: u64,
        max_messages: usize,
        max_bytes: usize,
    ) -> Result<Vec<Command>, LogError> {
        const CHUNK_BYTES: usize = 256 << 10;
        let first = first.max(1);
        let mut messages = Vec::new();
        let mut bytes = 0;
        let (mut slot, mut index) = self.find(first);
        loop {
            let values = self.read(slot, CHUNK_BYTES)?;
            if values.is_empty() {
                return Ok(messages);
            }
            for value in values {
                if slot > self.chat.noted() {
                    return Ok(messages);
                }
                let skipped = self.chat.skipped(slot);
                for (position, command) in (0..).zip(value.commands()) {
                    if skipped.binary_search(&position).is_ok() {
                        continue;
                    }
                    if index >= first {
                        bytes += command_bytes(command);
                        let full = messages.len() >= max_messages
                            || (bytes > max_bytes && !messages.is_empty());
                        if full {
                            return Ok(messages);
                        }
                        messages.push(command.clone());
                    }
                    index += 1;
                }
                slot = slot.next();
            }
        }
    }

    /// Bytes of values held in memory.
    pub fn bytes_in_memory(&self) -> usize {
        self.recent_bytes
    }

    fn location(&self, slot: Slot) -> Location {
        let place = self.places.get(slot);
        place.expect("a value that is not in memory is on disk")
    }

    /// After damage the next start is to read the whole log, and find it.
    fn met(&self, error: LogError) -> LogError {
        if let (LogError::Damaged { .. }, Some(checkpoints)) = (&error, &self.checkpoints) {
            checkpoints.distrust();
        }
        error
    }

    /// The value of the slot if it is in memory.
    fn recent_value(&self, slot: Slot) -> Option<&Value> {
        let older = self.chosen().0 - self.recent.len() as u64;
        let position = slot.0.checked_sub(older + 1)?;
        self.recent.get(usize::try_from(position).ok()?)
    }

    /// Drops the oldest values above the limit, up to the first that is not known to be on disk.
    fn evict(&mut self) {
        while self.recent_bytes > self.memory_bytes
            && (self.places)
                .get(Slot(self.chosen().0 + 1 - self.recent.len() as u64))
                .is_some()
            && let Some(value) = self.recent.pop_front()
        {
            self.recent_bytes -= size_bytes(&value);
        }
    }
}

/// An upper bound of the encoded size of a value, and close to its size in memory.
pub fn size_bytes(value: &Value) -> usize {
    16 + value.commands().iter().map(command_bytes).sum::<usize>()
}

/// Five integers of up to ten bytes, and the texts.
fn command_bytes(command: &Command) -> usize {
    50 + command.name.len() + command.text.len()
}
