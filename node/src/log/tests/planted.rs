//! Each planted bug of the log does the wrong thing where the other tests find the right one.

use super::*;
use crate::planted::{Bug, Planted, plant};

fn planted(bug: Bug) -> Planted {
    plant(Some(bug)).unwrap()
}

/// A log of three commits of one group each, in one segment.
fn three_groups() -> (MemoryDisk, Opened) {
    let disk = MemoryDisk::new();
    let mut opened = open_with(&disk, ONE_SEGMENT).unwrap();
    for slot in 1..=3 {
        let record = accepted(slot, 1, value(slot, "text"));
        opened.writer.commit(&[record]).unwrap();
    }
    (disk, opened)
}

#[test]
fn torn_record_accepted() {
    let (disk, mut opened) = three_groups();
    let said = "x".repeat(2000);
    disk.die_at(2);
    let last = [
        Record::Promised { ballot: ballot(9) },
        accepted(4, 9, value(4, &said)),
    ];
    assert!(opened.writer.commit(&last).is_err());
    // The last sectors are not written, but the file has its length.
    let mut kept = 0;
    disk.crash_keeping(&mut |unsynced| {
        kept += u32::from(matches!(unsynced, Unsynced::Sector { .. }));
        kept <= 2
    });
    assert_eq!(
        open_with(&disk.fork(), ONE_SEGMENT)
            .unwrap()
            .recovered
            .promised,
        ballot(1)
    );

    let _bug = planted(Bug::TornRecordAccepted);
    let recovered = open_with(&disk, ONE_SEGMENT).unwrap().recovered;
    assert_eq!((recovered.promised, recovered.cut_bytes), (ballot(9), 0));
    let (slot, _, torn) = recovered.accepted.last().unwrap();
    assert_eq!(*slot, Slot(4));
    let text = &torn.commands()[0].text;
    assert!(text.starts_with("xx") && text.ends_with("\0\0"), "{text}");
}

#[test]
fn middle_damage_cut() {
    let (disk, _) = three_groups();
    let middle = content(&disk, "00000001.log").len() as u64 / 2;
    assert!(disk.flip_bit("00000001.log", middle, 3));
    assert!(is_damage(&open_with(&disk, ONE_SEGMENT)));

    let _bug = planted(Bug::MiddleDamageCut);
    let recovered = open_with(&disk, ONE_SEGMENT).unwrap().recovered;
    assert_eq!(recovered.accepted.len(), 1);
    assert!(recovered.cut_bytes > 0);
}

#[test]
fn fsync_error_ignored() {
    let _bug = planted(Bug::FsyncErrorIgnored);
    let (disk, mut opened) = three_groups();
    disk.fail_next_sync();
    let promise = Record::Promised { ballot: ballot(9) };
    opened.writer.commit(&[promise]).unwrap();
    disk.crash();
    let recovered = open_with(&disk, ONE_SEGMENT).unwrap().recovered;
    assert_eq!(recovered.promised, ballot(1));
}
