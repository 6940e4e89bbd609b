//! How a command ends: the exit codes that scripts and CI systems act on.

use std::process::ExitCode;

use paxosctl_chaos::sim::NoSuchPlant;

use crate::real::StartError;

/// How a command ended when it did what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Exit 0: done, and every expectation holds.
    Success,
    /// Exit 4: a fault did not bite, or there was too little traffic to judge.
    Inconclusive,
    /// Exit 1: an expectation is violated.
    Violated,
}

/// Why a command could not do what was asked. The text is for a person, and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Exit 2: the command line or the plan is wrong. Plan errors come rendered, with their places.
    #[error("{0}")]
    Usage(String),
    /// Exit 3: the cluster could not be run.
    #[error("{0}")]
    Cluster(String),
    /// Exit 130 or 143: a signal ended it, after everything was healed and torn down.
    #[error("interrupted")]
    Interrupted { signal: i32 },
    /// The reader of standard output went away (`| head`): nothing is wrong, and nobody listens.
    #[error("standard output is closed")]
    OutputClosed,
}

impl Failure {
    pub fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Cluster(_) => 3,
            // Signal numbers of SIGINT and SIGTERM fit easily; anything else would be our mistake.
            Failure::Interrupted { signal } => u8::try_from(128 + signal).unwrap_or(255),
            Failure::OutputClosed => 0,
        }
    }

    /// A file or directory could not be used.
    pub fn file(doing: &str, path: &std::path::Path, error: std::io::Error) -> Failure {
        Failure::Cluster(format!("cannot {doing} {}: {error}", path.display()))
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Failure {
        match error {
            StartError::Interrupted { signal } => Failure::Interrupted { signal },
            other => Failure::Cluster(format!("the cluster did not come up: {other}")),
        }
    }
}

impl From<NoSuchPlant> for Failure {
    fn from(error: NoSuchPlant) -> Failure {
        Failure::Usage(error.to_string())
    }
}

impl Outcome {
    pub fn code(self) -> u8 {
        match self {
            Outcome::Success => 0,
            Outcome::Violated => 1,
            Outcome::Inconclusive => 4,
        }
    }

    /// The outcome of two runs together: a violation outweighs everything.
    pub fn and(self, other: Outcome) -> Outcome {
        self.max(other)
    }
}

/// Says on standard error why a command failed, and turns the result into the exit code.
pub fn exit(result: Result<Outcome, Failure>) -> ExitCode {
    match result {
        Ok(outcome) => ExitCode::from(outcome.code()),
        Err(failure) => {
            match &failure {
                Failure::OutputClosed => {}
                // Plan errors begin with their own `error:` lines.
                Failure::Usage(text) if text.starts_with("error") => {
                    crate::output::note(text.trim_end());
                }
                Failure::Interrupted { .. } => crate::output::note("interrupted"),
                other => crate::output::note(&format!("error: {other}")),
            }
            ExitCode::from(failure.code())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_has_its_code() {
        assert_eq!(Outcome::Success.code(), 0);
        assert_eq!(Outcome::Violated.code(), 1);
        assert_eq!(Failure::Usage(String::new()).code(), 2);
        assert_eq!(Failure::Cluster(String::new()).code(), 3);
        assert_eq!(Outcome::Inconclusive.code(), 4);
        assert_eq!(Failure::Interrupted { signal: 2 }.code(), 130);
        assert_eq!(Failure::Interrupted { signal: 15 }.code(), 143);
    }

    #[test]
    fn the_worst_run_decides() {
        assert_eq!(
            Outcome::Inconclusive.and(Outcome::Violated),
            Outcome::Violated
        );
        assert_eq!(
            Outcome::Success.and(Outcome::Inconclusive),
            Outcome::Inconclusive
        );
        assert_eq!(Outcome::Success.and(Outcome::Success), Outcome::Success);
    }
}
