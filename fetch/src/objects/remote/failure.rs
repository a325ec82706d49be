//! What went wrong, in our words.

use std::error::Error as _;

use object_store::{Error, client::HttpError};

use crate::objects::ObjectError;

/// Why an object store cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The options make no client.
    #[error("cannot use {place} for media: {why}")]
    Configuration {
        /// Bucket and prefix.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// It said that there is no such bucket.
    #[error("there is no bucket for {place}: make it, or correct its name or the endpoint")]
    NoBucket {
        /// Bucket and prefix.
        place: String,
    },
    /// It refused the credentials.
    #[error(
        "the object store refuses these credentials for {place}: check AWS_ACCESS_KEY_ID, \
         AWS_SECRET_ACCESS_KEY and AWS_REGION (or their like) and what they may do ({why})"
    )]
    Refused {
        /// Bucket and prefix.
        place: String,
        /// Its words.
        why: String,
    },
    /// It could not be reached, or failed.
    #[error("the object store of {place} does not answer: check the endpoint ({why})")]
    Unreachable {
        /// Bucket and prefix.
        place: String,
        /// What was tried, and how it failed.
        why: String,
    },
    /// It took too long.
    #[error("the object store of {place} did not answer within {seconds} s: check the endpoint")]
    Silent {
        /// Bucket and prefix.
        place: String,
        /// How long it was waited for.
        seconds: u64,
    },
}

impl ConnectError {
    /// Of the first look into the bucket.
    pub(super) fn at_first(place: &str, error: &Error) -> Self {
        let place = place.to_owned();
        let why = in_words(error);
        match error {
            Error::NotFound { .. } => Self::NoBucket { place },
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                Self::Refused { place, why }
            }
            _ if why.contains("NoSuchBucket") => Self::NoBucket { place },
            _ => Self::Unreachable { place, why },
        }
    }
}

/// Tells a full store from the other troubles, which pass.
pub(super) fn failed(what: &'static str) -> impl Fn(Error) -> ObjectError + Copy {
    move |error| {
        let why = in_words(&error);
        let is_full = FULL.iter().any(|word| why.contains(word));
        if is_full { ObjectError::Full } else { ObjectError::Unavailable { what, why } }
    }
}

/// One line: the innermost cause says most.
fn in_words(error: &Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            words = format!("{words}: {:?}", http.kind());
        }
        let inner = error.to_string();
        if !words.contains(&inner) {
            words = format!("{words}: {inner}");
        }
        cause = error.source();
    }
    let line: String = words.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(WORDS_MAX).collect()
}

/// How S3 and what speaks like it say that there is no room.
const FULL: [&str; 5] = [
    "507 Insufficient",
    "XMinioStorageFull",
    "InsufficientStorage",
    "QuotaExceeded",
    "NoSpaceLeft",
];
/// Characters of a foreign error that are told.
const WORDS_MAX: usize = 400;
