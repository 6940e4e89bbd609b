//! What a CI job's summary shows: what is wrong first, and no text that is taken for markup.

use super::*;

#[test]
fn what_is_wrong_comes_first_and_the_rest_is_folded_away() {
    let text = markdown(&every_outcome());
    let places: Vec<usize> = [
        "### ❌ VIOLATED · a \"plan\" &lt;&amp;&gt; · seed 7",
        "- agreement: slot 5 holds different values",
        "| agreement | ❌ VIOLATED |",
        "| traffic | ⚠️ inconclusive |",
        "**agreement**: slot 5 holds different values",
        "- s1 holds bob \\#2 \"message 4\"",
        "<details><summary>",
        "| no-duplicates | holds |",
        "<details><summary>Faults</summary>",
        "```sh\npaxosctl run plans/story.yaml --seed 7\n```",
    ]
    .iter()
    .map(|part| {
        text.find(part)
            .unwrap_or_else(|| panic!("{part} is missing in\n{text}"))
    })
    .collect();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn no_text_is_markup_and_no_cell_ends_early() {
    let text = markdown(&every_outcome());
    assert!(!text.contains("<img") && !text.contains('\u{1b}'), "{text}");
    assert!(text.contains("\\|\\`\\*&lt;img src=x&gt;"), "{text}");
    let mut columns = 0;
    for line in text.lines() {
        let bars = line.replace("\\|", "").matches('|').count();
        if bars == 0 {
            columns = 0;
        } else if columns == 0 {
            columns = bars;
        } else {
            assert_eq!(bars, columns, "{line}");
        }
    }
}

#[test]
fn a_command_cannot_end_its_block() {
    let mut result = result(&sound());
    result.command = "paxosctl run ```\n# x".to_string();
    let text = markdown(&result);
    assert!(
        text.contains("````sh\npaxosctl run ```\\n# x\n````\n"),
        "{text}"
    );
}

#[test]
fn several_runs_have_a_line_each_and_stay_within_the_bytes_allowed() {
    let runs: Vec<RunResult> = (0..40)
        .map(|number| {
            let mut run = if number % 2 == 0 {
                result(&sound())
            } else {
                every_outcome()
            };
            run.seed = number;
            run
        })
        .collect();
    let whole = markdown_of_all(&runs, usize::MAX);
    assert!(whole.starts_with("## 20 of 40 runs passed\n"), "{whole}");
    assert_eq!(whole.matches("\n| ❌ |").count(), 20);
    assert_eq!(whole.matches("\n| ✅ |").count(), 20);
    assert_eq!(
        whole.matches("\n### ").count(),
        20,
        "those that failed in full"
    );
    let first_pass = whole.find("| ✅ |").expect("a pass");
    assert!(whole.rfind("| ❌ |").expect("a failure") < first_pass);
    let short = markdown_of_all(&runs, 20_000);
    assert!(short.len() < 20_100, "{}", short.len());
    assert!(short.contains("Left out to keep this short: "), "{short}");
    assert_eq!(markdown_of_all(&runs[..1], usize::MAX), markdown(&runs[0]));
}

#[test]
fn annotations_name_what_does_not_hold_on_one_line_each() {
    let mut story = unsound();
    let fault = &mut story.plan.faults[1];
    fault.line = 12;
    let mut result = every_outcome();
    result.faults[1].bit = false;
    for check in &mut result.checks {
        if check.property == "faults-bit" {
            check.outcome = Outcome::Inconclusive;
        }
    }
    let lines = annotations(&result, &story.plan, "plans/story.yaml");
    let wrong = |outcome| matches!(outcome, Outcome::Violated | Outcome::Inconclusive);
    let expected = result
        .checks
        .iter()
        .filter(|check| wrong(check.outcome))
        .count();
    assert_eq!(lines.len(), expected);
    assert!(
        lines
            .iter()
            .all(|line| !line.contains(['\n', '\r', '\u{1b}']))
    );
    let start =
        "::error file=plans/story.yaml,line=1,title=a \"plan\" <&>%3A agreement::slot 5 holds";
    assert!(lines[0].starts_with(start), "{}", lines[0]);
    assert!(lines[0].ends_with("%0Arun again: paxosctl run plans/story.yaml --seed 7"));
    let bit = lines
        .iter()
        .find(|line| line.contains("faults-bit"))
        .expect("a line");
    assert!(
        bit.starts_with("::error file=plans/story.yaml,line=12,"),
        "{bit}"
    );
    assert_eq!(
        annotations(&self::result(&sound()), &story.plan, "x"),
        [""; 0]
    );
    let failed = RunResult::could_not_run("story", 7, "x", "no port".to_string());
    let lines = annotations(&failed, &story.plan, "x.yaml");
    assert_eq!(
        lines,
        ["::error file=x.yaml,line=1,title=story%3A COULD NOT RUN::no port"]
    );
}
