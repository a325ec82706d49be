//! What an app is told.
//!
//! An [`Update`] is durable: it is told again after every restart until the app has confirmed it. All
//! other events pass: who does not listen misses them, and finds their truth by asking.

use std::{collections::VecDeque, time::Duration};

use nudge_proto::{
    ClientMessageId, CloseCode, ConversationId, ConversationSeq, ErrorCode, MediumId, MessageId,
    UserId,
};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    client::Draft,
    core::unix_ms,
    error::Result,
    limits,
    model::{Change, Message, Receipt},
    state::State,
};

/// Something that an app may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Something came in: to be confirmed with [`Client::confirm`](crate::Client::confirm).
    Update(Update),
    /// Somebody is typing.
    Typing {
        /// Where.
        conversation_id: ConversationId,
        /// Who.
        user_id: UserId,
    },
    /// The signaling connection is another than before.
    Link(LinkState),
    /// A message of the outbox is on the server.
    Sent(Sent),
    /// A message of the outbox was given up.
    NotSent(NotSent),
    /// A transfer got on.
    Progress(Progress),
}

/// Something that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Its place in the order in which this device is told.
    pub position: Position,
    /// What.
    pub kind: UpdateKind,
}

/// A place in the order in which a device is told of updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateKind {
    /// A message: of somebody else, or of another device of this account.
    Message(Message),
    /// Messages were delivered or read.
    Receipt(Receipt),
    /// A conversation changed.
    Change(Change),
    /// Some of what came in is not in the inbox any more: ask for conversations and their history.
    Resynced(ResyncReason),
}

/// Why the inbox does not tell everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResyncReason {
    /// This device was away for longer than the inbox is kept.
    Truncated,
    /// The server's store was restored from a backup.
    NewEpoch,
    /// This device's state is older than what it acknowledged: it was restored or copied.
    StateRestored,
    /// After a log out, or after it was revoked, the folder became a new device of the account.
    NewDevice,
}

impl ResyncReason {
    /// As it stands in the state.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::NewEpoch => "new epoch",
            Self::StateRestored => "state restored",
            Self::NewDevice => "new device",
        }
    }

    pub(crate) fn parse(word: &[u8]) -> Option<Self> {
        [Self::Truncated, Self::NewEpoch, Self::StateRestored, Self::NewDevice]
            .into_iter()
            .find(|reason| reason.word().as_bytes() == word)
    }
}

/// The signaling connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It stands: what happens is told at once.
    Up,
    /// It does not; it is tried again by itself after this time.
    Down {
        /// Until the next attempt.
        retry_in: Duration,
    },
    /// It is over until the app does something: the code says why.
    Ended(CloseCode),
}

/// A message that is on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What this device called it.
    pub client_message_id: ClientMessageId,
    /// Where.
    pub conversation_id: ConversationId,
    /// For good.
    pub message_id: MessageId,
    /// Its number in the conversation.
    pub seq: ConversationSeq,
    /// Milliseconds since 1970.
    pub sent_at_ms: u64,
}

/// A message that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotSent {
    /// What this device called it.
    pub client_message_id: ClientMessageId,
    /// Where it was to be.
    pub conversation_id: ConversationId,
    /// The server's code, when it was the server that refused.
    pub code: Option<ErrorCode>,
    /// For a person.
    pub reason: String,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is on the server.
    Sent(Sent),
    /// It was given up.
    NotSent(NotSent),
}

/// A message of the outbox that is not on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsent {
    /// What this device calls it.
    pub client_message_id: ClientMessageId,
    /// Where it is to be.
    pub conversation_id: ConversationId,
    /// What is to be sent.
    pub draft: Draft,
    /// When the app gave it, in milliseconds since 1970.
    pub created_at_ms: u64,
    /// Why it was given up; `None` while it waits for its turn, its files or the network.
    pub failure: Option<NotSent>,
}

/// How far a transfer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which.
    pub transfer: TransferId,
    /// The file's name.
    pub file_name: String,
    /// Bytes that are there.
    pub bytes_done: u64,
    /// Bytes in all.
    pub bytes_total: u64,
}

/// Names a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferId {
    /// A file of this message, on its way to the server.
    Upload(ClientMessageId),
    /// A medium, on its way here.
    Download(MediumId),
}

/// Tells events to whoever listens.
#[derive(Clone, Debug)]
pub(crate) struct Hub {
    passing: broadcast::Sender<Event>,
    /// Rung when updates were stored.
    stored: watch::Sender<()>,
    /// Rung when the app confirmed updates.
    confirmed: watch::Sender<()>,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            passing: broadcast::Sender::new(limits::EVENTS_KEPT),
            stored: watch::Sender::new(()),
            confirmed: watch::Sender::new(()),
        }
    }

    pub(crate) fn tell(&self, event: Event) {
        // Nobody may be listening.
        let _ = self.passing.send(event);
    }

    pub(crate) fn ring_stored(&self) {
        self.stored.send_replace(());
    }

    pub(crate) fn ring_confirmed(&self) {
        self.confirmed.send_replace(());
    }

    pub(crate) fn confirmed(&self) -> watch::Receiver<()> {
        self.confirmed.subscribe()
    }

    pub(crate) fn passing(&self) -> broadcast::Receiver<Event> {
        self.passing.subscribe()
    }

    /// Everything from the first unconfirmed update on.
    pub(crate) fn listen(&self, state: State, closed: CancellationToken) -> Events {
        let mut stored = self.stored.subscribe();
        // What was stored before is to be looked at, too.
        stored.mark_changed();
        Events {
            state,
            stored,
            passing: self.passing.subscribe(),
            closed,
            read: VecDeque::new(),
            last: Position::default(),
        }
    }
}

/// A listener's events, in order: updates from the first unconfirmed one on, and what passes meanwhile.
#[derive(Debug)]
pub struct Events {
    state: State,
    stored: watch::Receiver<()>,
    passing: broadcast::Receiver<Event>,
    closed: CancellationToken,
    /// Read from the state, not told yet.
    read: VecDeque<Update>,
    /// The last one read.
    last: Position,
}

impl Events {
    /// The next event; `None` once the client is closed. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// When the state cannot be read.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(update) = self.read.pop_front() {
                return Ok(Some(Event::Update(update)));
            }
            tokio::select! {
                biased;
                () = self.closed.cancelled() => return Ok(None),
                changed = self.stored.changed() => match changed {
                    Ok(()) => self.read_updates().await?,
                    Err(_) => return Ok(None),
                },
                passing = self.passing.recv() => match passing {
                    Ok(event) => return Ok(Some(event)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return Ok(None),
                },
            }
        }
    }

    async fn read_updates(&mut self) -> Result<()> {
        let updates = match self.state.updates_after(self.last, unix_ms()).await {
            Ok(updates) => updates,
            Err(error) => {
                self.stored.mark_changed();
                return Err(error);
            }
        };
        if let Some(last) = updates.last() {
            self.last = last.position;
            // There may be more than were read at once.
            self.stored.mark_changed();
        }
        self.read.extend(updates);
        Ok(())
    }
}
