//! A plan's timeline as text: what `--dry-run` shows and every run saves.

use paxosctl_chaos::plan::Plan;
use paxosctl_chaos::schedule::dry_run;

use crate::output::columns;

/// What would happen when, and to whom, as far as that is known before.
pub fn shown(plan: &Plan, seed: u64) -> String {
    let rows = dry_run(plan, seed).into_iter().map(|row| {
        vec![
            format!("{:.1}s", row.at.as_secs_f64()),
            row.subject,
            row.action,
            row.on,
            row.line.to_string(),
        ]
    });
    format!(
        "plan {}  seed {seed}  servers {}  clients {}\n{}",
        plan.name,
        plan.cluster.servers,
        plan.cluster.clients.join(", "),
        columns(&["AT", "WHO", "WHAT", "ON", "LINE"], rows)
    )
}
