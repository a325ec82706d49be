//! The API's routes, each declared once.

mod conversations;
mod people;
mod transfers;

use nudge_proto::{
    ErrorCode::{self, Internal, Unavailable},
    pb::content as pb,
};

use super::{
    api::{Api, does_for_all, get},
    health, well_known,
};

pub(super) use transfers::{download, resumable};

/// What is no transfer: bounded bodies, and a time to be answered in.
pub(super) fn requests() -> Api {
    Api::default()
        .merge(service())
        .merge(people::accounts())
        .merge(people::profiles())
        .merge(conversations::conversations())
        .merge(conversations::messages())
        .merge(transfers::links())
}

/// What every operation may be refused with.
pub(super) const ALWAYS: &[ErrorCode] = &[Internal, Unavailable];

fn service() -> Api {
    Api::default()
        .path(
            "/healthz",
            get(
                health::alive,
                does_for_all("The process runs").answers_text("text/plain", "It does."),
            ),
        )
        .path(
            "/readyz",
            get(
                health::ready,
                does_for_all("The process can serve").answers_text("text/plain", "It can."),
            ),
        )
        .path(
            "/.well-known/nudge",
            get(
                well_known::discovery,
                does_for_all("Where everything is, and its limits")
                    .answers::<pb::Discovery>(200, "All that an app needs to know."),
            ),
        )
        .path(
            "/openapi.json",
            get(
                well_known::openapi,
                does_for_all("This document").answers_text("application/json", "OpenAPI."),
            ),
        )
        .path(
            "/.well-known/jwks.json",
            get(
                well_known::jwks,
                does_for_all("The public keys of access tokens")
                    .answers_text("application/json", "A JWK set (RFC 7517)."),
            ),
        )
}
