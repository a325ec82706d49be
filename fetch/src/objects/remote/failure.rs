//! What went wrong, in our words.

use std::error::Error as _;

use object_store::Error;

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
    /// Of the first look into the bucket. Of a listing, the client tells the status in its words only.
    pub(super) fn at_first(place: &str, error: &Error) -> Self {
        let place = place.to_owned();
        let why = in_words(error);
        let is_said = |words: &[&str]| words.iter().any(|word| why.contains(word));
        if is_said(&["NoSuchBucket", "ContainerNotFound", "404 Not Found"]) {
            Self::NoBucket { place }
        } else if is_said(&["401 Unauthorized", "403 Forbidden"]) {
            Self::Refused { place, why }
        } else {
            Self::Unreachable { place, why }
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

/// One line: what came back, without the request that it came back to.
fn in_words(error: &Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        if !words.contains(&inner) {
            words = format!("{words}: {inner}");
        }
        cause = error.source();
    }
    let answer = words.rsplit_once(" - ").map_or(words.as_str(), |(_, answer)| answer);
    let line = match (answer.split_once("<?xml"), element(answer, "Code")) {
        (Some((before, _)), Some(code)) => {
            let message = element(answer, "Message").unwrap_or_default();
            format!("{before} {code} {message}")
        }
        _ => answer.to_owned(),
    };
    let line: String = line.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(WORDS_MAX).collect()
}

fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(inner, _)| inner)
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
const WORDS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    fn error(words: &'static str) -> Error {
        Error::Generic { store: "S3", source: words.into() }
    }

    #[test]
    fn what_the_object_store_said_is_told_in_a_line() {
        let told = in_words(&error(
            "Error performing GET http://host/x in 1ms - Server returned non-2xx status code: 403 \
             Forbidden: <?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code>\
             <Message>No</Message></Error>",
        ));
        assert_eq!(told, "Server returned non-2xx status code: 403 Forbidden: AccessDenied No");
    }

    #[test]
    fn a_full_store_is_told_from_other_troubles() {
        for words in ["status code: 507 Insufficient Storage: ", "<Code>XMinioStorageFull</Code>"] {
            assert!(matches!(failed("write")(error(words)), ObjectError::Full), "{words}");
        }
        let passing = failed("write")(error("status code: 503 Service Unavailable: SlowDown"));
        assert!(matches!(passing, ObjectError::Unavailable { .. }), "{passing}");
    }
}
