//! Sends what waits in the outbox: one message at a time per conversation, in the app's order.
//!
//! A message is stored before the app hears that it will be sent, and carries the same id on every
//! attempt: dying at any instant neither loses nor doubles it (P2).

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use nudge_proto::{ClientMessageId, ConversationId, pb::content as pb};
use reqwest::Method;
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    core::{Core, unix_ms},
    error::Result,
    events::{Event, LinkState},
    limits::{OUTBOX_CONVERSATIONS_AT_ONCE, OUTBOX_TIME},
    retry::{Waits, sleep_until},
};

/// Sends until the client is closed.
pub(crate) async fn run(core: Arc<Core>) {
    let mut outbox = Outbox {
        core: Arc::clone(&core),
        in_flight: FuturesUnordered::new(),
        busy: HashMap::new(),
        waits: Waits::new(&core.config),
    };
    tokio::select! {
        () = outbox.work() => {}
        () = core.closed.cancelled() => {}
    }
}

struct Outbox {
    core: Arc<Core>,
    in_flight: FuturesUnordered<BoxFuture<'static, (ConversationId, Result<()>)>>,
    /// The message in flight of each conversation, and how to call it back.
    busy: HashMap<ConversationId, (ClientMessageId, CancellationToken)>,
    /// Conversations whose last attempt did not work.
    waits: Waits<ConversationId>,
}

impl Outbox {
    async fn work(&mut self) {
        let core = Arc::clone(&self.core);
        let mut link = core.link();
        loop {
            if let Err(error) = self.follow_state().await {
                tracing::warn!(%error, "the outbox cannot be read");
                tokio::time::sleep(core.config.retry_max).await;
                continue;
            }
            let next_try = self.waits.next_at();
            tokio::select! {
                () = core.outbox_bell.notified() => {}
                Some((conversation, result)) = self.in_flight.next() => {
                    self.handle_result(conversation, result);
                }
                Ok(()) = link.changed() => {
                    // The network is back: whoever waited need not.
                    if *link.borrow_and_update() == Some(LinkState::Up) {
                        self.waits.clear();
                    }
                }
                () = sleep_until(next_try) => {}
            }
        }
    }

    /// Calls back what is no longer to be sent, and begins what is.
    async fn follow_state(&mut self) -> Result<()> {
        let core = &self.core;
        for (message, stop) in self.busy.values() {
            if core.state.outcome(*message).await?.is_some() {
                stop.cancel();
            }
        }
        for (message, conversation) in core.state.next_to_send().await? {
            if self.busy.len() >= OUTBOX_CONVERSATIONS_AT_ONCE {
                return Ok(());
            }
            if self.waits.is_waiting(conversation) || self.busy.contains_key(&conversation) {
                continue;
            }
            let (core, stop) = (Arc::clone(core), CancellationToken::new());
            self.busy.insert(conversation, (message, stop.clone()));
            self.in_flight.push(Box::pin(async move {
                let outcome = tokio::select! {
                    outcome = send(&core, message) => outcome,
                    () = stop.cancelled() => Ok(()),
                };
                (conversation, outcome)
            }));
        }
        Ok(())
    }

    fn handle_result(&mut self, conversation: ConversationId, result: Result<()>) {
        self.busy.remove(&conversation);
        match result {
            Ok(()) => self.waits.forget(conversation),
            Err(error) => {
                let pause = self.waits.put_failed(conversation, &error);
                tracing::debug!(%error, ?pause, %conversation, "a message was not sent yet");
            }
        }
    }
}

/// One attempt. An error means that another has to follow.
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
        Err(error) if error.is_final() => give_up(core, message, &error).await,
        Err(error) => Err(error),
    }
}

/// Tells the app that a message will not be sent.
pub(crate) async fn give_up(core: &Core, message: ClientMessageId, error: &Error) -> Result<()> {
    if let Some(not_sent) = core.state.settle_failed(message, error).await? {
        core.hub.tell(Event::NotSent(not_sent));
    }
    Ok(())
}
