//! A judgement for a person.

use comfy_table::{ContentArrangement, Table, presets};

use super::explain::{Operand, Placed, Violation};
use super::judge::{Judgement, Undecided, Verdict, Why};
use crate::report::count;

/// The judgement of the history in `file`, in lines of at most `width` columns where that can be.
pub fn text(judgement: &Judgement, file: &str, width: u16) -> String {
    let verdict = match judgement.verdict {
        Verdict::Linearizable => "LINEARIZABLE",
        Verdict::NotLinearizable => "NOT LINEARIZABLE",
        Verdict::Unknown => "UNKNOWN",
    };
    let mut out = format!(
        "{verdict}  {file} · model {} · {}",
        judgement.model,
        count(judgement.operations as u64, "operation")
    );
    if judgement.keys > 1 {
        out += &format!(" · {}", count(judgement.keys as u64, "key"));
    }
    if judgement.unknown_operations > 0 {
        out += &format!(
            " · {} that may have happened or not",
            judgement.unknown_operations
        );
    }
    out.push('\n');
    for violation in &judgement.violations {
        out.push('\n');
        out += &violated(violation, width);
    }
    let told = judgement.violations.len();
    if judgement.violated_keys > told {
        let more = (judgement.violated_keys - told) as u64;
        out += &format!(
            "\n{} more not linearizable\n",
            if more == 1 {
                "1 key is".to_string()
            } else {
                format!("{more} keys are")
            }
        );
    }
    if judgement.undecided_keys > 0 {
        out += &undecided(judgement);
    }
    out
}

fn violated(violation: &Violation, width: u16) -> String {
    let stuck = &violation.stuck;
    let whose = match &violation.key {
        Some(key) => format!("Key {key}: this"),
        None => "This".to_string(),
    };
    let mut out = format!(
        "{whose} operation fits nowhere:\n  {} by process {}, {}\n",
        stuck.what,
        stuck.process,
        lines(stuck)
    );
    out += &match violation.prefix_length {
        0 => format!(
            "Nothing could take effect before it: the state is {} at first.\n",
            violation.state
        ),
        length => format!(
            "\nThe longest prefix that is linearizable: {} of {}{}\n{}",
            length,
            count(violation.operations as u64, "operation"),
            if violation.prefix.len() < length {
                format!(
                    "; the last {} of them, as they take effect:",
                    violation.prefix.len()
                )
            } else {
                ", as they take effect:".to_string()
            },
            table(&violation.prefix, true, width)
        ),
    };
    if !violation.concurrent.is_empty() {
        out += "\nAt the same time as it:\n";
        out += &table(&violation.concurrent, false, width);
        if violation.concurrent_left_out > 0 {
            out += &format!("  and {} more\n", violation.concurrent_left_out);
        }
        out += "No order of these puts the operation into a state that answers so.\n";
    }
    out
}

fn table(rows: &[Placed], states: bool, width: u16) -> String {
    let mut table = Table::new();
    let mut header = vec!["place", "process", "operation", "lines"];
    if states {
        header.push("state after it");
    }
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .force_no_tty()
        .set_header(header);
    for row in rows {
        let operation = &row.operation;
        let mut cells = vec![
            row.place.map_or("–".to_string(), |place| place.to_string()),
            operation.process.clone(),
            operation.what.clone(),
            lines(operation),
        ];
        if states {
            cells.push(row.state.clone().unwrap_or_default());
        }
        table.add_row(cells);
    }
    for column in table.column_iter_mut() {
        column.set_padding((1, 1));
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

fn lines(operation: &Operand) -> String {
    let called = operation.called_line;
    match (operation.returned_line, operation.unknown) {
        (Some(returned), false) => format!("lines {called} to {returned}"),
        (Some(returned), true) => format!("line {called}, unknown (line {returned})"),
        (None, _) => format!("line {called}, never returned"),
    }
}

fn undecided(judgement: &Judgement) -> String {
    let mut out = String::new();
    for Undecided {
        key,
        operations,
        why,
        reached_line,
    } in &judgement.undecided
    {
        let whose = match key {
            Some(key) => format!("key {key}"),
            None => "the history".to_string(),
        };
        let what = match why {
            Why::Time => "time",
            Why::Memory => "memory",
        };
        let reached = match reached_line {
            Some(line) => format!("an order was found up to line {line}"),
            None => "no order was looked for".to_string(),
        };
        out += &format!(
            "\n{whose} ({}) is undecided, because the budget of {what} was used up; {reached}\n",
            count(*operations as u64, "operation")
        );
    }
    let told = judgement.undecided.len();
    if judgement.undecided_keys > told {
        out += &format!(
            "and {} more undecided\n",
            count((judgement.undecided_keys - told) as u64, "key")
        );
    }
    out += "Give it more with --budget-seconds or --budget-memory, or judge a shorter history: \
            operations that never returned make it harder than any others.\n";
    out
}
