//! The thread that writes the log. While one write is synced the next gather behind it, and all of
//! them share the next sync. Two more do what the log needs done beside.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::log::{Checkpoint, Located, LogError, LogWriter, Record, Unread, Upkeep};

/// Between two segments that are read afterwards: it must not be in the way of what is served.
const BETWEEN_READS: Duration = Duration::from_millis(250);

/// One write to be made durable.
pub struct Write {
    pub number: u64,
    pub records: Vec<Record>,
    /// What comes after the records.
    pub checkpoint: Option<Checkpoint>,
}

/// Everything up to write `number` is durable.
#[derive(Debug)]
pub struct Written {
    pub number: u64,
    /// How often the log was synced so far.
    pub syncs: u64,
    /// Where the values of its records are.
    pub located: Vec<Located>,
    /// So much was written that a checkpoint is worth its while.
    pub checkpoint_is_due: bool,
}

/// Starts the thread. `done` hears of each sync. A write that fails ends the process: what a failed
/// fsync left on disk is unknown, so the server must not go on as if it knew.
pub fn start(
    mut writer: LogWriter,
    done: impl Fn(Written) + Send + 'static,
    fatal: impl Fn(String) + Send + 'static,
) -> std::io::Result<mpsc::Sender<Write>> {
    let (sender, writes) = mpsc::channel::<Write>();
    let (upkeep, works) = mpsc::channel::<Upkeep>();
    // It has no part in what is durable: what fails there is done without.
    thread::Builder::new()
        .name("upkeep".into())
        .spawn(move || works.iter().for_each(|work| drop(work.run())))?;
    thread::Builder::new().name("log".into()).spawn(move || {
        let mut syncs = 0;
        while let Ok(first) = writes.recv() {
            match write(&mut writer, first, &writes, &mut syncs) {
                Ok(written) => {
                    done(written);
                    while let Some(work) = writer.upkeep() {
                        // Nothing is lost if that thread is gone.
                        let _ = upkeep.send(work);
                    }
                }
                Err(error) => {
                    fatal(error.to_string());
                    break;
                }
            }
        }
        // Whoever hands over more before it hears of the failure is not to fail of that.
        for _ in writes {}
    })?;
    Ok(sender)
}

/// Writes all that waits, up to a checkpoint.
fn write(
    writer: &mut LogWriter,
    first: Write,
    more: &mpsc::Receiver<Write>,
    syncs: &mut u64,
) -> Result<Written, LogError> {
    let Write {
        mut number,
        mut records,
        mut checkpoint,
    } = first;
    while checkpoint.is_none()
        && let Ok(next) = more.try_recv()
    {
        number = next.number;
        records.extend(next.records);
        checkpoint = next.checkpoint;
    }
    let mut located = writer.commit(&records)?;
    *syncs += u64::from(!records.is_empty());
    if let Some(checkpoint) = checkpoint {
        located.extend(writer.checkpoint(checkpoint)?);
    }
    Ok(Written {
        number,
        syncs: *syncs,
        located,
        checkpoint_is_due: writer.checkpoint_is_due(),
    })
}

/// Reads on a thread of its own what opening did not, and hears of what is damaged there.
pub fn read_afterwards(
    mut unread: Unread,
    damaged: impl FnOnce(LogError) + Send + 'static,
) -> std::io::Result<()> {
    let read = move || {
        loop {
            match unread.read_next() {
                Ok(true) => thread::sleep(BETWEEN_READS),
                Ok(false) => return,
                Err(error) => return damaged(error),
            }
        }
    };
    thread::Builder::new().name("read".into()).spawn(read)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ids::{Ballot, ServerId};
    use crate::log::{Identity, Log, MemoryDisk};

    /// What the server still has to write must not end it with fewer words than the disk's own.
    #[test]
    fn after_a_failure_nothing_is_written_and_its_reason_is_not_overtaken() {
        let disk = MemoryDisk::new();
        let identity = Identity {
            cluster: 1,
            server: ServerId(1),
            servers: 3,
        };
        let writer = Log::open(Arc::new(disk.clone()), identity, 7)
            .unwrap()
            .writer;
        let before = disk.contents("00000001.log");
        disk.fail_next_sync();
        let (fatal, failed) = mpsc::channel();
        let log = start(
            writer,
            |written| panic!("{written:?}"),
            move |error| fatal.send(error).unwrap(),
        )
        .unwrap();
        let write = |number| Write {
            number,
            records: vec![Record::Promised {
                ballot: Ballot::new(number, ServerId(1)),
            }],
            checkpoint: None,
        };
        log.send(write(1)).unwrap();
        let error = failed.recv().unwrap();
        assert!(error.starts_with("cannot sync"), "{error}");
        for number in 2..10_000 {
            assert!(log.send(write(number)).is_ok(), "write {number}");
            std::thread::yield_now();
        }
        // It was taken back, with the blank space behind it.
        assert!(before.starts_with(&disk.contents("00000001.log")));
        assert!(disk.contents("00000001.log").len() < 100);
    }
}
