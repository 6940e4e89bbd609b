//! The thread that writes the log. While one write is synced the next gather behind it, and all of
//! them share the next sync.

use std::sync::mpsc;

use crate::log::{Located, LogWriter, Record};

/// One write to be made durable.
pub struct Write {
    pub number: u64,
    pub records: Vec<Record>,
}

/// Everything up to write `number` is durable.
#[derive(Debug)]
pub struct Written {
    pub number: u64,
    /// Where the values of its records are.
    pub located: Vec<Located>,
}

/// Starts the thread. `done` hears of each sync. A write that fails ends the process: what a failed
/// fsync left on disk is unknown, so the server must not go on as if it knew.
pub fn start(
    mut writer: LogWriter,
    done: impl Fn(Written) + Send + 'static,
    fatal: impl Fn(String) + Send + 'static,
) -> std::io::Result<mpsc::Sender<Write>> {
    let (sender, writes) = mpsc::channel::<Write>();
    std::thread::Builder::new()
        .name("log".into())
        .spawn(move || {
            while let Ok(first) = writes.recv() {
                let mut number = first.number;
                let mut records = first.records;
                for next in writes.try_iter() {
                    number = next.number;
                    records.extend(next.records);
                }
                match writer.commit(&records) {
                    Ok(located) => done(Written { number, located }),
                    Err(error) => return fatal(error.to_string()),
                }
            }
        })?;
    Ok(sender)
}
