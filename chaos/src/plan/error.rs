//! What is wrong with a plan, and where: collected, so that all of it is told at once.

use std::fmt;
use std::path::{Path, PathBuf};

/// Everything that is wrong with a plan, in the order of its lines. Its `Display` is for people:
/// for each mistake the message, the place, the line with carets under it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanErrors {
    /// Never empty.
    pub errors: Vec<PlanError>,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError {
    /// The plan, or the script that it names.
    pub file: PathBuf,
    /// From 1; 0 when no line can be named, as for a file that cannot be read.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// How many characters are meant; at least 1.
    pub length: usize,
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The line of the file that is meant.
    pub source_line: String,
}

impl std::error::Error for PlanErrors {}
impl std::error::Error for PlanError {}

impl fmt::Display for PlanErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        if self.line == 0 {
            writeln!(f, " --> {}", self.file.display())?;
            if let Some(help) = &self.help {
                writeln!(f, "  = help: {help}")?;
            }
            return Ok(());
        }
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let (shown, carets) = self.shown();
        let file = self.file.display();
        writeln!(f, "{margin}--> {file}:{}:{}", self.line, self.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {shown}")?;
        writeln!(f, "{margin} | {carets}")?;
        if let Some(help) = &self.help {
            writeln!(f, "{margin} = help: {help}")?;
        }
        Ok(())
    }
}

impl PlanError {
    /// The line as a terminal may show it, and the carets for the line below. A long line is cut
    /// around the mistake; a tab is shown as one space, and any other control character as `�`.
    fn shown(&self) -> (String, String) {
        const WIDTH: usize = 100;
        let safe: Vec<char> = self.source_line.chars().map(printable).collect();
        let start = self.column.saturating_sub(1).min(safe.len());
        let first = if safe.len() <= WIDTH {
            0
        } else {
            start.saturating_sub(WIDTH / 2)
        };
        let last = safe.len().min(first + WIDTH);
        let mut line = String::new();
        let mut pad = start - first;
        if first > 0 {
            line.push('…');
            pad += 1;
        }
        line.extend(&safe[first..last]);
        if last < safe.len() {
            line.push('…');
        }
        let room = (last - start).max(1);
        let carets = "^".repeat(self.length.clamp(1, room));
        let line = line.trim_end().to_owned();
        (line, format!("{}{carets}", " ".repeat(pad)))
    }
}

fn printable(character: char) -> char {
    match character {
        '\t' => ' ',
        control if control.is_control() => '\u{fffd}',
        other => other,
    }
}

/// A stretch of one of the plan's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub file: FileId,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// In characters.
    pub length: usize,
}

/// Which of the plan's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(usize);

impl FileId {
    pub const PLAN: FileId = FileId(0);
}

/// The mistakes found so far, and the texts that they point into.
pub(super) struct Errors {
    files: Vec<(PathBuf, String)>,
    found: Vec<(Place, String, Option<String>)>,
}

impl Errors {
    /// For the plan at `path` with this text.
    pub fn new(path: &Path, text: &str) -> Errors {
        Errors {
            files: vec![(path.to_owned(), text.to_owned())],
            found: Vec::new(),
        }
    }

    /// One more file that mistakes can be in.
    pub fn add_file(&mut self, path: PathBuf, text: String) -> FileId {
        self.files.push((path, text));
        FileId(self.files.len() - 1)
    }

    /// Records a mistake and what to do about it.
    pub fn add_help(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.found.push((place, message.into(), Some(help.into())));
    }

    /// How many were found so far.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// `value` if nothing is wrong.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, PlanErrors> {
        if let (Some(value), true) = (value, self.found.is_empty()) {
            return Ok(value);
        }
        self.found
            .sort_by_key(|(place, ..)| (place.file, place.line, place.column));
        self.found.dedup();
        let errors = self
            .found
            .iter()
            .map(|(place, message, help)| {
                let (file, text) = &self.files[place.file.0];
                let line = text.lines().nth(place.line.saturating_sub(1));
                PlanError {
                    file: file.clone(),
                    line: place.line,
                    column: place.column,
                    length: place.length.max(1),
                    message: message.clone(),
                    help: help.clone(),
                    source_line: line.unwrap_or_default().to_owned(),
                }
            })
            .collect();
        Err(PlanErrors { errors })
    }
}

impl PlanErrors {
    /// A file that could not be read at all.
    pub(super) fn unreadable(path: &Path, reason: &str, help: &str) -> PlanErrors {
        PlanErrors {
            errors: vec![PlanError {
                file: path.to_owned(),
                line: 0,
                column: 0,
                length: 1,
                message: format!("cannot read the plan: {reason}"),
                help: Some(help.to_owned()),
                source_line: String::new(),
            }],
        }
    }
}
