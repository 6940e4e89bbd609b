//! What a server does for its clients and for observers.

use std::time::Duration;

use super::listeners::Joining;
use super::pending::Taken;
use super::{AskedRead, CHUNK_BYTES, READS, Server};
use crate::ids::{ClientId, ConnId, Slot};
use crate::log::{LogError, Record};
use crate::paxos::{Chosen, Stored};
use crate::value::Command;
use crate::wire::{Asked, ClientMessage, ServerMessage, ServerStatus};

/// Messages in one Deliver or one page.
const PAGE_MESSAGES: usize = 512;

impl Server {
    /// A message from a client or an observer. Fails only if the log on disk can not be read.
    pub fn client(
        &mut self,
        now: Duration,
        conn: ConnId,
        message: ClientMessage,
    ) -> Result<(), LogError> {
        let now = self.advance_clock(now);
        match message {
            ClientMessage::Join { client, name, seen } => self.join(now, conn, client, name, seen),
            ClientMessage::Leave { client } => {
                if self.listeners.conn(client) == Some(conn) {
                    self.listeners.leave(client);
                }
            }
            ClientMessage::Say(command) => self.say(now, conn, command),
            ClientMessage::Read { client, id } => self.read(now, conn, client, id),
            ClientMessage::History {
                client,
                from,
                limit,
            } => {
                let first = from.max(1);
                let limit = (limit as usize).min(PAGE_MESSAGES);
                let messages = self.history.messages(first, limit, CHUNK_BYTES)?;
                let last = self.history.last_index();
                self.answer(
                    conn,
                    ServerMessage::Page {
                        client,
                        first,
                        messages,
                        last,
                    },
                );
            }
            ClientMessage::Ping { client, seen } => self.ping(now, conn, client, seen),
            ClientMessage::Status => {
                let status = self.status();
                self.answer(conn, ServerMessage::Status(Box::new(status)));
            }
            ClientMessage::Slots { from } => {
                let from = from.max(Slot(1));
                let chosen = self.replica.chosen();
                let values = if from <= chosen {
                    self.history.read(from, CHUNK_BYTES)?
                } else {
                    Vec::new()
                };
                self.answer(
                    conn,
                    ServerMessage::Slots {
                        from,
                        values,
                        chosen,
                    },
                );
            }
        }
        Ok(())
    }

    /// A client's connection is gone, and with it every session on it.
    pub fn closed(&mut self, conn: ConnId) {
        self.listeners.closed(conn);
    }

    fn read(&mut self, now: Duration, conn: ConnId, client: ClientId, id: u64) {
        if self.reads.len() >= READS {
            let asked = Asked::Read { id };
            return self.answer(conn, ServerMessage::Busy { client, asked });
        }
        self.last_read += 1;
        let read = AskedRead {
            asked_at: now,
            conn,
            client,
            id,
        };
        self.reads.insert(self.last_read, read);
        self.replica.read(now, self.last_read);
    }

    fn answer(&mut self, conn: ConnId, message: ServerMessage) {
        self.output.to_clients.push((conn, message));
    }

    fn join(
        &mut self,
        now: Duration,
        conn: ConnId,
        client: ClientId,
        name: String,
        seen: Option<u64>,
    ) {
        if self.draining_since.is_some() || name.len() > Command::MAX_NAME_BYTES {
            return self.send_elsewhere(conn, client);
        }
        match self.listeners.join(now, conn, client, name, seen) {
            Joining::Open => {}
            Joining::Late => return,
            Joining::Full => return self.send_elsewhere(conn, client),
        }
        let joined = ServerMessage::Joined {
            client,
            next_seq: self.replica.sessions().next_seq(client),
            last: self.history.last_index(),
        };
        self.answer(conn, joined);
        if !self.majority {
            self.pong(conn, client);
        }
    }

    fn ping(&mut self, now: Duration, conn: ConnId, client: ClientId, seen: Option<u64>) {
        if self.listeners.heard(now, conn, client, seen) {
            self.pong(conn, client);
        } else {
            self.send_elsewhere(conn, client);
        }
    }

    fn pong(&mut self, conn: ConnId, client: ClientId) {
        let pong = ServerMessage::Pong {
            client,
            last: self.history.last_index(),
            majority: self.majority,
        };
        self.answer(conn, pong);
    }

    fn send_elsewhere(&mut self, conn: ConnId, client: ClientId) {
        let reason = if self.draining_since.is_some() {
            format!("{} is stopping", self.me)
        } else {
            format!(
                "the session is not open at {}, or has no room there",
                self.me
            )
        };
        self.answer(conn, ServerMessage::GoElsewhere { client, reason });
    }

    fn say(&mut self, now: Duration, conn: ConnId, command: Command) {
        let client = command.client;
        if self.listeners.conn(client) != Some(conn) || !command.is_sound() {
            return;
        }
        let next_seq = self.replica.sessions().next_seq(client);
        let place = match self.replica.sessions().stored(client, command.seq) {
            Stored::At { index, slot } => Some((index, slot)),
            Stored::Earlier => Some((0, Slot(0))),
            Stored::No => None,
        };
        if let Some((index, slot)) = place {
            let seq = command.seq;
            let ack = ServerMessage::Ack {
                client,
                seq,
                index,
                slot,
            };
            return self.answer(conn, ack);
        }
        let asked = Asked::Say { seq: command.seq };
        match self.pending.take(now, command, next_seq) {
            Taken::Propose(commands) => self.replica.propose(now, commands),
            Taken::Gap { missing } => self.answer(
                conn,
                ServerMessage::Gap {
                    client,
                    next_seq: missing,
                },
            ),
            Taken::Full => self.answer(conn, ServerMessage::Busy { client, asked }),
            Taken::Already => {}
        }
    }

    /// Tells the clients of this server which of their messages are now in the log.
    pub(super) fn acknowledge(&mut self, now: Duration, chosen: &Chosen) {
        for (index, command) in chosen.messages() {
            self.pending.applied(now, command.client, command.seq);
            if let Some(conn) = self.listeners.conn(command.client) {
                self.output.to_clients.push((
                    conn,
                    ServerMessage::Ack {
                        client: command.client,
                        seq: command.seq,
                        index,
                        slot: chosen.slot,
                    },
                ));
            }
        }
    }

    pub(super) fn answer_read(&mut self, id: u64) {
        if let Some(read) = self.reads.remove(&id) {
            let result = ServerMessage::ReadResult {
                client: read.client,
                id: read.id,
                length: self.history.last_index(),
            };
            self.answer(read.conn, result);
        }
    }

    /// Pushes the chat to the sessions that lack something of it.
    pub(super) fn deliver(&mut self) -> Result<(), LogError> {
        // Sessions mostly stand at the same place, so the last page often serves again.
        let mut page: Option<(u64, Vec<Command>)> = None;
        for due in self.listeners.due(self.history.last_index()) {
            let limit = (due.count as usize).min(PAGE_MESSAGES);
            let messages = match page.take() {
                Some((first, messages)) if first == due.next && messages.len() <= limit => messages,
                _ => {
                    let first = due.next - self.reapplied.min(due.next - 1);
                    self.history.messages(first, limit, CHUNK_BYTES)?
                }
            };
            self.listeners
                .sent(due.client, due.next + messages.len() as u64 - 1);
            page = Some((due.next, messages.clone()));
            self.answer(
                due.conn,
                ServerMessage::Deliver {
                    client: due.client,
                    first: due.next,
                    messages,
                },
            );
        }
        Ok(())
    }

    /// Pushes what stands in the first slot that is not chosen, if it is among `accepted`: a
    /// mistake, for [`Bug::DeliveredBeforeChosen`](crate::planted::Bug::DeliveredBeforeChosen).
    pub(super) fn deliver_accepted(&mut self, accepted: &[Record]) {
        let next = self.history.chosen().next();
        let found = accepted.iter().find_map(|record| match record {
            Record::Accepted { slot, value, .. } if *slot == next => Some(value.commands()),
            _ => None,
        });
        let Some(messages) = found else {
            return;
        };
        let first = self.history.last_index() + 1;
        let everyone: Vec<_> = self.listeners.everyone().collect();
        for (client, conn) in everyone {
            let deliver = ServerMessage::Deliver {
                client,
                first,
                messages: messages.to_vec(),
            };
            self.answer(conn, deliver);
        }
    }

    pub(super) fn tell_majority(&mut self) {
        let everyone: Vec<_> = self.listeners.everyone().collect();
        for (client, conn) in everyone {
            self.pong(conn, client);
        }
    }

    /// While draining: once what is open is answered, the clients go elsewhere.
    pub(super) fn dismiss_clients(&mut self, now: Duration) {
        let Some(since) = self.draining_since else {
            return;
        };
        let answered =
            self.pending.is_empty() || now.saturating_sub(since) >= super::DRAIN_LIMIT / 2;
        if answered && !self.listeners.is_empty() {
            let everyone: Vec<_> = self.listeners.everyone().collect();
            for (client, conn) in everyone {
                self.listeners.leave(client);
                self.send_elsewhere(conn, client);
            }
        }
    }

    fn status(&self) -> ServerStatus {
        ServerStatus {
            server: self.me,
            incarnation: self.incarnation,
            voting: self.membership.votes(),
            promised: self.replica.promised(),
            leader: self.replica.leader(),
            majority: self.majority,
            chosen: self.replica.chosen(),
            messages: self.history.last_index(),
            clients: self.listeners.infos(),
            // The disk and the link table are the shell's; it fills these in.
            syncs: 0,
            links: 0,
            link_counts: Vec::new(),
        }
    }
}
