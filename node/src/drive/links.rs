//! Loads the link table file of the node's directory, at the start and on SIGUSR1.

use std::path::Path;

use super::gate::Gate;
use super::reporter::Reporter;
use crate::event::Event;
use crate::link::{NodeLinks, Rule, Table};

/// The file's name in the node's directory.
pub const LINKS_FILE: &str = "links.json";

/// The gate of a node that starts: with the table that its directory holds, if there is one, beside
/// the rules that hold as long as the process lives.
pub fn open_gate(me: &str, dir: &Path, permanent: Vec<Rule>, reporter: Reporter) -> Gate {
    let mut links = NodeLinks::new(me, permanent);
    match read(dir) {
        Ok(Some(table)) => drop(links.load(table)),
        Ok(None) => {}
        Err(reason) => reporter.event(Event::LinksRefused { reason }),
    }
    Gate::new(links)
}

/// Puts the file's table in force, and reports what the rules that ended did.
pub fn reload(gate: &Gate, dir: &Path, reporter: Reporter) {
    match read(dir) {
        Ok(table) => {
            let table = table.unwrap_or_default();
            reporter.events(gate.with_links(|links| links.reload(table)));
        }
        Err(reason) => reporter.event(Event::LinksRefused { reason }),
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
