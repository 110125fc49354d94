//! How a job ends badly, and the exit code that tells a script which way.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

/// Why a job did not end well. Prints as one line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It ran, and what it checked does not hold: exit code 1.
    #[error("{0}")]
    Check(String),
    /// It could not run: bad input, a missing tool, a build that fails. Exit code 2.
    #[error("{0}")]
    CannotRun(String),
}

impl Failure {
    /// It could not run, because of this file for this reason.
    pub fn file(path: &Path, reason: impl Display) -> Self {
        Failure::CannotRun(format!("{}: {reason}", path.display()))
    }

    /// The process' exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Check(_) => ExitCode::from(1),
            Failure::CannotRun(_) => ExitCode::from(2),
        }
    }
}
