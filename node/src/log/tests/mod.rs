//! Tests of the log, and what they share: small logs, and a deliberately dumb twin of recovery.

mod checkpoint;
mod crash;
mod cut_and_flip;
mod dump;
mod history;
#[cfg(feature = "planted-bugs")]
mod planted;
mod round_trip;
mod torn;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::ids::{Ballot, ClientId, ServerId, Slot};
use crate::value::{Command, Value};

const IDENTITY: Identity = Identity {
    cluster: 0xC1,
    server: ServerId(2),
    servers: 3,
};
const INCARNATION: u64 = 77;

/// Segments so small that a few commits fill one.
const SMALL: LogLimits = LogLimits {
    segment_bytes: 700,
    first_segment_bytes: 700,
    group_bytes: 1 << 20,
    memory_bytes: 300,
    checkpoint_bytes: u64::MAX,
};

/// One segment for all, and blank space in it that a test is not long busy with.
const ONE_SEGMENT: LogLimits = LogLimits {
    segment_bytes: 32 << 10,
    first_segment_bytes: 32 << 10,
    group_bytes: 1 << 20,
    memory_bytes: 300,
    checkpoint_bytes: u64::MAX,
};

fn open(disk: &MemoryDisk) -> Result<Opened, LogError> {
    open_with(disk, SMALL)
}

fn open_with(disk: &MemoryDisk, limits: LogLimits) -> Result<Opened, LogError> {
    Log::open_with(Arc::new(disk.clone()), IDENTITY, INCARNATION, limits)
}

fn ballot(round: u64) -> Ballot {
    Ballot::new(round, ServerId(1))
}

fn value(number: u64, text: &str) -> Value {
    Value::batch(vec![command(7, number, text)])
}

fn command(client: u64, seq: u64, text: &str) -> Command {
    Command {
        client: ClientId(client),
        seq,
        name: "ann".to_string(),
        at_ms: 1_700_000_000_000 + seq,
        text: text.to_string(),
    }
}

fn accepted(slot: u64, round: u64, value: Value) -> Record {
    Record::Accepted {
        slot: Slot(slot),
        ballot: ballot(round),
        value,
    }
}

fn member(server: u16) -> Record {
    Record::Member(Member {
        server: ServerId(server),
        incarnation: 1000 + u64::from(server),
    })
}

/// Everything that recovery must find out, in the simplest form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Summary {
    promised: Ballot,
    accepted: BTreeMap<u64, (Ballot, Value)>,
    chosen: Vec<Value>,
    members: BTreeMap<u16, u64>,
    formed: bool,
    opened: bool,
    lost: bool,
}

impl Summary {
    /// What the commits add up to.
    fn of(commits: &[Vec<Record>]) -> Summary {
        let mut summary = Summary::default();
        let mut latest = BTreeMap::new();
        for record in commits.iter().flatten() {
            match record {
                Record::Promised { ballot } => summary.promised = summary.promised.max(*ballot),
                Record::Accepted {
                    slot,
                    ballot,
                    value,
                } => {
                    summary.promised = summary.promised.max(*ballot);
                    summary.accepted.insert(slot.0, (*ballot, value.clone()));
                    latest.insert(slot.0, value.clone());
                }
                Record::Learned { slot, value } => {
                    latest.insert(slot.0, value.clone());
                    if slot.0 == summary.chosen.len() as u64 + 1 {
                        summary.chosen.push(value.clone());
                    }
                }
                Record::Chosen { upto } => {
                    for slot in summary.chosen.len() as u64 + 1..=upto.0 {
                        summary.chosen.push(latest[&slot].clone());
                    }
                }
                Record::Member(member) => {
                    summary.members.insert(member.server.0, member.incarnation);
                }
                Record::Formed => summary.formed = true,
                Record::Opened => summary.opened = true,
                Record::Lost => summary.lost = true,
            }
        }
        let chosen = summary.chosen.len() as u64;
        summary.accepted.retain(|&slot, _| slot > chosen);
        summary
    }

    fn recovered(recovered: &RecoveredLog, history: &History) -> Summary {
        assert_eq!(recovered.incarnation, INCARNATION);
        assert_eq!(recovered.chosen, history.chosen());
        let accepted = recovered.accepted.iter();
        let members = recovered.members.iter();
        Summary {
            promised: recovered.promised,
            accepted: accepted
                .map(|(slot, ballot, value)| (slot.0, (*ballot, value.clone())))
                .collect(),
            chosen: history.read(Slot(1), usize::MAX).expect("readable"),
            members: members
                .map(|member| (member.server.0, member.incarnation))
                .collect(),
            formed: recovered.formed,
            opened: recovered.opened,
            lost: recovered.lost,
        }
    }
}

fn summary(opened: &Opened) -> Summary {
    Summary::recovered(&opened.recovered, &opened.history)
}

/// Opens the log, and checks that reading it without opening said the same and changed nothing.
#[track_caller]
fn reopen(disk: &MemoryDisk) -> Summary {
    let before = files(disk);
    let read = Log::read_only(Arc::new(disk.clone())).expect("a sound log can be read");
    assert_eq!(files(disk), before);
    let opened = open(disk).expect("a sound log can be opened");
    let found = summary(&opened);
    match read {
        Some(read) => {
            assert_eq!(read.identity, IDENTITY);
            assert_eq!(Summary::recovered(&read.recovered, &read.history), found);
            assert_eq!(read.recovered.cut_bytes, opened.recovered.cut_bytes);
        }
        None => assert_eq!(found, Summary::default()),
    }
    found
}

fn files(disk: &MemoryDisk) -> BTreeMap<String, Vec<u8>> {
    let names = disk.list().expect("the disk lives").into_iter();
    names
        .map(|name| (name.clone(), disk.contents(&name)))
        .collect()
}

/// What was written to the file: all of it without the blank space at its end.
fn content(disk: &MemoryDisk, file: &str) -> Vec<u8> {
    let mut content = disk.contents(file);
    content.truncate(super::group::written_bytes(&content));
    content
}

/// The names of the segment files.
fn segments(disk: &MemoryDisk) -> Vec<String> {
    let mut names = disk.list().expect("the disk lives");
    names.retain(|name| name.ends_with(".log"));
    names
}

/// Zeros from `from` to the end of the file, as if less had been written.
fn blank(disk: &MemoryDisk, file: &str, from: usize) {
    for offset in from..disk.contents(file).len() {
        disk.set_byte(file, offset as u64, 0);
    }
}

/// Commits, and does what is due beside, as far as the disk lets it.
fn commit(opened: &mut Opened, records: &[Record]) -> Result<Vec<Located>, LogError> {
    let located = opened.writer.commit(records)?;
    while let Some(work) = opened.writer.upkeep() {
        let _ = work.run();
    }
    Ok(located)
}

fn is_damage<T>(result: &Result<T, LogError>) -> bool {
    matches!(result, Err(LogError::Damaged { .. }))
}

/// The life of a server in eleven commits, with every kind of record, in three small segments.
fn life() -> Vec<Vec<Record>> {
    let long = "a longer message, so that a few of them fill a segment; ".repeat(3);
    vec![
        vec![member(1), member(2), member(3)],
        vec![Record::Formed],
        vec![Record::Promised { ballot: ballot(1) }],
        vec![
            accepted(1, 1, value(1, "hello")),
            accepted(2, 1, value(2, &long)),
        ],
        vec![Record::Opened, Record::Chosen { upto: Slot(1) }],
        vec![
            accepted(3, 1, value(3, &long)),
            accepted(4, 1, value(4, "four")),
        ],
        vec![
            accepted(3, 2, value(9, "another three")),
            Record::Chosen { upto: Slot(3) },
        ],
        vec![Record::Learned {
            slot: Slot(4),
            value: value(8, "learned four"),
        }],
        vec![
            Record::Promised { ballot: ballot(5) },
            accepted(6, 5, Value::Noop),
        ],
        vec![
            Record::Learned {
                slot: Slot(5),
                value: value(5, &long),
            },
            Record::Chosen { upto: Slot(5) },
        ],
        vec![
            accepted(7, 5, value(10, "seven")),
            accepted(6, 6, value(11, "six")),
        ],
    ]
}

/// A disk with the log of the commits, all synced.
fn written(commits: &[Vec<Record>]) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let mut opened = open(&disk).expect("an empty directory can be formatted");
    for commit in commits {
        self::commit(&mut opened, commit).expect("the disk is sound");
    }
    disk
}

/// Random commits that a replica could have made: what is recorded as chosen has a value, ballots
/// grow, and nothing is accepted in a slot that is known to be chosen.
fn any_life() -> impl Strategy<Value = Vec<Vec<Record>>> {
    let step = (0..8u8, 0..4u64, 0..3u64, "[a-z\\x00]{0,90}");
    let commit = prop::collection::vec(step, 1..5);
    prop::collection::vec(commit, 0..20).prop_map(|commits| {
        let mut round = 1;
        let mut chosen = 0;
        let mut held = BTreeMap::new();
        let mut number = 0;
        let mut records = |(kind, ahead, higher, text): (u8, u64, u64, String)| {
            number += 1;
            round += higher;
            match kind {
                0 => Record::Promised {
                    ballot: ballot(round),
                },
                1..=3 => {
                    let slot = chosen + 1 + ahead;
                    held.insert(slot, ());
                    accepted(slot, round, value(number, &text))
                }
                4 => {
                    chosen += 1;
                    held.remove(&chosen);
                    Record::Learned {
                        slot: Slot(chosen),
                        value: value(number, &text),
                    }
                }
                5 | 6 => {
                    while held.remove(&(chosen + 1)).is_some() {
                        chosen += 1;
                    }
                    Record::Chosen { upto: Slot(chosen) }
                }
                _ => match ahead {
                    0 => Record::Formed,
                    1 => Record::Opened,
                    2 => Record::Lost,
                    server => member(server as u16),
                },
            }
        };
        let commits = commits.into_iter();
        commits
            .map(|commit| commit.into_iter().map(&mut records).collect())
            .collect()
    })
}
