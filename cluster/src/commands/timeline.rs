//! A plan's timeline as text: what `--dry-run` shows and every run saves.

use comfy_table::{ContentArrangement, Table, presets};
use paxosctl_chaos::plan::Plan;
use paxosctl_chaos::schedule::dry_run;

use crate::output::width;

/// What would happen when, and to whom, as far as that is known before.
pub fn shown(plan: &Plan, seed: u64) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width())
        .force_no_tty()
        .set_header(["AT", "WHO", "WHAT", "ON", "LINE"]);
    for row in dry_run(plan, seed) {
        table.add_row([
            format!("{:.1}s", row.at.as_secs_f64()),
            row.subject,
            row.action,
            row.on,
            row.line.to_string(),
        ]);
    }
    format!(
        "plan {}  seed {seed}  servers {}  clients {}\n{}\n",
        plan.name,
        plan.cluster.servers,
        plan.cluster.clients.join(", "),
        table.trim_fmt()
    )
}
