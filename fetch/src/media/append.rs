//! One request's turn to write to an upload.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream::BoxStream};
use tokio_util::sync::CancellationToken;

use super::{MediaError, RunningDigest, tus::BodyChecksum};
use crate::{
    clock::Clock,
    objects::{Objects, Unfinished, Writer},
    store::{Append, AppendCommit, Store, StoreError, Upload},
    telemetry,
};

/// A request's body: its pieces, or what broke it off.
pub type UploadBody =
    BoxStream<'static, Result<Bytes, Box<dyn std::error::Error + Send + Sync + 'static>>>;

/// Writes one request's bytes, and commits them step by step.
#[derive(Debug)]
pub(super) struct Appender {
    store: Arc<dyn Store>,
    upload: Upload,
    fence: u64,
    writer: Box<dyn Writer>,
    /// Bytes that were written and are not committed yet.
    pending: u64,
    sums: Sums,
    terms: AppendTerms,
    /// A commit failed, and may have happened all the same.
    is_uncertain: bool,
}

/// What a request is given.
#[derive(Clone, Debug)]
pub(super) struct AppendTerms {
    /// How long the body may bring nothing.
    pub(super) idle_max: Duration,
    /// An upload goes when it made no progress for this time.
    pub(super) upload_time: Duration,
    /// The time.
    pub(super) clock: Clock,
    /// Cancelled when a newer request takes the upload over.
    pub(super) taken_over: CancellationToken,
}

/// What is computed over the bytes on their way.
#[derive(Clone, Debug)]
struct Sums {
    whole: RunningDigest,
    /// With a checksum a request counts as a whole or not at all.
    request: Option<BodyChecksum>,
}

impl Appender {
    pub(super) async fn new(
        store: Arc<dyn Store>,
        objects: &dyn Objects,
        turn: Append,
        checksum: Option<BodyChecksum>,
        terms: AppendTerms,
    ) -> Result<Self, MediaError> {
        let whole = RunningDigest::resume(&turn.digest_state).ok_or_else(|| {
            MediaError::Internal(format!(
                "the digest state of upload {} is damaged",
                turn.upload.id
            ))
        })?;
        let Append { fence, upload, layout, .. } = turn;
        let writer = objects.write(Unfinished { id: upload.id, size: upload.size, fence, layout });
        Ok(Self {
            store,
            fence,
            writer: writer.await?,
            upload,
            pending: 0,
            sums: Sums { whole, request: checksum },
            terms,
            is_uncertain: false,
        })
    }

    /// Takes the body to its end and commits what arrived, also when it breaks off. Returns the
    /// upload as it then stands, and the digest of its bytes.
    pub(super) async fn run(
        mut self,
        body: UploadBody,
    ) -> Result<(Upload, RunningDigest), MediaError> {
        let taken = self.take(body).await;
        self.give_back().await;
        taken.map(|()| (self.upload, self.sums.whole))
    }

    async fn take(&mut self, mut body: UploadBody) -> Result<(), MediaError> {
        let received = self.receive(&mut body).await;
        if let Some(checksum) = self.sums.request.take() {
            received?;
            if !checksum.holds() {
                return Err(MediaError::RequestChecksum);
            }
            return self.commit().await;
        }
        if matches!(
            received,
            Err(MediaError::Overlong { .. } | MediaError::Store(StoreError::UploadTakenOver))
        ) {
            // Which of its bytes were meant is not known, or another brings them: no more is committed.
            return received;
        }
        let committed = self.commit().await;
        received?;
        committed
    }

    /// What was written and never committed counts for nobody, and takes room.
    async fn give_back(&mut self) {
        if self.is_uncertain {
            return;
        }
        if let Err(error) = self.writer.give_back().await {
            tracing::warn!(%error, id = %self.upload.id, "uncommitted bytes stay with the upload");
        }
    }

    async fn receive(&mut self, body: &mut UploadBody) -> Result<(), MediaError> {
        loop {
            let room = Room { bytes: self.room(), size: self.upload.size };
            let (bytes, end) = gather(body, room, &self.terms).await;
            self.write(bytes).await?;
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Bytes that the upload still takes.
    const fn room(&self) -> u64 {
        self.upload.size - self.upload.offset - self.pending
    }

    /// Commits wherever the writer has come to a good place for it.
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), MediaError> {
        while !bytes.is_empty() {
            let step = self.writer.room().clamp(1, bytes.len() as u64);
            self.append(bytes.split_to(step as usize)).await?;
            // The last bytes are committed only when the body is known to end with them.
            let is_step = self.writer.room() == 0 && self.room() > 0;
            if is_step && self.sums.request.is_none() {
                self.commit().await?;
            }
        }
        Ok(())
    }

    async fn append(&mut self, bytes: Bytes) -> Result<(), MediaError> {
        let length = bytes.len() as u64;
        let summing = sum(self.sums.clone(), bytes.clone());
        let (appended, sums) = tokio::join!(self.writer.append(bytes), summing);
        // The sums must be those of the bytes that were written.
        appended?;
        self.sums = sums?;
        self.pending += length;
        Ok(())
    }

    /// Makes what was written durable, and only then says so in the store.
    async fn commit(&mut self) -> Result<(), MediaError> {
        let Some(layout) = self.writer.sync().await? else { return Ok(()) };
        let offset = self.upload.offset + self.pending;
        let commit = AppendCommit {
            id: self.upload.id,
            fence: self.fence,
            layout,
            offset,
            digest_state: self.sums.whole.state(),
            expires_at: self.terms.clock.now().after(self.terms.upload_time),
        };
        if let Err(error) = self.store.commit_append(commit).await {
            self.is_uncertain = error != StoreError::UploadTakenOver;
            return Err(error.into());
        }
        telemetry::uploaded(self.pending);
        self.upload.offset = offset;
        self.pending = 0;
        self.writer.committed().await;
        Ok(())
    }
}

/// What an upload still takes.
#[derive(Clone, Copy, Debug)]
struct Room {
    bytes: u64,
    /// The upload's declared size.
    size: u64,
}

/// Enough of the body for one write, and how the body ended, if it did.
async fn gather(
    body: &mut UploadBody,
    room: Room,
    terms: &AppendTerms,
) -> (Bytes, Option<Result<(), MediaError>>) {
    let mut gathered = BytesMut::new();
    while gathered.len() < WRITE_BYTES {
        let next = tokio::time::timeout(terms.idle_max, body.next());
        let Some(next) = terms.taken_over.run_until_cancelled(next).await else {
            return (Bytes::new(), Some(Err(StoreError::UploadTakenOver.into())));
        };
        let end = match next {
            Ok(Some(Ok(bytes))) if (gathered.len() + bytes.len()) as u64 > room.bytes => {
                Err(MediaError::Overlong { size: room.size })
            }
            Ok(Some(Ok(bytes))) => {
                gathered.extend_from_slice(&bytes);
                continue;
            }
            Ok(Some(Err(error))) => Err(MediaError::BrokenOff(error.to_string())),
            Ok(None) => Ok(()),
            Err(_) => Err(MediaError::TimedOut { seconds: terms.idle_max.as_secs() }),
        };
        return (gathered.freeze(), Some(end));
    }
    (gathered.freeze(), None)
}

/// Computes beside the file work, on a thread that may be kept busy.
async fn sum(mut sums: Sums, bytes: Bytes) -> Result<Sums, MediaError> {
    let summed = tokio::task::spawn_blocking(move || {
        sums.whole.update(&bytes);
        if let Some(request) = &mut sums.request {
            request.update(&bytes);
        }
        sums
    });
    summed.await.map_err(|error| MediaError::Internal(error.to_string()))
}

/// Bytes that are written at a time.
const WRITE_BYTES: usize = 256 * 1024;
