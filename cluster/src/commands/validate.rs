//! `validate`: reads plans and says what is wrong with them.

use std::path::PathBuf;

use paxosctl_chaos::plan;

use crate::exit::{Failure, Outcome};
use crate::output::print;

/// Reads every plan before it reports, so that all mistakes of all plans are told at once.
pub fn validate(paths: &[PathBuf]) -> Result<Outcome, Failure> {
    let mut problems = Vec::new();
    for path in paths {
        match plan::load(path) {
            Ok(plan) => print(&format!(
                "{}: plan `{}` is fine\n",
                path.display(),
                plan.name
            ))?,
            Err(errors) => problems.push(errors.to_string()),
        }
    }
    if problems.is_empty() {
        Ok(Outcome::Success)
    } else {
        Err(Failure::Usage(problems.join("\n")))
    }
}
