//! The real disk keeps the promises of the trait, and the log works on it.

use super::*;
use crate::ids::{Ballot, ServerId, Slot};
use crate::log::{Identity, Log, LogError, LogLimits, Record};
use crate::value::Value;

const IDENTITY: Identity = Identity {
    cluster: 1,
    server: ServerId(1),
    servers: 3,
};

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn every_call() {
    let dir = directory();
    let path = dir.path().join("a/b/log");
    let disk = RealDisk::open(&path).unwrap();
    assert_eq!(disk.place(), path.display().to_string());
    assert_eq!(disk.list(), Ok(vec![]));
    disk.create("two").unwrap();
    disk.create("one").unwrap();
    disk.sync_dir().unwrap();
    assert_eq!(disk.list().unwrap(), ["one", "two"]);
    disk.write_at("one", 0, b"hello ").unwrap();
    disk.write_at("one", 6, b"world").unwrap();
    disk.sync("one").unwrap();
    assert_eq!(disk.length("one"), Ok(11));
    let mut bytes = [0; 5];
    disk.read_at("one", 6, &mut bytes).unwrap();
    assert_eq!(&bytes, b"world");
    disk.truncate("one", 4).unwrap();
    disk.write_at("one", 4, b"!").unwrap();
    assert_eq!(fs::read(path.join("one")).unwrap(), b"hell!");
    disk.extend("one", 3).unwrap();
    disk.extend("one", PIECE_BYTES as u64 + 9).unwrap();
    disk.write_at("one", 0, b"s").unwrap();
    let mut extended = b"sell!".to_vec();
    extended.resize(PIECE_BYTES + 9, 0);
    assert_eq!(fs::read(path.join("one")).unwrap(), extended);
    disk.rename("two", "one").unwrap();
    assert_eq!(disk.list().unwrap(), ["one"]);
    assert_eq!(disk.length("one"), Ok(0));
    disk.create("two").unwrap();
    disk.remove("one").unwrap();
    assert_eq!(disk.list().unwrap(), ["two"]);
    disk.create("one").unwrap();
    assert_eq!(disk.length("one"), Ok(0));
}

#[test]
fn errors_name_the_file() {
    let dir = directory();
    let disk = RealDisk::open(dir.path()).unwrap();
    disk.create("file").unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();

    let error = disk.create("file").unwrap_err();
    assert_eq!(error.operation, DiskOperation::Create);
    assert_eq!(error.kind, io::ErrorKind::AlreadyExists);
    assert_eq!(error.file, file("file"));
    let error = disk.read_at("file", 0, &mut [0]).unwrap_err();
    assert_eq!(error.kind, io::ErrorKind::UnexpectedEof);
    let error = disk.write_at("none", 0, b"x").unwrap_err();
    assert_eq!(error.kind, io::ErrorKind::NotFound);
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot write {}: ", file("none"))),
        "{error}"
    );
    let error = RealDisk::open(&dir.path().join("file")).map(|_| ());
    assert!(error.is_err());
}

#[test]
fn one_writer_at_a_time() {
    let dir = directory();
    let first = RealDisk::open(dir.path()).unwrap();
    let error = RealDisk::open(dir.path()).map(|_| ()).unwrap_err();
    assert_eq!(error.operation, DiskOperation::Lock);
    assert_eq!(error.kind, io::ErrorKind::WouldBlock);
    assert_eq!(
        error.to_string(),
        format!(
            "cannot lock {}: another process has this log open; stop that server first",
            dir.path().display()
        )
    );
    // Readers are welcome, and change nothing.
    let reader = RealDisk::read_only(dir.path()).unwrap();
    first.create("file").unwrap();
    assert_eq!(reader.list().unwrap(), ["file"]);
    let refused = [
        reader.write_at("file", 0, b"x"),
        reader.extend("file", 1),
        reader.rename("file", "other"),
        reader.create("other"),
        reader.remove("file"),
        reader.truncate("file", 0),
        reader.sync("file"),
        reader.sync_dir(),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().kind, io::ErrorKind::ReadOnlyFilesystem);
    }
    drop(first);
    RealDisk::open(dir.path()).unwrap();
}

/// A process that opened the directory a moment before another one set it aside.
#[test]
fn a_directory_that_was_replaced_is_not_locked() {
    let dir = directory();
    let path = dir.path().join("log");
    fs::create_dir(&path).unwrap();
    let opened = File::open(&path).unwrap();
    fs::rename(&path, dir.path().join("log.damaged-1")).unwrap();
    let gone = lock(&path, opened.try_clone().unwrap()).unwrap_err();
    assert_eq!(gone.kind, io::ErrorKind::WouldBlock);
    fs::create_dir(&path).unwrap();
    let replaced = lock(&path, opened).unwrap_err();
    assert_eq!(replaced.kind, io::ErrorKind::WouldBlock);
    lock(&path, File::open(&path).unwrap()).unwrap();
}

/// A segment a commit, more of them than files may be open, and one torn at its end.
#[test]
fn a_log() {
    let limits = LogLimits {
        segment_bytes: 1,
        memory_bytes: 0,
        ..LogLimits::default()
    };
    let slots = MAX_OPEN_FILES as u64 + 10;
    let dir = directory();
    let disk = || Arc::new(RealDisk::open(dir.path()).unwrap());
    let mut opened = Log::open_with(disk(), IDENTITY, 9, limits).unwrap();
    for slot in 1..=slots {
        let located = opened.writer.commit(&[
            Record::Accepted {
                slot: Slot(slot),
                ballot: Ballot::new(slot, ServerId(1)),
                value: Value::Noop,
            },
            Record::Chosen { upto: Slot(slot) },
        ]);
        opened.history.push(Slot(slot), Value::Noop);
        opened.history.located(&located.unwrap());
    }
    assert_eq!(opened.history.bytes_in_memory(), 0);
    let all = vec![Value::Noop; slots as usize];
    assert_eq!(opened.history.read(Slot(1), usize::MAX).unwrap(), all);
    drop(opened);

    let last = dir.path().join(format!("{slots:08}.log"));
    let length = fs::metadata(&last).unwrap().len();
    let file = OpenOptions::new().write(true).open(&last).unwrap();
    file.set_len(length - 1).unwrap();
    let read = Log::read_only(Arc::new(RealDisk::read_only(dir.path()).unwrap()))
        .unwrap()
        .unwrap();
    assert_eq!(fs::metadata(&last).unwrap().len(), length - 1);
    let opened = Log::open_with(disk(), IDENTITY, 10, limits).unwrap();
    assert_eq!(opened.recovered, read.recovered);
    assert_eq!(opened.recovered.incarnation, 9);
    assert_eq!(opened.recovered.chosen, Slot(slots - 1));
    assert!(opened.recovered.cut_bytes > 0);
    assert_eq!(opened.history.read(Slot(1), usize::MAX).unwrap(), all[1..]);
    drop(opened);

    // The last segment was not begun, and the first one is damaged.
    file.set_len(10).unwrap();
    let first = dir.path().join("00000001.log");
    let mut bytes = fs::read(&first).unwrap();
    bytes[60] ^= 4;
    fs::write(&first, &bytes).unwrap();
    let error = Log::open(disk(), IDENTITY, 11).map(|_| ()).unwrap_err();
    let LogError::Damaged { file, offset, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!((file, *offset), (&first.display().to_string(), 48));
    let message = error.to_string();
    let advice = format!("set {} aside", dir.path().display());
    assert!(message.contains(&advice), "{message}");
}
