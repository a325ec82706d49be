use axum::{extract::State, http::StatusCode};
use nudge_proto::{
    Cursor, Milestone,
    limits::{INBOX_PAGE_ENTRIES_MAX, PAGE_BYTES_MAX},
    pb::content as pb,
};
use serde::Deserialize;

use super::{
    ApiError, App, convert,
    extract::{ApiResult, Body, Format, Query},
};
use crate::{
    auth::Caller,
    milestones::Who,
    store::{Ack, InboxItem, PageLimits},
};

#[derive(Deserialize)]
pub(super) struct PageQuery {
    /// "epoch.seq"; without it the inbox is read from its start.
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn page(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<PageQuery>,
    format: Format,
) -> ApiResult {
    let after = match query.after {
        Some(after) => after.parse().map_err(ApiError::invalid)?,
        None => Cursor::start(app.store.identity().await?.epoch),
    };
    let limits = PageLimits {
        entries: query.limit.unwrap_or(INBOX_PAGE_ENTRIES_MAX),
        bytes: PAGE_BYTES_MAX,
    };
    let now = app.clock.now();
    let page = app.store.inbox_page(caller.user_id, after, limits, now).await?;
    let who = Who { user_id: caller.user_id, device_id: Some(caller.device_id) };
    for entry in &page.entries {
        if let InboxItem::Message(message) = &entry.item
            && message.sender_id != caller.user_id
        {
            app.milestones.tell(message.id, Milestone::Fetched, who, now);
        }
    }
    format.ok(&convert::inbox_page(&page))
}

pub(super) async fn ack(
    State(app): State<App>,
    caller: Caller,
    Body(request): Body<pb::AckRequest>,
) -> Result<StatusCode, ApiError> {
    let cursor = request.cursor.parse().map_err(ApiError::invalid)?;
    let ack = Ack { user_id: caller.user_id, device_id: caller.device_id, cursor };
    let now = app.clock.now();
    for verdict in app.store.ack(vec![ack], now).await? {
        app.milestones.acknowledged(&ack, verdict?, now);
    }
    Ok(StatusCode::NO_CONTENT)
}
