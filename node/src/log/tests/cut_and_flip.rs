//! Files that end early, and files with changed bytes.

use super::*;

/// The commits that are in the log, apart from the groups that the writer adds, after each commit:
/// the last segment's number and length.
fn boundaries(commits: &[Vec<Record>]) -> (MemoryDisk, Vec<(String, usize)>) {
    let disk = MemoryDisk::new();
    let mut opened = open(&disk).unwrap();
    let boundaries = commits
        .iter()
        .map(|commit| {
            self::commit(&mut opened, commit).unwrap();
            let last = segments(&disk).pop().unwrap();
            let length = content(&disk, &last).len();
            (last, length)
        })
        .collect();
    (disk, boundaries)
}

#[test]
fn a_log_cut_at_every_byte() {
    let commits = life();
    let (disk, boundaries) = boundaries(&commits);
    let names = segments(&disk);
    let last = names.last().unwrap();
    for name in &names {
        for (length, blanked) in
            (0..content(&disk, name).len()).flat_map(|at| [(at, false), (at, true)])
        {
            let cut = disk.fork();
            // The last byte says nothing of what was written.
            let ends = match blanked {
                true => {
                    blank(&cut, name, length);
                    length + 1
                }
                false => {
                    cut.truncate(name, length as u64).unwrap();
                    length
                }
            };
            if blanked && ends == content(&disk, name).len() {
                assert_eq!(reopen(&cut), Summary::of(&commits));
                continue;
            }
            if name != last {
                let before = files(&cut);
                assert!(is_damage(&open(&cut)), "{name} cut at {length}");
                assert_eq!(files(&cut), before);
                continue;
            }
            let whole = boundaries
                .iter()
                .take_while(|(segment, end)| segment < name || *end <= ends)
                .count();
            assert_eq!(reopen(&cut), Summary::of(&commits[..whole]), "at {length}");

            // What is written after the cut is there after the next start, and nothing else.
            let mut opened = open(&cut).unwrap();
            assert_eq!(opened.recovered.cut_bytes, 0);
            for commit in &commits[whole..] {
                self::commit(&mut opened, commit).unwrap();
            }
            cut.crash();
            assert_eq!(reopen(&cut), Summary::of(&commits));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn random_logs_cut_at_every_byte_of_the_last_segment(commits in any_life()) {
        let (disk, boundaries) = boundaries(&commits);
        let last = segments(&disk).pop().unwrap();
        for length in 0..content(&disk, &last).len() {
            let cut = disk.fork();
            cut.truncate(&last, length as u64).unwrap();
            let whole = boundaries
                .iter()
                .take_while(|(segment, end)| segment < &last || *end <= length)
                .count();
            prop_assert_eq!(reopen(&cut), Summary::of(&commits[..whole]));
        }
    }
}

/// A segment that holds nothing but its header still says which groups came before it.
#[test]
fn a_segment_cut_before_an_empty_one() {
    let disk = written(&life());
    disk.truncate("00000003.log", 48).unwrap();
    assert!(open(&disk.fork()).is_ok());
    for length in 0..content(&disk, "00000002.log").len() as u64 {
        let cut = disk.fork();
        cut.truncate("00000002.log", length).unwrap();
        assert!(is_damage(&open(&cut)), "cut at {length}");
    }
}

#[test]
fn every_flipped_bit_of_a_synced_log_is_refused() {
    let disk = written(&life());
    disk.crash();
    for name in segments(&disk) {
        for offset in 0..content(&disk, &name).len() as u64 {
            for bit in 0..8 {
                assert!(disk.flip_bit(&name, offset, bit));
                let before = files(&disk);
                let opened = open(&disk);
                let Err(LogError::Damaged {
                    file, offset: at, ..
                }) = opened.map(|_| ())
                else {
                    panic!("{name}, byte {offset}, bit {bit}: not refused");
                };
                // The place that is named is the beginning of what holds the bit.
                assert_eq!(file, format!("memory/{name}"));
                assert!(at <= offset);
                assert!(is_damage(&Log::read_only(Arc::new(disk.clone()))));
                assert_eq!(files(&disk), before, "a refused log is not touched");
                assert!(disk.flip_bit(&name, offset, bit));
            }
        }
    }
    assert_eq!(reopen(&disk), Summary::of(&life()));
}

#[test]
fn every_changed_byte_of_a_synced_log_is_refused() {
    let disk = written(&life());
    for name in segments(&disk) {
        for offset in 0..content(&disk, &name).len() as u64 {
            assert_every_change_is_refused(&disk, &name, offset, 0..=255);
        }
    }
}

/// Blank space holds nothing that could be lost. What changes in it is damage, or is cut off.
#[test]
fn a_changed_byte_in_blank_space_loses_nothing() {
    let disk = written(&life());
    for name in segments(&disk) {
        for offset in content(&disk, &name).len()..disk.contents(&name).len() {
            let changed = disk.fork();
            changed.set_byte(&name, offset as u64, 0x5A);
            let is_last = Some(&name) == segments(&disk).last();
            assert!(
                is_last || is_damage(&open(&changed)),
                "{name}, byte {offset}"
            );
            if !is_damage(&open(&changed)) {
                assert_eq!(reopen(&changed), Summary::of(&life()));
            }
        }
    }
}

/// Whatever lies alone in a sector: the first byte of the last group, its last one, or one among
/// zeros. Each may be the only trace of a sector that was written.
#[test]
fn every_changed_byte_of_the_last_group_is_refused_wherever_it_begins_and_ends() {
    let limits = LogLimits {
        segment_bytes: 3 << 10,
        ..ONE_SEGMENT
    };
    let texts = ["", "end", &"\0".repeat(600), &"long text ".repeat(70)];
    for lead in 0..512 {
        for text in texts {
            let disk = MemoryDisk::new();
            let mut opened = open_with(&disk, limits).unwrap();
            let filler = value(1, &"x".repeat(lead + 1));
            opened.writer.commit(&[accepted(1, 3, filler)]).unwrap();
            let begin = content(&disk, "00000001.log").len() as u64;
            opened
                .writer
                .commit(&[accepted(2, 3, value(2, text))])
                .unwrap();
            let end = content(&disk, "00000001.log").len() as u64;
            // Where a sector begins or ends, and all of the header: the rest is tried elsewhere.
            let edge = |offset: &u64| {
                let place = offset % SECTOR_BYTES;
                place <= 1 || place >= SECTOR_BYTES - 2
            };
            let places = (begin..end).filter(|at| edge(at) || *at < begin + 28 || *at + 3 >= end);
            for offset in places {
                assert_every_change_is_refused(&disk, "00000001.log", offset, [0, 1, 0xFF]);
            }
        }
    }
}

fn assert_every_change_is_refused(
    disk: &MemoryDisk,
    name: &str,
    offset: u64,
    others: impl IntoIterator<Item = u8>,
) {
    let read = || Log::read_only(Arc::new(disk.clone()));
    let before = read().unwrap().map(|log| log.recovered);
    let byte = disk.contents(name)[offset as usize];
    for other in others {
        if other != byte {
            disk.set_byte(name, offset, other);
            let read = read();
            // Without the second byte of its end mark a group says all that it said.
            if (byte, other) == (b'\n', 0)
                && let Ok(read) = read
            {
                assert_eq!(read.map(|log| log.recovered), before);
                continue;
            }
            assert!(is_damage(&read), "{name}, byte {offset}: {byte} to {other}");
        }
    }
    disk.set_byte(name, offset, byte);
}

/// A sector that reads as zeros in the middle of the last segment is not the end of the log.
#[test]
fn a_blank_sector_with_groups_behind_it_is_refused() {
    let disk = MemoryDisk::new();
    let mut opened = open_with(&disk, ONE_SEGMENT).unwrap();
    for number in 1..=80 {
        opened
            .writer
            .commit(&[accepted(number, 1, value(number, "some text"))])
            .unwrap();
    }
    let length = content(&disk, "00000001.log").len();
    let sectors = length / 512;
    assert!(sectors > 4);
    for sector in 0..sectors - 1 {
        let blank = disk.fork();
        for byte in sector * 512..(sector + 1) * 512 {
            blank.set_byte("00000001.log", byte as u64, 0);
        }
        assert!(is_damage(&open(&blank)), "sector {sector}");
    }
}

#[test]
fn missing_and_foreign_files() {
    let disk = written(&life());
    for missing in ["00000001.log", "00000002.log"] {
        let disk = disk.fork();
        disk.remove(missing).unwrap();
        let Err(error) = open(&disk) else {
            panic!("opened without {missing}");
        };
        let LogError::Damaged { file, offset, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!((file.as_str(), *offset), (&*format!("memory/{missing}"), 0));
    }
    // Files that are not segments are nobody's business.
    for name in [
        "1.log",
        "00000009.log.bak",
        "notes",
        "+0000004.log",
        "00000000.log",
    ] {
        disk.create(name).unwrap();
    }
    assert_eq!(reopen(&disk), Summary::of(&life()));
}

#[test]
fn segments_that_do_not_fit_together() {
    // The same commits, another incarnation.
    let ours = written(&life());
    let theirs = MemoryDisk::new();
    let mut opened = Log::open_with(Arc::new(theirs.clone()), IDENTITY, 78, SMALL).unwrap();
    for commit in life() {
        opened.writer.commit(&commit).unwrap();
    }
    let replace = |disk: &MemoryDisk, name: &str, bytes: &[u8]| {
        disk.remove(name).unwrap();
        disk.create(name).unwrap();
        disk.append(name, bytes).unwrap();
    };
    let mixed = ours.fork();
    replace(&mixed, "00000002.log", &theirs.contents("00000002.log"));
    let refused = open(&mixed).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("belongs to another log"), "{refused}");

    // A segment under another's name.
    let mixed = ours.fork();
    replace(&mixed, "00000002.log", &ours.contents("00000003.log"));
    let refused = open(&mixed).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("the file holds segment 3"), "{refused}");

    // A group written twice: right in itself, but not the next.
    let repeated = ours.fork();
    let last = content(&ours, "00000003.log");
    let end = last.len() as u64;
    repeated.write_at("00000003.log", end, &last[48..]).unwrap();
    let refused = open(&repeated).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("stands where group"), "{refused}");
}

#[test]
fn the_refusal_says_where_and_what_to_do() {
    let disk = written(&life());
    disk.flip_bit("00000001.log", 90, 3);
    let error = open(&disk).map(|_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the log is damaged: memory/00000001.log, byte 48: the checksum of group 1 is wrong, and \
         more follows it. What to do: restore the file from a copy that lacks nothing (with an older \
         one the server breaks promises that it has forgotten), or let a server that has peers set \
         memory aside (--on-damage repair): it comes back as a replica that learns from them, and \
         does not vote, because it cannot prove what it promised."
    );
}

#[test]
fn the_log_of_another_server() {
    let disk = written(&life());
    let open_as = |identity| {
        Log::open(Arc::new(disk.clone()), identity, 1)
            .map(|_| ())
            .unwrap_err()
    };
    let file = "memory/00000001.log".to_string();
    assert_eq!(
        open_as(Identity {
            cluster: 0xC2,
            ..IDENTITY
        }),
        LogError::OtherCluster {
            file: file.clone(),
            expected: 0xC2,
            found: 0xC1,
        }
    );
    assert_eq!(
        open_as(Identity {
            server: ServerId(3),
            ..IDENTITY
        }),
        LogError::OtherServer {
            file: file.clone(),
            expected: ServerId(3),
            found: ServerId(2),
        }
    );
    assert_eq!(
        open_as(Identity {
            servers: 5,
            ..IDENTITY
        }),
        LogError::OtherSize {
            file: file.clone(),
            expected: 5,
            found: 3,
        }
    );

    let newer = SegmentHeader {
        format: 3,
        identity: IDENTITY,
        incarnation: 1,
        segment: 1,
        first_sequence: 1,
    };
    let disk = MemoryDisk::new();
    disk.create("00000001.log").unwrap();
    disk.append("00000001.log", &newer.encode()).unwrap();
    assert_eq!(
        open(&disk).map(|_| ()).unwrap_err(),
        LogError::OtherFormat {
            file,
            expected: 2,
            found: 3,
        }
    );
}
