//! What `nudge admin` asks on the private listener: always with its token, and never for content.
//!
//! Every call leaves a line in the log, with the target `nudge_audit`.

mod kick;
mod sessions;
mod signal_nodes;
mod stats;
mod story;

use std::time::Instant;

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::header,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use nudge_proto::ErrorCode;

use super::{ApiError, App, request};
use crate::auth::Peer;

/// The routes, behind the token.
pub(super) fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/admin/messages/{id}", get(story::show))
        .route("/admin/sessions", get(sessions::list))
        .route("/admin/kick", post(kick::kick))
        .route("/admin/stats", get(stats::show))
        .layer(middleware::from_fn(request::within_time))
        .route_layer(middleware::from_fn_with_state(app.clone(), guard))
}

/// Lets through who shows the token, and notes who did what, whether or not he was let through.
async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = match check(&app, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let (status, elapsed_ms) = (response.status().as_u16(), begun.elapsed().as_millis() as u64);
    tracing::info!(target: AUDIT, ?peer, %method, path, route, status, elapsed_ms, "an admin call");
    response
}

fn check(app: &App, request: &Request) -> Result<(), ApiError> {
    let refused = |detail: &str| Err(ApiError::new(ErrorCode::AccessTokenInvalid, detail));
    let Some(token) = &app.config.admin_token else {
        return refused("this node has no admin token: configure one");
    };
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.split_once(' ')).map(|(_, token)| token.trim());
    match shown {
        None => refused("send Authorization: Bearer <admin token>"),
        Some(shown) if token.opens(shown) => Ok(()),
        Some(_) => refused("this is not the node's admin token"),
    }
}

/// The log's target for what an admin did.
const AUDIT: &str = "nudge_audit";
