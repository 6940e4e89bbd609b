//! What a server is after a restart: the chosen log applied anew, all of it or what came after a
//! checkpoint.

use super::{CHUNK_BYTES, Server, chat};
use crate::ids::Slot;
use crate::log::{Checkpoint, History, LogError};
use crate::paxos::{Chosen, Sessions};
use crate::planted::{self, Bug};

/// Applies the chosen log to the session table, and indexes the chat on the way.
pub(super) fn replay(history: &mut History) -> Result<Sessions, LogError> {
    let (mut slot, mut sessions) = restored(history);
    while slot <= history.chosen() {
        for value in history.read(slot, CHUNK_BYTES)? {
            let applied = sessions.apply(slot, &value);
            let chosen = Chosen {
                slot,
                value,
                applied,
            };
            chat::index(history, &chosen);
            slot = slot.next();
        }
    }
    if planted::is(Bug::SessionTableLost) {
        sessions.forget_clients();
    }
    Ok(sessions)
}

/// The first slot that is to be applied, and the session table before it.
fn restored(history: &mut History) -> (Slot, Sessions) {
    if let Some((upto, bytes)) = history.take_sessions()
        && let Ok(sessions) = postcard::from_bytes::<Sessions>(&bytes)
    {
        return (upto.next(), sessions);
    }
    history.forget_index();
    (Slot(1), Sessions::new())
}

impl Server {
    /// So much was written that the log should begin a segment with a checkpoint. The next output
    /// has it.
    pub fn want_checkpoint(&mut self) {
        self.wants_checkpoint = true;
    }

    /// A checkpoint, if one is wanted and all that is chosen is in the history: what the acceptor
    /// holds above it is all that this server must remember of later slots.
    pub(super) fn take_checkpoint(&mut self) -> Option<Checkpoint> {
        if !self.wants_checkpoint || self.replica.chosen() != self.history.chosen() {
            return None;
        }
        self.wants_checkpoint = false;
        // Encoding into memory cannot fail: it is a plain serde type.
        let sessions = postcard::to_stdvec(self.replica.sessions()).expect("sessions are encoded");
        Some(self.history.checkpoint(sessions, self.replica.accepted()))
    }
}
