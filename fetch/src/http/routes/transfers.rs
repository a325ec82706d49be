//! Uploads and downloads.

use nudge_proto::{
    ErrorCode::{
        ChecksumMismatch, ContentTypeUnsupported, IdempotencyConflict, InvalidRequest,
        LimitReached, NotFound, OffsetMismatch, PreconditionFailed, QuotaExceeded,
        RangeNotSatisfiable, RateLimited, RequestTimeout, RequestTooLarge, StorageFull,
        UploadExpired, UploadTakenOver,
    },
    pb::content as pb,
};
use utoipa::openapi::{Required, Type};

use crate::{
    http::{
        api::{Api, Operation, does, get, patch, post},
        media, uploads,
    },
    media::tus,
};

/// Resumable uploads: tus 1.0.
pub(in crate::http) fn resumable() -> Api {
    Api::default()
        .path(
            "/v1/uploads",
            post(
                uploads::create,
                does("Make an upload (tus: creation), with its first bytes or without")
                    .takes_header("Upload-Length", Required::True, "In bytes.")
                    .takes_header(
                        "Upload-Metadata",
                        Required::False,
                        "Keys with values in base64: `filename`, `content_type`, `sha256` (hex), \
                         `request_id` (a client-made UUID: a retry makes nothing twice).",
                    )
                    .takes_header("Upload-Checksum", Required::False, CHECKSUM)
                    .takes_bytes(tus::BODY_TYPE, Required::False)
                    .answers_nothing(201, "The upload is there.")
                    .says("Location", "Where it goes on.")
                    .says("Upload-Offset", OFFSET)
                    .says("Upload-Expires", EXPIRES)
                    .refuses(&[
                        ChecksumMismatch,
                        IdempotencyConflict,
                        InvalidRequest,
                        LimitReached,
                        QuotaExceeded,
                        RateLimited,
                        RequestTimeout,
                        RequestTooLarge,
                        StorageFull,
                        UploadTakenOver,
                    ]),
            ),
        )
        .path(
            "/v1/uploads/{id}",
            patch(uploads::append, appends())
                .head(
                    uploads::show,
                    does("How far an upload is")
                        .answers_nothing(200, "It.")
                        .says("Upload-Offset", OFFSET)
                        .says("Upload-Length", "In bytes.")
                        .says("Upload-Metadata", "As it was declared.")
                        .says("Upload-Expires", EXPIRES)
                        .refuses(&[NotFound, UploadExpired]),
                )
                .delete(
                    uploads::terminate,
                    does("Give an upload up").gives_nothing().refuses(&[NotFound]),
                )
                .post(
                    uploads::overridden,
                    appends()
                        .about("PATCH, HEAD or DELETE, by X-HTTP-Method-Override")
                        .takes_header(
                            "X-HTTP-Method-Override",
                            Required::True,
                            "The method that is meant.",
                        ),
                ),
        )
}

fn appends() -> Operation {
    does("Go on with an upload; a newer request takes over from an older one")
        .takes_header("Upload-Offset", Required::True, "Where the bytes begin.")
        .takes_header("Upload-Checksum", Required::False, CHECKSUM)
        .takes_bytes(tus::BODY_TYPE, Required::True)
        .gives_nothing()
        .says("Upload-Offset", OFFSET)
        .says("Upload-Expires", EXPIRES)
        .refuses(&[
            ChecksumMismatch,
            ContentTypeUnsupported,
            NotFound,
            OffsetMismatch,
            RateLimited,
            RequestTimeout,
            RequestTooLarge,
            StorageFull,
            UploadExpired,
            UploadTakenOver,
        ])
}

/// Downloads.
pub(in crate::http) fn download() -> Api {
    let described = |summary| {
        does(summary)
            .takes_query("link", Type::String, "A link's token, instead of an access token.")
            .takes_header("If-None-Match", Required::False, "Answered with 304 to who has it.")
            .takes_header("If-Match", Required::False, "Answered with 412 to who means another.")
            .takes_header("If-Modified-Since", Required::False, "As If-None-Match, by date.")
            .takes_header("If-Unmodified-Since", Required::False, "As If-Match, by date.")
            .takes_header(
                "Want-Repr-Digest",
                Required::False,
                "RFC 9530: `sha-256=0` leaves the digest of the whole out.",
            )
            .answers_nothing(304, "It has not changed; it never does.")
            .refuses(&[NotFound, PreconditionFailed])
    };
    let got = described("A medium, or the parts of it that Range names")
        .takes_header(
            "Range",
            Required::False,
            "Ranges of bytes, 64 at most; those that overlap or nearly touch are sent as one.",
        )
        .takes_header(
            "If-Range",
            Required::False,
            "The entity tag or the date of what the part belongs to.",
        )
        .takes_header(
            "Want-Content-Digest",
            Required::False,
            "RFC 9530: `sha-256=1` asks for the digest of one part of 8 MiB at most.",
        )
        .takes_header(
            "Prefer",
            Required::False,
            "RFC 7240: `redirect` or `redirect=no`, where the operator has an object store.",
        )
        .answers_nothing(307, "It is at the URL of Location for some minutes, for whoever asks.")
        .answers_bytes(200, "All of it.")
        .answers_bytes(206, "The part; several as multipart/byteranges.")
        .says("ETag", "The SHA-256 in hex.")
        .says("Repr-Digest", "The SHA-256 of the whole (RFC 9530).")
        .says("Content-Digest", "The SHA-256 of what the answer carries, if it was wanted.")
        .says("Content-Disposition", "Under which name it was uploaded.")
        .refuses(&[RangeNotSatisfiable]);
    let looked_at = described("What a medium is").answers_nothing(200, "As of GET.");
    Api::default()
        .path("/v1/media/{id}", get(media::download, got).head(media::download, looked_at))
}

/// Links to media.
pub(super) fn links() -> Api {
    Api::default().path(
        "/v1/media/{id}/links",
        post(
            media::links::create,
            does("Make a link to a medium, for a player that cannot send a header")
                .answers::<pb::MediumLink>(201, "The link, good for GET and HEAD of this medium.")
                .refuses(&[NotFound]),
        ),
    )
}

const CHECKSUM: &str = "An algorithm, sha1 or sha256, and the body's checksum in base64.";
const OFFSET: &str = "Bytes that are on disk.";
const EXPIRES: &str = "When an unfinished upload is removed.";
