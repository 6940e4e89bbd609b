//! What came of the selftest, for people and for programs.

use std::collections::BTreeMap;

use paxosctl_chaos::selftest::Trial;
use paxosctl_chaos::sim::Plant;
use paxosctl_node::planted;
use serde_json::json;

use super::{Baseline, Row};
use crate::output::wide_columns;

/// How many checks are named that noticed a bug.
const MOST_CHECKS: usize = 3;

/// One line a bug, and what came of the sound cluster.
pub(super) fn table(rows: &[Row], sound: &Baseline) -> String {
    let header = ["BUG", "CAUGHT", "BY", "PLAN", "RUNS", "TIME"];
    let lines = rows.iter().map(|row| {
        vec![
            row.trial.plant.name().to_owned(),
            if row.is_caught() { "yes" } else { "NO" }.to_owned(),
            checks(row),
            row.trial.plan.to_owned(),
            median(row).to_string(),
            format!("{:.2} s", row.took_s / row.hunts.len().max(1) as f64),
        ]
    });
    let caught = rows.iter().filter(|row| row.is_caught()).count();
    let mut text = wide_columns(&header, lines);
    text += &format!(
        "\n{caught} of {} bugs caught; the unbroken cluster: {} in {} runs of the same plans\n",
        rows.len(),
        alarms(sound.alarms.len()),
        sound.runs
    );
    text += "RUNS until it was noticed, the median over searches with different seeds; TIME of a search; \
             `--list` says what is wrong in each\n";
    if !planted::AVAILABLE {
        let left_out = Plant::all().filter(|plant| !plant.is_possible()).count();
        text += &format!(
            "{left_out} more bugs sit in the nodes themselves, which this build cannot have: cargo run \
             --release --features planted-bugs -- selftest\n"
        );
    }
    text + &sound
        .alarms
        .iter()
        .map(|alarm| format!("  {alarm}\n"))
        .collect::<String>()
}

fn alarms(count: usize) -> String {
    match count {
        0 => "0 alarms".to_owned(),
        1 => "1 ALARM".to_owned(),
        count => format!("{count} ALARMS"),
    }
}

/// The sound cluster is found guilty: nothing more is worth trying.
pub(super) fn guilty(alarms: &[String]) -> String {
    let lines: String = alarms.iter().map(|alarm| format!("  {alarm}\n")).collect();
    format!(
        "the unbroken cluster does not pass, so nothing could be said of bugs; mend this first:\n{lines}"
    )
}

/// Every bug by its name.
pub(super) fn list(trials: &[Trial]) -> String {
    let header = ["BUG", "PLANTED", "PLAN", "WHAT IS WRONG"];
    let lines = trials.iter().map(|trial| {
        let planted = match (trial.plant, trial.plant.is_possible()) {
            (Plant::Outside(_), _) => "from outside",
            (Plant::Inside(_), true) => "in the nodes",
            (Plant::Inside(_), false) => "not in this build",
        };
        vec![
            trial.plant.name().to_owned(),
            planted.to_owned(),
            trial.plan.to_owned(),
            trial.plant.what().to_owned(),
        ]
    });
    wide_columns(&header, lines)
}

/// The checks that noticed it, the most frequent first.
fn checks(row: &Row) -> String {
    let mut noticed: BTreeMap<&str, usize> = BTreeMap::new();
    let caught = row.hunts.iter().filter_map(|hunt| hunt.caught.as_ref());
    for check in caught.flat_map(|caught| &caught.checks) {
        *noticed.entry(check).or_default() += 1;
    }
    let mut noticed: Vec<(&str, usize)> = noticed.into_iter().collect();
    noticed.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let mut names: Vec<&str> = noticed.iter().map(|(name, _)| *name).collect();
    let more = names.len().saturating_sub(MOST_CHECKS);
    names.truncate(MOST_CHECKS);
    match (names.is_empty(), more) {
        (true, _) => "-".to_owned(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}

fn median(row: &Row) -> u32 {
    let mut runs: Vec<u32> = row.hunts.iter().map(|hunt| hunt.runs).collect();
    runs.sort_unstable();
    runs.get(runs.len() / 2).copied().unwrap_or(0)
}

pub(super) fn json(rows: &[Row], sound: &Baseline) -> String {
    let bugs: Vec<_> = rows
        .iter()
        .map(|row| {
            let hunts: Vec<_> = row
                .hunts
                .iter()
                .map(|hunt| {
                    let caught = hunt.caught.as_ref();
                    json!({
                        "runs": hunt.runs,
                        "run_us": hunt.run_us,
                        "seed": caught.map(|caught| caught.seed),
                        "checks": caught.map(|caught| &caught.checks),
                        "message": caught.map(|caught| &caught.message),
                    })
                })
                .collect();
            json!({
                "bug": row.trial.plant.name(),
                "what": row.trial.plant.what(),
                "plan": row.trial.plan,
                "caught": row.is_caught(),
                "median_runs": median(row),
                "seconds": row.took_s,
                "hunts": hunts,
            })
        })
        .collect();
    let whole = json!({
        "bugs": bugs,
        "unbroken": {"runs": sound.runs, "alarms": sound.alarms},
    });
    let mut text = serde_json::to_string_pretty(&whole).expect("plain values are JSON");
    text.push('\n');
    text
}
