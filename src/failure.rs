//! How the program ends when something is wrong: one line, and a status.

use std::{fmt, process::ExitCode};

/// Why the program ends early.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    status: u8,
}

impl Failure {
    /// The operator has to change something: status 2.
    pub(crate) fn configuration(error: impl ToString) -> Self {
        Self { message: error.to_string(), status: 2 }
    }

    /// What was asked for did not work: status 1.
    pub(crate) fn new(error: impl ToString) -> Self {
        Self { message: error.to_string(), status: 1 }
    }

    /// Whoever read the output has gone: the usual status of that, without a word.
    pub(crate) const fn nobody_reads() -> Self {
        Self { message: String::new(), status: 141 }
    }

    /// Whether there is something to say.
    pub(crate) const fn is_silent(&self) -> bool {
        self.message.is_empty()
    }

    /// The exit status.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// Whatever a library reports means that what was asked for did not work.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}
