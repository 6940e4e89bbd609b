//! The sessions at this server, and how far each has been told of the chat.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ids::{ClientId, ConnId};
use crate::wire::ClientInfo;

/// A session that has not been heard for so long is no longer counted.
const SILENT: Duration = Duration::from_secs(4);

/// Messages that may be on their way to one session beyond what it said it has.
const WINDOW: u64 = 4096;

/// Sessions that may be open here at once: all of them fit in one report to the balancer.
const SESSIONS: usize = 8192;

#[derive(Debug, Default)]
pub struct Listeners {
    sessions: BTreeMap<ClientId, Session>,
    /// The sessions that may lack something that can be sent now. The others are known to wait for
    /// the chat to grow, or to say that what was sent arrived.
    behind: BTreeSet<ClientId>,
    /// The sessions that listen.
    listening: BTreeSet<ClientId>,
    /// The length of the chat when it was last looked who is behind it.
    last: u64,
}

/// What became of a wish to join.
#[derive(Debug, PartialEq, Eq)]
pub enum Joining {
    Open,
    /// It came late, on a connection that the session has replaced.
    Late,
    /// There is no room for another session.
    Full,
}

#[derive(Debug)]
struct Session {
    conn: ConnId,
    name: String,
    heard_at: Duration,
    progress: Option<Progress>,
}

/// How far a listening session is.
#[derive(Debug)]
struct Progress {
    /// The last chat index that it said it has.
    seen: u64,
    /// The last chat index that was sent to it.
    sent: u64,
    /// Whether it said `seen` before, with something on its way: what was sent is then lost.
    stalled: bool,
}

/// A session that has more to hear: from `next` on, at most `count` messages.
#[derive(Debug, PartialEq, Eq)]
pub struct Due {
    pub client: ClientId,
    pub conn: ConnId,
    pub next: u64,
    pub count: u64,
}

impl Listeners {
    /// A session opens here, or says again where it stands.
    pub fn join(
        &mut self,
        now: Duration,
        conn: ConnId,
        client: ClientId,
        name: String,
        seen: Option<u64>,
    ) -> Joining {
        match self.sessions.get(&client) {
            Some(session) if conn < session.conn => return Joining::Late,
            None if self.sessions.len() >= SESSIONS => return Joining::Full,
            _ => {}
        }
        let progress = seen.map(|seen| Progress {
            seen,
            sent: seen,
            stalled: false,
        });
        if progress.is_some() {
            self.listening.insert(client);
            self.behind.insert(client);
        } else {
            self.forget(client);
        }
        self.sessions.insert(
            client,
            Session {
                conn,
                name,
                heard_at: now,
                progress,
            },
        );
        Joining::Open
    }

    pub fn leave(&mut self, client: ClientId) {
        self.sessions.remove(&client);
        self.forget(client);
    }

    /// Every session on the connection is gone.
    pub fn closed(&mut self, conn: ConnId) {
        self.leave_all(|session| session.conn == conn);
    }

    fn leave_all(&mut self, gone: impl Fn(&Session) -> bool) {
        let gone = self.sessions.iter().filter(|(_, session)| gone(session));
        for client in Vec::from_iter(gone.map(|(&client, _)| client)) {
            self.leave(client);
        }
    }

    /// There is nothing to tell to the session.
    fn forget(&mut self, client: ClientId) {
        self.behind.remove(&client);
        self.listening.remove(&client);
    }

    /// A sign of life. False if the session is not known on this connection.
    pub fn heard(
        &mut self,
        now: Duration,
        conn: ConnId,
        client: ClientId,
        seen: Option<u64>,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(&client) else {
            return false;
        };
        if session.conn != conn {
            return false;
        }
        session.heard_at = now;
        if let (Some(progress), Some(seen)) = (&mut session.progress, seen) {
            progress.heard(seen);
            self.behind.insert(client);
        }
        true
    }

    /// The connection of a session.
    pub fn conn(&self, client: ClientId) -> Option<ConnId> {
        self.sessions.get(&client).map(|session| session.conn)
    }

    /// Forgets sessions that went silent.
    pub fn expire(&mut self, now: Duration) {
        self.leave_all(|session| now.saturating_sub(session.heard_at) >= SILENT);
    }

    /// The listening sessions that lack something of a chat of `last` messages, and can take it.
    pub fn due(&mut self, last: u64) -> Vec<Due> {
        if last != self.last {
            self.last = last;
            self.behind.clone_from(&self.listening);
        }
        let sessions = &self.sessions;
        let mut due = Vec::new();
        self.behind.retain(|client| {
            let session = sessions.get(client);
            let Some((session, progress)) =
                session.and_then(|session| Some((session, session.progress.as_ref()?)))
            else {
                return false;
            };
            let end = progress.end(last);
            if progress.sent >= end {
                return false;
            }
            due.push(Due {
                client: *client,
                conn: session.conn,
                next: progress.sent + 1,
                count: end - progress.sent,
            });
            true
        });
        due
    }

    /// Whether something could be sent at once.
    pub fn are_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Messages up to `sent` are on their way to the session.
    pub fn sent(&mut self, client: ClientId, sent: u64) {
        if let Some(progress) = self
            .sessions
            .get_mut(&client)
            .and_then(|session| session.progress.as_mut())
        {
            progress.sent = progress.sent.max(sent);
            if progress.sent >= progress.end(self.last) {
                self.behind.remove(&client);
            }
        }
    }

    pub fn infos(&self) -> Vec<ClientInfo> {
        self.sessions
            .iter()
            .map(|(&client, session)| ClientInfo {
                client,
                name: session.name.clone(),
            })
            .collect()
    }

    pub fn everyone(&self) -> impl Iterator<Item = (ClientId, ConnId)> + '_ {
        self.sessions
            .iter()
            .map(|(&client, session)| (client, session.conn))
    }

    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}

impl Progress {
    /// The last message that may be sent of a chat of `last`.
    fn end(&self, last: u64) -> u64 {
        last.min(self.seen.saturating_add(WINDOW))
    }

    fn heard(&mut self, seen: u64) {
        if seen > self.seen {
            self.seen = seen;
            self.sent = self.sent.max(seen);
            self.stalled = false;
        } else if seen == self.seen && self.sent > seen {
            // Twice the same with more on its way: it was lost, so it is sent again from there.
            if self.stalled {
                self.sent = seen;
            }
            self.stalled = !self.stalled;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: ClientId = ClientId(1);
    const CONN: ConnId = ConnId(7);
    const NOW: Duration = Duration::ZERO;

    fn due(next: u64, count: u64) -> Vec<Due> {
        vec![Due {
            client: ANN,
            conn: CONN,
            next,
            count,
        }]
    }

    fn joined_at(seen: u64) -> Listeners {
        let mut listeners = Listeners::default();
        listeners.join(NOW, CONN, ANN, "ann".into(), Some(seen));
        listeners
    }

    #[test]
    fn tells_each_message_once_while_nothing_is_lost() {
        let mut listeners = joined_at(3);
        assert_eq!(listeners.due(5), due(4, 2));
        listeners.sent(ANN, 5);
        assert!(listeners.due(5).is_empty());
        assert!(listeners.heard(NOW, CONN, ANN, Some(5)));
        assert_eq!(listeners.due(6), due(6, 1));
    }

    #[test]
    fn tells_again_what_was_lost() {
        let mut listeners = joined_at(0);
        listeners.sent(ANN, 5);
        listeners.heard(NOW, CONN, ANN, Some(2));
        assert!(listeners.due(5).is_empty());
        listeners.heard(NOW, CONN, ANN, Some(2));
        assert!(listeners.due(5).is_empty());
        listeners.heard(NOW, CONN, ANN, Some(2));
        assert_eq!(listeners.due(5), due(3, 3));
    }

    #[test]
    fn the_window_bounds_what_is_on_its_way() {
        let mut listeners = joined_at(0);
        assert_eq!(listeners.due(1_000_000), due(1, WINDOW));
    }

    #[test]
    fn a_session_ends_by_leaving_silence_or_a_closed_connection() {
        let mut listeners = joined_at(0);
        listeners.expire(SILENT);
        assert!(listeners.is_empty());
        assert!(!listeners.heard(NOW, CONN, ANN, Some(0)));

        let mut listeners = joined_at(0);
        listeners.closed(ConnId(8));
        assert!(!listeners.is_empty());
        listeners.closed(CONN);
        assert!(listeners.is_empty());
    }

    #[test]
    fn another_connection_does_not_speak_for_the_session() {
        let mut listeners = joined_at(0);
        assert!(!listeners.heard(NOW, ConnId(8), ANN, Some(9)));
    }

    #[test]
    fn a_join_that_comes_late_does_not_bring_an_old_connection_back() {
        let mut listeners = joined_at(0);
        let join = |listeners: &mut Listeners, conn| {
            listeners.join(NOW, ConnId(conn), ANN, "ann".into(), Some(2))
        };
        assert_eq!(join(&mut listeners, 8), Joining::Open);
        assert_eq!(join(&mut listeners, 7), Joining::Late);
        assert_eq!(listeners.conn(ANN), Some(ConnId(8)));
    }

    #[test]
    fn there_is_room_for_so_many_sessions() {
        let mut listeners = Listeners::default();
        let join = |listeners: &mut Listeners, client| {
            listeners.join(NOW, CONN, ClientId(client), "x".into(), Some(0))
        };
        for client in 0..SESSIONS as u64 {
            assert_eq!(join(&mut listeners, client), Joining::Open);
        }
        assert_eq!(join(&mut listeners, SESSIONS as u64), Joining::Full);
        assert_eq!(join(&mut listeners, 0), Joining::Open);
        listeners.closed(CONN);
        assert!(listeners.is_empty());
        assert!(listeners.behind.is_empty() && listeners.listening.is_empty());
    }

    #[test]
    fn only_those_who_may_lack_something_are_looked_at() {
        let mut listeners = joined_at(0);
        assert_eq!(listeners.due(600), due(1, 600));
        listeners.sent(ANN, 512);
        assert!(listeners.are_behind());
        assert_eq!(listeners.due(600), due(513, 88));
        listeners.sent(ANN, 600);
        assert!(!listeners.are_behind());
        assert!(listeners.due(600).is_empty());
        assert_eq!(listeners.due(601), due(601, 1));
    }
}
