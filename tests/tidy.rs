//! House rules that a machine can check.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust source below `dir`, with its path from the root and its text.
fn sources(dir: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(dir)];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let path: PathBuf = entry.expect("a directory entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                let name = path.strip_prefix(root()).expect("below the root");
                found.push((name.display().to_string(), text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no sources below {dir}");
    found
}

fn manifest(krate: &str) -> String {
    fs::read_to_string(root().join(krate).join("Cargo.toml")).expect("a manifest")
}

/// Lines of code that name one of `banned`, as `file:line: what`. Comments may name anything.
fn offences(files: &[(String, String)], banned: &[&str]) -> Vec<String> {
    let mut offences = Vec::new();
    for (name, text) in files {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in banned {
                if code.contains(word) {
                    offences.push(format!("{name}:{}: {word}", number + 1));
                }
            }
        }
    }
    offences
}

fn assert_none(offences: &[String], rule: &str) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

/// cluster may use chaos and node, chaos may use node, node uses neither.
#[test]
fn dependencies_point_one_way() {
    for word in ["paxosctl-chaos", "paxosctl_chaos"] {
        assert!(!manifest("node").contains(word), "node depends on chaos");
    }
    assert_none(
        &offences(&sources("node/src"), &["paxosctl_chaos", "paxosctl::"]),
        "node uses neither chaos nor cluster",
    );
    let chaos = manifest("chaos");
    for word in ["tokio", "nix"] {
        assert!(!chaos.contains(word), "chaos depends on {word}");
    }
    assert_none(
        &offences(
            &sources("chaos/src"),
            &["paxosctl::", "tokio", "std::process", "std::net", "nix::"],
        ),
        "chaos knows no OS process and no socket",
    );
}

/// Everything in node but its shell is a state machine.
#[test]
fn state_machines_touch_no_world() {
    let files: Vec<_> = sources("node/src")
        .into_iter()
        .filter(|(name, _)| !name.starts_with("node/src/drive/"))
        // What is planted where is no state of a node.
        .filter(|(name, _)| !name.starts_with("node/src/planted"))
        .collect();
    let banned = [
        "tokio",
        "nix::",
        "Instant",
        "SystemTime",
        "std::fs",
        "std::net",
        "std::env",
        "std::thread",
        "thread::",
        "rand::random",
        "rand::rng",
        "thread_rng",
        "HashMap",
        "HashSet",
        "println!",
    ];
    assert_none(
        &offences(&files, &banned),
        "a state machine has no clock, file, socket, thread, global randomness or unordered map",
    );
}

/// The YAML crate is archived, so it must be easy to replace.
#[test]
fn the_yaml_crate_is_named_in_one_file() {
    let mut naming: Vec<String> = ["node/src", "chaos/src", "cluster/src"]
        .into_iter()
        .flat_map(sources)
        .filter(|(_, text)| text.contains("serde_yaml"))
        .map(|(name, _)| name)
        .collect();
    naming.dedup();
    assert_eq!(naming, ["chaos/src/plan/yaml.rs"]);
}

/// A file does one thing; past this length it does two.
#[test]
fn files_are_short() {
    let long: Vec<String> = ["node/src", "chaos/src", "cluster/src"]
        .into_iter()
        .flat_map(sources)
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|&(_, lines)| lines > 600)
        .map(|(name, lines)| format!("{name}: {lines} lines"))
        .collect();
    assert_none(&long, "files of more than 600 lines");
}

/// Nothing is left for later in the code.
#[test]
fn nothing_is_left_for_later() {
    let files: Vec<_> = ["node/src", "chaos/src", "cluster/src"]
        .into_iter()
        .flat_map(sources)
        .collect();
    assert_none(
        &offences(&files, &["todo!(", "unimplemented!(", "dbg!("]),
        "unfinished code",
    );
}

/// What is built for use has no planted bugs: only tests ask for them.
#[test]
fn only_tests_have_planted_bugs() {
    for krate in ["node", "chaos", "."] {
        let mut section = String::new();
        for line in manifest(krate).lines() {
            let code = line.split('#').next().unwrap_or_default();
            if code.starts_with('[') {
                section = code.trim().to_owned();
            }
            let may = ["[features]", "[dev-dependencies]"].contains(&section.as_str());
            assert!(may || !code.contains("planted-bugs"), "{krate}: {line}");
            let default = section == "[features]" && code.starts_with("default");
            assert!(!default, "{krate} has default features: {line}");
        }
    }
}
