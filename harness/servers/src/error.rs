use std::{io, path::PathBuf, time::Duration};

/// Why a server is not there.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A program is not installed.
    #[error("{program} is not on this machine: install {package} (scripts/test does)")]
    Missing {
        /// The program.
        program: &'static str,
        /// The distribution's package that has it.
        package: &'static str,
    },
    /// The operating system did not do its part.
    #[error("cannot {what}: {source}")]
    Io {
        /// The deed, to complete the sentence.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// A program that prepares or steers a server failed.
    #[error("{program} failed:\n{output}")]
    Failed {
        /// The program.
        program: String,
        /// What it printed.
        output: String,
    },
    /// It does not answer on its port.
    #[error("{program} was not ready after {waited:?}; its log, {}:\n{output}", log.display())]
    NotReady {
        /// The program.
        program: &'static str,
        /// For how long it was asked.
        waited: Duration,
        /// Its log.
        log: PathBuf,
        /// What stands in it.
        output: String,
    },
}

impl ServerError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what: what.into(), source }
    }
}
