//! What a chosen slot means to the history: where the chat stands after it.

use crate::log::History;
use crate::paxos::Chosen;

/// Adds a newly chosen slot.
pub fn push(history: &mut History, chosen: &Chosen) {
    history.push(chosen.slot, chosen.value.clone());
    index(history, chosen);
}

/// Indexes a slot that the history has already, while the log is replayed after a restart.
pub fn index(history: &mut History, chosen: &Chosen) {
    let messages = history.last_index() + chosen.applied.len() as u64;
    history.note_index(chosen.slot, messages + 1, &without_effect(chosen));
}

/// The positions of the value's messages that did not take effect. Rare: a leader proposes a repeat
/// only when it does not know of the first proposal.
fn without_effect(chosen: &Chosen) -> Vec<u32> {
    let commands = chosen.value.commands();
    if chosen.applied.len() == commands.len() {
        return Vec::new();
    }
    let mut applied = chosen.applied.iter().peekable();
    (0..commands.len() as u32)
        .filter(|&position| applied.next_if(|next| next.position == position).is_none())
        .collect()
}
