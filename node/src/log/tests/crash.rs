//! A crash in the middle of every call to the disk.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// Writes the life until the disk fails. Returns how many commits returned in time.
fn live(disk: &MemoryDisk, commits: &[Vec<Record>]) -> usize {
    let Ok(mut opened) = open(disk) else {
        return 0;
    };
    let done = commits
        .iter()
        .take_while(|commit| self::commit(&mut opened, commit).is_ok())
        .count();
    if done < commits.len() {
        assert!(matches!(
            opened.writer.commit(&commits[0]),
            Err(LogError::Poisoned { .. })
        ));
    }
    done
}

/// The ways in which the power can fail: what was not synced is lost, kept, torn, or any part of it
/// is kept.
pub(super) fn fates(disk: &MemoryDisk, seed: u64) -> Vec<MemoryDisk> {
    let mut fates = Vec::new();
    let mut fate = |crash: &dyn Fn(&MemoryDisk)| {
        let disk = disk.fork();
        crash(&disk);
        fates.push(disk);
    };
    fate(&|disk| disk.restart());
    fate(&|disk| disk.crash());
    fate(&|disk| disk.crash_keeping(&mut |_| true));
    for bytes in [1, 30, 60, 200] {
        fate(&|disk| disk.crash_torn(bytes));
    }
    for round in 0..4 {
        fate(&|disk| {
            let mut random = ChaCha8Rng::seed_from_u64(seed * 10 + round);
            disk.crash_keeping(&mut |_| random.random());
        });
    }
    let whole = disk.fork();
    whole.restart();
    fates.retain(|torn| !looks_changed(&whole, torn));
    fates
}

/// A group of which some sector holds but one byte that is not zero may, when it is torn, look as if
/// that byte had changed. It is refused then, which no other torn group may be.
fn looks_changed(whole: &MemoryDisk, torn: &MemoryDisk) -> bool {
    let Err(LogError::Damaged { file, offset, .. }) = open(&torn.fork()).map(|_| ()) else {
        return false;
    };
    let contents = whole.contents(file.trim_start_matches("memory/"));
    let mut begin = offset as usize;
    while begin < contents.len() {
        let end = (begin / 512 + 1) * 512;
        let part = &contents[begin..end.min(contents.len())];
        if part.iter().filter(|&&byte| byte != 0).count() == 1 {
            return true;
        }
        begin = end;
    }
    false
}

/// What must be found after a crash: every commit that returned, and at most the one that was under
/// way.
#[track_caller]
fn check(disk: &MemoryDisk, commits: &[Vec<Record>], done: usize) -> usize {
    let found = reopen(disk);
    let upto = (done + 1).min(commits.len());
    (done..=upto)
        .find(|&number| found == Summary::of(&commits[..number]))
        .unwrap_or_else(|| panic!("after {done} commits: {found:?}"))
}

#[test]
fn at_every_operation_of_a_life() {
    let commits = life();
    let mut operation = 1;
    loop {
        let disk = MemoryDisk::new();
        disk.die_at(operation);
        let done = live(&disk, &commits);
        for after in fates(&disk, operation) {
            let found = check(&after, &commits, done);
            // Life goes on from there as if nothing had happened.
            let mut opened = open(&after).unwrap();
            for commit in &commits[found..] {
                opened.writer.commit(commit).unwrap();
            }
            after.crash();
            assert_eq!(reopen(&after), Summary::of(&commits));
        }
        if disk.operations() < operation {
            assert_eq!(done, commits.len());
            break;
        }
        operation += 1;
    }
    // Two calls a commit, six to make a segment, and those of the formatting.
    assert!(operation > 30, "{operation}");
}

#[test]
fn at_every_operation_of_a_recovery() {
    let commits = life();
    for operation in (1..40).step_by(2) {
        let disk = MemoryDisk::new();
        disk.die_at(operation);
        let done = live(&disk, &commits);
        for torn in fates(&disk, operation) {
            for recovery_operation in 1.. {
                let again = torn.fork();
                again.die_at(recovery_operation);
                if open(&again).is_ok() {
                    break;
                }
                for after in fates(&again, recovery_operation) {
                    check(&after, &commits, done);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn at_any_operation_of_any_life(commits in any_life(), operation in 1..60u64) {
        let disk = MemoryDisk::new();
        disk.die_at(operation);
        let done = live(&disk, &commits);
        for after in fates(&disk, operation) {
            check(&after, &commits, done);
        }
    }
}

#[test]
fn a_failed_sync_poisons_and_is_never_tried_again() {
    let commits = life();
    for failing in 0..commits.len() {
        let disk = MemoryDisk::new();
        let mut opened = open(&disk).unwrap();
        for commit in &commits[..failing] {
            opened.writer.commit(commit).unwrap();
        }
        disk.fail_next_sync();
        let error = opened.writer.commit(&commits[failing]).unwrap_err();
        assert!(matches!(error, LogError::Disk(_)), "{error}");
        let operations = disk.operations();
        for _ in 0..3 {
            assert_eq!(
                opened.writer.commit(&commits[failing]).unwrap_err(),
                LogError::Poisoned {
                    cause: error.to_string()
                }
            );
        }
        assert_eq!(disk.operations(), operations, "the disk is left alone");

        // The next process must not take for durable what the system only has in its cache.
        disk.restart();
        let mut opened = open(&disk).unwrap();
        assert_eq!(summary(&opened), Summary::of(&commits[..failing]));
        for commit in &commits[failing..] {
            opened.writer.commit(commit).unwrap();
        }
        disk.crash();
        assert_eq!(reopen(&disk), Summary::of(&commits));
    }
}

#[test]
fn a_failed_sync_while_formatting() {
    let disk = MemoryDisk::new();
    disk.fail_next_sync();
    assert!(matches!(open(&disk), Err(LogError::Disk(_))));
    let mut opened = open(&disk).unwrap();
    opened.writer.commit(&life()[0]).unwrap();
    disk.crash();
    assert_eq!(reopen(&disk), Summary::of(&life()[..1]));
}

#[test]
fn a_full_disk() {
    let commits = life();
    let disk = written(&commits);
    let whole: u64 = (segments(&disk).iter())
        .map(|name| content(&disk, name).len() as u64)
        .sum();
    // Every third size meets every kind of place: the writes are of many lengths.
    for capacity in (0..whole).step_by(3) {
        let disk = MemoryDisk::new();
        disk.set_capacity(Some(capacity));
        let done = live(&disk, &commits);
        assert!(done < commits.len());
        disk.set_capacity(None);
        for after in fates(&disk, capacity) {
            assert_eq!(check(&after, &commits, done), done);
        }
    }
}
