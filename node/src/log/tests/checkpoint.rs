//! Opening a log from its checkpoint, and everything that may be wrong with one.

use super::crash::fates;
use super::*;
use crate::log::checkpoint::FILE;

/// A checkpoint may be made whenever the log has grown by an eighth.
const OFTEN: LogLimits = LogLimits {
    checkpoint_bytes: 0,
    ..SMALL
};

/// A server as far as the log knows it: what it pushes into its history, and when it hears where
/// values are.
struct Life {
    opened: Opened,
    /// Where values are, that it has not heard yet.
    unheard: Vec<Located>,
    accepted: BTreeMap<Slot, (Ballot, Value)>,
    latest: BTreeMap<Slot, Value>,
}

impl Life {
    fn begin(disk: &MemoryDisk) -> Result<Life, LogError> {
        let mut opened = open_with(disk, OFTEN)?;
        replay(&mut opened.history);
        let recovered = opened.recovered.accepted.iter().cloned();
        let accepted: BTreeMap<_, _> = recovered
            .map(|(slot, ballot, value)| (slot, (ballot, value)))
            .collect();
        Ok(Life {
            latest: (accepted.iter())
                .map(|(&slot, (_, value))| (slot, value.clone()))
                .collect(),
            opened,
            unheard: Vec::new(),
            accepted,
        })
    }

    fn commit(&mut self, records: &[Record]) -> Result<(), LogError> {
        let heard = std::mem::take(&mut self.unheard);
        self.opened.history.located(&heard);
        for record in records {
            match record {
                Record::Accepted {
                    slot,
                    ballot,
                    value,
                } => {
                    self.accepted.insert(*slot, (*ballot, value.clone()));
                    self.latest.insert(*slot, value.clone());
                }
                Record::Learned { slot, value } => {
                    self.latest.insert(*slot, value.clone());
                    if *slot == self.opened.history.chosen().next() {
                        self.choose(*slot);
                    }
                }
                Record::Chosen { upto } => {
                    while self.opened.history.chosen() < *upto {
                        self.choose(self.opened.history.chosen().next());
                    }
                }
                _ => {}
            }
        }
        self.unheard = commit(&mut self.opened, records)?;
        Ok(())
    }

    fn choose(&mut self, slot: Slot) {
        self.accepted.remove(&slot);
        let value = self.latest[&slot].clone();
        self.opened.history.push(slot, value.clone());
        index(&mut self.opened.history, slot, &value);
    }

    fn checkpoint(&mut self) -> Result<(), LogError> {
        let history = &self.opened.history;
        let sessions = history.chosen().to_string().into_bytes();
        let accepted = self.accepted.iter();
        let accepted = accepted.map(|(&slot, (ballot, value))| (slot, *ballot, value.clone()));
        let checkpoint = history.checkpoint(sessions, accepted.collect());
        let again = self.opened.writer.checkpoint(checkpoint)?;
        self.unheard.extend(again);
        commit(&mut self.opened, &[])?;
        Ok(())
    }
}

fn index(history: &mut History, slot: Slot, value: &Value) {
    let next = history.last_index() + 1 + value.commands().len() as u64;
    history.note_index(slot, next, &[]);
}

/// What a server does at its start. Says how many slots it need not apply.
fn replay(history: &mut History) -> Slot {
    let upto = match history.take_sessions() {
        Some((upto, sessions)) => {
            assert_eq!(sessions, upto.to_string().into_bytes());
            upto
        }
        None => Slot(0),
    };
    let values = history.read(upto.next(), usize::MAX).unwrap();
    for (slot, value) in (upto.0 + 1..).zip(&values) {
        index(history, Slot(slot), value);
    }
    upto
}

/// A life with a checkpoint after every third commit, and how many commits returned in time.
fn live(disk: &MemoryDisk, commits: &[Vec<Record>]) -> usize {
    let Ok(mut life) = Life::begin(disk) else {
        return 0;
    };
    let mut done = 0;
    for commit in commits {
        let made = match done % 3 == 2 {
            true => life.checkpoint(),
            false => Ok(()),
        };
        if made.and_then(|()| life.commit(commit)).is_err() {
            break;
        }
        done += 1;
    }
    done
}

fn has_checkpoint(disk: &MemoryDisk) -> bool {
    disk.list().unwrap().iter().any(|file| file == FILE)
}

/// A disk with a log, and with a checkpoint behind which at least two segments lie.
fn with_checkpoint() -> MemoryDisk {
    let disk = MemoryDisk::new();
    assert_eq!(live(&disk, &life()), life().len());
    assert!(has_checkpoint(&disk));
    disk
}

/// Opens the log with its checkpoint and without, and checks that both say the same. Returns the
/// slots that the checkpoint saved applying, or why it was refused.
#[track_caller]
fn open_both(disk: &MemoryDisk) -> Result<Slot, String> {
    let (with, without) = (disk.fork(), disk.fork());
    if has_checkpoint(&without) {
        without.remove(FILE).unwrap();
    }
    let [mut with, mut without] =
        [with, without].map(|disk| open_with(&disk, OFTEN).expect("a sound log"));
    assert_eq!(with.recovered, without.recovered);
    let saved = replay(&mut with.history);
    assert_eq!(replay(&mut without.history), Slot(0));
    assert_eq!(summary(&with), summary(&without));
    assert_eq!(with.history.last_index(), without.history.last_index());
    for index in 0..=with.history.last_index() + 1 {
        assert_eq!(with.history.find(index), without.history.find(index));
        let page = |history: &History| history.messages(index, 3, 1 << 20).unwrap();
        assert_eq!(page(&with.history), page(&without.history));
    }
    if let Some(mut unread) = with.unread {
        while unread.read_next().expect("a sound log") {}
    }
    match with.refused_checkpoint {
        None => Ok(saved),
        Some(why) => Err(why),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_log_says_the_same_with_its_checkpoint_and_without(
        commits in any_life(),
        checkpoints in prop::collection::vec(any::<bool>(), 20),
        restarts in prop::collection::vec(prop::bool::weighted(0.2), 20),
    ) {
        let disk = MemoryDisk::new();
        let mut life = Life::begin(&disk).unwrap();
        for ((commit, checkpoint), restart) in commits.iter().zip(checkpoints).zip(restarts) {
            life.commit(commit).unwrap();
            if checkpoint {
                life.checkpoint().unwrap();
            }
            if restart {
                drop(life);
                prop_assert!(open_both(&disk).is_ok());
                life = Life::begin(&disk).unwrap();
            }
        }
        disk.crash();
        prop_assert!(open_both(&disk).is_ok());
        prop_assert_eq!(reopen(&disk), Summary::of(&commits));
    }
}

#[test]
fn a_checkpoint_saves_reading() {
    let disk = with_checkpoint();
    assert!(open_both(&disk).unwrap() > Slot(3));
    let opened = open_with(&disk, OFTEN).unwrap();
    assert!(opened.unread.is_some());
    assert_eq!(summary(&opened), Summary::of(&life()));
    // A small log has none.
    let small = written(&life());
    assert!(!has_checkpoint(&small) && open(&small).unwrap().unread.is_none());
}

#[test]
fn a_crash_at_every_operation() {
    let commits = life();
    let mut checkpoints = 0;
    for operation in 1.. {
        let disk = MemoryDisk::new();
        disk.die_at(operation);
        let done = live(&disk, &commits);
        for after in fates(&disk, operation) {
            checkpoints += usize::from(has_checkpoint(&after));
            open_both(&after).unwrap();
            let found = reopen(&after);
            let is_one = |number| found == Summary::of(&commits[..number]);
            assert!((done..=(done + 1).min(commits.len())).any(is_one));
            // Life goes on from there.
            let mut life = Life::begin(&after).unwrap();
            life.commit(&[Record::Lost]).unwrap();
            life.checkpoint().unwrap();
            after.crash();
            open_both(&after).unwrap();
            assert!(reopen(&after).lost);
        }
        if disk.operations() < operation {
            break;
        }
    }
    assert!(checkpoints > 100);
}

/// What a checkpoint saves reading is read afterwards, and nothing that has changed there is lost on
/// anybody: the next start finds it, as if there had never been a checkpoint.
#[test]
fn a_changed_byte_behind_a_checkpoint_is_found() {
    let sound = with_checkpoint();
    let unread = open_with(&sound.fork(), OFTEN).unwrap().unread.unwrap();
    let mut found = 0;
    for number in 1..=unread.segments() {
        let name = format!("{number:08}.log");
        for offset in 0..content(&sound, &name).len() as u64 {
            let disk = sound.fork();
            disk.flip_bit(&name, offset, (offset % 8) as u8);
            let Ok(opened) = open_with(&disk, OFTEN) else {
                // The checkpoint looks at the headers.
                assert!(offset < 48, "{name}, byte {offset}");
                continue;
            };
            let mut unread = opened.unread.unwrap();
            let error = loop {
                match unread.read_next() {
                    Ok(more) => assert!(more, "{name}, byte {offset}: not noticed"),
                    Err(error) => break error,
                }
            };
            assert!(is_damage(&Err::<(), _>(error)));
            found += 1;
            disk.crash();
            assert!(!has_checkpoint(&disk));
            assert!(is_damage(&open_with(&disk, OFTEN)));
        }
    }
    assert!(found > 500, "{found}");
}

#[test]
fn a_reader_that_meets_damage_distrusts_the_checkpoint() {
    let disk = with_checkpoint();
    let mut opened = open_with(&disk, OFTEN).unwrap();
    // In the text of the first slot's message, wherever it is.
    for name in segments(&disk) {
        for (at, bytes) in content(&disk, &name).windows(5).enumerate() {
            if bytes == b"hello" {
                disk.flip_bit(&name, at as u64, 1);
            }
        }
    }
    assert!(is_damage(&opened.history.read(Slot(1), 1 << 20)));
    // Nobody makes another one meanwhile.
    commit(&mut opened, &[Record::Lost]).unwrap();
    let sessions = opened.history.chosen().to_string().into_bytes();
    opened.history.forget_index();
    opened.history.note_index(Slot(1), 2, &[]);
    for slot in 2..=opened.history.chosen().0 {
        opened.history.note_index(Slot(slot), 2, &[]);
    }
    let checkpoint = opened.history.checkpoint(sessions, Vec::new());
    opened.writer.checkpoint(checkpoint).unwrap();
    commit(&mut opened, &[]).unwrap();
    disk.crash();
    assert!(!has_checkpoint(&disk));
    assert!(is_damage(&open_with(&disk, OFTEN)));
}

#[test]
fn a_checkpoint_that_is_not_what_was_written_is_not_believed() {
    let sound = with_checkpoint();
    let bytes = sound.contents(FILE);
    for length in 0..bytes.len() as u64 {
        let disk = sound.fork();
        disk.truncate(FILE, length).unwrap();
        assert!(open_both(&disk).is_err(), "cut at {length}");
        let disk = sound.fork();
        disk.flip_bit(FILE, length, (length % 8) as u8);
        assert!(open_both(&disk).is_err(), "byte {length}");
    }
}

#[test]
fn a_checkpoint_of_another_log_is_not_believed() {
    let ours = with_checkpoint();
    let theirs = MemoryDisk::new();
    drop(Log::open_with(Arc::new(theirs.clone()), IDENTITY, INCARNATION + 1, OFTEN).unwrap());
    live(&theirs, &life());
    assert!(has_checkpoint(&theirs));
    ours.remove(FILE).unwrap();
    ours.create(FILE).unwrap();
    ours.append(FILE, &theirs.contents(FILE)).unwrap();
    let why = open_both(&ours).unwrap_err();
    assert!(why.contains("not the segment that it knows"), "{why}");

    // One that was left where a log has begun anew.
    let fresh = MemoryDisk::new();
    fresh.create(FILE).unwrap();
    fresh.append(FILE, &theirs.contents(FILE)).unwrap();
    let opened = open_with(&fresh, OFTEN).unwrap();
    assert!(opened.refused_checkpoint.is_some());
    assert!(!has_checkpoint(&fresh));
}

#[test]
fn a_segment_that_a_checkpoint_needs_and_is_not_there() {
    let sound = with_checkpoint();
    let sealed = open_with(&sound.fork(), OFTEN).unwrap().unread.unwrap();
    let sealed = sealed.segments() as u32;
    for number in 1..=sealed {
        let disk = sound.fork();
        disk.remove(&format!("{number:08}.log")).unwrap();
        assert!(is_damage(&open_with(&disk, OFTEN)));
    }
    // The checkpoint says again what was to be read here.
    let first = format!("{:08}.log", sealed + 1);
    let disk = sound.fork();
    for name in segments(&disk).iter().filter(|name| **name > first) {
        disk.remove(name).unwrap();
    }
    blank(&disk, &first, 100);
    assert!(open_both(&disk).is_err());
    disk.remove(&first).unwrap();
    assert!(open_both(&disk).is_err());
}
