//! The times from saying to acknowledgement stay below the plan's limits (`expect: ack_latency`).

use super::context::{Context, percentile};
use super::findings::Findings;
use crate::history::micros;
use crate::report::{CheckResult, time};

pub(crate) fn check(context: &Context) -> Vec<CheckResult> {
    let wanted = context.plan.expect.ack_latency;
    let limits = [
        ("ack-latency-p50", 0.50, wanted.p50),
        ("ack-latency-p95", 0.95, wanted.p95),
        ("ack-latency-p99", 0.99, wanted.p99),
        ("ack-latency-max", 1.0, wanted.max),
    ];
    if limits.iter().all(|(_, _, limit)| limit.is_none()) {
        return Vec::new();
    }
    let sorted = latencies(context);
    let mut results = Vec::new();
    for (property, rank, limit) in limits {
        let Some(limit_us) = limit.map(micros) else {
            continue;
        };
        let mut findings = Findings::new(context, property);
        let Some(measured_us) = percentile(&sorted, rank) else {
            findings.undecided("nothing was acknowledged".to_string());
            results.push(findings.finish(String::new()));
            continue;
        };
        if measured_us > limit_us {
            findings.say(None, || {
                format!("{}; the limit is {}", time(measured_us), time(limit_us))
            });
        }
        results.push(findings.finish(format!("{} ≤ {}", time(measured_us), time(limit_us))));
    }
    for result in &mut results {
        if !result.violations.is_empty() {
            result.evidence = result.evidence.replace('≤', ">");
        }
    }
    results
}

/// All times from saying to acknowledgement, ascending.
pub(crate) fn latencies(context: &Context) -> Vec<u64> {
    let mut sorted: Vec<u64> = context
        .evidence
        .messages
        .iter()
        .filter_map(|message| Some(message.ack?.at_us.saturating_sub(message.said_us)))
        .collect();
    sorted.sort_unstable();
    sorted
}
