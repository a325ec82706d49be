//! What the content service can refuse, as one closed list.

use std::{fmt, str::FromStr};

/// Whether sending the same request once more makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing was done, and a repetition will end the same way.
    Useless,
    /// Safe after a wait: every write carries a client-made id or an offset, so nothing happens twice.
    AfterBackoff,
    /// Safe once the session was refreshed.
    AfterRefresh,
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $retry:ident;)*) => {
        /// A stable code in every problem document; the list is closed and alphabetical.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as it stands in a problem document.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status it travels with.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Whether the same request may be sent again.
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)* }
            }
        }
    };
}

error_codes! {
    /// The access token is past its time.
    AccessTokenExpired = "access_token_expired", 401, AfterRefresh;
    /// The access token is missing, malformed or forged.
    AccessTokenInvalid = "access_token_invalid", 401, AfterRefresh;
    /// The bytes do not have the declared checksum; nothing of them was kept (tus: 460).
    ChecksumMismatch = "checksum_mismatch", 460, AfterBackoff;
    /// The media type of the request is not one this call takes.
    ContentTypeUnsupported = "content_type_unsupported", 415, Useless;
    /// The group has its most members.
    ConversationFull = "conversation_full", 409, Useless;
    /// Handle or password is wrong, or the issuer's token is.
    CredentialsInvalid = "credentials_invalid", 401, Useless;
    /// The cursor is above the head.
    CursorAhead = "cursor_ahead", 409, Useless;
    /// The device was revoked.
    DeviceRevoked = "device_revoked", 401, Useless;
    /// The cursor belongs to another epoch of the store: read again from the start.
    EpochMismatch = "epoch_mismatch", 409, Useless;
    /// A member without the right to do this.
    Forbidden = "forbidden", 403, Useless;
    /// Somebody has or had this handle.
    HandleTaken = "handle_taken", 409, Useless;
    /// The client-made id was used before, with other content.
    IdempotencyConflict = "idempotency_conflict", 409, Useless;
    /// A fault of the server, with its detail in the server's log.
    Internal = "internal", 500, AfterBackoff;
    /// A value is not of the form the call takes.
    InvalidRequest = "invalid_request", 400, Useless;
    /// The invite is unknown or used up.
    InviteInvalid = "invite_invalid", 403, Useless;
    /// A count that the configuration limits is reached.
    LimitReached = "limit_reached", 409, Useless;
    /// The path has no such method.
    MethodNotAllowed = "method_not_allowed", 405, Useless;
    /// No answer of a type that the client accepts.
    NotAcceptable = "not_acceptable", 406, Useless;
    /// Unknown, or not for the asking user.
    NotFound = "not_found", 404, Useless;
    /// The bytes do not start where the upload stands; the answer's Upload-Offset says where.
    OffsetMismatch = "offset_mismatch", 409, Useless;
    /// A condition of the request does not hold.
    PreconditionFailed = "precondition_failed", 412, Useless;
    /// The user's room for media is used up.
    QuotaExceeded = "quota_exceeded", 413, Useless;
    /// No byte of the range exists.
    RangeNotSatisfiable = "range_not_satisfiable", 416, Useless;
    /// Too many requests or attempts; Retry-After says when to come back.
    RateLimited = "rate_limited", 429, AfterBackoff;
    /// The refresh token is malformed, forged or of an ended session.
    RefreshTokenInvalid = "refresh_token_invalid", 401, Useless;
    /// A refresh token came back after its successor was used: the device was revoked.
    RefreshTokenReused = "refresh_token_reused", 401, Useless;
    /// This server takes no registrations.
    RegistrationClosed = "registration_closed", 403, Useless;
    /// The request did not arrive in time.
    RequestTimeout = "request_timeout", 408, AfterBackoff;
    /// The request is over its limit.
    RequestTooLarge = "request_too_large", 413, Useless;
    /// The server has no room for the bytes.
    StorageFull = "storage_full", 507, AfterBackoff;
    /// A dependency is missing for the moment; nothing was done.
    Unavailable = "unavailable", 503, AfterBackoff;
    /// The upload ran out of its time and was removed.
    UploadExpired = "upload_expired", 410, Useless;
    /// A newer request continues this upload.
    UploadTakenOver = "upload_taken_over", 409, Useless;
    /// The tus version is not one this server speaks.
    UploadVersionUnsupported = "upload_version_unsupported", 412, Useless;
}

impl ErrorCode {
    /// The code to go by when an answer with this HTTP status carries none that is known here: of a
    /// newer server, or to a HEAD, whose answer has no body.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::AccessTokenExpired,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            406 => Self::NotAcceptable,
            408 => Self::RequestTimeout,
            410 => Self::UploadExpired,
            412 => Self::PreconditionFailed,
            413 => Self::RequestTooLarge,
            415 => Self::ContentTypeUnsupported,
            416 => Self::RangeNotSatisfiable,
            429 => Self::RateLimited,
            460 => Self::ChecksumMismatch,
            507 => Self::StorageFull,
            503 => Self::Unavailable,
            500.. => Self::Internal,
            _ => Self::InvalidRequest,
        }
    }

    /// Whether nothing can happen twice when the same request is sent again.
    #[must_use]
    pub const fn is_retry_safe(self) -> bool {
        matches!(self.retry(), Retry::AfterBackoff | Retry::AfterRefresh)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A text that is no code of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown error code {0:?}")]
pub struct UnknownErrorCode(String);

impl FromStr for ErrorCode {
    type Err = UnknownErrorCode;

    fn from_str(text: &str) -> Result<Self, UnknownErrorCode> {
        let known = Self::ALL.iter().find(|code| code.as_str() == text);
        known.copied().ok_or_else(|| UnknownErrorCode(text.chars().take(64).collect()))
    }
}
