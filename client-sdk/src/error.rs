//! What can go wrong, as an app needs to tell it apart.

use std::{io, path::PathBuf, time::Duration};

use nudge_proto::{ErrorCode, MediumId, error_code::Retry};

use crate::events::NotSent;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration makes no sense.
    #[error("{0}")]
    Config(String),
    /// A value that the app gave makes no sense.
    #[error("{0}")]
    InvalidInput(String),
    /// Nobody is logged in with this state folder.
    #[error("nobody is logged in here: log in first")]
    LoggedOut,
    /// Somebody else is.
    #[error("this state folder belongs to {handle:?}: use another folder for another account")]
    OtherAccount {
        /// Whose.
        handle: String,
    },
    /// The server cannot be reached, or did not answer to the end. What was asked for may be done.
    #[error("no answer from the server: {0}")]
    Offline(String),
    /// The server refused.
    #[error("{detail} ({code})")]
    Refused {
        /// Which refusal, from the closed list.
        code: ErrorCode,
        /// The same for a person.
        detail: String,
        /// When the server wants to hear of it again, if it said so.
        retry_after: Option<Duration>,
    },
    /// The server said what makes no sense.
    #[error("the server's answer cannot be understood: {0}")]
    Protocol(String),
    /// The state folder cannot be used.
    #[error("the state in {path}: {source}")]
    State {
        /// The database.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that was to be sent is not what it was when it was given.
    #[error("{path} has changed since it was to be sent: send it again")]
    FileChanged {
        /// Which.
        path: PathBuf,
    },
    /// What arrived is not what was sent, twice over.
    #[error(
        "the bytes of {medium_id} have the SHA-256 {computed}, not {declared}: nothing was kept"
    )]
    DigestMismatch {
        /// Which medium.
        medium_id: MediumId,
        /// Hex.
        computed: String,
        /// Hex.
        declared: String,
    },
    /// A limit of the SDK.
    #[error("{0}")]
    Limit(String),
    /// A message was given up.
    #[error("it was not sent: {}", .0.reason)]
    NotSent(NotSent),
    /// It could not be sent for a week.
    #[error("it could not be sent for {} days", .0.as_secs() / 86_400)]
    GivenUp(Duration),
    /// The app, or a closing client, cancelled it.
    #[error("it was cancelled")]
    Cancelled,
    /// There is no such thing here.
    #[error("{0} is not known here")]
    Unknown(String),
}

/// What an SDK call answers.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The server's code, when it was the server that refused.
    #[must_use]
    pub const fn code(&self) -> Option<ErrorCode> {
        if let Self::Refused { code, .. } = self {
            return Some(*code);
        }
        if let Self::NotSent(not_sent) = self { not_sent.code } else { None }
    }

    /// Whether the same may work later, without anybody doing something about it.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Offline(_))
            || self.code().is_some_and(|code| code.retry() == Retry::AfterBackoff)
    }

    /// Whether the same will never work: the server understood it and said no.
    pub(crate) fn is_final(&self) -> bool {
        self.code().is_some_and(|code| code.retry() == Retry::Useless) && !self.is_session_over()
    }

    /// Whether this device has to log in again before anything works.
    #[must_use]
    pub const fn is_session_over(&self) -> bool {
        matches!(self, Self::LoggedOut)
            || matches!(
                self.code(),
                Some(
                    ErrorCode::AccessTokenInvalid
                        | ErrorCode::DeviceRevoked
                        | ErrorCode::RefreshTokenInvalid
                        | ErrorCode::RefreshTokenReused
                )
            )
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    pub(crate) fn protocol(error: impl ToString) -> Self {
        Self::Protocol(error.to_string())
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        // The causes say more than the outermost layer, which only names the whole URL.
        let server = error.url().map(|url| url.origin().ascii_serialization());
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = cause.to_string();
            source = cause.source();
        }
        Self::Offline(match server {
            Some(server) => format!("{server}: {text}"),
            None => text,
        })
    }
}
