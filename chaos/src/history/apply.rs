//! What a log means: which of its messages take effect, and at which index.

use super::ByClient;
use super::evidence::{Applied, Evidence, HOLE, NO_MESSAGE};

/// Works out what each log means, sharing the work between replicas that agree.
pub(super) fn apply_logs(evidence: &mut Evidence) {
    let mut order: Vec<usize> = (0..evidence.replicas.len()).collect();
    order.sort_by_key(|&place| std::cmp::Reverse(evidence.replicas[place].values.len()));
    let mut owners: Vec<usize> = Vec::new();
    for place in order {
        let values = &evidence.replicas[place].values;
        let shared = owners.iter().position(|&owner| {
            evidence.replicas[owner]
                .values
                .starts_with(values.as_slice())
        });
        let (chat, messages) = match shared {
            Some(chat) => {
                let last = values.len() as u64;
                let messages = evidence.chats[chat].partition_point(|applied| applied.slot <= last);
                (chat, messages)
            }
            None => {
                let chat = apply(evidence, values);
                let messages = chat.len();
                owners.push(place);
                evidence.chats.push(chat);
                (evidence.chats.len() - 1, messages)
            }
        };
        evidence.replicas[place].chat = chat;
        evidence.replicas[place].messages = messages;
    }
    place_acks(evidence);
}

/// Gives acknowledgements that do not name a place that of their message in the longest log.
fn place_acks(evidence: &mut Evidence) {
    let Some(chat) = evidence.chats.first() else {
        return;
    };
    for (index, applied) in (1..).zip(chat) {
        if applied.message != NO_MESSAGE
            && let Some(ack) = &mut evidence.messages[applied.message as usize].ack
            && !ack.names_place()
        {
            ack.index = index;
            ack.slot = applied.slot;
        }
    }
}

/// The session rule, written a second time and as plainly as possible: a message takes effect if
/// its number is one more than the last that took effect for its client; nothing else does.
fn apply(evidence: &Evidence, values: &[u32]) -> Vec<Applied> {
    let mut last: ByClient<u64> = ByClient::default();
    let mut chat = Vec::new();
    for (place, &value) in values.iter().enumerate() {
        if value == HOLE {
            continue;
        }
        let commands = evidence.values[value as usize].commands();
        for (offset, command) in commands.iter().enumerate() {
            let last = last.entry(command.client).or_insert(0);
            if command.seq != *last + 1 {
                continue;
            }
            *last = command.seq;
            let message = evidence
                .session(command.client)
                .and_then(|session| session.message(command.seq))
                .unwrap_or(NO_MESSAGE);
            chat.push(Applied {
                client: command.client,
                seq: command.seq,
                slot: place as u64 + 1,
                value,
                offset: offset as u32,
                message,
                digest: crc32c::crc32c(command.text.as_bytes()),
            });
        }
    }
    chat
}
