//! What a replica knows after a restart: the meaning of the log's records.

use std::collections::BTreeMap;

use crate::ids::{Ballot, Slot};
use crate::log::Record;
use crate::paxos::{Applied, Chosen, Sessions};
use crate::value::Value;

/// The durable state of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The highest ballot promised or accepted. An acceptance in a ballot is a promise of it too,
    /// so one record of either kind is enough.
    pub promised: Ballot,
    /// The last accepted value of each slot above `chosen`, ascending. Whether any of them is
    /// chosen is not known.
    pub accepted: Vec<(Slot, Ballot, Value)>,
    /// Every slot up to this one is chosen.
    pub chosen: Slot,
    /// Whether it may vote. A server that lost its disk may not: it has forgotten its promises.
    pub voting: bool,
    /// The result of applying every slot up to `chosen`.
    pub sessions: Sessions,
}

/// The records cannot have been written by a replica in this order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    #[error("the log says that slot {upto} is chosen, but has no value for slot {missing}")]
    MissingValue { upto: Slot, missing: Slot },
    #[error("the log says that slot {slot} was learned, but its chosen index was only {chosen}")]
    LearnedOutOfOrder { slot: Slot, chosen: Slot },
}

impl Recovered {
    /// The state of a server that never ran.
    pub fn empty() -> Recovered {
        Recovered {
            promised: Ballot::ZERO,
            accepted: Vec::new(),
            chosen: Slot(0),
            voting: true,
            sessions: Sessions::new(),
        }
    }
}

/// Rebuilds the durable state from the records, one after the other, holding only the slots above
/// the chosen index.
#[derive(Debug)]
pub struct Recovery {
    promised: Ballot,
    accepted: BTreeMap<Slot, (Ballot, Value)>,
    chosen: Slot,
    sessions: Sessions,
}

impl Recovery {
    /// Starts before the first record.
    pub fn new() -> Recovery {
        Recovery::from_checkpoint(Slot(0), Sessions::new())
    }

    /// Starts at a checkpoint: `sessions` is the result of applying every slot up to `chosen`.
    /// Records that the checkpoint already covers may follow and change nothing.
    pub fn from_checkpoint(chosen: Slot, sessions: Sessions) -> Recovery {
        Recovery {
            promised: Ballot::ZERO,
            accepted: BTreeMap::new(),
            chosen,
            sessions,
        }
    }

    /// Takes the next record and returns the slots that it makes chosen.
    ///
    /// # Errors
    /// If no replica can have written this record here: the log is damaged.
    pub fn replay(&mut self, record: &Record) -> Result<Vec<Chosen>, RecoveryError> {
        match record {
            Record::Promised { ballot } => {
                self.promised = self.promised.max(*ballot);
                Ok(Vec::new())
            }
            Record::Accepted {
                slot,
                ballot,
                value,
            } => {
                self.promised = self.promised.max(*ballot);
                if *slot > self.chosen {
                    self.accepted.insert(*slot, (*ballot, value.clone()));
                }
                Ok(Vec::new())
            }
            Record::Learned { slot, .. } if *slot <= self.chosen => Ok(Vec::new()),
            Record::Learned { slot, value } => {
                // A replica learns in order and writes its chosen index first.
                if *slot != self.chosen.next() {
                    return Err(RecoveryError::LearnedOutOfOrder {
                        slot: *slot,
                        chosen: self.chosen,
                    });
                }
                self.accepted.remove(slot);
                Ok(vec![self.choose(value.clone())])
            }
            Record::Chosen { upto } => {
                let mut chosen = Vec::new();
                while self.chosen < *upto {
                    let Some((_, value)) = self.accepted.remove(&self.chosen.next()) else {
                        return Err(RecoveryError::MissingValue {
                            upto: *upto,
                            missing: self.chosen.next(),
                        });
                    };
                    chosen.push(self.choose(value));
                }
                Ok(chosen)
            }
            Record::Member(_) | Record::Formed | Record::Opened => Ok(Vec::new()),
        }
    }

    /// The state after the last record.
    pub fn finish(self, voting: bool) -> Recovered {
        Recovered {
            promised: self.promised,
            accepted: self
                .accepted
                .into_iter()
                .map(|(slot, (ballot, value))| (slot, ballot, value))
                .collect(),
            chosen: self.chosen,
            voting,
            sessions: self.sessions,
        }
    }

    fn choose(&mut self, value: Value) -> Chosen {
        self.chosen = self.chosen.next();
        let applied: Vec<Applied> = self.sessions.apply(self.chosen, &value);
        Chosen {
            slot: self.chosen,
            value,
            applied,
        }
    }
}

impl Default for Recovery {
    fn default() -> Recovery {
        Recovery::new()
    }
}
