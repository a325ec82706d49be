use axum::{Json, extract::State};
use nudge_proto::UserId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{ApiError, App, extract::Query};
use crate::limits::SESSIONS_PAGE_MAX;

#[derive(Deserialize)]
pub(in crate::http) struct SessionsQuery {
    /// Only those of this user: an id or a handle.
    user: Option<String>,
    /// Where the page begins: behind this user.
    after: Option<UserId>,
    limit: Option<usize>,
}

/// Who is connected, through the signal nodes that watch this node.
pub(in crate::http) async fn list(
    State(app): State<App>,
    Query(query): Query<SessionsQuery>,
) -> Result<Json<Value>, ApiError> {
    let limit = query.limit.unwrap_or(SESSIONS_PAGE_MAX).clamp(1, SESSIONS_PAGE_MAX);
    let page = match query.user {
        Some(user) => app.hub.sessions_of(super::kick::find(&app, &user).await?),
        None => app.hub.sessions_page(query.after, limit),
    };
    let next_after = page.more.then(|| page.sessions.last().map(|session| session.user_id));
    let sessions = page.sessions.iter().map(|session| {
        json!({
            "user_id": session.user_id,
            "device_id": session.device_id,
            "stream": session.stream,
            "told_up_to": session.head.0,
        })
    });
    Ok(Json(json!({
        "streams": app.hub.streams(),
        "signal_nodes": super::signal_nodes::list(&app),
        "held_sessions": app.hub.held_sessions(),
        "sessions": sessions.collect::<Vec<_>>(),
        "next_after": next_after.flatten(),
    })))
}
