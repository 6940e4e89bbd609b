//! The tables of a result, before anything is known of how they look: terminal, Markdown and HTML
//! show the same cells.

use serde::Serialize;

use super::model::{CheckResult, ClientRow, FaultRow, Outcome, ReplicaRow, RunResult};
use super::text::{count, moment, plain, time};

/// One table.
#[derive(Debug, Serialize)]
pub(crate) struct Sheet {
    pub title: &'static str,
    pub header: Vec<&'static str>,
    /// The columns of numbers.
    pub right: Vec<usize>,
    /// The columns of long texts, which may be wrapped.
    pub wraps: Vec<usize>,
    pub rows: Vec<Vec<Entry>>,
}

/// One cell. The text has no control characters.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub text: String,
    pub tone: Tone,
}

/// What a cell says at first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tone {
    Plain,
    Good,
    Doubt,
    Bad,
    Faint,
}

/// All tables that have rows, in the order in which they are shown.
pub(crate) fn sheets(result: &RunResult) -> Vec<Sheet> {
    [
        checks(&result.checks),
        replicas(&result.replicas),
        faults(&result.faults),
        clients(&result.clients),
    ]
    .into_iter()
    .filter(|sheet| !sheet.rows.is_empty())
    .collect()
}

pub(crate) fn checks<'a>(checks: impl IntoIterator<Item = &'a CheckResult>) -> Sheet {
    let rows = checks.into_iter().map(|check| {
        let (word, tone) = match check.outcome {
            Outcome::Holds => ("holds", Tone::Good),
            Outcome::Violated => ("VIOLATED", Tone::Bad),
            Outcome::Inconclusive => ("inconclusive", Tone::Doubt),
            Outcome::NotJudged => ("–", Tone::Faint),
        };
        vec![
            entry(&check.property),
            toned(word, tone),
            entry(&check.evidence),
        ]
    });
    Sheet {
        title: "Checks",
        header: vec!["property", "result", "evidence"],
        right: vec![],
        wraps: vec![2],
        rows: rows.collect(),
    }
}

pub(crate) fn replicas(rows: &[ReplicaRow]) -> Sheet {
    let first = rows.iter().find_map(|row| row.digest.as_ref());
    let rows = rows.iter().map(|row| {
        let state = match row.state.as_str() {
            "up" => Tone::Good,
            _ => Tone::Doubt,
        };
        let same = if row.digest.as_ref() == first {
            Tone::Good
        } else {
            Tone::Bad
        };
        let lag = match row.worst_lag_slots {
            0 => "0".to_string(),
            slots => count(slots, "slot"),
        };
        vec![
            entry(&row.server),
            toned(&row.state, state),
            entry(&row.slots.to_string()),
            entry(&row.messages.to_string()),
            toned(row.digest.as_deref().unwrap_or("–"), same),
            entry(&row.restarts.to_string()),
            entry(&lag),
        ]
    });
    Sheet {
        title: "Replicas",
        header: vec![
            "server",
            "state",
            "slots",
            "messages",
            "log digest",
            "restarts",
            "worst lag",
        ],
        right: vec![2, 3, 5, 6],
        wraps: vec![],
        rows: rows.collect(),
    }
}

pub(crate) fn faults(rows: &[FaultRow]) -> Sheet {
    let rows = rows.iter().map(|row| {
        let name = if row.firings > 1 {
            format!("{} {}/{}", row.fault, row.firing, row.firings)
        } else {
            row.fault.clone()
        };
        let effect = match &row.problem {
            Some(problem) => format!("{} — DID NOT BITE: {problem}", row.effect),
            None => row.effect.clone(),
        };
        let tone = if row.bit { Tone::Plain } else { Tone::Doubt };
        vec![
            entry(&name),
            entry(&row.planned),
            entry(&moment(row.fired_at_us)),
            entry(&targets(&row.resolved)),
            toned(&effect, tone),
            entry(&row.healed_at_us.map_or_else(|| "never".to_string(), moment)),
            entry(&row.recovery_us.map_or_else(|| "–".to_string(), time)),
        ]
    });
    Sheet {
        title: "Faults",
        header: vec![
            "fault",
            "planned",
            "fired at",
            "target",
            "effect",
            "healed at",
            "back in",
        ],
        right: vec![2, 5, 6],
        wraps: vec![1, 3, 4],
        rows: rows.collect(),
    }
}

/// The first few targets; a partition of many nodes has dozens of links.
fn targets(resolved: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut text = resolved[..resolved.len().min(SHOWN)].join(", ");
    if resolved.len() > SHOWN {
        text.push_str(&format!(" and {} more", resolved.len() - SHOWN));
    }
    text
}

pub(crate) fn clients(rows: &[ClientRow]) -> Sheet {
    let rows = rows.iter().map(|row| {
        let mut journey = if row.sessions > 1 && row.journey.is_empty() {
            count(row.sessions, "session")
        } else {
            row.journey.join(" → ")
        };
        if row.reroutes > 0 {
            if !journey.is_empty() {
                journey.push_str(", ");
            }
            journey.push_str(&count(row.reroutes, "reroute"));
        }
        vec![
            entry(&row.client),
            entry(&row.sent.to_string()),
            entry(&row.acked.to_string()),
            entry(&row.unknown.to_string()),
            entry(&row.delivered.to_string()),
            entry(&journey),
        ]
    });
    Sheet {
        title: "Clients",
        header: vec!["client", "sent", "acked", "unknown", "delivered", "journey"],
        right: vec![1, 2, 3, 4],
        wraps: vec![5],
        rows: rows.collect(),
    }
}

fn entry(text: &str) -> Entry {
    toned(text, Tone::Plain)
}

fn toned(text: &str, tone: Tone) -> Entry {
    Entry {
        text: plain(text),
        tone,
    }
}
