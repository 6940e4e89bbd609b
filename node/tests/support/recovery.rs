//! What a log's records mean, said as simply as possible: the twin that the recovery of the log on
//! disk is compared with.

use std::collections::BTreeMap;
use std::sync::Arc;

use paxosctl_node::ids::{Ballot, ServerId, Slot};
use paxosctl_node::log::{Identity, Log, LogLimits, MemoryDisk, Record};
use paxosctl_node::paxos::{Chosen, Recovered, Sessions};
use paxosctl_node::value::Value;

/// The durable state that the records add up to, and the chosen slots.
///
/// # Panics
/// If no replica can have written these records in this order, or if the log on disk makes
/// something else of them.
pub fn recover(records: &[Record], voting: bool) -> (Recovered, Vec<Chosen>) {
    let mut twin = Twin::default();
    for record in records {
        twin.replay(record);
    }
    let recovered = Recovered {
        promised: twin.promised,
        accepted: twin
            .accepted
            .into_iter()
            .map(|(slot, (ballot, value))| (slot, ballot, value))
            .collect(),
        chosen: twin.upto,
        voting,
        sessions: twin.sessions,
    };
    compare_with_log(records, &recovered, &twin.chosen);
    (recovered, twin.chosen)
}

#[derive(Default)]
struct Twin {
    promised: Ballot,
    accepted: BTreeMap<Slot, (Ballot, Value)>,
    upto: Slot,
    chosen: Vec<Chosen>,
    sessions: Sessions,
}

impl Twin {
    fn replay(&mut self, record: &Record) {
        match record {
            Record::Promised { ballot } => self.promised = self.promised.max(*ballot),
            Record::Accepted {
                slot,
                ballot,
                value,
            } => {
                self.promised = self.promised.max(*ballot);
                if *slot > self.upto {
                    self.accepted.insert(*slot, (*ballot, value.clone()));
                }
            }
            Record::Learned { slot, .. } if *slot <= self.upto => {}
            Record::Learned { slot, value } => {
                assert_eq!(
                    *slot,
                    self.upto.next(),
                    "a replica learns in order and writes its chosen index first"
                );
                self.accepted.remove(slot);
                self.choose(value.clone());
            }
            Record::Chosen { upto } => {
                while self.upto < *upto {
                    let next = self.upto.next();
                    let accepted = self.accepted.remove(&next);
                    let (_, value) = accepted
                        .unwrap_or_else(|| panic!("{upto} is chosen, and {next} has no value"));
                    self.choose(value);
                }
            }
            Record::Member(_) | Record::Formed | Record::Opened | Record::Lost => {}
        }
    }

    fn choose(&mut self, value: Value) {
        self.upto = self.upto.next();
        let applied = self.sessions.apply(self.upto, &value);
        self.chosen.push(Chosen {
            slot: self.upto,
            value,
            applied,
        });
    }
}

fn compare_with_log(records: &[Record], recovered: &Recovered, chosen: &[Chosen]) {
    let disk = Arc::new(MemoryDisk::new());
    let identity = Identity {
        cluster: 1,
        server: ServerId(1),
        servers: 1,
    };
    let limits = LogLimits {
        first_segment_bytes: 4 << 10,
        ..LogLimits::default()
    };
    let opened = Log::open_with(disk.clone(), identity, 1, limits);
    let mut opened = opened.expect("an empty disk");
    opened
        .writer
        .commit(records)
        .expect("a disk without limits");
    let read = Log::read_only(disk).expect("a sound log").expect("a log");
    assert_eq!(read.recovered.promised, recovered.promised);
    assert_eq!(read.recovered.accepted, recovered.accepted);
    assert_eq!(read.recovered.chosen, recovered.chosen);
    let values: Vec<Value> = chosen.iter().map(|chosen| chosen.value.clone()).collect();
    let history = read.history.read(Slot(1), usize::MAX);
    assert_eq!(history.expect("a sound log"), values);
}
