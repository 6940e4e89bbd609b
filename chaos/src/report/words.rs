//! Sentences about a result that several renderings share.

use super::model::{RunResult, TrafficSummary, Violation, WindowRow};
use super::text::{count, moment, time};
use crate::target::World;

/// `quickstart · seed 7 · 3 servers · 22 acknowledged · 4 faults · 12.21 s`, in pieces.
pub(crate) fn facts(result: &RunResult) -> Vec<String> {
    let mut facts = vec![result.plan.clone(), format!("seed {}", result.seed)];
    if result.world == World::Simulation {
        facts.push("simulated".to_owned());
    }
    if result.servers > 0 {
        facts.push(count(result.servers as u64, "server"));
        facts.push(format!("{} acknowledged", result.traffic.acked));
        facts.push(count(result.faults.len() as u64, "fault"));
        facts.push(time(result.duration_us));
    }
    facts
}

/// A violation in full after its message: what is held, from where on, when, and what was broken.
pub(crate) fn explained(violation: &Violation) -> Vec<String> {
    let mut lines: Vec<String> = violation
        .values
        .iter()
        .map(|held| format!("{} holds {}", held.server, held.value))
        .collect();
    if let Some(first) = violation
        .first_divergence
        .filter(|first| Some(*first) != violation.slot)
    {
        lines.push(format!("the logs differ from slot {first} on"));
    }
    if let Some(at_us) = violation.at_us {
        let faults = if violation.active_faults.is_empty() {
            "no fault was active".to_string()
        } else {
            format!("active: {}", violation.active_faults.join(", "))
        };
        lines.push(format!("at {}; {faults}", moment(at_us)));
    }
    lines
}

/// Silences that are told; the JSON has all.
const SILENCES: usize = 5;

/// When nothing was acknowledged though messages were open, and whether that was owed: a line each.
pub(crate) fn silences(windows: &[WindowRow]) -> Vec<String> {
    let mut lines: Vec<String> = windows
        .iter()
        .take(SILENCES)
        .map(|window| {
            let faults = match &window.faults[..] {
                [] => String::new(),
                faults => format!("; {}", faults.join(", ")),
            };
            format!(
                "no ack from {} to {}, {}{faults}",
                moment(window.from_us),
                moment(window.to_us),
                window.why,
            )
        })
        .collect();
    if windows.len() > SILENCES {
        lines.push(format!("and {} more silences", windows.len() - SILENCES));
    }
    lines
}

/// What was sent, how fast it was answered, and the longest silence: a line each.
pub(crate) fn traffic(traffic: &TrafficSummary) -> Vec<String> {
    let mut sent = format!(
        "sent {} · acked {} · unknown {}",
        traffic.sent, traffic.acked, traffic.unknown
    );
    if traffic.unknown > 0 {
        sent.push_str(&format!(" ({} of them in the log)", traffic.unknown_in_log));
    }
    if traffic.reads > 0 {
        sent.push_str(&format!(" · reads {}", traffic.reads));
    }
    let mut lines = vec![sent];
    if let Some(latency) = &traffic.latency {
        lines.push(format!(
            "ack latency p50 {} · p95 {} · p99 {} · max {}",
            time(latency.p50_us),
            time(latency.p95_us),
            time(latency.p99_us),
            time(latency.max_us)
        ));
    }
    if let Some((length, at)) = traffic.longest_gap_us.zip(traffic.longest_gap_at_us) {
        lines.push(format!(
            "longest gap without an ack {} at {}",
            time(length),
            moment(at)
        ));
    }
    lines
}
