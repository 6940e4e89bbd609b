//! `schema`: the form of what programs read.

use paxosctl_chaos::report::RESULT_SCHEMA;

use crate::cli::SchemaKind;
use crate::exit::{Failure, Outcome};
use crate::output::print;

pub fn schema(of: SchemaKind) -> Result<Outcome, Failure> {
    match of {
        SchemaKind::Result => print(RESULT_SCHEMA)?,
    }
    Ok(Outcome::Success)
}
