use std::sync::Arc;

use axum::extract::State;
use nudge_proto::{
    ClientMessageId, ConversationId, ConversationSeq, ErrorCode, MediumId, MessageId, Milestone,
    limits::{
        BODY_BYTES_MAX, CONTENT_TYPE_BYTES_MAX, LIST_PAGE_MAX, MEDIA_PER_MESSAGE_MAX, TTL_MAX,
    },
    pb::content as pb,
};
use serde::Deserialize;

use super::{
    ApiError, App,
    accounts::check_printable,
    convert,
    extract::{ApiResult, Body, Format, Path, Query},
};
use crate::{
    auth::Caller,
    milestones::Who,
    store::{Send, Store, rules::media_expire_at},
    telemetry,
};

#[derive(Deserialize)]
pub(super) struct HistoryQuery {
    before: Option<u64>,
    limit: Option<usize>,
}

pub(super) async fn send(
    State(app): State<App>,
    caller: Caller,
    Path((id, client_id)): Path<(ConversationId, ClientMessageId)>,
    format: Format,
    Body(request): Body<pb::SendRequest>,
) -> ApiResult {
    check_content(&request)?;
    let now = app.clock.now();
    let send = Send {
        sender: caller.pair(),
        conversation_id: id,
        client_id,
        message_id: MessageId::at_time(now.0),
        content_type: request.content_type,
        body: request.body,
        media: media_ids(&request.media_ids)?,
        ttl_s: request.ttl_s,
        media_expire_at: media_expire_at(now, app.config.retention.media_days),
        now,
    };
    telemetry::accepted();
    let (milestones, clock) = (Arc::clone(&app.milestones), app.clock.clone());
    let who = Who { user_id: caller.user_id, device_id: Some(caller.device_id) };
    let commit = |store: Arc<dyn Store>| async move {
        let outcome = store.send(send).await?;
        if outcome.value.created {
            milestones.tell(outcome.value.message_id, Milestone::Committed, who, clock.now());
        }
        Ok(outcome)
    };
    let sent = app.commit(commit).await?;
    telemetry::sent(sent.created);
    format.created(sent.created, &convert::sent(&sent, id))
}

pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<MessageId>,
    format: Format,
) -> ApiResult {
    let message = app.store.message(caller.user_id, id, app.clock.now()).await?;
    format.ok(&convert::message(&message))
}

pub(super) async fn history(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ConversationId>,
    Query(query): Query<HistoryQuery>,
    format: Format,
) -> ApiResult {
    let before = query.before.map(|before| ConversationSeq(before.min(i64::MAX as u64)));
    let limit = query.limit.unwrap_or(LIST_PAGE_MAX);
    let now = app.clock.now();
    let history = app.store.history(caller.user_id, id, before, limit, now).await?;
    format.ok(&pb::HistoryPage {
        items: history.items.iter().map(convert::history_item).collect(),
        next_before: history.next_before.map(|seq| seq.0),
    })
}

fn check_content(request: &pb::SendRequest) -> Result<(), ApiError> {
    if request.body.len() > BODY_BYTES_MAX {
        return Err(ApiError::new(
            ErrorCode::RequestTooLarge,
            format!(
                "a body has at most {BODY_BYTES_MAX} bytes, not {}: send more as a medium",
                request.body.len()
            ),
        ));
    }
    if request.content_type.len() > CONTENT_TYPE_BYTES_MAX {
        return Err(ApiError::invalid(format!(
            "a content type has at most {CONTENT_TYPE_BYTES_MAX} bytes, not {}",
            request.content_type.len()
        )));
    }
    check_printable("a content type", &request.content_type)?;
    if request.media_ids.len() > MEDIA_PER_MESSAGE_MAX {
        return Err(ApiError::invalid(format!(
            "a message names at most {MEDIA_PER_MESSAGE_MAX} media, not {}",
            request.media_ids.len()
        )));
    }
    match request.ttl_s {
        Some(ttl_s) if ttl_s == 0 || ttl_s > TTL_MAX.as_secs() => Err(ApiError::invalid(format!(
            "a time to live has 1 to {} seconds, not {ttl_s}",
            TTL_MAX.as_secs()
        ))),
        _ => Ok(()),
    }
}

fn media_ids(texts: &[String]) -> Result<Vec<MediumId>, ApiError> {
    let mut ids = Vec::with_capacity(texts.len());
    for text in texts {
        let id = text.parse().map_err(ApiError::invalid)?;
        if ids.contains(&id) {
            return Err(ApiError::invalid(format!("the medium {id} is named twice")));
        }
        ids.push(id);
    }
    Ok(ids)
}
