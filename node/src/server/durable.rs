//! What waits for the disk.
//!
//! Records go to the disk in numbered writes. Whatever was said to leave "after persist" is held
//! here until the write of everything before it is durable: a promise or an acceptance never leaves
//! earlier, and its line of evidence is written before it.

use std::collections::VecDeque;

use crate::event::Event;
use crate::ids::ServerId;
use crate::log::Record;
use crate::wire::PeerMessage;

#[derive(Debug, Default)]
pub struct Durable {
    last_write: u64,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    write: u64,
    released: Released,
}

/// What a durable write lets go.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Released {
    pub events: Vec<Event>,
    pub send: Vec<(ServerId, PeerMessage)>,
    /// The replica's own count of records that are durable.
    pub replica_upto: u64,
    /// Whether the formation is on disk.
    pub formed: bool,
}

impl Durable {
    /// Numbers a write of `records`, and holds `send` until it is durable.
    pub fn write(
        &mut self,
        records: &[Record],
        replica_upto: u64,
        send: Vec<(ServerId, PeerMessage)>,
    ) -> u64 {
        self.last_write += 1;
        self.waiting.push_back(Waiting {
            write: self.last_write,
            released: Released {
                events: records.iter().filter_map(evidence).collect(),
                send,
                replica_upto,
                formed: records.contains(&Record::Formed),
            },
        });
        self.last_write
    }

    /// Holds `send` until everything written so far is durable; gives it back if it is already.
    pub fn hold(&mut self, mut send: Vec<(ServerId, PeerMessage)>) -> Vec<(ServerId, PeerMessage)> {
        match self.waiting.back_mut() {
            Some(waiting) => {
                waiting.released.send.append(&mut send);
                Vec::new()
            }
            None => send,
        }
    }

    /// Every write up to number `write` is durable.
    pub fn durable(&mut self, write: u64) -> Vec<Released> {
        let mut released = Vec::new();
        while self
            .waiting
            .front()
            .is_some_and(|waiting| waiting.write <= write)
        {
            released.extend(self.waiting.pop_front().map(|waiting| waiting.released));
        }
        released
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// The line of evidence for a record, once it is durable.
fn evidence(record: &Record) -> Option<Event> {
    match *record {
        Record::Promised { ballot } => Some(Event::Promised { ballot }),
        Record::Accepted { ballot, slot, .. } => Some(Event::Accepted { ballot, slot }),
        Record::Formed => Some(Event::Formed),
        Record::Learned { .. }
        | Record::Chosen { .. }
        | Record::Member(_)
        | Record::Opened
        | Record::Lost => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Ballot;

    const S2: ServerId = ServerId(2);

    fn promise(round: u64) -> Record {
        Record::Promised {
            ballot: Ballot::new(round, S2),
        }
    }

    fn message(you: u64) -> Vec<(ServerId, PeerMessage)> {
        vec![(S2, PeerMessage::Remembered { you })]
    }

    #[test]
    fn nothing_leaves_before_its_write_and_all_earlier_ones_are_durable() {
        let mut durable = Durable::default();
        assert_eq!(durable.hold(message(0)), message(0));
        let first = durable.write(&[promise(1)], 1, message(1));
        let second = durable.write(&[promise(2)], 2, message(2));
        assert!(durable.hold(message(3)).is_empty());
        let released = durable.durable(first);
        assert_eq!(released.len(), 1);
        assert_eq!(released[0].send, message(1));
        assert_eq!(
            released[0].events,
            [Event::Promised {
                ballot: Ballot::new(1, S2)
            }]
        );
        let released = durable.durable(second);
        assert_eq!(released[0].send, [message(2), message(3)].concat());
        assert_eq!(released[0].replica_upto, 2);
        assert!(durable.is_idle());
    }
}
