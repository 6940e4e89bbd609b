//! The chat as clients see it: the applied messages of the log, by index.

use std::collections::BTreeMap;

use crate::ids::Slot;
use crate::log::{Disk, History, LogError};
use crate::paxos::Chosen;
use crate::value::{Command, Value};

/// A mark is kept for every so many slots.
const SLOTS_PER_MARK: u64 = 64;

/// Bytes of log read at a time for a page.
const READ_BYTES: usize = 256 * 1024;

/// The chosen log with an index over its messages.
pub struct Chat<D: Disk> {
    history: History<D>,
    /// How many messages stand before slot `1 + n * SLOTS_PER_MARK`.
    marks: Vec<u64>,
    /// Positions in a slot's value of messages that did not take effect. Rare: a leader proposes a
    /// repeat only when it does not know the first proposal.
    without_effect: BTreeMap<Slot, Vec<usize>>,
    slots: u64,
    messages: u64,
}

impl<D: Disk> Chat<D> {
    /// A chat over a history of which nothing was applied yet.
    pub fn new(history: History<D>) -> Chat<D> {
        Chat {
            history,
            marks: Vec::new(),
            without_effect: BTreeMap::new(),
            slots: 0,
            messages: 0,
        }
    }

    pub fn history(&mut self) -> &mut History<D> {
        &mut self.history
    }

    /// The number of messages, which is the index of the last one.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Takes a newly chosen slot.
    pub fn push(&mut self, chosen: &Chosen) {
        self.index(chosen);
        self.history.push(chosen.slot, chosen.value.clone());
    }

    /// Takes a slot that the history has already, while the log is replayed after a restart.
    pub fn index(&mut self, chosen: &Chosen) {
        assert_eq!(chosen.slot.0, self.slots + 1, "slots are applied in order");
        if self.slots.is_multiple_of(SLOTS_PER_MARK) {
            self.marks.push(self.messages);
        }
        self.slots += 1;
        self.messages += chosen.applied.len() as u64;
        let commands = chosen.value.commands();
        if chosen.applied.len() < commands.len() {
            let mut applied = chosen.applied.iter().peekable();
            let skipped = commands
                .iter()
                .enumerate()
                .filter(|(_, command)| {
                    applied
                        .next_if(|next| next.command == **command)
                        .is_none()
                })
                .map(|(position, _)| position)
                .collect();
            self.without_effect.insert(chosen.slot, skipped);
        }
    }

    /// Messages at the indexes from `first` on, at most `limit` and about `max_bytes` of text, at
    /// least one if there is any. Indexes count from 1.
    pub fn page(
        &mut self,
        first: u64,
        limit: u64,
        max_bytes: usize,
    ) -> Result<Vec<Command>, LogError> {
        let first = first.max(1);
        let limit = limit.min((self.messages + 1).saturating_sub(first));
        let mut page = Vec::new();
        if limit == 0 {
            return Ok(page);
        }
        let mark = self.marks.partition_point(|&before| before < first) - 1;
        let mut index = self.marks[mark];
        let mut slot = Slot(1 + mark as u64 * SLOTS_PER_MARK);
        let mut bytes = 0;
        loop {
            let values = self.history.read(slot, READ_BYTES)?;
            assert!(!values.is_empty(), "a chosen slot can be read");
            for value in values {
                for command in self.with_effect(slot, &value) {
                    index += 1;
                    if index < first {
                        continue;
                    }
                    bytes += command.text.len() + command.name.len() + 32;
                    page.push(command.clone());
                    if page.len() as u64 == limit || bytes >= max_bytes {
                        return Ok(page);
                    }
                }
                slot = slot.next();
            }
        }
    }

    fn with_effect<'a>(
        &'a self,
        slot: Slot,
        value: &'a Value,
    ) -> impl Iterator<Item = &'a Command> {
        let skipped = self.without_effect.get(&slot);
        value
            .commands()
            .iter()
            .enumerate()
            .filter(move |(position, _)| !skipped.is_some_and(|s| s.contains(position)))
            .map(|(_, command)| command)
    }
}
