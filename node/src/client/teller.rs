//! What a client process writes down of what it hears: its evidence.

use super::{Happened, News};
use crate::event::{self, Event};
use crate::ids::ClientId;
use crate::value::Command;

/// What is to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Evidence, all with the same time.
    Events(Vec<Event>),
    /// Words for the people who read the process's log.
    Say(String),
}

/// Turns news into evidence and words.
#[derive(Debug)]
pub struct Teller {
    name: String,
    /// Whether a session joined before: from then on the process is ready.
    ready: bool,
}

impl Teller {
    /// Tells of sessions that go by this name.
    pub fn new(name: String) -> Teller {
        Teller { name, ready: false }
    }

    /// What to write down of a piece of news, in order.
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
            News::Happened { client, what } => return vec![self.happened(client, what)],
            News::LoadDone { said, acked } => Event::LoadDone { said, acked },
            News::Refused { peer, reason } => {
                let words = Told::Say(format!("refused by {peer}: {reason}"));
                return vec![words, Told::Events(vec![Event::Refused { peer, reason }])];
            }
            News::Who(_) | News::Ended => return Vec::new(),
        };
        vec![Told::Events(vec![event])]
    }

    fn happened(&mut self, client: ClientId, what: Happened) -> Told {
        let event = match what {
            Happened::Joined { server } => {
                let mut events = vec![Event::Joined {
                    client,
                    name: self.name.clone(),
                    server,
                }];
                if !self.ready {
                    self.ready = true;
                    let address = String::new();
                    events.push(Event::Ready { address });
                }
                return Told::Events(events);
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
                digest: text_digest(&command),
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
                return Told::Say(format!(
                    "not ready: {registered} of {servers} servers registered"
                ));
            }
            Happened::Page {
                first, messages, ..
            } => Event::Page {
                client,
                first,
                count: messages.len() as u64,
                digest: event::page_digest(
                    (messages.iter())
                        .map(|command| (command.client, command.seq, text_digest(command))),
                ),
            },
        };
        Told::Events(vec![event])
    }
}

fn text_digest(command: &Command) -> u32 {
    crc32c::crc32c(command.text.as_bytes())
}

#[cfg(test)]
mod tests;
