//! The driver around the client's end of the signaling session: it connects, reads, writes and waits.
//!
//! Every decision is the session's; what it wants done comes out as effects.

mod connection;

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use nudge_proto::{
    Cursor,
    frame::{FrameError, ServerFrame},
    session::{ClientConfig as SessionConfig, ClientEffect, ClientInput, ClientSession},
};
use tokio::{sync::mpsc, time::Instant};

use crate::{
    core::Core,
    error::Result,
    events::{Event, LinkState},
    limits,
    retry::sleep_until,
};
use connection::Connection;

/// What the rest of the client tells the link.
#[derive(Debug)]
pub(crate) enum LinkInput {
    /// Everything up to here is stored.
    Stored(Cursor),
    /// The network came back or changed.
    NetworkChanged,
    /// Nobody is logged in here any more.
    End,
}

/// Keeps the connection until the client is closed, or the session ends for good.
pub(crate) async fn run(core: Arc<Core>, inputs: &mut mpsc::Receiver<LinkInput>) {
    let mut link = Link {
        session: ClientSession::new(session_config(&core)),
        connection: None,
        connecting: None,
        renewing: None,
        core,
    };
    let ticket = link.core.state.ticket().await.ok().flatten().unwrap_or_default();
    let stored = link.core.state.cursor().await.ok().flatten();
    link.session.handle(ClientInput::Start { ticket, stored }, now());
    loop {
        while let Some(effect) = link.session.poll_effect() {
            if link.perform(effect).await == Performed::Ended {
                return;
            }
        }
        let Some(input) = link.next_input(inputs).await else {
            link.session.handle(ClientInput::Stop, now());
            return;
        };
        match input {
            Some(input) => link.session.handle(input, now()),
            None => link.session.handle_timeout(now()),
        }
    }
}

struct Link {
    core: Arc<Core>,
    session: ClientSession,
    connection: Option<Connection>,
    /// A connection on its way.
    connecting: Option<BoxFuture<'static, Result<Connection>>>,
    /// A new ticket on its way.
    renewing: Option<BoxFuture<'static, Result<Bytes>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Performed {
    GoesOn,
    Ended,
}

impl Link {
    /// What happens next: an input, a deadline (`Some(None)`), or the client's end (`None`).
    async fn next_input(
        &mut self,
        inputs: &mut mpsc::Receiver<LinkInput>,
    ) -> Option<Option<ClientInput>> {
        let deadline = self.session.poll_timeout().map(Instant::from_std);
        let core = Arc::clone(&self.core);
        tokio::select! {
            () = core.closed.cancelled() => None,
            input = inputs.recv() => match input? {
                LinkInput::Stored(cursor) => Some(Some(ClientInput::Stored(cursor))),
                LinkInput::NetworkChanged => Some(Some(ClientInput::NetworkChanged)),
                LinkInput::End => {
                    core.forget_link();
                    None
                }
            },
            connected = wait_for(&mut self.connecting) => Some(Some(match connected {
                Ok(connection) => {
                    self.connection = Some(connection);
                    ClientInput::Connected
                }
                Err(error) => {
                    tracing::debug!(%error, "the signaling connection does not stand");
                    // The endpoint may have moved.
                    core.forget_discovery().await;
                    ClientInput::Disconnected
                }
            })),
            renewed = wait_for(&mut self.renewing) => Some(Some(Self::handle_renewed(renewed))),
            heard = hear(&mut self.connection) => Some(Some(match heard {
                Some(Ok(frame)) => ClientInput::Frame(frame),
                Some(Err(error)) => ClientInput::BadFrame(error),
                None => {
                    self.connection = None;
                    ClientInput::Disconnected
                }
            })),
            () = sleep_until(deadline) => Some(None),
        }
    }

    async fn perform(&mut self, effect: ClientEffect) -> Performed {
        match effect {
            ClientEffect::Connect { address } => {
                let core = Arc::clone(&self.core);
                self.connecting = Some(Box::pin(connection::open(core, address)));
            }
            ClientEffect::Send(frame) => {
                let Some(connection) = &mut self.connection else { return Performed::GoesOn };
                let written = tokio::time::timeout(limits::WRITE_TIMEOUT, connection.say(&frame));
                if !matches!(written.await, Ok(Ok(()))) {
                    self.connection = None;
                    self.session.handle(ClientInput::Disconnected, now());
                }
            }
            ClientEffect::Disconnect => {
                self.connecting = None;
                self.connection = None;
            }
            ClientEffect::Welcomed(_) => self.core.set_link(LinkState::Up),
            ClientEffect::Behind { .. } | ClientEffect::PollInbox => {
                self.core.sync_bell.notify_one();
            }
            ClientEffect::Typing(typing) => self.core.hub.tell(Event::Typing {
                conversation_id: typing.conversation_id,
                user_id: typing.user_id,
            }),
            ClientEffect::RenewTicket => {
                let core = Arc::clone(&self.core);
                self.renewing = Some(Box::pin(async move { core.renew_ticket().await }));
            }
            ClientEffect::Lost { retry_in } => {
                self.core.set_link(LinkState::Down { retry_in });
            }
            ClientEffect::Ended(code) => {
                self.core.set_link(LinkState::Ended(code));
                return Performed::Ended;
            }
        }
        Performed::GoesOn
    }

    /// Without a session there is no ticket, and the server says what it thinks of none; any other
    /// failure passes.
    fn handle_renewed(renewed: Result<Bytes>) -> ClientInput {
        match renewed {
            Ok(ticket) => ClientInput::TicketRenewed(ticket),
            Err(error) => {
                tracing::warn!(%error, "the connect ticket was not renewed");
                if error.is_session_over() {
                    ClientInput::TicketRenewed(Bytes::new())
                } else {
                    ClientInput::TicketNotRenewed
                }
            }
        }
    }
}

fn session_config(core: &Core) -> SessionConfig {
    let config = &core.config;
    SessionConfig {
        client_name: config.client_name.clone(),
        client_version: config.client_version.clone(),
        heartbeat_s: config.heartbeat.map_or(0, |heartbeat| heartbeat.as_secs() as u32),
        connect_timeout: limits::CONNECT_TIMEOUT,
        reconnect_min: config.retry_min,
        reconnect_max: config.retry_max,
        ..SessionConfig::new(fastrand::u64(..), fastrand::u64(..))
    }
}

/// The clock of the runtime, so that a test can turn it.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

async fn hear(
    connection: &mut Option<Connection>,
) -> Option<std::result::Result<ServerFrame, FrameError>> {
    match connection {
        Some(connection) => connection.hear().await,
        None => std::future::pending().await,
    }
}

/// The outcome of what is on its way, if anything is; it is done with then.
async fn wait_for<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    let outcome = match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    };
    *future = None;
    outcome
}

/// Inputs that may wait for the driver.
pub(crate) const INPUTS_WAITING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn only_a_session_that_is_over_is_without_a_ticket_for_good() {
        let offline = Link::handle_renewed(Err(Error::Offline("no route".to_owned())));
        assert!(matches!(offline, ClientInput::TicketNotRenewed));
        let over = Link::handle_renewed(Err(Error::LoggedOut));
        assert!(matches!(over, ClientInput::TicketRenewed(ticket) if ticket.is_empty()));
        let renewed = Link::handle_renewed(Ok(Bytes::from_static(b"ticket")));
        assert!(matches!(renewed, ClientInput::TicketRenewed(ticket) if ticket == "ticket"));
    }
}
