use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderValue, header},
    response::IntoResponse,
};
use bytes::Bytes;
use nudge_proto::{
    limits::{
        BODY_BYTES_MAX, GROUP_MEMBERS_MAX, HEARTBEAT_MAX, HEARTBEAT_MIN, INBOX_PAGE_ENTRIES_MAX,
        MEDIA_PER_MESSAGE_MAX, PART_BYTES,
    },
    pb::content as pb,
};
use utoipa::openapi::OpenApi;

use super::{
    App,
    extract::{ApiResult, Format, JSON},
};
use crate::config::Registration;

pub(super) async fn discovery(State(app): State<App>, format: Format) -> ApiResult {
    let transports = app.config.discovery.transports.iter().map(|(kind, address)| {
        pb::TransportEndpoint { kind: kind.clone(), address: address.clone() }
    });
    let registration = match app.config.registration {
        Registration::Open => "open",
        Registration::Invite(_) => "invite",
        Registration::Closed => "closed",
    };
    format.ok(&pb::Discovery {
        fetch: app.config.discovery.fetch.clone(),
        transports: transports.collect(),
        heartbeat_min_s: HEARTBEAT_MIN.as_secs() as u32,
        heartbeat_default_s: app.config.heartbeat.as_secs() as u32,
        heartbeat_max_s: HEARTBEAT_MAX.as_secs() as u32,
        limits: Some(pb::Limits {
            body_bytes_max: BODY_BYTES_MAX as u32,
            media_per_message_max: MEDIA_PER_MESSAGE_MAX as u32,
            group_members_max: GROUP_MEMBERS_MAX as u32,
            upload_bytes_max: app.config.upload_bytes_max,
            upload_part_bytes: PART_BYTES as u32,
            inbox_page_entries_max: INBOX_PAGE_ENTRIES_MAX as u32,
        }),
        registration: registration.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

pub(super) async fn jwks(State(app): State<App>) -> Json<serde_json::Value> {
    Json(app.auth.jwks())
}

/// The OpenAPI document, as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Document(Bytes);

impl Document {
    pub(super) fn new(document: &OpenApi) -> Self {
        // A document of plain maps and texts is always JSON.
        Self(document.to_json().unwrap_or_default().into())
    }
}

pub(super) async fn openapi(Extension(Document(json)): Extension<Document>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(JSON))], json)
}
