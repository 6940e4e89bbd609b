//! Reads a saved history into evidence.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::chunks::{CHUNK_BYTES, Chunks};
use super::parse::{Item, Known, Parsed, parse};
use super::{Builder, Evidence, Line};
use crate::parallel::available_threads;

/// Why a history could not be read. `line` counts from 1.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("line {line}: cannot be read: {source}")]
    Io { line: u64, source: io::Error },
    /// Damage that is not the cut-off end of a run that was killed.
    #[error("line {line}: {reason}")]
    Damaged { line: u64, reason: String },
    #[error("the history is empty: the run ended before it began")]
    Empty,
}

impl HistoryError {
    /// The line of the file that is at fault; 0 for an empty file.
    pub fn line(&self) -> u64 {
        match self {
            HistoryError::Io { line, .. } | HistoryError::Damaged { line, .. } => *line,
            HistoryError::Empty => 0,
        }
    }
}

/// Reads the whole of a history.
///
/// A last line that was cut off in the middle, and a missing `end` line, are what a killed run
/// leaves: they are noted in [`Evidence::ending`]. Anything else that cannot be understood is an
/// error, because a judgement over half-read evidence is worth nothing.
///
/// The lines of a long history are understood on all cores, and put together in their order: what
/// comes out does not depend on how many there are.
pub fn read(reader: impl Read + Send) -> Result<Evidence, HistoryError> {
    read_in(reader, CHUNK_BYTES, available_threads())
}

/// The same, with so many threads that understand pieces of at least so many bytes.
pub(super) fn read_in(
    reader: impl Read + Send,
    chunk_bytes: usize,
    threads: usize,
) -> Result<Evidence, HistoryError> {
    let mut chunks = Chunks::new(reader, chunk_bytes);
    let known = Mutex::new(Arc::default());
    let mut reading = Reading {
        builder: Builder::default(),
        line: 0,
        known: &known,
    };
    let mut chunk = Vec::new();
    let (first, mut last) = next(&mut chunks, &mut chunk, &known);
    reading.take(first)?;
    if threads <= 1 {
        while !last {
            let parsed;
            (parsed, last) = next(&mut chunks, &mut chunk, &known);
            reading.take(parsed)?;
        }
    } else if !last {
        // More than that, and all that is understood too early would fill the memory.
        let (tickets, pieces) = sync_channel(2 * threads);
        let source = Mutex::new(Some((chunks, tickets)));
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| work(&source, &known));
            }
            // Dropped at an error, which ends the workers.
            let pieces: Receiver<Receiver<Parsed>> = pieces;
            pieces
                .into_iter()
                .map_while(|piece| piece.recv().ok())
                .try_for_each(|parsed| reading.take(parsed))
        })?;
    }
    let builder = reading.builder;
    // Completing a long history takes memory of its own.
    drop(known);
    builder.finish().ok_or(HistoryError::Empty)
}

/// Where the next piece comes from, and where it is announced, so that pieces are put together in
/// their order whichever is understood first. `None` behind the last.
type Source<R> = Mutex<Option<(Chunks<R>, SyncSender<Receiver<Parsed>>)>>;

/// Understands one piece after the other.
fn work<R: Read>(source: &Source<R>, known: &Mutex<Arc<Known>>) {
    let mut chunk = Vec::new();
    loop {
        let mut open = lock(source);
        let Some((chunks, tickets)) = open.as_mut() else {
            return;
        };
        let filled = chunks.fill(&mut chunk);
        let (ticket, piece) = sync_channel(1);
        let wanted = tickets.send(piece).is_ok();
        if !wanted || !matches!(filled, Ok(false)) {
            *open = None;
        }
        drop(open);
        if !wanted {
            return;
        }
        let parsed = understand(&chunk, filled, known);
        if ticket.send(parsed).is_err() {
            return;
        }
    }
}

/// The next piece, and whether it is the last.
fn next<R: Read>(
    chunks: &mut Chunks<R>,
    chunk: &mut Vec<u8>,
    known: &Mutex<Arc<Known>>,
) -> (Parsed, bool) {
    let filled = chunks.fill(chunk);
    let last = !matches!(filled, Ok(false));
    (understand(chunk, filled, known), last)
}

fn understand(chunk: &[u8], filled: io::Result<bool>, known: &Mutex<Arc<Known>>) -> Parsed {
    let known = lock(known).clone();
    let mut parsed = parse(chunk, &known);
    parsed.failed = filled.err();
    parsed
}

/// What a panic in another thread left is not used: the panic goes on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts the pieces together.
struct Reading<'a> {
    builder: Builder,
    /// How many were taken.
    line: u64,
    /// What the other threads need not make again.
    known: &'a Mutex<Arc<Known>>,
}

impl Reading<'_> {
    /// Takes the next piece.
    fn take(&mut self, parsed: Parsed) -> Result<(), HistoryError> {
        let mut places = vec![None; parsed.names.len()];
        for item in parsed.items {
            self.line += 1;
            let taken = match item {
                Item::Blank => Ok(()),
                Item::Node { at_us, node, what } => self.builder.known_node(
                    at_us,
                    &mut places[node as usize],
                    &parsed.names[node as usize],
                    what,
                ),
                Item::Slot {
                    server,
                    slot,
                    value,
                } => self.builder.slot(server, slot, value),
                Item::Other(line) => {
                    if matches!(*line, Line::Log { .. })
                        && let Some(known) = self.builder.known()
                    {
                        *lock(self.known) = Arc::new(known);
                    }
                    self.builder.add(*line)
                }
                Item::Damaged { cut_off: true, .. } if self.builder.has_header() => Ok(()),
                Item::Damaged { error, .. } => {
                    let text = error.to_string();
                    let what = text.split(" at line ").next().unwrap_or(&text);
                    Err(format!("not a line of a history: {what}"))
                }
            };
            taken.map_err(|reason| HistoryError::Damaged {
                line: self.line,
                reason,
            })?;
        }
        match parsed.failed {
            Some(source) => Err(HistoryError::Io {
                line: self.line + 1,
                source,
            }),
            None => Ok(()),
        }
    }
}
