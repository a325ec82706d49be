use nudge_fetch::FetchError;
use nudge_signal::SignalError;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The content service does not.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The signaling service does not.
    #[error(transparent)]
    Signal(#[from] SignalError),
}
