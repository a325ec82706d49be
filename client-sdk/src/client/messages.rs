//! Sending.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use nudge_proto::{
    ClientMessageId, ConversationId, MediumId,
    limits::{BODY_BYTES_MAX, FILE_NAME_BYTES_MAX},
};

use tokio::{sync::broadcast, time::sleep};

use super::Client;
use crate::{
    Error,
    core::unix_ms,
    error::Result,
    events::{Event, Outcome, Sent, Unsent},
    files, limits,
    outbox::give_up,
    state::{NewMessage, NewUpload},
};

/// A message that is to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// What the body is; `text/plain` for text.
    pub content_type: String,
    /// At most 64 KiB.
    pub body: Vec<u8>,
    /// Files to upload first: the message waits for them, later messages do not.
    pub files: Vec<PathBuf>,
    /// Media that are on the server already: forwarding moves no bytes.
    pub media: Vec<MediumId>,
    /// Seconds until the message disappears.
    pub ttl_s: Option<u64>,
}

impl Draft {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            content_type: "text/plain; charset=utf-8".to_owned(),
            body: text.into().into_bytes(),
            ..Self::default()
        }
    }

    /// The same with a file.
    #[must_use]
    pub fn with_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(path.into());
        self
    }
}

impl Client {
    /// Puts a message into the outbox. It is stored when this returns, and sent in its turn whatever
    /// happens to the program or the network.
    ///
    /// # Errors
    ///
    /// [`Error::LoggedOut`], [`Error::Limit`], [`Error::File`] for a file that cannot be read,
    /// [`Error::State`].
    pub async fn send(&self, to: ConversationId, draft: Draft) -> Result<ClientMessageId> {
        if self.core.state.access_token().await?.is_none() {
            return Err(Error::LoggedOut);
        }
        check(&draft)?;
        let mut uploads = Vec::with_capacity(draft.files.len());
        for path in &draft.files {
            uploads.push(new_upload(path).await?);
        }
        let client_message_id = ClientMessageId::random();
        let message = NewMessage {
            client_message_id,
            conversation_id: to,
            content_type: draft.content_type,
            body: draft.body,
            ttl_s: draft.ttl_s,
            media: draft.media,
            uploads,
            created_at_ms: unix_ms(),
        };
        self.core.state.enqueue(message).await?;
        self.core.outbox_bell.notify_one();
        self.core.uploads_bell.notify_one();
        Ok(client_message_id)
    }

    /// Sends a text: see [`Self::send`].
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub async fn send_text(&self, to: ConversationId, text: &str) -> Result<ClientMessageId> {
        self.send(to, Draft::text(text)).await
    }

    /// Sends a file with a caption, which may be empty: see [`Self::send`].
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub async fn send_file(
        &self,
        to: ConversationId,
        path: impl Into<PathBuf>,
        caption: &str,
    ) -> Result<ClientMessageId> {
        self.send(to, Draft::text(caption).with_file(path)).await
    }

    /// What became of a message; `None` while it waits.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] for a message that was never in this outbox, or long ago.
    pub async fn outcome(&self, message: ClientMessageId) -> Result<Option<Outcome>> {
        self.core.state.outcome(message).await
    }

    /// Waits until a message is on the server.
    ///
    /// # Errors
    ///
    /// [`Error::NotSent`] when it was given up; [`Error::Cancelled`] when the client closes.
    pub async fn sent(&self, message: ClientMessageId) -> Result<Sent> {
        let mut passing = self.core.hub.passing();
        loop {
            match self.outcome(message).await? {
                Some(Outcome::Sent(sent)) => return Ok(sent),
                Some(Outcome::NotSent(not_sent)) => return Err(Error::NotSent(not_sent)),
                None => {}
            }
            self.wait_for_outcome(&mut passing, message).await?;
        }
    }

    /// Returns when the message may be settled.
    async fn wait_for_outcome(
        &self,
        passing: &mut broadcast::Receiver<Event>,
        message: ClientMessageId,
    ) -> Result<()> {
        let told = async {
            loop {
                match passing.recv().await {
                    Ok(Event::Sent(sent)) if sent.client_message_id == message => return,
                    Ok(Event::NotSent(not_sent)) if not_sent.client_message_id == message => return,
                    Ok(_) => {}
                    // What was missed may have been it.
                    Err(_) => return,
                }
            }
        };
        tokio::select! {
            () = told => Ok(()),
            // Another process on the folder may have sent it.
            () = sleep(LOOK_INTERVAL) => Ok(()),
            () = self.core.closed.cancelled() => Err(Error::Cancelled),
        }
    }

    /// Messages that wait to be sent or were given up, oldest first: what an app shows below the
    /// history.
    ///
    /// # Errors
    ///
    /// [`Error::State`].
    pub async fn unsent(&self) -> Result<Vec<Unsent>> {
        self.core.state.unsent().await
    }

    /// Takes a message out of the outbox. One whose request has left already may arrive all the same.
    ///
    /// # Errors
    ///
    /// [`Error::State`].
    pub async fn cancel_send(&self, message: ClientMessageId) -> Result<()> {
        give_up(&self.core, message, &Error::Cancelled).await?;
        self.core.outbox_bell.notify_one();
        self.core.uploads_bell.notify_one();
        Ok(())
    }

    /// Removes a message that was given up from [`Self::unsent`]; whether there was one.
    ///
    /// # Errors
    ///
    /// [`Error::State`].
    pub async fn discard(&self, message: ClientMessageId) -> Result<bool> {
        self.core.state.discard(message).await
    }

    /// Tries a message again that was given up; whether there was one.
    ///
    /// # Errors
    ///
    /// [`Error::State`].
    pub async fn send_again(&self, message: ClientMessageId) -> Result<bool> {
        let is_back = self.core.state.send_again(message, unix_ms()).await?;
        self.core.outbox_bell.notify_one();
        self.core.uploads_bell.notify_one();
        Ok(is_back)
    }
}

fn check(draft: &Draft) -> Result<()> {
    if draft.body.len() > BODY_BYTES_MAX {
        return Err(Error::Limit(format!(
            "a message has at most {BODY_BYTES_MAX} bytes, not {}: send more as a file",
            draft.body.len()
        )));
    }
    let files = draft.files.len() + draft.media.len();
    if files > limits::FILES_PER_MESSAGE_MAX {
        return Err(Error::Limit(format!(
            "a message has at most {} files, not {files}",
            limits::FILES_PER_MESSAGE_MAX
        )));
    }
    Ok(())
}

async fn new_upload(path: &Path) -> Result<NewUpload> {
    // The program may be started in another folder the next time.
    let path = std::path::absolute(path).map_err(Error::file(path))?;
    let (_, stamp) = files::open(&path).await?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(NewUpload {
        file_name: name[..name.floor_char_boundary(FILE_NAME_BYTES_MAX)].to_owned(),
        content_type: mime_guess::from_path(&path).first_or_octet_stream().to_string(),
        size: stamp.size,
        modified_ns: stamp.modified_ns,
        path: path.into_os_string().into_encoded_bytes(),
    })
}

/// How often an outcome is looked for that nobody tells here.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
