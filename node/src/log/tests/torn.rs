//! The last group, written in part.

use super::*;

/// A disk on which `before` is durable and `last` was appended, but the power fails before its
/// sync is done.
fn interrupted(before: &[Vec<Record>], last: &[Record], space: Space) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let mut opened = open_with(&disk, ONE_SEGMENT).unwrap();
    for commit in before {
        opened.writer.commit(commit).unwrap();
    }
    if space == Space::None {
        let end = content(&disk, "00000001.log").len() as u64;
        disk.truncate("00000001.log", end).unwrap();
        disk.sync("00000001.log").unwrap();
    }
    disk.die_at(2);
    assert!(opened.writer.commit(last).is_err());
    disk
}

/// What is behind the last group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Space {
    Blank,
    /// The file ends.
    None,
}

/// A group that covers several sectors, one of them blank as written.
fn long_commit() -> Vec<Record> {
    let zeros = "\0".repeat(1300);
    let text = "text ".repeat(70);
    vec![
        accepted(3, 4, value(1, &zeros)),
        accepted(4, 4, value(2, &text)),
    ]
}

fn short_commits() -> Vec<Vec<Record>> {
    vec![
        vec![Record::Promised { ballot: ballot(3) }],
        vec![
            accepted(1, 3, value(1, "one")),
            accepted(2, 3, value(2, "two")),
        ],
    ]
}

#[test]
fn every_combination_of_written_sectors() {
    every_combination(Space::Blank);
    every_combination(Space::None);
}

fn every_combination(space: Space) {
    // The group begins at different places in its first sector, its header across two sectors
    // included.
    let mut taken_for_damage = 0;
    for lead in 0..32 {
        let mut before = short_commits();
        before.push(vec![accepted(5, 3, value(3, &"x".repeat(280 + lead)))]);
        let disk = interrupted(&before, &long_commit(), space);
        let mut commits = before.clone();
        commits.push(long_commit());

        let mut sectors = Vec::new();
        disk.fork().crash_keeping(&mut |unsynced| {
            if let Unsynced::Sector { sector, .. } = unsynced {
                sectors.push(sector);
            }
            true
        });
        assert!(sectors.len() >= 4);
        for mask in 0..1u32 << sectors.len() {
            for keep_length in [space == Space::Blank, true] {
                let torn = disk.fork();
                torn.crash_keeping(&mut |unsynced| match unsynced {
                    Unsynced::Sector { sector, .. } => mask >> (sector - sectors[0]) & 1 == 1,
                    _ => keep_length,
                });
                // Only the first byte is missing, alone in its sector: it may as well have changed.
                let begin = written_length(&disk, 0) as u64;
                if begin % SECTOR_BYTES == SECTOR_BYTES - 1 && mask & 3 == 2 {
                    assert!(is_damage(&open(&torn)), "{lead} {mask:b}");
                    taken_for_damage += 1;
                    continue;
                }
                // The last byte says nothing of what was written.
                let (found, all) = (
                    content(&torn, "00000001.log"),
                    content(&disk, "00000001.log"),
                );
                let whole = found == all || space == Space::Blank && found == all[..all.len() - 1];
                let survivors = match whole {
                    true => &commits[..],
                    false => &before[..],
                };
                assert_eq!(reopen(&torn), Summary::of(survivors), "{lead} {mask:b}");
                torn.crash();
                assert_eq!(reopen(&torn), Summary::of(survivors));
            }
        }
    }
    assert!(taken_for_damage > 0);
}

#[test]
fn every_number_of_written_bytes() {
    every_number(Space::Blank);
    every_number(Space::None);
}

fn every_number(space: Space) {
    let disk = interrupted(&short_commits(), &long_commit(), space);
    let mut commits = short_commits();
    commits.push(long_commit());
    let before = written_length(&disk, 0);
    let after = content(&disk, "00000001.log").len();
    for bytes in 0..=after - before {
        let torn = disk.fork();
        torn.crash_torn(bytes);
        assert!(written_length(&torn, bytes) <= before + bytes);
        // The last byte says nothing of what was written.
        let missing = after - before - bytes;
        let survivors = match missing == 0 || missing == 1 && space == Space::Blank {
            true => &commits[..],
            false => &commits[..commits.len() - 1],
        };
        assert_eq!(reopen(&torn), Summary::of(survivors), "{bytes}");
    }
}

fn written_length(disk: &MemoryDisk, bytes: usize) -> usize {
    let torn = disk.fork();
    torn.crash_torn(bytes);
    content(&torn, "00000001.log").len()
}

/// The blank sectors of the last group are part of it: its changed bits are damage, not a tear.
#[test]
fn zeros_in_a_message_do_not_excuse_a_flipped_bit() {
    let mut commits = short_commits();
    let before = content(&written(&commits), "00000001.log").len();
    commits.push(long_commit());
    let disk = MemoryDisk::new();
    let mut opened = open_with(&disk, ONE_SEGMENT).unwrap();
    for commit in &commits {
        opened.writer.commit(commit).unwrap();
    }
    let length = content(&disk, "00000001.log").len();
    for offset in before..length {
        for bit in 0..8 {
            disk.flip_bit("00000001.log", offset as u64, bit);
            assert!(is_damage(&open(&disk)), "byte {offset}, bit {bit}");
            disk.flip_bit("00000001.log", offset as u64, bit);
        }
    }
    assert_eq!(reopen(&disk), Summary::of(&commits));
}

#[test]
fn zeros_behind_the_last_group_are_blank_space() {
    let commits = short_commits();
    for zeros in [1, 27, 28, 29, 511, 4096] {
        let disk = written(&commits);
        disk.append("00000001.log", &vec![0; zeros]).unwrap();
        let opened = open(&disk).unwrap();
        assert_eq!(opened.recovered.cut_bytes, 0);
        assert_eq!(summary(&opened), Summary::of(&commits));
    }
}

/// The cut is durable before anything is written behind it, or the torn tail could come back.
#[test]
fn the_cut_is_synced() {
    let disk = interrupted(&short_commits(), &long_commit(), Space::Blank);
    disk.crash_torn(50);
    let opened = open(&disk).unwrap();
    assert_eq!(opened.recovered.cut_bytes, 50);
    let cut = disk.contents("00000001.log");
    drop(opened);
    disk.crash();
    assert_eq!(disk.contents("00000001.log"), cut);
}

/// A process that is killed between its write and its sync leaves a whole group that is not
/// durable yet. The next process stands by it, so it must be durable by then.
#[test]
fn what_is_recovered_is_durable() {
    let disk = interrupted(&short_commits(), &long_commit(), Space::Blank);
    disk.restart();
    let found = reopen(&disk);
    assert_eq!(found.accepted.len(), 4);
    disk.crash();
    assert_eq!(reopen(&disk), found);
}
