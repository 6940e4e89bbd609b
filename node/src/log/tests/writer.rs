//! Commits and segments.

use std::ops::ControlFlow;

use super::*;

fn records_by_group(disk: &MemoryDisk) -> Vec<(String, u64, Vec<Record>)> {
    let mut groups: Vec<(String, u64, Vec<Record>)> = Vec::new();
    let end = dump(disk, &mut |dumped| {
        if let Dumped::Record {
            file,
            group,
            record,
            ..
        } = dumped
        {
            match groups.last_mut() {
                Some((_, last, records)) if *last == group => records.push(record),
                _ => groups.push((file, group, vec![record])),
            }
        }
        ControlFlow::Continue(())
    });
    assert!(matches!(end, Ok(LogEnd::Clean { .. })), "{end:?}");
    groups
}

#[test]
fn a_commit_is_one_write_and_one_sync() {
    let disk = MemoryDisk::new();
    let mut opened = open_with(&disk, ONE_SEGMENT).unwrap();
    for commit in life() {
        let before = disk.operations();
        opened.writer.commit(&commit).unwrap();
        assert_eq!(disk.operations(), before + 2);
    }
    assert_eq!(opened.writer.commit(&[]).unwrap(), []);
    let groups: Vec<Vec<Record>> = records_by_group(&disk)
        .into_iter()
        .map(|(_, _, records)| records)
        .collect();
    assert_eq!(groups, life());
}

#[test]
fn a_commit_tells_where_its_values_are() {
    let disk = MemoryDisk::new();
    let mut opened = open(&disk).unwrap();
    let mut located = Vec::new();
    for commit in life() {
        located.extend(opened.writer.commit(&commit).unwrap());
    }
    let values: Vec<(u64, Value)> = life()
        .iter()
        .flatten()
        .filter_map(|record| match record {
            Record::Accepted { slot, value, .. } | Record::Learned { slot, value } => {
                Some((slot.0, value.clone()))
            }
            _ => None,
        })
        .collect();
    let found: Vec<(u64, Value)> = located
        .iter()
        .map(|located| (located.slot.0, located.value.clone()))
        .collect();
    assert_eq!(found, values);
    let mut reader = crate::log::location::GroupReader::new(&disk);
    for located in &located {
        let read = reader.value(located.slot, located.location).unwrap();
        assert_eq!(read, located.value);
        // A location is not believed: the record there must be one of the slot.
        let other = located.slot.next();
        assert!(is_damage(&reader.value(other, located.location)));
    }
}

#[test]
fn segments_roll_and_repeat_the_vote_state() {
    let disk = MemoryDisk::new();
    let mut opened = open(&disk).unwrap();
    let mut commits = life();
    commits.push(vec![Record::Lost]);
    for slot in 8..60 {
        commits.push(vec![accepted(slot, 7, value(slot, "more and more of it"))]);
    }
    for commit in &commits {
        self::commit(&mut opened, commit).unwrap();
    }
    let names = segments(&disk);
    assert_eq!(
        names,
        (1..=names.len())
            .map(|number| format!("{number:08}.log"))
            .collect::<Vec<_>>()
    );
    assert!(names.len() > 6);
    for name in &names {
        assert!(disk.contents(name).len() <= 700, "{name}");
    }

    let groups = records_by_group(&disk);
    let sequences: Vec<u64> = groups.iter().map(|(_, sequence, _)| *sequence).collect();
    assert_eq!(sequences, (1..=groups.len() as u64).collect::<Vec<_>>());
    // The first group of each later segment says again what the vote state is.
    let mut before = Vec::new();
    let mut file_before = &names[0];
    for (file, _, records) in &groups {
        if file != file_before {
            let expected = Summary::of(&before);
            let repeated = Summary {
                accepted: BTreeMap::new(),
                chosen: Vec::new(),
                ..expected.clone()
            };
            let without_chosen: Vec<Record> = records
                .iter()
                .filter(|record| !matches!(record, Record::Chosen { .. }))
                .cloned()
                .collect();
            assert_eq!(Summary::of(&[without_chosen]), repeated);
            let chosen = records.iter().find_map(|record| match record {
                Record::Chosen { upto } => Some(upto.0),
                _ => None,
            });
            assert!(chosen.is_some_and(|upto| upto <= expected.chosen.len() as u64));
            file_before = file;
        }
        before.push(records.clone());
    }
    assert_eq!(reopen(&disk), Summary::of(&commits));
}

#[test]
fn a_group_above_the_segment_limit_gets_a_segment_of_its_own() {
    let disk = MemoryDisk::new();
    let mut opened = open(&disk).unwrap();
    let large = "large ".repeat(500);
    let commits = [
        vec![accepted(1, 1, value(1, &large))],
        vec![accepted(2, 1, value(2, &large))],
        vec![accepted(3, 1, value(3, "small"))],
    ];
    for commit in &commits {
        opened.writer.commit(commit).unwrap();
    }
    assert_eq!(segments(&disk).len(), 3);
    assert_eq!(reopen(&disk), Summary::of(&commits));
}

#[test]
fn a_commit_above_the_group_limit_is_split() {
    let limits = LogLimits {
        group_bytes: 200,
        ..ONE_SEGMENT
    };
    let disk = MemoryDisk::new();
    let mut opened = open_with(&disk, limits).unwrap();
    let records: Vec<Record> = (1..=20)
        .map(|slot| accepted(slot, 1, value(slot, "thirty bytes of text, or so")))
        .collect();
    let located = opened.writer.commit(&records).unwrap();
    assert_eq!(
        located
            .iter()
            .map(|located| located.slot.0)
            .collect::<Vec<_>>(),
        (1..=20).collect::<Vec<_>>()
    );
    let groups = records_by_group(&disk);
    assert_eq!(groups.len(), 5);
    let found: Vec<Record> = groups.into_iter().flat_map(|(_, _, group)| group).collect();
    assert_eq!(found, records);

    let error = opened
        .writer
        .commit(&[accepted(21, 1, value(21, &"x".repeat(300)))])
        .unwrap_err();
    assert!(
        matches!(error, LogError::TooLarge { bytes, limit: 196 } if bytes > 300),
        "{error}"
    );
    assert!(matches!(
        opened.writer.commit(&[Record::Formed]),
        Err(LogError::Poisoned { .. })
    ));
}

/// Nothing is left of a directory that was not formatted to the end, its incarnation included.
#[test]
fn formatting_again_after_a_crash() {
    let disk = MemoryDisk::new();
    disk.create("00000001.log").unwrap();
    disk.append("00000001.log", b"paxoslog").unwrap();
    assert!(Log::read_only(Arc::new(disk.clone())).unwrap().is_none());
    let opened = Log::open(Arc::new(disk.clone()), IDENTITY, 5).unwrap();
    assert_eq!(opened.recovered.incarnation, 5);
    disk.crash();
    let opened = Log::open(Arc::new(disk.clone()), IDENTITY, 6).unwrap();
    assert_eq!(opened.recovered.incarnation, 5);
}
