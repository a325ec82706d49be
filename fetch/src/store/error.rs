use nudge_proto::{ErrorCode, Handle};

/// Why the store did not do what was asked. Nothing was changed, unless the variant says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The group has its most members.
    #[error("the group has its most members, {limit}")]
    ConversationFull {
        /// How many.
        limit: usize,
    },
    /// An ack above the head.
    #[error("the cursor {given} is above the inbox's head {head}")]
    CursorAhead {
        /// What was acknowledged.
        given: u64,
        /// What there is.
        head: u64,
    },
    /// The device was revoked; its id is never taken again.
    #[error("this device was revoked: log in as a new one")]
    DeviceRevoked,
    /// A cursor of another epoch.
    #[error(
        "the cursor is of epoch {given}, the store's is {current}: read the inbox from {current}.0"
    )]
    EpochMismatch {
        /// What was given.
        given: u64,
        /// The store's.
        current: u64,
    },
    /// A member without the right to do this.
    #[error("only an admin of the group may {what}")]
    Forbidden {
        /// The deed, to complete the sentence.
        what: &'static str,
    },
    /// Somebody has or had this handle.
    #[error("the handle {0} is taken: choose another")]
    HandleTaken(Handle),
    /// The client-made id was used before, with other content.
    #[error("the id {0} was used before with other content: make a new id for new content")]
    IdempotencyConflict(uuid::Uuid),
    /// A value that only the store can judge.
    #[error("{0}")]
    Invalid(String),
    /// A count reached its limit.
    #[error("{what} reached their limit of {limit}: remove one first")]
    LimitReached {
        /// What is counted.
        what: &'static str,
        /// How many.
        limit: usize,
    },
    /// Unknown, or not for the asking user.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The bytes do not start where the upload stands.
    #[error("the upload stands at {offset}, not at {given}: go on from {offset}")]
    OffsetMismatch {
        /// What was given.
        given: u64,
        /// Where it stands.
        offset: u64,
    },
    /// The user's room for media is used up.
    #[error("this needs {needed} bytes of media room, {left} are left")]
    QuotaExceeded {
        /// What was asked for.
        needed: u64,
        /// What there is.
        left: u64,
    },
    /// A newer request continues this upload.
    #[error("a newer request continues this upload")]
    UploadTakenOver,
    /// The disk is full.
    #[error("the store has no room left")]
    Full,
    /// The database undid the write, or never began it: nothing has happened.
    #[error("the store undid what it was asked for: {0}; try again")]
    Undone(String),
    /// The database could not be reached or failed; whether a write happened is not known.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The database answered what it never should.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl StoreError {
    /// The code it is reported under.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::ConversationFull { .. } => ErrorCode::ConversationFull,
            Self::CursorAhead { .. } => ErrorCode::CursorAhead,
            Self::DeviceRevoked => ErrorCode::DeviceRevoked,
            Self::EpochMismatch { .. } => ErrorCode::EpochMismatch,
            Self::Forbidden { .. } => ErrorCode::Forbidden,
            Self::HandleTaken(_) => ErrorCode::HandleTaken,
            Self::IdempotencyConflict(_) => ErrorCode::IdempotencyConflict,
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::LimitReached { .. } => ErrorCode::LimitReached,
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::OffsetMismatch { .. } => ErrorCode::OffsetMismatch,
            Self::QuotaExceeded { .. } => ErrorCode::QuotaExceeded,
            Self::UploadTakenOver => ErrorCode::UploadTakenOver,
            Self::Full => ErrorCode::StorageFull,
            Self::Undone(_) | Self::Unavailable(_) => ErrorCode::Unavailable,
            Self::Damaged(_) => ErrorCode::Internal,
        }
    }
}
