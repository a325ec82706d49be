//! A person's app, on the SDK.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nudge_client_sdk::{Client, Draft, Error, Event, Message, UpdateKind};
use nudge_proto::{ConversationId, UserId};
use sha2::{Digest, Sha256};
use tokio::{sync::Mutex, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{Record, config::Pace};
use crate::history::Content;

/// Sends, is told, and downloads.
#[derive(Debug)]
pub(super) struct App {
    user_id: UserId,
    client: Client,
    folder: PathBuf,
    conversations: Vec<ConversationId>,
    record: Arc<Record>,
    /// Messages on their way.
    waiting: Mutex<JoinSet<()>>,
    downloads: Mutex<JoinSet<()>>,
}

impl App {
    pub(super) fn new(
        user_id: UserId,
        client: Client,
        folder: PathBuf,
        conversations: Vec<ConversationId>,
        record: Arc<Record>,
    ) -> Self {
        let (waiting, downloads) = Default::default();
        Self { user_id, client, folder, conversations, record, waiting, downloads }
    }

    /// Gives a message to the outbox now and then.
    pub(super) async fn send(self: Arc<Self>, pace: Pace, stop: CancellationToken) {
        let mut number = 0;
        while stop.run_until_cancelled(sleep(pace.pause())).await.is_some() {
            number += 1;
            match self.send_one(number, pace.file_bytes()).await {
                Ok(()) => {}
                // It was not taken, and the person was told so.
                Err(Error::State { .. }) => self.record.state_was_busy(),
                Err(error) => {
                    self.record.refused(format!("{} could not send: {error}", self.user_id));
                }
            }
        }
    }

    async fn send_one(
        self: &Arc<Self>,
        number: usize,
        file_bytes: Option<usize>,
    ) -> Result<(), Error> {
        let to = self.conversations[fastrand::usize(..self.conversations.len())];
        let text = format!("{number} of {}", self.user_id);
        let mut draft = Draft::text(&text);
        let mut media = Vec::new();
        if let Some(bytes) = file_bytes {
            let path = self.folder.join(format!("{number}.bin"));
            let (path, sha256) = tokio::task::spawn_blocking(move || make_file(path, bytes))
                .await
                .map_err(|_| Error::Cancelled)?;
            media.push(sha256);
            draft = draft.with_file(path);
        }
        let begun_after = self.record.acknowledged_count();
        let id = self.client.send(to, draft).await?;
        self.record.given(id, Content { text, media }, file_bytes);
        let app = Arc::clone(self);
        self.waiting.lock().await.spawn(async move {
            loop {
                match app.client.sent(id).await {
                    Ok(sent) => return app.record.sent(app.user_id, begun_after, &sent),
                    Err(Error::Cancelled) => return,
                    Err(Error::State { .. }) => app.record.state_was_busy(),
                    Err(error) => {
                        return app.record.refused(format!("{id} was not sent: {error}"));
                    }
                }
                sleep(STATE_PAUSE).await;
            }
        });
        Ok(())
    }

    /// Hears what came in, notes it, fetches the files, and confirms.
    pub(super) async fn hear(self: Arc<Self>, stop: CancellationToken) {
        let mut events = self.client.events();
        while let Some(event) = stop.run_until_cancelled(events.next()).await {
            let update = match event {
                Ok(Some(Event::Update(update))) => update,
                Ok(Some(_)) => continue,
                Ok(None) => return,
                Err(_) => {
                    self.record.state_was_busy();
                    sleep(STATE_PAUSE).await;
                    continue;
                }
            };
            match &update.kind {
                UpdateKind::Message(message) => {
                    self.record.told(self.user_id, update.position, message);
                    self.download(message).await;
                }
                UpdateKind::Resynced(reason) => {
                    self.record.refused(format!("{} had to resync: {reason:?}", self.user_id));
                }
                UpdateKind::Receipt(_) | UpdateKind::Change(_) | _ => {}
            }
            if self.client.confirm(update.position).await.is_err() {
                // What was not confirmed is told again after a restart, no more.
                self.record.state_was_busy();
            }
        }
    }

    async fn download(self: &Arc<Self>, message: &Message) {
        for medium in &message.media {
            let target = self.folder.join(format!("{}.download", medium.id));
            let mut download = self.client.download(medium, &target);
            let (app, id) = (Arc::clone(self), message.client_message_id);
            self.downloads.lock().await.spawn(async move {
                match download.finished().await {
                    Ok(_) => {
                        let read = tokio::task::spawn_blocking(move || digest_and_remove(&target));
                        if let Ok(Some(sha256)) = read.await {
                            app.record.downloaded(app.user_id, id, sha256);
                        }
                    }
                    Err(Error::Cancelled) => {}
                    Err(error) => app.record.refused(format!("a file of {id} is missing: {error}")),
                }
            });
        }
    }

    /// Returns once the outbox is empty.
    pub(super) async fn settle(&self) {
        while self.waiting.lock().await.join_next().await.is_some() {}
    }

    /// Returns once every file that was told of is here.
    pub(super) async fn finish_downloads(&self) {
        while !self.downloads.lock().await.is_empty() {
            while self.downloads.lock().await.try_join_next().is_some() {}
            sleep(Duration::from_millis(100)).await;
        }
    }

    pub(super) async fn close(self: Arc<Self>) {
        self.waiting.lock().await.shutdown().await;
        self.downloads.lock().await.shutdown().await;
        self.client.clone().close().await;
    }
}

/// A state folder that could not be read or written is tried again after this time.
const STATE_PAUSE: Duration = Duration::from_secs(1);

/// A file of random bytes, and its digest.
fn make_file(path: PathBuf, bytes: usize) -> (PathBuf, [u8; 32]) {
    let mut content = vec![0; bytes];
    fastrand::fill(&mut content);
    let sha256 = Sha256::digest(&content).into();
    // Without it the send is refused, which is recorded.
    let _ = std::fs::write(&path, content);
    (path, sha256)
}

/// Reads what arrived, not trusting that the SDK did.
fn digest_and_remove(path: &Path) -> Option<[u8; 32]> {
    let content = std::fs::read(path).ok()?;
    let _ = std::fs::remove_file(path);
    Some(Sha256::digest(&content).into())
}
