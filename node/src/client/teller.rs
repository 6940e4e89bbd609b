//! What a client process reports of its sessions.

use super::{Happened, News};
use crate::event::{self, Event};
use crate::ids::ClientId;

/// Turns news into lines of evidence.
pub struct Teller {
    name: String,
    ready: bool,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Evidence, all with the same time.
    Events(Vec<Event>),
    /// Words for people.
    Say(String),
}

impl Teller {
    /// For the sessions that speak under `name`.
    pub fn new(name: String) -> Teller {
        Teller { name, ready: false }
    }

    pub fn tell(&mut self, news: News) -> Vec<Told> {
        let event = match news {
            News::Said {
                client,
                seq,
                at_ms,
                text,
            } => Event::Say {
                client,
                name: self.name.clone(),
                seq,
                at_ms,
                text,
            },
            News::ReadAsked { client, id } => Event::ReadAsked { client, id },
            News::Happened { client, what } => return self.happened(client, what),
            News::LoadDone { said, acked } => Event::LoadDone { said, acked },
            News::Refused { peer, reason } => {
                return vec![
                    Told::Say(format!("refused by {peer}: {reason}")),
                    Told::Events(vec![Event::Refused { peer, reason }]),
                ];
            }
            News::Who(_) | News::Ended => return Vec::new(),
        };
        vec![Told::Events(vec![event])]
    }

    fn happened(&mut self, client: ClientId, what: Happened) -> Vec<Told> {
        let event = match what {
            Happened::Joined { server } => {
                let mut events = vec![Event::Joined {
                    client,
                    name: self.name.clone(),
                    server,
                }];
                if !std::mem::replace(&mut self.ready, true) {
                    let address = String::new();
                    events.push(Event::Ready { address });
                }
                return vec![Told::Events(events)];
            }
            Happened::Rerouting { from, reason } => Event::Rerouting {
                client,
                from,
                reason,
            },
            Happened::Majority(majority) => Event::ToldMajority { client, majority },
            Happened::Acked {
                seq,
                index,
                slot,
                server,
            } => Event::Acked {
                client,
                seq,
                index,
                slot,
                server,
            },
            Happened::Delivered { index, command } => Event::Delivered {
                client,
                index,
                from: command.client,
                seq: command.seq,
                digest: crc32c::crc32c(command.text.as_bytes()),
            },
            Happened::ReadDone { id, length, server } => Event::ReadDone {
                client,
                id,
                length,
                server,
            },
            Happened::NotReady {
                registered,
                servers,
            } => {
                let words = format!("not ready: {registered} of {servers} servers registered");
                return vec![Told::Say(words)];
            }
            Happened::Page {
                first, messages, ..
            } => Event::Page {
                client,
                first,
                count: messages.len() as u64,
                digest: event::page_digest(messages.iter().map(|command| {
                    (
                        command.client,
                        command.seq,
                        crc32c::crc32c(command.text.as_bytes()),
                    )
                })),
            },
        };
        vec![Told::Events(vec![event])]
    }
}
