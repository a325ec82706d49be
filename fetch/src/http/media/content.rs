//! What an answer carries of a medium.

use std::ops::Range;

use axum::http::StatusCode;
use uuid::Uuid;

use super::headers::content_type;
use crate::{
    media::{
        multipart::{self, Piece},
        range,
    },
    store::Medium,
};

/// What an answer carries of a medium, and what its headers say of just that.
pub(super) struct Content {
    pub(super) status: StatusCode,
    pub(super) pieces: Vec<Piece>,
    /// For Content-Range: of a single part alone (RFC 9110, section 15.3.7.2).
    pub(super) range: Option<String>,
    /// Where it is not the medium's own.
    pub(super) content_type: Option<String>,
}

impl Content {
    pub(super) fn whole(medium: &Medium) -> Self {
        Self {
            status: StatusCode::OK,
            pieces: vec![Piece::Part(0..medium.size)],
            range: None,
            content_type: None,
        }
    }

    pub(super) fn part(part: Range<u64>, size: u64) -> Self {
        Self {
            status: StatusCode::PARTIAL_CONTENT,
            range: Some(range::content_range(&part, size)),
            pieces: vec![Piece::Part(part)],
            content_type: None,
        }
    }

    pub(super) fn parts(parts: &[Range<u64>], medium: &Medium) -> Self {
        let boundary = Uuid::new_v4().simple().to_string();
        Self {
            status: StatusCode::PARTIAL_CONTENT,
            pieces: multipart::byteranges(parts, medium.size, content_type(medium), &boundary),
            range: None,
            content_type: Some(multipart::content_type(&boundary)),
        }
    }

    /// In bytes.
    pub(super) fn length(&self) -> u64 {
        self.pieces.iter().map(Piece::length).sum()
    }
}
