//! What waits for the disk.
//!
//! Records go to the disk in numbered writes. Whatever was said to leave "after persist" is held
//! here until the write of everything before it is durable: a promise or an acceptance never leaves
//! earlier, and its line of evidence is written before it.

use std::collections::VecDeque;

use crate::event::{Acceptance, Event};
use crate::ids::{ServerId, Slot};
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
                events: evidence(records),
                send,
                replica_upto,
                formed: records.contains(&Record::Formed),
            },
        });
        self.last_write
    }

    /// The number of the last write.
    pub fn last_write(&self) -> u64 {
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

/// The lines of evidence for records, once they are durable.
fn evidence(records: &[Record]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut chosen = Slot(0);
    for record in records {
        match record {
            Record::Promised { ballot } => events.push(Event::Promised { ballot: *ballot }),
            Record::Accepted {
                ballot,
                slot,
                value,
            } => events.push(Event::Accepted(Acceptance {
                ballot: *ballot,
                slot: *slot,
                digest: value.digest(),
            })),
            Record::Formed => events.push(Event::Formed),
            Record::Chosen { upto: slot } | Record::Learned { slot, .. } => {
                chosen = chosen.max(*slot);
            }
            Record::Member(_) | Record::Opened | Record::Lost => {}
        }
    }
    if chosen > Slot(0) {
        events.push(Event::ChosenOnDisk { upto: chosen });
    }
    events
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
    fn what_is_durable_is_on_record() {
        let value = crate::value::Value::Noop;
        let slot = Slot(7);
        let acceptance = Acceptance {
            ballot: Ballot::new(1, S2),
            slot,
            digest: value.digest(),
        };
        let accepted = Record::Accepted {
            slot,
            ballot: acceptance.ballot,
            value: value.clone(),
        };
        let learned = Record::Learned {
            slot: Slot(6),
            value,
        };
        let chosen = Record::Chosen { upto: Slot(5) };
        assert_eq!(
            evidence(&[Record::Opened, chosen.clone(), learned, accepted]),
            [
                Event::Accepted(acceptance),
                Event::ChosenOnDisk { upto: Slot(6) }
            ]
        );
        assert_eq!(
            evidence(&[promise(1), chosen]),
            [
                Event::Promised {
                    ballot: Ballot::new(1, S2)
                },
                Event::ChosenOnDisk { upto: Slot(5) }
            ]
        );
        assert!(evidence(&[Record::Opened]).is_empty());
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
