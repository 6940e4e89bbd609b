//! What lies on the servers' disks after the run is what the history says they held, and all that
//! they reported as durable is there (P2).

use paxosctl_node::ids::{Ballot, ServerId, Slot};

use crate::history::{Evidence, HOLE, What};
use crate::report::{CheckResult, HeldValue, Outcome, Violation, count, plain};
use crate::target::{LogSource, ReplicaLog};

/// A server's log as it lies on its disk.
#[derive(Debug, Clone)]
pub struct DiskLog {
    /// The chosen values.
    pub log: ReplicaLog,
    /// The last slot with any value, chosen or only accepted.
    pub last: Slot,
    /// The highest ballot promised or accepted.
    pub promised: Ballot,
}

/// Compares logs read from disk now with those of the history. The chosen index on a disk may lag
/// behind the log that its server served: it need not be written at once. But every slot that the
/// server reported as accepted was durable by then, and so was every promise; where a slot is
/// chosen it must hold the same value; and a log that cannot be read is a violation.
pub fn disks(evidence: &Evidence, logs: &[(ServerId, DiskLog)]) -> CheckResult {
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
        slots += log.log.values.len() as u64;
    }
    result.evidence = format!(
        "{} on {}",
        count(slots, "slot"),
        count(logs.len() as u64, "disk")
    );
    result
}

fn compare(evidence: &Evidence, server: ServerId, disk: &DiskLog) -> Option<Violation> {
    let name = server.to_string();
    let log = &disk.log;
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
    let place = evidence.replicas.iter().position(|r| r.server == server)?;
    if let Some(message) = forgotten(evidence, place, disk) {
        return Some(Violation {
            message,
            servers: vec![name],
            ..Violation::default()
        });
    }
    let replica = &evidence.replicas[place];
    if matches!(replica.source, LogSource::Unreadable { .. }) {
        // The history does not say what it held; `agreement` does say that.
        return None;
    }
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

/// What the server reported as durable and its disk does not have.
fn forgotten(evidence: &Evidence, place: usize, disk: &DiskLog) -> Option<String> {
    let name = &evidence.replicas[place].name;
    let mut accepted = 0;
    let mut promised = Ballot::ZERO;
    let server = &evidence.servers[place];
    let last_disk = server.recoveries.last().map(|r| r.incarnation);
    let mut runs_on = server.recoveries.first().map(|r| r.incarnation);
    for event in &server.events {
        let ballot = match event.what {
            What::Recovered(place) => {
                runs_on = Some(server.recoveries[place as usize].incarnation);
                continue;
            }
            // An earlier disk took what it held with it.
            _ if runs_on != last_disk => continue,
            What::Accepted(of) => {
                accepted = accepted.max(u64::from(of.slot));
                of.ballot
            }
            What::Promised(ballot) => ballot,
            _ => continue,
        };
        promised = promised.max(evidence.ballots[ballot as usize]);
    }
    if disk.last.0 < accepted {
        return Some(format!(
            "{name} reported that slot {accepted} was accepted and durable, and the log on its \
             disk ends at slot {}",
            disk.last
        ));
    }
    (disk.promised < promised).then(|| {
        format!(
            "{name} reported that ballot {promised} was promised and durable, and the log on its \
             disk knows none above {}",
            disk.promised
        )
    })
}
