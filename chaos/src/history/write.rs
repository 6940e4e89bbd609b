//! Saves a history as it happens.

use std::io::{self, BufWriter, Write};

use super::Line;

/// Writes lines of history as JSON, one a line.
///
/// Lines are buffered, and reach the file at every change of phase and after every action, so that
/// a run that is killed leaves a history that can be read up to there.
pub struct Writer<W: Write> {
    out: BufWriter<W>,
}

impl<W: Write> Writer<W> {
    pub fn new(out: W) -> Writer<W> {
        Writer {
            out: BufWriter::with_capacity(1 << 16, out),
        }
    }

    /// Appends one line.
    pub fn write(&mut self, line: &Line) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")?;
        match line {
            Line::Run(_)
            | Line::Action(_)
            | Line::Phase { .. }
            | Line::Died { .. }
            | Line::End { .. } => self.out.flush(),
            Line::Node { .. } | Line::Log { .. } | Line::Slot { .. } => Ok(()),
        }
    }

    /// Hands everything written so far to the underlying writer.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Flushes and returns the underlying writer, for an fsync of a file.
    pub fn finish(self) -> io::Result<W> {
        self.out.into_inner().map_err(|failed| failed.into_error())
    }
}
