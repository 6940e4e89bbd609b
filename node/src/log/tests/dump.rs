//! The dump shows everything, says how the log ends, and changes nothing.

use std::ops::ControlFlow;

use super::*;

fn lines(disk: &MemoryDisk) -> (Vec<Dumped>, LogEnd) {
    let before = files(disk);
    let mut lines = Vec::new();
    let end = dump(disk, &mut |dumped| {
        lines.push(dumped);
        ControlFlow::Continue(())
    });
    assert_eq!(files(disk), before);
    (lines, end.unwrap())
}

#[test]
fn a_small_log() {
    let commits = [
        vec![Record::Promised { ballot: ballot(1) }, Record::Formed],
        vec![accepted(1, 1, Value::Noop)],
    ];
    let disk = written(&commits);
    let file = "00000001.log".to_string();
    let record = |offset, group, record: &Record| Dumped::Record {
        file: file.clone(),
        offset,
        group,
        record: record.clone(),
    };
    // Header 48; group header 28, records of 4 + 3 and 4 + 1 bytes, end mark 2; group header 28.
    let expected = vec![
        Dumped::Segment {
            file: file.clone(),
            header: SegmentHeader {
                format: 2,
                identity: IDENTITY,
                incarnation: INCARNATION,
                segment: 1,
                first_sequence: 1,
            },
        },
        record(76, 1, &commits[0][0]),
        record(83, 1, &commits[0][1]),
        record(118, 2, &commits[1][0]),
    ];
    let end = LogEnd::Clean {
        file: file.clone(),
        offset: 129,
    };
    assert_eq!(lines(&disk), (expected.clone(), end));

    disk.truncate(&file, 120).unwrap();
    let end = LogEnd::Torn {
        file: file.clone(),
        offset: 90,
        bytes: 29,
    };
    assert_eq!(lines(&disk), (expected[..3].to_vec(), end));

    disk.flip_bit(&file, 80, 0);
    let end = LogEnd::Damaged {
        file: file.clone(),
        offset: 48,
        what: "the checksum of group 1 is wrong, and more follows it".to_string(),
    };
    assert_eq!(lines(&disk), (expected[..1].to_vec(), end));

    disk.create("00000002.log").unwrap();
    disk.flip_bit(&file, 80, 0);
    let (shown, end) = lines(&disk);
    assert_eq!(shown, expected[..3]);
    assert!(matches!(end, LogEnd::Damaged { offset: 90, .. }), "{end:?}");
}

#[test]
fn the_end_of_a_log_whose_last_segment_was_not_begun() {
    let disk = written(&[vec![Record::Formed]]);
    disk.create("00000002.log").unwrap();
    disk.append("00000002.log", b"paxos").unwrap();
    let (shown, end) = lines(&disk);
    assert_eq!(shown.len(), 2);
    assert_eq!(
        end,
        LogEnd::Torn {
            file: "00000002.log".to_string(),
            offset: 0,
            bytes: 5,
        }
    );
}

#[test]
fn no_log_and_no_more() {
    assert_eq!(lines(&MemoryDisk::new()), (vec![], LogEnd::Absent));
    let disk = written(&life());
    let mut seen = 0;
    let end = dump(&disk, &mut |_| {
        seen += 1;
        match seen {
            3 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    assert_eq!((seen, end), (3, Ok(LogEnd::Stopped)));
}
