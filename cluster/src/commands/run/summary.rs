//! Several runs at a glance, and what they come to together.

use paxosctl_chaos::report::{self, RunResult, Verdict};
use paxosctl_chaos::target::World;
use paxosctl_chaos::wilson;

use crate::exit::{Failure, Outcome};
use crate::output::wide_columns;

/// How many seeds of failing runs are named with their commands.
const MOST_COMMANDS: usize = 10;

/// More simulated runs than that are not listed one by one, but for those that are not a pass.
const MOST_LISTED: usize = 40;

/// One line a run.
pub(super) fn table(results: &[RunResult]) -> String {
    let is_listed = |result: &&RunResult| {
        results.len() <= MOST_LISTED
            || result.world == World::Processes
            || result.verdict != Verdict::Pass
    };
    let listed: Vec<&RunResult> = results.iter().filter(is_listed).take(MOST_LISTED).collect();
    if listed.is_empty() {
        return String::new();
    }
    let rows = listed.into_iter().map(|result| {
        vec![
            result.plan.clone(),
            result.seed.to_string(),
            report::world_in_short(result.world).to_owned(),
            result.verdict.word().to_owned(),
            format!("{:.1} s", result.duration_us as f64 / 1e6),
            format!("{}/{}", result.traffic.acked, result.traffic.sent),
            why(result),
            result.run_dir.clone().unwrap_or_default(),
        ]
    });
    let header = [
        "PLAN",
        "SEED",
        "WORLD",
        "VERDICT",
        "TIME",
        "ACKED",
        "WHY",
        "RUN DIRECTORY",
    ];
    format!("\n{}", wide_columns(&header, rows))
}

/// The plans that ran in both worlds, if there are any.
pub(super) fn both_worlds(results: &[RunResult]) -> String {
    let rows = report::worlds(results);
    if rows.is_empty() {
        return String::new();
    }
    let rows = rows.iter().map(|row| row.cells().to_vec());
    let header = report::WORLDS_HEADER.map(str::to_uppercase);
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    format!(
        "\nBoth worlds, the same expectations\n{}",
        wide_columns(&header, rows)
    )
}

/// How much virtual time was simulated and judged in how much time of a processor core.
pub(super) fn speed(results: &[RunResult], took_us: u64) -> String {
    let simulated = results
        .iter()
        .filter(|result| result.world == World::Simulation);
    let virtual_s = simulated
        .map(|result| result.duration_us as f64 / 1e6)
        .sum::<f64>();
    let took_s = (took_us as f64 / 1e6).max(1e-3);
    format!(
        "\nsimulated {virtual_s:.1} s in {took_s:.1} s of one core: {:.0} s a second\n",
        virtual_s / took_s
    )
}

/// The checks that do not hold, or in short why there is no verdict.
fn why(result: &RunResult) -> String {
    let named = |outcome| {
        let checks = result.checks.iter();
        let checks = checks.filter(|check| check.outcome == outcome);
        let names: Vec<&str> = checks.map(|check| check.property.as_str()).collect();
        names.join(", ")
    };
    let checks = match result.verdict {
        Verdict::Pass => return "-".to_owned(),
        Verdict::Violated => named(report::Outcome::Violated),
        Verdict::Inconclusive => named(report::Outcome::Inconclusive),
        Verdict::CouldNotRun | Verdict::Interrupted => String::new(),
    };
    if checks.is_empty() {
        first_reason(result)
    } else {
        checks
    }
}

fn first_reason(result: &RunResult) -> String {
    const MOST: usize = 60;
    let reason = result.reasons.first().map_or("-", String::as_str);
    let line = reason.lines().next().unwrap_or("-");
    if line.chars().count() <= MOST {
        return line.to_owned();
    }
    line.chars().take(MOST - 1).chain(['…']).collect()
}

/// How often each plan that ran more than once failed, and how to repeat that.
pub(super) fn rates(results: &[RunResult]) -> String {
    let mut plans: Vec<(&str, World, Vec<&RunResult>)> = Vec::new();
    for result in results {
        // Whoever ended a run learnt nothing from it.
        if result.verdict == Verdict::Interrupted {
            continue;
        }
        let known = |(plan, world, _): &&mut (&str, World, _)| {
            *plan == result.plan && *world == result.world
        };
        match plans.iter_mut().find(known) {
            Some((.., runs)) => runs.push(result),
            None => plans.push((&result.plan, result.world, vec![result])),
        }
    }
    plans.retain(|(.., runs)| runs.len() > 1);
    let mut text = String::new();
    for (plan, _, runs) in plans {
        text += "\n";
        text += &rate(plan, &runs);
    }
    text
}

fn rate(plan: &str, runs: &[&RunResult]) -> String {
    let count = |verdict| runs.iter().filter(|run| run.verdict == verdict).count();
    let parts: Vec<String> = [
        (Verdict::Pass, "passed"),
        (Verdict::Violated, "violated"),
        (Verdict::Inconclusive, "inconclusive"),
        (Verdict::CouldNotRun, "could not run"),
    ]
    .into_iter()
    .map(|(verdict, word)| (count(verdict), word))
    .filter(|(count, word)| *count > 0 || *word == "passed")
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    let failed: Vec<&&RunResult> = runs
        .iter()
        .filter(|run| run.verdict != Verdict::Pass)
        .collect();
    let world = match runs[0].world {
        World::Processes => "",
        World::Simulation => " (simulated)",
    };
    let mut text = format!(
        "{plan}{world}: {} of {} runs; failure rate {}\n",
        parts.join(", "),
        runs.len(),
        wilson::rate(failed.len(), runs.len())
    );
    for run in failed.iter().take(MOST_COMMANDS) {
        text += &format!("  {}  {}\n", run.verdict.word(), run.command);
    }
    if failed.len() > MOST_COMMANDS {
        let seeds = failed[MOST_COMMANDS..].iter();
        let seeds: Vec<String> = seeds.map(|run| run.seed.to_string()).collect();
        text += &format!("  and with the seeds {}\n", seeds.join(", "));
    }
    text
}

/// What several runs come to: interrupted before violated, that before a cluster that could not be
/// run, that before inconclusive. Runs that were not made do not count unless a signal was why.
pub(super) fn ending(
    results: &[RunResult],
    not_run: usize,
    signal: Option<i32>,
) -> Result<Outcome, Failure> {
    let having = |verdict| results.iter().filter(move |run| run.verdict == verdict);
    let was_interrupted = not_run > 0 || having(Verdict::Interrupted).next().is_some();
    if let Some(signal) = signal.filter(|_| was_interrupted) {
        return Err(Failure::Interrupted { signal });
    }
    if having(Verdict::Violated).next().is_some() {
        return Ok(Outcome::Violated);
    }
    if let Some(first) = having(Verdict::CouldNotRun).next() {
        return Err(Failure::Cluster(format!(
            "{} of {} runs could not be run; the first, {} with seed {}: {}",
            having(Verdict::CouldNotRun).count(),
            results.len(),
            first.plan,
            first.seed,
            first.reasons.join("; ")
        )));
    }
    if having(Verdict::Inconclusive).next().is_some() {
        return Ok(Outcome::Inconclusive);
    }
    Ok(Outcome::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(plan: &str, seed: u64, verdict: Verdict) -> RunResult {
        let command = format!("paxosctl run {plan}.yaml --seed {seed}");
        let mut result =
            RunResult::could_not_run(plan, seed, &command, "no port is free\nat all".into());
        result.set_verdict(verdict);
        result.duration_us = 2_340_000;
        result
    }

    #[test]
    fn every_run_has_a_line_that_says_why() {
        let mut passed = result("small", 7, Verdict::Pass);
        (passed.traffic.sent, passed.traffic.acked) = (6, 6);
        passed.run_dir = Some("runs/a".into());
        let text = table(&[passed, result("small", 8, Verdict::CouldNotRun)]);
        let lines: Vec<Vec<&str>> = text
            .trim()
            .lines()
            .map(|line| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|w| !w.is_empty())
                    .collect()
            })
            .collect();
        assert_eq!(
            lines[1],
            ["small", "7", "PASS", "2.3 s", "6/6", "-", "runs/a"]
        );
        assert_eq!(
            lines[2],
            [
                "small",
                "8",
                "COULD NOT RUN",
                "2.3 s",
                "0/0",
                "no port is free"
            ]
        );
    }

    #[test]
    fn a_rate_names_what_failed_and_how_to_repeat_it() {
        let mut results: Vec<RunResult> = (0..18)
            .map(|seed| result("small", seed, Verdict::Pass))
            .collect();
        results.push(result("small", 18, Verdict::Violated));
        results.push(result("small", 19, Verdict::Inconclusive));
        results.push(result("once", 1, Verdict::Violated));
        results.push(result("small", 20, Verdict::Interrupted));
        assert_eq!(
            rates(&results),
            "\nsmall: 18 passed, 1 violated, 1 inconclusive of 20 runs; failure rate 10.0% (95% \
             interval 2.8% to 30.1%)\n  VIOLATED  paxosctl run small.yaml --seed 18\n  \
             INCONCLUSIVE  paxosctl run small.yaml --seed 19\n"
        );
        assert_eq!(rates(&results[20..21]), "");
    }

    #[test]
    fn many_failures_are_named_by_their_seeds() {
        let results: Vec<RunResult> = (0..12)
            .map(|seed| result("small", seed, Verdict::Violated))
            .collect();
        let text = rates(&results);
        assert_eq!(text.matches("--seed").count(), 10);
        assert!(text.ends_with("  and with the seeds 10, 11\n"), "{text}");
    }

    #[test]
    fn the_worst_run_decides() {
        use Verdict::{CouldNotRun, Inconclusive, Interrupted, Pass, Violated};
        let code = |verdicts: &[Verdict], not_run, signal| {
            let results: Vec<RunResult> = verdicts
                .iter()
                .map(|verdict| result("small", 1, *verdict))
                .collect();
            match ending(&results, not_run, signal) {
                Ok(outcome) => outcome.code(),
                Err(failure) => failure.code(),
            }
        };
        assert_eq!(code(&[Pass, Pass], 0, None), 0);
        assert_eq!(code(&[Pass, Inconclusive], 3, None), 4);
        assert_eq!(code(&[Inconclusive, CouldNotRun, Pass], 0, None), 3);
        assert_eq!(code(&[CouldNotRun, Violated, Inconclusive], 0, None), 1);
        assert_eq!(code(&[Violated, Interrupted], 0, Some(15)), 143);
        assert_eq!(code(&[Violated], 1, Some(2)), 130);
        // The signal came when everything was over.
        assert_eq!(code(&[Violated], 0, Some(2)), 1);
    }
}
