//! Reading the chosen values from memory and from disk.

use super::*;

fn text(slot: u64) -> String {
    format!("message {slot}")
}

/// Accepts, chooses and commits the slots, in commits of three, as a server does.
fn grow(opened: &mut Opened, slots: std::ops::RangeInclusive<u64>) {
    let slots: Vec<u64> = slots.collect();
    for slots in slots.chunks(3) {
        let records: Vec<Record> = slots
            .iter()
            .map(|&slot| accepted(slot, 1, value(slot, &text(slot))))
            .collect();
        let located = opened.writer.commit(&records).unwrap();
        opened.history.located(&located);
        for &slot in slots {
            opened.history.push(Slot(slot), value(slot, &text(slot)));
        }
        let upto = Slot(slots[slots.len() - 1]);
        opened.writer.commit(&[Record::Chosen { upto }]).unwrap();
    }
}

fn slots(values: &[Value]) -> Vec<u64> {
    let commands = values.iter().map(|value| &value.commands()[0]);
    commands
        .map(|command| {
            assert_eq!(command.text, text(command.seq));
            command.seq
        })
        .collect()
}

#[test]
fn reads_across_disk_and_memory() {
    let disk = MemoryDisk::new();
    let mut opened = open(&disk).unwrap();
    grow(&mut opened, 1..=50);
    let check = |history: &History| {
        assert_eq!(history.chosen(), Slot(50));
        assert!(history.bytes_in_memory() <= SMALL.memory_bytes);
        for from in 0..=51 {
            let all: Vec<u64> = (from.max(1)..=50).collect();
            assert_eq!(slots(&history.read(Slot(from), usize::MAX).unwrap()), all);
            let one = slots(&history.read(Slot(from), 0).unwrap());
            assert_eq!(one, all[..all.len().min(1)]);
            let few = history.read(Slot(from), 300).unwrap();
            assert_eq!(slots(&few), all[..few.len()]);
            assert!(few.iter().map(size_bytes).sum::<usize>() <= 300);
            assert!(few.len() == all.len() || few.len() == 3, "{}", few.len());
        }
        assert_eq!(history.read(Slot(u64::MAX), 1).unwrap(), []);
    };
    check(&opened.history);
    assert!(opened.history.bytes_in_memory() > 0);
    let mut opened = open(&disk).unwrap();
    check(&opened.history);
    assert_eq!(opened.history.bytes_in_memory(), 0);
    grow(&mut opened, 51..=53);
    let recent = opened.history.read(Slot(49), usize::MAX).unwrap();
    assert_eq!(slots(&recent), [49, 50, 51, 52, 53]);
}

#[test]
fn only_what_is_on_disk_leaves_memory() {
    let disk = MemoryDisk::new();
    let mut opened = open(&disk).unwrap();
    let values: Vec<Value> = (1..=30).map(|slot| value(slot, &text(slot))).collect();
    for (slot, value) in (1..).zip(&values) {
        opened.history.push(Slot(slot), value.clone());
    }
    let all_bytes: usize = values.iter().map(size_bytes).sum();
    assert_eq!(opened.history.bytes_in_memory(), all_bytes);

    let records: Vec<Record> = (1..=30)
        .zip(&values)
        .map(|(slot, value)| accepted(slot, 1, value.clone()))
        .collect();
    let located = opened.writer.commit(&records).unwrap();
    // Everything but the first is on disk: it holds up the rest.
    opened.history.located(&located[1..]);
    assert_eq!(opened.history.bytes_in_memory(), all_bytes);
    opened.history.located(&located[..1]);
    assert!(opened.history.bytes_in_memory() <= SMALL.memory_bytes);
    assert_eq!(opened.history.read(Slot(1), usize::MAX).unwrap(), values);
}

/// What a server accepted need not be what was chosen. The location of a value that was not chosen
/// must never stand in for the one that was.
#[test]
fn the_location_of_another_value_is_not_used() {
    let disk = MemoryDisk::new();
    let limits = LogLimits {
        memory_bytes: 0,
        ..SMALL
    };
    let mut opened = open_with(&disk, limits).unwrap();
    let commit = |opened: &mut Opened, record: Record| {
        let located = opened.writer.commit(&[record]).unwrap();
        opened.history.located(&located);
    };
    let learned = Record::Learned {
        slot: Slot(1),
        value: value(2, "chosen"),
    };
    commit(&mut opened, accepted(1, 1, value(1, "accepted before")));
    opened.history.push(Slot(1), value(2, "chosen"));
    let read = |opened: &Opened| opened.history.read(Slot(1), 1).unwrap();
    assert_eq!(read(&opened), [value(2, "chosen")]);
    commit(&mut opened, accepted(1, 1, value(3, "accepted after")));
    assert_eq!(read(&opened), [value(2, "chosen")]);
    assert_ne!(opened.history.bytes_in_memory(), 0);
    commit(&mut opened, learned);
    assert_eq!(opened.history.bytes_in_memory(), 0);
    assert_eq!(read(&opened), [value(2, "chosen")]);
    commit(
        &mut opened,
        accepted(1, 1, value(4, "accepted later still")),
    );
    assert_eq!(read(&opened), [value(2, "chosen")]);
}

/// Values accepted before a restart and chosen after it are not written again.
#[test]
fn what_was_open_at_a_restart_is_read_from_disk() {
    let limits = LogLimits {
        memory_bytes: 0,
        ..SMALL
    };
    let disk = written(&[vec![
        accepted(1, 1, value(1, "one")),
        accepted(2, 1, value(2, "two")),
        accepted(1, 2, value(3, "another one")),
    ]]);
    let mut opened = open_with(&disk, limits).unwrap();
    assert_eq!(opened.history.chosen(), Slot(0));
    opened.history.push(Slot(1), value(3, "another one"));
    opened.history.push(Slot(2), value(2, "two"));
    assert_eq!(opened.history.bytes_in_memory(), 0);
    assert_eq!(
        opened.history.read(Slot(1), usize::MAX).unwrap(),
        [value(3, "another one"), value(2, "two")]
    );
}

#[test]
fn a_changed_byte_is_noticed_when_it_is_read() {
    let disk = MemoryDisk::new();
    let mut opened = open(&disk).unwrap();
    grow(&mut opened, 1..=20);
    for offset in 48..disk.contents("00000001.log").len() as u64 {
        disk.flip_bit("00000001.log", offset, 1);
        match opened.history.read(Slot(1), usize::MAX) {
            Ok(values) => assert_eq!(slots(&values), (1..=20).collect::<Vec<_>>()),
            Err(error) => assert!(is_damage(&Err::<(), _>(error))),
        }
        disk.flip_bit("00000001.log", offset, 1);
    }
    // The first group holds slot 1.
    disk.flip_bit("00000001.log", 80, 1);
    assert!(is_damage(&opened.history.read(Slot(1), 1)));
    assert_eq!(slots(&opened.history.read(Slot(4), 1).unwrap()), [4]);
}

#[test]
#[should_panic(expected = "slots enter the history in order")]
fn a_hole_is_refused() {
    let mut opened = open(&MemoryDisk::new()).unwrap();
    opened.history.push(Slot(2), Value::Noop);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Pages against a plain list of the messages that took effect.
    #[test]
    fn pages_of_the_chat(
        batches in prop::collection::vec(prop::collection::vec(any::<bool>(), 0..6), 0..200),
        questions in prop::collection::vec((0..600u64, 0..9usize, 0..400usize), 1..20),
    ) {
        let mut opened = open(&MemoryDisk::new()).unwrap();
        let mut chat = Vec::new();
        let mut first_index_of = Vec::new();
        let mut number = 0;
        for (slot, batch) in (1..).zip(&batches) {
            let commands: Vec<Command> = batch
                .iter()
                .map(|_| {
                    number += 1;
                    command(1, number, &format!("message {number}"))
                })
                .collect();
            first_index_of.push(chat.len() as u64 + 1);
            let applied = commands.iter().zip(batch).filter(|(_, applies)| **applies);
            chat.extend(applied.map(|(command, _)| command.clone()));
            let skipped: Vec<u32> =
                (0..).zip(batch).filter(|(_, applies)| !**applies).map(|(at, _)| at).collect();
            let value = Value::batch(commands);
            let located = opened
                .writer
                .commit(&[accepted(slot, 1, value.clone())])
                .unwrap();
            opened.history.push(Slot(slot), value);
            opened.history.located(&located);
            opened.history.note_index(Slot(slot), chat.len() as u64 + 1, &skipped);
        }
        let history = &opened.history;
        prop_assert_eq!(history.last_index(), chat.len() as u64);
        for (first, max_messages, max_bytes) in questions {
            let from = (first.max(1) as usize - 1).min(chat.len());
            let found = history.messages(first, max_messages, usize::MAX).unwrap();
            let upto = (from + max_messages).min(chat.len());
            prop_assert_eq!(&found, &chat[from..upto]);
            let found = history.messages(first, usize::MAX, max_bytes).unwrap();
            prop_assert_eq!(&found, &chat[from..from + found.len()]);
            prop_assert!(!found.is_empty() || from == chat.len());
        }
        for index in 1..=chat.len() as u64 {
            let (slot, first_index) = history.find(index);
            let holder = first_index_of.partition_point(|&first| first <= index) as u64;
            prop_assert!(slot.0 <= holder && holder < slot.0 + ChatIndex::SLOTS);
            prop_assert_eq!(first_index, first_index_of[slot.0 as usize - 1]);
        }
    }
}
