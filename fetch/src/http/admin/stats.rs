use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::super::{ApiError, App};
use crate::limits::{DETACHED_WRITES_MAX, STATS_COUNT_MAX};

/// How much there is, and how much waits.
pub(in crate::http) async fn show(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let (stats, identity) = (app.store.stats().await?, app.store.identity().await?);
    Ok(Json(json!({
        "store_id": identity.store_id,
        "epoch": identity.epoch.0,
        "counted_up_to": STATS_COUNT_MAX,
        "users": stats.users,
        "devices": stats.devices,
        "conversations": stats.conversations,
        "messages": stats.messages,
        "inbox_numbers": stats.inbox_numbers,
        "media": stats.media,
        "media_bytes": stats.media_bytes,
        "unfinished_uploads": stats.uploads,
        "receipts_due": stats.receipts_due,
        "deletions_pending": stats.deletions,
        "node": {
            "watch_streams": app.hub.streams(),
            "signal_nodes": super::signal_nodes::list(&app),
            "held_sessions": app.hub.held_sessions(),
            "writes_in_flight": DETACHED_WRITES_MAX - app.places.available_permits(),
            "marks_to_account": app.milestones.waiting(),
        },
    })))
}
