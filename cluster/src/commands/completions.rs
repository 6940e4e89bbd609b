//! `completions`: a script that teaches a shell our command line.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::{Failure, Outcome};
use crate::output::print;

pub fn completions(shell: Shell) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "paxosctl", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Success)
}
