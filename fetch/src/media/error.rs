use nudge_proto::ErrorCode;

use crate::{objects::ObjectError, store::StoreError};

/// Why an upload or a download did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// A header or a value is not of the form it must have.
    #[error("{0}")]
    Invalid(String),
    /// Larger than this server takes.
    #[error("a medium may have {size_max} bytes at most, not {size}")]
    TooLarge {
        /// What was declared.
        size: u64,
        /// The limit.
        size_max: u64,
    },
    /// More bytes than the upload has room for.
    #[error("the body goes beyond the {size} bytes that were declared for this upload")]
    Overlong {
        /// What was declared.
        size: u64,
    },
    /// The body of one request does not have its checksum.
    #[error("the body does not have the checksum of Upload-Checksum: send it again")]
    RequestChecksum,
    /// The whole does not have its digest.
    #[error(
        "the bytes have the SHA-256 {computed}, not the declared {declared}: \
         the upload was removed, begin again"
    )]
    DigestMismatch {
        /// Hex.
        computed: String,
        /// Hex.
        declared: String,
    },
    /// The user's other requests must end first.
    #[error("{limit} requests of yours write to uploads already: wait for one of them")]
    TooManyAppends {
        /// The limit.
        limit: usize,
    },
    /// The upload is past its time.
    #[error("the upload ran out of its time: begin again")]
    Expired,
    /// Committed bytes are not there any more.
    #[error("bytes of the upload were lost, and the upload was removed: begin again")]
    Lost,
    /// The body paused for too long; what arrived was kept.
    #[error("the body brought nothing for {seconds} s: go on from the offset that HEAD tells")]
    TimedOut {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The body broke off; what arrived was kept.
    #[error("the body broke off ({0}): go on from the offset that HEAD tells")]
    BrokenOff(String),
    /// The store has its reasons.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The objects have theirs.
    #[error(transparent)]
    Objects(ObjectError),
    /// A fault of the server.
    #[error("{0}")]
    Internal(String),
}

impl MediaError {
    /// The code it is reported under.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) | Self::BrokenOff(_) => ErrorCode::InvalidRequest,
            Self::TooLarge { .. } | Self::Overlong { .. } => ErrorCode::RequestTooLarge,
            Self::RequestChecksum | Self::DigestMismatch { .. } => ErrorCode::ChecksumMismatch,
            Self::TooManyAppends { .. } => ErrorCode::RateLimited,
            Self::Expired | Self::Lost => ErrorCode::UploadExpired,
            Self::TimedOut { .. } => ErrorCode::RequestTimeout,
            Self::Store(error) => error.code(),
            Self::Objects(error) => error.code(),
            Self::Internal(_) => ErrorCode::Internal,
        }
    }
}

impl From<ObjectError> for MediaError {
    /// What the store said is the store's, also when the objects asked it.
    fn from(error: ObjectError) -> Self {
        if let ObjectError::Store(error) = error {
            return Self::Store(error);
        }
        Self::Objects(error)
    }
}
