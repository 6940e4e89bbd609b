//! From positions in the chat to slots.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::Slot;

/// A sparse index: every few slots or messages it notes where the chat stands. Which messages of a
/// slot took no effect is noted too, because a reader that begins in the middle of the log has no
/// session table to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatIndex {
    /// Ascending in both.
    marks: Vec<Mark>,
    /// Where the chat stands after the last noted slot.
    now: Mark,
    /// Slots with messages that took no effect: their positions, ascending. Few: each is a retry
    /// that was chosen twice.
    skipped: BTreeMap<Slot, Box<[u32]>>,
}

/// "After `slot`, the next message has the index `next`."
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    slot: Slot,
    next: u64,
}

impl Default for ChatIndex {
    fn default() -> ChatIndex {
        let begin = Mark {
            slot: Slot(0),
            next: 1,
        };
        ChatIndex {
            marks: vec![begin],
            now: begin,
            skipped: BTreeMap::new(),
        }
    }
}

impl ChatIndex {
    /// At most so many slots have to be read to find a message.
    pub const SLOTS: u64 = 64;
    /// At most so many messages have to be passed over, apart from those of one slot.
    const MESSAGES: u64 = 512;

    pub(super) fn note(&mut self, slot: Slot, first_index_after: u64, skipped: &[u32]) {
        assert_eq!(slot, self.now.slot.next(), "slots are noted in order");
        assert!(
            first_index_after >= self.now.next,
            "the chat does not shrink"
        );
        debug_assert!(skipped.is_sorted());
        self.now = Mark {
            slot,
            next: first_index_after,
        };
        let last = self.marks[self.marks.len() - 1];
        if slot.0 - last.slot.0 >= ChatIndex::SLOTS
            || first_index_after - last.next >= ChatIndex::MESSAGES
        {
            self.marks.push(self.now);
        }
        if !skipped.is_empty() {
            self.skipped.insert(slot, skipped.into());
        }
    }

    /// The slot after the last mark before `index`, and the index of the first message from there.
    pub(super) fn find(&self, index: u64) -> (Slot, u64) {
        // Slots without messages make marks with the same index: the last of them is the nearest.
        let after = self.marks.partition_point(|mark| mark.next <= index.max(1));
        let mark = self.marks[after - 1];
        (mark.slot.next(), mark.next)
    }

    pub(super) fn skipped(&self, slot: Slot) -> &[u32] {
        self.skipped.get(&slot).map_or(&[], |skipped| skipped)
    }

    pub(super) fn noted(&self) -> Slot {
        self.now.slot
    }

    pub(super) fn first_index_after(&self) -> u64 {
        self.now.next
    }
}
