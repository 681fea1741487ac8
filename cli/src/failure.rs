//! How a command fails: what happened, what to type next, and the exit code (DESIGN §9).

use std::fmt;

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    /// The thing asked for failed.
    Failed = 1,
    Usage = 2,
    /// Port, journal, file, storage.
    Local = 3,
    /// Token, name, version, superseded.
    Refused = 4,
    Unreachable = 5,
    Interrupted = 130,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    /// What happened, with the value.
    pub what: String,
    /// Things to type or open.
    pub next: Vec<String>,
    /// A word of the closed list in the JSON schema.
    pub code: &'static str,
}

impl Failure {
    pub fn new(exit: Exit, code: &'static str, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), next: Vec::new(), code }
    }

    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", what)
    }

    pub fn local(what: impl Into<String>) -> Self {
        Self::new(Exit::Local, "local", what)
    }

    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "failed", what)
    }

    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next.push(next.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hook: {}", self.what)?;
        for (i, next) in self.next.iter().enumerate() {
            write!(f, "\n{} {next}", if i == 0 { "next:" } else { "     " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl From<crate::journal::JournalError> for Failure {
    fn from(error: crate::journal::JournalError) -> Self {
        let next = error.next();
        Self::new(Exit::Local, "journal", error.to_string()).next(next)
    }
}
