use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use nudge_proto::{ConversationId, UserId, pb::content as pb};

use super::{
    ApiError, App,
    extract::{Body, Path},
};
use crate::{
    auth::Caller,
    store::{Role, Store},
};

pub(super) async fn put(
    State(app): State<App>,
    caller: Caller,
    Path((id, user_id)): Path<(ConversationId, UserId)>,
    Body(request): Body<pb::PutMemberRequest>,
) -> Result<StatusCode, ApiError> {
    let role = match request.role() {
        pb::Role::Admin => Role::Admin,
        pb::Role::Member | pb::Role::Unspecified => Role::Member,
    };
    let now = app.clock.now();
    let put = |store: Arc<dyn Store>| async move {
        store.put_member(caller.pair(), id, user_id, role, now).await
    };
    app.commit(put).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path((id, user_id)): Path<(ConversationId, UserId)>,
) -> Result<StatusCode, ApiError> {
    let now = app.clock.now();
    let remove = |store: Arc<dyn Store>| async move {
        store.remove_member(caller.pair(), id, user_id, now).await
    };
    app.commit(remove).await?;
    Ok(StatusCode::NO_CONTENT)
}
