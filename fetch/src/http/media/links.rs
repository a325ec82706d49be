//! Links for players that cannot send a header, and who asks for a medium by which of both.

use axum::{
    extract::{FromRequestParts, State},
    http::{StatusCode, header, request::Parts},
};
use nudge_proto::{MediumId, pb::content as pb};
use serde::Deserialize;

use super::super::{
    ApiError, App,
    extract::{ApiResult, Format, Path, Query},
};
use crate::auth::Caller;

/// Makes a link to a medium that the caller may read.
pub(in crate::http) async fn create(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<MediumId>,
    format: Format,
) -> ApiResult {
    app.granted.medium(app.store.as_ref(), caller.user_id, id, app.clock.now()).await?;
    let link = app.auth.link(caller, id)?;
    let url = format!("/v1/media/{id}?link={}", link.token);
    format.answer(StatusCode::CREATED, &pb::MediumLink { url, expires_at_ms: link.expires_at.0 })
}

/// Who asks for a medium: by his access token, or by a link if he sends none.
pub(in crate::http) struct Reader(pub(super) Caller);

#[derive(Deserialize)]
struct Asked {
    link: Option<String>,
}

impl FromRequestParts<App> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Query(Asked { link }) = Query::from_request_parts(parts, app).await?;
        match link {
            Some(link) if !parts.headers.contains_key(header::AUTHORIZATION) => {
                let Path(id) = Path::from_request_parts(parts, app).await?;
                Ok(Self(app.auth.link_bearer(&link, id).await?))
            }
            _ => Caller::from_request_parts(parts, app).await.map(Self),
        }
    }
}
