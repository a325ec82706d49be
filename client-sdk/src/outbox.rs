//! Sends what waits in the outbox: one message at a time per conversation, in the app's order.
//!
//! A message is stored before the app hears that it will be sent, and carries the same id on every
//! attempt: dying at any instant neither loses nor doubles it (P2).

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use nudge_proto::{ClientMessageId, ConversationId, ErrorCode, pb::content as pb};
use reqwest::Method;
use tokio::sync::Notify;

use crate::{
    Error,
    core::{Core, unix_ms},
    error::Result,
    events::Event,
    lanes::Work,
    limits::{OUTBOX_CONVERSATIONS_AT_ONCE, OUTBOX_TIME},
};

/// Sending what waits.
#[derive(Debug)]
pub(crate) struct Sending;

impl Work for Sending {
    type Key = ConversationId;
    type Job = ClientMessageId;

    const AT_ONCE: usize = OUTBOX_CONVERSATIONS_AT_ONCE;

    fn bell(core: &Core) -> &Notify {
        &core.outbox_bell
    }

    async fn due(core: &Core) -> Result<Vec<(ConversationId, ClientMessageId)>> {
        core.state.next_to_send().await
    }

    async fn is_wanted(core: &Core, message: &ClientMessageId) -> Result<bool> {
        core.state.is_to_be_sent(*message).await
    }

    fn attempt(core: Arc<Core>, message: ClientMessageId) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { send(&core, message).await })
    }
}

async fn send(core: &Core, message: ClientMessageId) -> Result<()> {
    let Some(queued) = core.state.queued(message).await? else { return Ok(()) };
    if Duration::from_millis(unix_ms().saturating_sub(queued.created_at_ms)) > OUTBOX_TIME {
        return give_up(core, message, &Error::GivenUp(OUTBOX_TIME)).await;
    }
    let path = format!("/v1/conversations/{}/messages/{message}", queued.conversation_id);
    let answer: Result<pb::SendResponse> = core.http.ask(Method::PUT, &path, &queued.request).await;
    match answer {
        Ok(response) => {
            if let Some(sent) = core.state.settle_sent(message, &response).await? {
                core.hub.tell(Event::Sent(sent));
            }
            Ok(())
        }
        Err(error)
            if error.code() == Some(ErrorCode::NotFound) && bring_again(core, message).await? =>
        {
            Err(error)
        }
        Err(error) if error.is_final() => give_up(core, message, &error).await,
        Err(error) => Err(error),
    }
}

/// Has files uploaded again that were on the server and are no longer; whether there are any.
async fn bring_again(core: &Core, message: ClientMessageId) -> Result<bool> {
    let mut is_any_gone = false;
    for (upload, medium) in core.state.uploaded(message).await? {
        let there = core.http.send(Method::HEAD, &format!("/v1/media/{medium}"), |head| head).await;
        match there {
            Err(error) if error.code() == Some(ErrorCode::NotFound) => {
                core.state.restart_upload(upload).await?;
                is_any_gone = true;
            }
            other => drop(other?),
        }
    }
    core.uploads_bell.notify_one();
    Ok(is_any_gone)
}

/// Tells the app that a message will not be sent.
pub(crate) async fn give_up(core: &Core, message: ClientMessageId, error: &Error) -> Result<()> {
    if let Some(not_sent) = core.state.settle_failed(message, error).await? {
        core.hub.tell(Event::NotSent(not_sent));
    }
    Ok(())
}
