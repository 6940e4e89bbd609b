//! The cluster of real processes and the command line.

pub mod chat;
pub mod cli;
mod clock;
pub mod commands;
pub mod exit;
pub mod interrupt;
pub mod observer;
pub mod output;
pub mod ports;
mod progress;
mod randomness;
pub mod real;
pub mod runtime;
pub mod state;

use std::process::ExitCode;

use clap::Parser;

/// The whole program: reads the command line, does what it says, and returns the exit code.
pub fn main() -> ExitCode {
    match cli::Cli::try_parse() {
        Ok(typed) => exit::exit(commands::lower(typed).and_then(commands::execute)),
        Err(error) => {
            // Help and version are data; anything else is a usage error, exit 2.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}
