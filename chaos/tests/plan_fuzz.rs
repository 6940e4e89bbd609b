//! No text makes the reader of plans panic, whatever it says points into the text, and a plan that it
//! accepts is written so that it is read again as it was.

use std::fs;
use std::path::Path;

use paxosctl_chaos::plan::written::yaml;
use paxosctl_chaos::plan::{self, Plan, PlanErrors};
use paxosctl_chaos::schedule;
use proptest::prelude::*;

mod support {
    pub mod plans;
    pub mod read;
}
use support::plans::{difference, files};
use support::read::read;

fn check(result: Result<Plan, PlanErrors>, text: &str) -> Result<(), TestCaseError> {
    match result {
        Ok(plan) => {
            let rows = schedule::dry_run(&plan, 7).len();
            let firings: u32 = plan.faults.iter().map(|fault| fault.times).sum();
            prop_assert!(rows >= plan.traffic.len() + firings as usize);
            let written = yaml(&plan);
            prop_assert_eq!(difference(&read(&written), &plan), None, "{}", written);
        }
        Err(errors) => {
            prop_assert!(!errors.errors.is_empty());
            prop_assert!(errors.to_string().starts_with("error: "));
            let lines: Vec<&str> = text.lines().collect();
            for error in &errors.errors {
                // A script's mistakes point into the script.
                if error.file != Path::new("fuzz.yaml") {
                    continue;
                }
                prop_assert!(
                    error.line >= 1 && error.line <= lines.len().max(1),
                    "{error}"
                );
                let width = lines
                    .get(error.line - 1)
                    .map_or(0, |line| line.chars().count());
                prop_assert!(error.column >= 1 && error.column <= width + 1, "{error}");
                prop_assert!(error.length >= 1);
            }
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<(), TestCaseError> {
    check(plan::parse(Path::new("fuzz.yaml"), text), text)
}

fn known_plans() -> Vec<String> {
    let folders = ["plans", "plans/seed", "plans/broken"];
    let mut texts: Vec<String> = folders
        .iter()
        .flat_map(|folder| files(folder))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    texts.sort();
    texts
}

/// One careless edit, at a share of the text's length.
#[derive(Debug, Clone)]
enum Edit {
    Delete(f64, usize),
    Insert(f64, String),
    RepeatLine(f64),
    Swap(f64, f64),
}

fn edit() -> impl Strategy<Value = Edit> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            ",",
            ":",
            "- ",
            "{",
            "}",
            "[",
            "]",
            "\"",
            "'",
            "|",
            "->",
            "<->",
            "&a ",
            "*a",
            "!x ",
            "\n",
            "\t",
            " ",
            "#",
            "~",
            "-1s",
            "0s",
            "random(",
            ")",
            "s9",
            "all",
            "\u{0}",
            "\u{1b}",
            "é",
            "日本",
            "999999999999999999999",
            "1e400",
            "? ",
            "---\n",
            "<<: ",
            "%",
            ">\n",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,8}",
    ];
    prop_oneof![
        (0.0..1.0, 1usize..12).prop_map(|(at, length)| Edit::Delete(at, length)),
        (0.0..1.0, piece).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (0.0..1.0).prop_map(Edit::RepeatLine),
        (0.0..1.0, 0.0..1.0).prop_map(|(one, other)| Edit::Swap(one, other)),
    ]
}

fn apply(text: &str, edit: &Edit) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let count = characters.len();
    let index = |share: f64| ((count as f64 * share) as usize).min(count.saturating_sub(1));
    if count == 0 {
        return text.to_owned();
    }
    match edit {
        Edit::Delete(at, length) => {
            let start = index(*at);
            characters.drain(start..(start + length).min(count));
        }
        Edit::Insert(at, piece) => {
            let start = index(*at);
            characters.splice(start..start, piece.chars());
        }
        Edit::RepeatLine(at) => {
            let mut lines: Vec<&str> = text.lines().collect();
            let line = ((lines.len() as f64 * at) as usize).min(lines.len().saturating_sub(1));
            if let Some(repeated) = lines.get(line).copied() {
                lines.insert(line, repeated);
            }
            return lines.join("\n");
        }
        Edit::Swap(one, other) => characters.swap(index(*one), index(*other)),
    }
    characters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn edited_plans_never_panic(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec(edit(), 1..6),
    ) {
        let plans = known_plans();
        let mut text = which.get(&plans).clone();
        for edit in &edits {
            text = apply(&text, edit);
        }
        parse(&text)?;
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        parse(&String::from_utf8_lossy(&bytes))?;
        let file = tempfile::NamedTempFile::new()?;
        fs::write(file.path(), &bytes)?;
        let loaded = plan::load(file.path());
        prop_assert!(loaded.is_err());
    }

    #[test]
    fn random_text_in_each_place_never_panics(text in "[ -~é|>,()\\-]{0,20}") {
        let quoted = format!("{:?}", text);
        for line in [
            "at: @", "every: @", "times: @", "name: @", "kill: @", "for: @", "partition: @",
            "delay: {link: @, by: 1ms}", "drop: {link: s1->s2, kinds: @}", "drop: {probability: @}",
            "mode: {s1: @}", "mode: {@: d}", "duplicate: {link: @, copies: @}", "reorder: {within: @}",
            "delay: {link: s1->s2, by: 1s, jitter: 1s, distribution: @, side: @}",
        ] {
            let fault = line.replace('@', &quoted);
            parse(&format!(
                "version: 1\ncluster: {{servers: 3, clients: [ann]}}\ntraffic:\n  \
                 - {{at: 9s, as: ann, say: {quoted}}}\nfaults:\n  - {{{fault}}}\n"
            ))?;
        }
    }
}
