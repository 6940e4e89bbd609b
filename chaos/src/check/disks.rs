//! What lies on the servers' disks after the run is what the history says they held (P2).

use paxosctl_node::ids::ServerId;

use crate::history::{Evidence, HOLE};
use crate::report::{CheckResult, HeldValue, Outcome, Violation, count, plain};
use crate::target::{LogSource, ReplicaLog};

/// Compares logs read from disk now with those of the history. A disk may end earlier than the log
/// that its server served: what is chosen need not be written at once. Where it has a slot, it must
/// hold the same value, and a log that cannot be read is a violation.
pub fn disks(evidence: &Evidence, logs: &[(ServerId, ReplicaLog)]) -> CheckResult {
    let mut result = CheckResult {
        property: "disks".to_string(),
        outcome: Outcome::Holds,
        evidence: String::new(),
        violations: Vec::new(),
        more_violations: 0,
    };
    let mut slots = 0;
    for (server, log) in logs {
        if let Some(violation) = compare(evidence, *server, log) {
            result.outcome = Outcome::Violated;
            result.violations.push(Violation {
                property: "disks".to_string(),
                command: evidence.header.command.clone(),
                ..violation
            });
        }
        slots += log.values.len() as u64;
    }
    result.evidence = format!(
        "{} on {}",
        count(slots, "slot"),
        count(logs.len() as u64, "disk")
    );
    result
}

fn compare(evidence: &Evidence, server: ServerId, log: &ReplicaLog) -> Option<Violation> {
    let name = server.to_string();
    if let LogSource::Unreadable { reason } = &log.source {
        return Some(Violation {
            message: format!(
                "the log on the disk of {name} cannot be read: {}",
                plain(reason)
            ),
            servers: vec![name],
            ..Violation::default()
        });
    }
    let replica = evidence.replicas.iter().find(|r| r.server == server)?;
    let differs = log
        .values
        .iter()
        .zip(&replica.values)
        .position(|(now, &then)| then == HOLE || evidence.values[then as usize] != *now)?;
    let slot = differs as u64 + 1;
    let held = |which: &str, value: Option<&paxosctl_node::value::Value>| HeldValue {
        server: format!("{name} {which}"),
        value: value.map_or_else(|| "nothing".to_string(), super::context::value_text),
    };
    Some(Violation {
        message: format!(
            "slot {slot} on the disk of {name} is not what the history says {name} held"
        ),
        slot: Some(slot),
        first_divergence: Some(slot),
        values: vec![
            held("on disk", log.values.get(differs)),
            held(
                "in the history",
                evidence.values.get(replica.values[differs] as usize),
            ),
        ],
        servers: vec![name],
        ..Violation::default()
    })
}
