//! `validate`: reads plans and says what is wrong with them, and what they say in vain.

use std::path::PathBuf;

use paxosctl_chaos::plan;

use crate::exit::{Failure, Outcome};
use crate::output::{note, print};

/// Reads every plan before it reports, so that all mistakes of all plans are told at once.
pub fn validate(paths: &[PathBuf]) -> Result<Outcome, Failure> {
    let mut problems = Vec::new();
    for path in paths {
        match plan::load(path) {
            Ok(plan) => {
                for doubt in plan::doubts(&plan) {
                    note(&format!(
                        "warning: {}\n --> {}:{}\n  = help: {}",
                        doubt.message,
                        path.display(),
                        doubt.line,
                        doubt.help
                    ));
                }
                print(&format!(
                    "{}: plan `{}` is fine\n",
                    path.display(),
                    plan.name
                ))?;
            }
            Err(errors) => problems.push(errors.to_string()),
        }
    }
    if problems.is_empty() {
        Ok(Outcome::Success)
    } else {
        Err(Failure::Usage(problems.join("\n")))
    }
}
