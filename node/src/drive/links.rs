//! Loads the link table file of the node's directory, at the start and on SIGUSR1.

use std::path::Path;

use super::gate::Gate;
use super::reporter::Reporter;
use crate::event::Event;
use crate::link::{Links, Rule, Table};

/// The file's name in the node's directory.
pub const LINKS_FILE: &str = "links.json";

/// The gate of a node that starts: with the table that its directory holds, if there is one, beside
/// the rules that hold as long as the process lives.
pub fn open_gate(me: &str, dir: &Path, permanent: Vec<Rule>, reporter: Reporter) -> Gate {
    let seed = me.bytes().fold(0, |seed: u64, byte| {
        seed.wrapping_mul(31).wrapping_add(byte.into())
    });
    let gate = Gate::new(me, Links::new(seed), permanent);
    match read(dir) {
        Ok(Some(table)) => drop(gate.load(table)),
        Ok(None) => {}
        Err(reason) => reporter.event(Event::LinksRefused { reason }),
    }
    gate
}

/// Puts the file's table in force, and reports what the rules that ended did.
pub fn reload(gate: &Gate, dir: &Path, reporter: Reporter) {
    let table = match read(dir) {
        Ok(table) => table.unwrap_or_default(),
        Err(reason) => return reporter.event(Event::LinksRefused { reason }),
    };
    let (before, generation) = (gate.generation(), table.generation);
    let ended = gate.load(table);
    let mut events = Vec::new();
    if !ended.is_empty() {
        events.push(Event::LinkCounts {
            generation: before,
            counts: ended,
        });
    }
    events.push(Event::Links { generation });
    reporter.events(events);
}

/// Reports what the rules in force did so far; for a node that is about to exit.
pub fn report_counts(gate: &Gate, reporter: Reporter) {
    let counts = gate.counts();
    if !counts.is_empty() {
        reporter.event(Event::LinkCounts {
            generation: gate.generation(),
            counts,
        });
    }
}

fn read(dir: &Path) -> Result<Option<Table>, String> {
    let path = dir.join(LINKS_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let table: Table =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    table
        .check()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Some(table))
}
