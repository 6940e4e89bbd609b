//! What is written is what is read.

use super::*;
use crate::arbitrary;
use crate::log::group::{self, GroupBuilder, GroupHeader, RecordHead};
use crate::log::segment::SegmentHeader;

fn any_record() -> impl Strategy<Value = Record> {
    prop_oneof![
        arbitrary::ballot().prop_map(|ballot| Record::Promised { ballot }),
        (arbitrary::slot(), arbitrary::ballot(), arbitrary::value()).prop_map(
            |(slot, ballot, value)| {
                Record::Accepted {
                    slot,
                    ballot,
                    value,
                }
            }
        ),
        (arbitrary::slot(), arbitrary::value())
            .prop_map(|(slot, value)| Record::Learned { slot, value }),
        arbitrary::slot().prop_map(|upto| Record::Chosen { upto }),
        (any::<u16>(), any::<u64>()).prop_map(|(server, incarnation)| Record::Member(Member {
            server: ServerId(server),
            incarnation,
        })),
        Just(Record::Formed),
        Just(Record::Opened),
        Just(Record::Lost),
    ]
}

proptest! {
    #[test]
    fn records_and_their_heads(record in any_record()) {
        let bytes = postcard::to_stdvec(&record).unwrap();
        prop_assert_eq!(&group::decode_record(&bytes).unwrap(), &record);
        let (head, rest) = RecordHead::decode(&bytes).unwrap();
        prop_assert_eq!(&head, &RecordHead::of(&record));
        let value = |rest| group::decode_value(rest).unwrap();
        let again = match head {
            RecordHead::Promised { ballot } => Record::Promised { ballot },
            RecordHead::Accepted { slot, ballot } => {
                Record::Accepted { slot, ballot, value: value(rest) }
            }
            RecordHead::Learned { slot } => Record::Learned { slot, value: value(rest) },
            RecordHead::Chosen { upto } => Record::Chosen { upto },
            RecordHead::Member(member) => Record::Member(member),
            RecordHead::Formed => Record::Formed,
            RecordHead::Opened => Record::Opened,
            RecordHead::Lost => Record::Lost,
        };
        prop_assert_eq!(again, record);
    }

    #[test]
    fn groups(
        records in prop::collection::vec(any_record(), 1..20),
        offset in 0..5000u64,
        sequence in any::<u64>(),
    ) {
        let mut builder = GroupBuilder::new(1 << 20);
        let offsets: Vec<u32> =
            records.iter().map(|record| builder.push(record).unwrap().unwrap()).collect();
        let bytes = builder.finish(offset, sequence);
        let header = GroupHeader::decode(&bytes).unwrap();
        prop_assert_eq!(header.sequence, sequence);
        prop_assert_eq!(header.group_bytes(), bytes.len());
        prop_assert!(header.sparse_sectors >= group::blank_sectors(&bytes, offset));
        prop_assert!(!group::header_is_blank(&bytes, offset));
        prop_assert_eq!(group::mark(&bytes), group::Mark::Written);
        let payload = group::payload(&bytes);
        prop_assert_eq!(header.payload_crc, crc32c::crc32c(payload));
        let found: Vec<(u32, Record)> = group::records(payload)
            .map(|record| record.unwrap())
            .map(|(offset, record)| (offset, group::decode_record(record).unwrap()))
            .collect();
        let expected: Vec<(u32, Record)> = offsets.into_iter().zip(records).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn segment_headers(
        cluster in any::<u64>(),
        (server, servers) in any::<(u16, u16)>(),
        incarnation in any::<u64>(),
        segment in any::<u32>(),
        first_sequence in any::<u64>(),
        (byte, bit) in (0..48usize, 0..8u8),
    ) {
        let server = ServerId(server);
        let identity = Identity { cluster, server, servers };
        let header = SegmentHeader { format: 2, identity, incarnation, segment, first_sequence };
        let mut bytes = header.encode();
        prop_assert_eq!(SegmentHeader::decode(&bytes), Some(header));
        bytes[byte] ^= 1 << bit;
        prop_assert_eq!(SegmentHeader::decode(&bytes), None);
    }

    #[test]
    fn whole_logs(commits in any_life()) {
        let disk = written(&commits);
        prop_assert_eq!(reopen(&disk), Summary::of(&commits));
        disk.crash();
        prop_assert_eq!(reopen(&disk), Summary::of(&commits));
    }

    /// Recovery in the middle of a life changes nothing.
    #[test]
    fn logs_opened_between_commits(commits in any_life()) {
        let disk = MemoryDisk::new();
        for (number, commit) in commits.iter().enumerate() {
            let mut opened = open(&disk).unwrap();
            prop_assert_eq!(summary(&opened), Summary::of(&commits[..number]));
            opened.writer.commit(commit).unwrap();
        }
        prop_assert_eq!(reopen(&disk), Summary::of(&commits));
    }

    /// Whatever stands in the only segment file, opening it neither panics nor hangs, and garbage
    /// behind a good header is never taken for a record.
    #[test]
    fn garbage(bytes in prop::collection::vec(any::<u8>(), 0..200), behind_header in any::<bool>()) {
        let disk = MemoryDisk::new();
        let offset = if behind_header {
            drop(open(&disk).unwrap());
            48
        } else {
            disk.create("00000001.log").unwrap();
            0
        };
        disk.write_at("00000001.log", offset, &bytes).unwrap();
        if let Ok(opened) = open(&disk) {
            prop_assert_eq!(summary(&opened), Summary::default());
        }
    }
}

#[test]
fn every_kind_of_record_survives() {
    let commits = life();
    let disk = written(&commits);
    assert_eq!(segments(&disk).len(), 3);
    let found = reopen(&disk);
    assert_eq!(found, Summary::of(&commits));
    assert_eq!(found.chosen.len(), 5);
    assert_eq!(found.chosen[2], value(9, "another three"));
    assert_eq!(found.chosen[3], value(8, "learned four"));
    assert_eq!(found.promised, ballot(6));
    assert_eq!(
        found.accepted.into_iter().collect::<Vec<_>>(),
        [
            (6, (ballot(6), value(11, "six"))),
            (7, (ballot(5), value(10, "seven")))
        ]
    );
}

/// A value that was learned is the chosen one, even if a stale acceptance was written after it.
#[test]
fn a_learned_value_outranks_acceptances() {
    let commits = [
        vec![accepted(2, 1, value(1, "old"))],
        vec![
            Record::Learned {
                slot: Slot(2),
                value: value(2, "chosen"),
            },
            accepted(2, 1, value(1, "old")),
        ],
        vec![
            accepted(1, 1, value(3, "first")),
            Record::Chosen { upto: Slot(1) },
            accepted(1, 1, value(4, "stale")),
        ],
    ];
    let chosen = [value(3, "first"), value(2, "chosen")];
    let found = reopen(&written(&commits));
    assert_eq!(found.chosen, chosen);
    assert_eq!(found.accepted, BTreeMap::new());

    // The same if both slots become chosen by one record.
    let mut commits = commits;
    commits[2][1] = Record::Chosen { upto: Slot(2) };
    assert_eq!(reopen(&written(&commits)).chosen, chosen);
}

/// The vote must still tell of what was accepted in a slot whose chosen value was learned while a
/// slot before it is open.
#[test]
fn an_acceptance_is_kept_beside_a_learned_value() {
    let commits = [vec![
        accepted(2, 1, value(1, "accepted")),
        Record::Learned {
            slot: Slot(2),
            value: value(2, "chosen"),
        },
    ]];
    let disk = written(&commits);
    let mut opened = open(&disk).unwrap();
    assert_eq!(
        opened.recovered.accepted,
        [(Slot(2), ballot(1), value(1, "accepted"))]
    );
    opened.history.push(Slot(1), Value::Noop);
    opened.history.push(Slot(2), value(2, "chosen"));
    assert_eq!(
        opened.history.read(Slot(2), 1).unwrap(),
        [value(2, "chosen")]
    );
}

#[test]
fn a_chosen_slot_without_a_value_is_refused() {
    let disk = written(&[vec![accepted(1, 1, Value::Noop)]]);
    let mut opened = open(&disk).unwrap();
    opened
        .writer
        .commit(&[Record::Chosen { upto: Slot(2) }])
        .unwrap();
    let Err(LogError::Damaged { what, .. }) = open(&disk) else {
        panic!("opened a log with a hole");
    };
    assert_eq!(
        what,
        "slot 2 is recorded as chosen, but its value is not there"
    );
}
