use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use nudge_proto::{
    ConversationId, ConversationSeq,
    frame::Typing,
    limits::{LIST_PAGE_MAX, TITLE_BYTES_MAX},
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
    bus::BusEvent,
    milestones::Who,
    store::{ConversationKind, ConversationUpdate, NewConversation, Span, Store, UnixMs},
};

#[derive(Deserialize)]
pub(super) struct ListQuery {
    after: Option<ConversationId>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
    format: Format,
) -> ApiResult {
    let limit = query.limit.unwrap_or(LIST_PAGE_MAX);
    let now = app.clock.now();
    let list = app.store.conversations(caller.user_id, query.after, limit, now).await?;
    let last = list.conversations.last().filter(|_| list.more);
    format.ok(&pb::ConversationPage {
        next: last.map(|last| last.id.to_string()).unwrap_or_default(),
        conversations: list.conversations.iter().map(convert::conversation).collect(),
        cursor: list.cursor.to_string(),
    })
}

pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    format: Format,
    Body(request): Body<pb::CreateConversationRequest>,
) -> ApiResult {
    let now = app.clock.now();
    let new = NewConversation {
        id: ConversationId::at_time(now.0),
        creator: caller.pair(),
        request_id: match request.kind() {
            pb::ConversationKind::Group => {
                Some(request.request_id.parse().map_err(ApiError::invalid)?)
            }
            pb::ConversationKind::Direct | pb::ConversationKind::Unspecified => None,
        },
        kind: match request.kind() {
            pb::ConversationKind::Direct => ConversationKind::Direct,
            pb::ConversationKind::Group => ConversationKind::Group,
            pb::ConversationKind::Unspecified => {
                return Err(ApiError::invalid("kind must be direct or group"));
            }
        },
        members: request
            .member_ids
            .iter()
            .map(|id| id.parse().map_err(ApiError::invalid))
            .collect::<Result<_, _>>()?,
        title: check_title(request.title)?,
        now,
    };
    let (id, created) =
        app.commit(|store| async move { store.create_conversation(new).await }).await?;
    let conversation = app.store.conversation(caller.user_id, id, now).await?;
    format.created(created, &convert::conversation(&conversation))
}

pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ConversationId>,
    format: Format,
) -> ApiResult {
    let conversation = app.store.conversation(caller.user_id, id, app.clock.now()).await?;
    format.ok(&convert::conversation(&conversation))
}

pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ConversationId>,
    format: Format,
    Body(request): Body<pb::UpdateConversationRequest>,
) -> ApiResult {
    let now = app.clock.now();
    let update = ConversationUpdate {
        title: request.title.map(check_title).transpose()?,
        muted_until: request.muted_until_ms.map(|until| UnixMs(until.min(i64::MAX as u64))),
    };
    if update != ConversationUpdate::default() {
        let change = |store: Arc<dyn Store>| async move {
            store.update_conversation(caller.pair(), id, update, now).await
        };
        app.commit(change).await?;
    }
    show(State(app), caller, Path(id), format).await
}

pub(super) async fn mark_read(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ConversationId>,
    Body(request): Body<pb::ReadRequest>,
) -> Result<StatusCode, ApiError> {
    let seq = ConversationSeq(request.conversation_seq);
    let (user_id, now) = (caller.user_id, app.clock.now());
    let above = app.store.mark_read(user_id, id, seq, now).await?;
    let span = Span::Conversation { user_id, conversation_id: id, above, through: seq };
    app.milestones.moved(span, Who { user_id, device_id: Some(caller.device_id) }, now);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn receipts(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ConversationId>,
    format: Format,
) -> ApiResult {
    let marks = app.store.marks(caller.user_id, id).await?;
    let members = marks.into_iter().map(|marks| pb::MemberReceipt {
        user_id: marks.user_id.to_string(),
        delivered_seq: marks.delivered.0,
        read_seq: marks.read.0,
    });
    format.ok(&pb::ReceiptDetail { members: members.collect() })
}

pub(super) async fn typing(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ConversationId>,
) -> Result<StatusCode, ApiError> {
    let to = app.store.typing_audience(caller.user_id, id).await?;
    if app.typists.note(caller.device_id, app.clock.now()) {
        let typing = Typing { conversation_id: id, user_id: caller.user_id };
        app.bus.publish(BusEvent::Typing { to, typing });
    }
    Ok(StatusCode::NO_CONTENT)
}

fn check_title(title: String) -> Result<String, ApiError> {
    if title.len() > TITLE_BYTES_MAX {
        return Err(ApiError::invalid(format!(
            "a title has at most {TITLE_BYTES_MAX} bytes, not {}",
            title.len()
        )));
    }
    check_printable("a title", &title)?;
    Ok(title)
}
