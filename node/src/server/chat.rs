//! What a chosen slot means to the history: where the chat stands after it.

use crate::log::History;
use crate::paxos::Chosen;
use crate::planted::{self, Bug};
use crate::value::Command;

/// Adds a newly chosen slot.
pub fn push(history: &mut History, chosen: &Chosen) {
    history.push(chosen.slot, chosen.value.clone());
    index(history, chosen);
}

/// Indexes a slot that the history has already, while the log is replayed after a restart.
pub fn index(history: &mut History, chosen: &Chosen) {
    let skipped = without_effect(history, chosen);
    let added = chosen.value.commands().len() - skipped.len();
    let next = history.last_index() + added as u64 + 1;
    history.note_index(chosen.slot, next, &skipped);
}

/// The positions of the value's messages that did not take effect. Rare: a leader proposes a repeat
/// only when it does not know of the first proposal.
fn without_effect(history: &History, chosen: &Chosen) -> Vec<u32> {
    let by_text = planted::is(Bug::DedupByText);
    let commands = chosen.value.commands();
    if chosen.applied.len() == commands.len() && !by_text {
        return Vec::new();
    }
    let mut applied = chosen.applied.iter().peekable();
    (0..)
        .zip(commands)
        .filter(|(_, command)| {
            applied.next_if(|next| next.command == **command).is_none()
                || by_text && repeats_text(history, command)
        })
        .map(|(position, _)| position)
        .collect()
}

/// Whether it has the text of its client's last message, if that is among the last of the chat: what
/// [`Bug::DedupByText`] goes by.
fn repeats_text(history: &History, command: &Command) -> bool {
    const LAST: u64 = 64;
    let first = history.last_index().saturating_sub(LAST) + 1;
    let messages = history.messages(first, LAST as usize, usize::MAX);
    let mut messages = messages.unwrap_or_default().into_iter();
    let last = messages.rfind(|message| message.client == command.client);
    last.is_some_and(|last| last.text == command.text)
}
