//! Writing to a person or a pipe: data to standard output, everything else to standard error, and
//! never a panic because the reader went away.

use std::io::{ErrorKind, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};

use crate::exit::Failure;

/// Writes data to standard output.
///
/// # Errors
/// [`Failure::OutputClosed`] when nobody reads it any more.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::OutputClosed),
        Err(error) => Err(Failure::Cluster(format!(
            "cannot write to standard output: {error}"
        ))),
    }
}

/// Writes a line of progress or advice to standard error; if that is gone, there is nobody to tell.
pub fn note(line: &str) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "{line}");
}

/// The two streams.
#[derive(Debug, Clone, Copy)]
pub enum Stream {
    Out,
    Err,
}

impl Stream {
    pub fn is_terminal(self) -> bool {
        match self {
            Stream::Out => std::io::stdout().is_terminal(),
            Stream::Err => std::io::stderr().is_terminal(),
        }
    }

    /// Whether colours and bold may be written there.
    pub fn styled(self) -> bool {
        styled(self.is_terminal(), |name| std::env::var(name).ok())
    }
}

/// The columns that a table on standard output may take: the terminal's, else those of `COLUMNS`,
/// else 100, so that a piped table is bounded too.
pub fn width() -> u16 {
    let terminal = terminal_size::terminal_size().map(|(width, _)| width.0);
    let asked = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    terminal.or(asked).unwrap_or(100).clamp(40, 400)
}

/// Rows in columns under a header, without lines and without escapes, no wider than [`width`].
pub fn columns(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    in_columns(header, rows, Some(width()))
}

/// The same as wide as it needs, a line a row: for paths, which nobody can copy when they are cut.
pub fn wide_columns(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    in_columns(header, rows, None)
}

fn in_columns(
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    width: Option<u16>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .force_no_tty()
        .set_header(header)
        .add_rows(rows);
    match width {
        Some(width) => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// Whether a CI system runs us. Some give a terminal all the same.
pub fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// <https://no-color.org> first, then <https://bixense.com/clicolors>.
fn styled(terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    if set("NO_COLOR") {
        return false;
    }
    if variable("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0") {
        return true;
    }
    terminal
        && variable("CLICOLOR").as_deref() != Some("0")
        && variable("TERM").as_deref() != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_begin_at_the_left_and_end_without_spaces() {
        let rows = [
            vec!["s1".into(), "up".into()],
            vec!["balancer".into(), "-".into()],
        ];
        assert_eq!(
            columns(&["NODE", "STATE"], rows),
            "NODE      STATE\ns1        up\nbalancer  -\n"
        );
    }

    fn with(terminal: bool, set: &[(&str, &str)]) -> bool {
        styled(terminal, |name| {
            set.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_string())
        })
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        assert!(with(true, &[]));
        assert!(!with(false, &[]));
        assert!(!with(true, &[("NO_COLOR", "1")]));
        assert!(with(true, &[("NO_COLOR", "")]));
        assert!(!with(true, &[("CLICOLOR", "0")]));
        assert!(!with(true, &[("TERM", "dumb")]));
        assert!(with(false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!with(false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    }
}
