//! Every plan in `plans/broken/` is refused with exactly the text beside it.
//!
//! `REWRITE=1 cargo test -p paxosctl-chaos --test broken_plans` writes the texts anew; read the
//! difference before you commit it.

use std::fs;
use std::path::{Path, PathBuf};

use paxosctl_chaos::plan;

fn plans_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plans")
}

fn yaml_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn broken_plans_are_refused_with_the_text_beside_them() {
    let dir = plans_dir().join("broken");
    let files = yaml_files(&dir);
    assert!(files.len() >= 15, "{} broken plans", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        // As a user at the root of the repository sees it.
        let shown_dir = format!("{}/", dir.display());
        let told = match plan::load(file) {
            Ok(_) => {
                wrong.push(format!("{name} was accepted"));
                continue;
            }
            Err(errors) => errors.to_string().replace(&shown_dir, "plans/broken/"),
        };
        let expected_file = file.with_extension("err");
        if std::env::var_os("REWRITE").is_some() {
            fs::write(&expected_file, told).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&expected_file).unwrap_or_default();
        if told != expected {
            wrong.push(format!(
                "{name}\n--- expected\n{expected}\n--- told\n{told}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_plan_with_one_mistake_has_one_error() {
    for file in yaml_files(&plans_dir().join("broken")) {
        let errors = plan::load(&file).unwrap_err().errors;
        let several = file.file_stem().is_some_and(|stem| stem == "several");
        assert_eq!(
            errors.len() == 1,
            !several,
            "{}: {errors:#?}",
            file.display()
        );
    }
}

#[test]
fn every_other_plan_is_accepted() {
    let mut files = yaml_files(&plans_dir());
    files.extend(yaml_files(&plans_dir().join("seed")));
    assert!(files.len() >= 12, "{} plans", files.len());
    for file in files {
        if let Err(errors) = plan::load(&file) {
            panic!("{errors}");
        }
    }
}
