//! A server whose disk failed to write or to sync stops: what it would say from then on might not be
//! on its disk, and nothing can tell (P2).

use std::collections::BTreeSet;

use super::context::Context;
use super::findings::Findings;
use crate::history::What;
use crate::report::{CheckResult, Violation, count, plain};
use crate::target::Action;

/// Writes that were done before may still be reported, in one or two moments.
const LAST_MOMENTS: usize = 2;

/// None where no disk was to fail.
pub(crate) fn check(context: &Context) -> Option<CheckResult> {
    let mut findings = Findings::new(context, "failed-disk");
    let evidence = context.evidence;
    let rules = evidence
        .actions
        .iter()
        .filter_map(|line| match &line.action {
            Action::Machine { rules } => Some(rules),
            _ => None,
        });
    let deadly: BTreeSet<&str> = rules
        .flatten()
        .filter(|rule| rule.what.is_deadly())
        .map(|rule| rule.id.as_str())
        .collect();
    if deadly.is_empty() {
        return None;
    }
    let mut failures = 0;
    for (place, server) in evidence.servers.iter().enumerate() {
        let name = &evidence.header.servers[place];
        let Some(node) = evidence.node(name) else {
            continue;
        };
        for strike in &node.machine.strikes {
            if !deadly.contains(strike.rule.as_str()) || strike.hits > 1 {
                continue;
            }
            failures += 1;
            let from = server
                .events
                .partition_point(|event| event.at_us <= strike.at_us);
            let mut moments: Vec<u64> = server.events[from..]
                .iter()
                .take_while(|event| !matches!(event.what, What::Started | What::Recovered(_)))
                .filter(|event| {
                    matches!(
                        event.what,
                        What::Promised(_) | What::Accepted(_) | What::ChosenOnDisk(_)
                    )
                })
                .map(|event| event.at_us)
                .collect();
            moments.dedup();
            if moments.len() > LAST_MOMENTS {
                findings.violate(|| Violation {
                    message: format!(
                        "{name} went on after its disk failed ({}), and says of {} that what it wrote is durable",
                        plain(&strike.what),
                        count(moments.len() as u64, "later moment"),
                    ),
                    servers: vec![name.clone()],
                    at_us: Some(moments[LAST_MOMENTS]),
                    ..Violation::default()
                });
            }
        }
    }
    Some(findings.finish(count(failures, "failed disk")))
}
