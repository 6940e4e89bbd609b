//! Renders a result: tables for people, JSON for machines.

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, Table,
    TableStyle, Width,
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::model::{CheckResult, RunResult, RunResults, SCHEMA_VERSION, Verdict, Violation};
use super::sheet::{self, Entry, Sheet, Tone};
use super::text::{count, plain};
use super::words;

/// How tables look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// No line is wider than this many columns; without it, lines are as wide as they need.
    pub width: Option<u16>,
    /// With colour and bold. Without it there is not a single escape in the text.
    pub colour: bool,
}

/// The result as `result.json` holds it: indented, with a line feed at the end.
pub fn json(result: &RunResult) -> String {
    let mut text = serde_json::to_string_pretty(result)
        .expect("the model has string keys only, and no maps or floats");
    text.push('\n');
    text
}

/// The results of several runs as one document.
pub fn json_of_all(results: &[RunResult]) -> String {
    let all = RunResults {
        schema_version: SCHEMA_VERSION,
        runs: results.to_vec(),
    };
    let mut text = serde_json::to_string_pretty(&all)
        .expect("the model has string keys only, and no maps or floats");
    text.push('\n');
    text
}

/// The result for a person: verdict, checks, violations, replicas, faults, traffic, and where it is
/// kept and how it is repeated. Ends with a line feed.
pub fn tables(result: &RunResult, look: Look) -> String {
    let mut out = Out {
        text: String::new(),
        look,
    };
    verdict(&mut out, result);
    out.sheet(&sheet::checks(&result.checks));
    violations(&mut out, result);
    out.sheet(&sheet::replicas(&result.replicas));
    out.sheet(&sheet::faults(&result.faults));
    if !result.clients.is_empty() {
        out.title("Traffic");
        for line in words::traffic(&result.traffic) {
            out.wrapped(&line, 0, 2);
        }
        for line in words::silences(&result.windows) {
            out.wrapped(&line, 0, 2);
        }
        out.rows(&sheet::clients(&result.clients));
    }
    out.text.push('\n');
    if let Some(dir) = &result.run_dir {
        out.field("run directory", dir);
    }
    out.field("run again", &result.command);
    out.text
}

/// One rule under the header and nothing else: rows stay together.
const RULED: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A column that may be wrapped is not made narrower than this, nor than its longest word, if that
/// is no longer than the second.
const NARROWEST: u16 = 12;
const LONGEST_WORD: u16 = 20;

struct Out {
    text: String,
    look: Look,
}

impl Out {
    fn title(&mut self, title: &str) {
        self.text.push('\n');
        let styled = self.style(title, "1");
        self.text.push_str(&styled);
        self.text.push('\n');
    }

    /// Wraps at spaces to the width, every line after the first indented by `hang` more.
    fn wrapped(&mut self, text: &str, indent: usize, hang: usize) {
        for (number, line) in text.lines().enumerate() {
            let line = plain(line);
            let extra = if number == 0 { 0 } else { hang };
            for (part, wrapped) in wrap(&line, self.room(indent + hang)).iter().enumerate() {
                let spaces = indent + if part == 0 { extra } else { hang };
                self.text.extend(std::iter::repeat_n(' ', spaces));
                self.text.push_str(wrapped);
                self.text.push('\n');
            }
        }
    }

    /// `name: value`, the value wrapped.
    fn field(&mut self, name: &str, value: &str) {
        self.wrapped(&format!("{name}: {value}"), 0, 2);
    }

    fn room(&self, indent: usize) -> usize {
        self.look.width.map_or(usize::MAX, |width| {
            usize::from(width).saturating_sub(indent).max(8)
        })
    }

    fn style(&self, text: &str, code: &str) -> String {
        if self.look.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_string()
        }
    }

    fn table(&self, header: &[&str]) -> Table {
        let mut table = Table::new();
        table.load_style(RULED);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        if self.look.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        if let Some(width) = self.look.width {
            table.set_width(width);
        }
        table.set_header(header.iter().map(|name| {
            let cell = Cell::new(name);
            if self.look.colour {
                cell.add_attribute(Attribute::Bold)
            } else {
                cell
            }
        }));
        table
    }

    /// The table under its title, unless it is empty.
    fn sheet(&mut self, sheet: &Sheet) {
        if !sheet.rows.is_empty() {
            self.title(sheet.title);
            self.rows(sheet);
        }
    }

    fn rows(&mut self, sheet: &Sheet) {
        let mut table = self.table(&sheet.header);
        for row in &sheet.rows {
            table.add_row(row.iter().map(|entry| self.cell(entry)));
        }
        for &column in &sheet.right {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self.place(table, &sheet.wraps);
    }

    fn cell(&self, entry: &Entry) -> Cell {
        let cell = Cell::new(&entry.text);
        let colour = match entry.tone {
            Tone::Plain => None,
            Tone::Good => Some(Color::Green),
            Tone::Doubt => Some(Color::Yellow),
            Tone::Bad => Some(Color::Red),
            Tone::Faint => Some(Color::DarkGrey),
        };
        match colour.filter(|_| self.look.colour) {
            Some(colour) => cell.fg(colour),
            None => cell,
        }
    }

    /// Appends the table, with the columns `wraps` as narrow as they must be. Where even that is too
    /// wide, each row becomes lines `column: value`.
    fn place(&mut self, mut table: Table, wraps: &[usize]) {
        let contents = table.column_max_content_widths();
        let words: Vec<u16> = (0..contents.len())
            .map(|place| longest_word(&table, place).min(LONGEST_WORD))
            .collect();
        for (place, column) in table.column_iter_mut().enumerate() {
            let constraint = if wraps.contains(&place) {
                let least = contents[place].min(NARROWEST.max(words[place]));
                // The boundary includes the column's padding.
                ColumnConstraint::LowerBoundary(Width::Fixed(least + 2))
            } else {
                ColumnConstraint::ContentWidth
            };
            column.set_constraint(constraint);
        }
        let lines: Vec<String> = table.lines().collect();
        let widest = lines.iter().map(|line| columns(line)).max().unwrap_or(0);
        if widest <= self.room(0) {
            for line in lines {
                self.text.push_str(line.trim_end());
                self.text.push('\n');
            }
            return;
        }
        let header: Vec<String> = table
            .header()
            .map(|row| row.cell_iter().map(Cell::content).collect())
            .unwrap_or_default();
        for row in table.row_iter() {
            let mut indent = 0;
            for (name, cell) in header.iter().zip(row.cell_iter()) {
                let content = cell.content();
                if !content.is_empty() {
                    self.wrapped(&format!("{name}: {content}"), indent, 2);
                    indent = 2;
                }
            }
        }
    }
}

/// The width of the longest word in a column.
fn longest_word(table: &Table, column: usize) -> u16 {
    let cells = table
        .row_iter()
        .filter_map(|row| row.cell_iter().nth(column));
    let words = cells.flat_map(|cell| {
        let text = cell.content();
        text.split(' ').map(|word| word.width()).max()
    });
    words
        .max()
        .map_or(0, |width| u16::try_from(width).unwrap_or(u16::MAX))
}

/// The columns that a line takes on a terminal, without its escapes and the space at its end.
fn columns(line: &str) -> usize {
    let mut bare = String::with_capacity(line.len());
    let mut escaped = false;
    for c in line.chars() {
        match c {
            '\u{1b}' => escaped = true,
            'm' if escaped => escaped = false,
            _ if escaped => {}
            _ => bare.push(c),
        }
    }
    bare.trim_end().width()
}

/// Splits at spaces into lines of at most `width` columns; a longer word is cut.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        if used > 0 && used + word.trim_end().width() > width {
            lines.push(line.trim_end().to_string());
            line.clear();
            used = 0;
        }
        for c in word.chars() {
            let wide = c.width().unwrap_or(0);
            if used + wide > width && c != ' ' {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += wide;
        }
    }
    lines.push(line.trim_end().to_string());
    lines
}

fn verdict(out: &mut Out, result: &RunResult) {
    let colour = match result.verdict {
        Verdict::Pass => "1;32",
        Verdict::Violated | Verdict::CouldNotRun => "1;31",
        Verdict::Inconclusive | Verdict::Interrupted => "1;33",
    };
    let word = out.style(result.verdict.word(), colour);
    out.text.push_str(&word);
    let line = plain(&words::facts(result).join(" · "));
    let taken = result.verdict.word().width() + 2;
    if taken + line.width() <= out.room(0) {
        out.text.push_str("  ");
        out.text.push_str(&line);
        out.text.push('\n');
    } else {
        out.text.push('\n');
        out.wrapped(&line, 2, 0);
    }
    for reason in &result.reasons {
        // The whole of a violation stands further down; here its first line is enough.
        let first = reason.lines().next().unwrap_or_default();
        out.wrapped(&format!("• {first}"), 2, 2);
    }
}

fn violations(out: &mut Out, result: &RunResult) {
    let violated: Vec<&CheckResult> = result
        .checks
        .iter()
        .filter(|check| !check.violations.is_empty())
        .collect();
    if violated.is_empty() {
        return;
    }
    out.title("Violations");
    for check in violated {
        for (place, violation) in check.violations.iter().enumerate() {
            one_violation(out, place + 1, violation);
        }
        if check.more_violations > 0 {
            let more = count(check.more_violations, "more violation");
            out.wrapped(&format!("{}: {more} of this kind", check.property), 0, 2);
        }
    }
}

/// One violation in full; the command that repeats it is that of the whole run, further down.
fn one_violation(out: &mut Out, number: usize, violation: &Violation) {
    let heading = format!("{} {number}", violation.property);
    let heading = out.style(&heading, "31");
    out.text.push_str(&heading);
    out.text.push('\n');
    out.wrapped(&violation.message, 2, 2);
    let values = violation.values.len();
    for (place, line) in words::explained(violation).iter().enumerate() {
        out.wrapped(line, if place < values { 4 } else { 2 }, 2);
    }
}
