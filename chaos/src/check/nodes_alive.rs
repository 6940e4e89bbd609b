//! No process ends by itself: only the plan takes nodes down (P4, P7).

use super::context::Context;
use super::findings::Findings;
use crate::report::{CheckResult, Violation, count, plain};

/// Lines of a dead process's output that are repeated in the finding.
const LINES: usize = 5;

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "nodes-alive");
    let evidence = context.evidence;
    for death in &evidence.deaths {
        findings.violate(|| {
            let mut message = format!("{} died: {}", death.node, plain(&death.status));
            let skip = death.last_lines.len().saturating_sub(LINES);
            for line in death.last_lines.iter().skip(skip) {
                message.push_str("\n  ");
                message.push_str(&plain(line));
            }
            Violation {
                message,
                servers: vec![death.node.clone()],
                at_us: Some(death.at_us),
                ..Violation::default()
            }
        });
    }
    findings.finish(count(evidence.nodes.len() as u64, "process").replace("processs", "processes"))
}
