//! Reads a history from elsewhere, in either of the two public forms: EDN maps, or Jepsen's log
//! lines. Which of them a file is in is found out from its beginning.

mod edn_maps;
mod event;
mod jepsen_log;
mod lower;
mod pair;

use std::io::BufRead;

use super::history::{History, ModelKind};
use event::Event;
use pair::Pairing;

/// Why a history could not be read, and what to do. `line` counts from 1; 0 for the whole file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    #[error("{reason}")]
    Malformed {
        line: u64,
        reason: String,
        help: String,
    },
    /// The history itself needs more memory than it may take.
    #[error("the history needs more than {limit} bytes of memory")]
    TooLarge { limit: usize },
}

impl ImportError {
    fn new(line: u64, reason: impl Into<String>, help: impl Into<String>) -> ImportError {
        ImportError::Malformed {
            line,
            reason: reason.into(),
            help: help.into(),
        }
    }
}

/// Reads the whole of a history, using no more than about `memory_limit` bytes for it.
///
/// Calls and returns count in the order of the file. What the two forms have in common:
///
/// - A process does one operation at a time. A second call before the first returned is an error,
///   because nobody could say which of the two a later return belongs to. After `:info` the
///   process may be used again, though Jepsen itself never does that.
/// - A return must be of the function that was called, and where it repeats the value, of that.
/// - A read that failed or timed out says nothing and is dropped.
/// - A write, put or append that failed did not happen and is dropped; one that timed out, or never
///   returned, may take effect at any later time or never.
/// - A cas that failed did compare, and found another value. One that timed out may take effect.
/// - `:fail` whose reason is a lost or refused connection or a time-out is no comparison, and can
///   know nothing: such a write, append or cas is unknown.
/// - Operations of a process that is a keyword (`:nemesis`) are of no client and are ignored.
pub fn import(
    mut input: impl BufRead,
    model: ModelKind,
    memory_limit: usize,
) -> Result<History, ImportError> {
    let head = input
        .fill_buf()
        .map_err(|error| ImportError::new(1, format!("cannot be read: {error}"), ""))?;
    let mark = head.starts_with("\u{feff}".as_bytes());
    let head = if mark { &head[3..] } else { head };
    let form = detect(head);
    if mark {
        input.consume(3);
    }
    let mut pairing = Pairing::default();
    let mut take = |event: Event| {
        pairing.take(event)?;
        if pairing.bytes() > memory_limit {
            return Err(ImportError::TooLarge {
                limit: memory_limit,
            });
        }
        Ok(())
    };
    match form {
        Form::Edn => edn_maps::read(input, &mut take)?,
        Form::Log => jepsen_log::read(input, &mut take)?,
    }
    lower::lower(pairing.finish(), model)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Edn,
    Log,
}

/// A log is told by its lines of operations, because its other lines may begin with anything.
fn detect(head: &[u8]) -> Form {
    let text = String::from_utf8_lossy(head);
    if text.lines().any(jepsen_log::is_operation) {
        return Form::Log;
    }
    let first = text
        .lines()
        .map(str::trim_start)
        .find(|line| !line.is_empty() && !line.starts_with(';'));
    match first.and_then(|line| line.bytes().next()) {
        Some(b'{' | b'[' | b'(' | b'#') => Form::Edn,
        _ => Form::Log,
    }
}
