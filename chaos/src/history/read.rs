//! Reads a saved history into evidence.

use std::io::BufRead;

use paxosctl_node::ids::{ServerId, Slot};
use serde::Deserialize;

use super::{Builder, Evidence, Line, lean};

/// Why a history could not be read. `line` counts from 1.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("line {line}: cannot be read: {source}")]
    Io { line: u64, source: std::io::Error },
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
pub fn read(mut reader: impl BufRead) -> Result<Evidence, HistoryError> {
    let mut builder = Builder::default();
    let mut buffer = Vec::with_capacity(4096);
    let mut line = 0;
    loop {
        buffer.clear();
        let length = reader
            .read_until(b'\n', &mut buffer)
            .map_err(|source| HistoryError::Io {
                line: line + 1,
                source,
            })?;
        if length == 0 {
            break;
        }
        line += 1;
        let whole = buffer.ends_with(b"\n");
        if buffer.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match add(&mut builder, &buffer) {
            Ok(()) => {}
            Err(Problem::Json(_)) if !whole && builder.has_header() => break,
            Err(Problem::Json(error)) => {
                let text = error.to_string();
                let what = text.split(" at line ").next().unwrap_or(&text);
                return Err(HistoryError::Damaged {
                    line,
                    reason: format!("not a line of a history: {what}"),
                });
            }
            Err(Problem::Meaning(reason)) => return Err(HistoryError::Damaged { line, reason }),
        }
    }
    builder.finish().ok_or(HistoryError::Empty)
}

enum Problem {
    Json(serde_json::Error),
    Meaning(String),
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Problem {
        Problem::Json(error)
    }
}

/// Nearly all lines of a long history are of two types, which are recognised by how the writer
/// begins them; any other spelling of the same JSON is read too, only slower.
fn add(builder: &mut Builder, bytes: &[u8]) -> Result<(), Problem> {
    if let Some((at_us, node, what)) = lean::node_line(bytes) {
        builder.node(at_us, node, lean::event(what)?)
    } else if bytes.starts_with(br#"{"type":"slot","#) {
        let line: SlotLine = serde_json::from_slice(bytes)?;
        builder.slot(
            line.server,
            line.slot,
            |value| line.value.is(value),
            || line.value.to_value(),
        )
    } else {
        builder.add(serde_json::from_slice::<Line>(bytes)?)
    }
    .map_err(Problem::Meaning)
}

/// [`Line::Slot`] without the copy that an internally tagged enum costs.
#[derive(Deserialize)]
struct SlotLine<'a> {
    server: ServerId,
    slot: Slot,
    #[serde(borrow)]
    value: lean::Value<'a>,
}
