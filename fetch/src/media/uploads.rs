//! Resumable uploads.

use std::{sync::Arc, time::Duration};

use nudge_proto::{MediumId, UserId};
use tokio::sync::OwnedMutexGuard;
use tokio_util::task::TaskTracker;

use super::{
    MediaError, RunningDigest, UploadBody,
    append::{AppendTerms, Appender},
    locks::Locks,
    turns::Turns,
    tus::{BodyChecksum, Metadata},
};
use crate::{
    clock::Clock,
    objects::{ObjectError, Objects},
    store::{MediaQuota, NewUpload, Store, StoreError, Upload, rules::media_expire_at},
};

/// What uploads may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaLimits {
    /// One medium, in bytes.
    pub size_max: u64,
    /// One user.
    pub quota: MediaQuota,
    /// An unfinished upload is removed when it made no progress for this time.
    pub upload_time: Duration,
    /// A medium that no message names is removed after this many days; `None` for never.
    pub media_days: Option<u32>,
    /// A body must bring something within this time.
    pub idle_max: Duration,
}

/// Takes media in.
#[derive(Clone, Debug)]
pub struct Uploads {
    store: Arc<dyn Store>,
    objects: Arc<dyn Objects>,
    clock: Clock,
    limits: MediaLimits,
    /// Who writes.
    turns: Turns,
    /// Held while an upload becomes a medium.
    completing: Locks,
    /// Goes on when its client is gone: what arrived is to be kept.
    tasks: TaskTracker,
}

/// An upload that was asked for.
#[derive(Clone, Debug)]
pub struct Creation {
    /// In bytes.
    pub size: u64,
    /// What it is.
    pub metadata: Metadata,
}

impl Uploads {
    /// Uploads over a store and its objects.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        objects: Arc<dyn Objects>,
        clock: Clock,
        limits: MediaLimits,
    ) -> Self {
        Self {
            store,
            objects,
            clock,
            limits,
            turns: Turns::default(),
            completing: Locks::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// What uploads may take.
    #[must_use]
    pub const fn limits(&self) -> &MediaLimits {
        &self.limits
    }

    /// Makes an upload; an empty one is complete at once. `bool` is whether this call made it.
    ///
    /// # Errors
    ///
    /// [`MediaError::TooLarge`], and what the store says about quotas and retries.
    pub async fn create(
        &self,
        owner_id: UserId,
        creation: Creation,
    ) -> Result<(Upload, bool), MediaError> {
        let Creation { size, metadata } = creation;
        if size > self.limits.size_max {
            return Err(MediaError::TooLarge { size, size_max: self.limits.size_max });
        }
        let now = self.clock.now();
        let new = NewUpload {
            id: MediumId::at_time(now.0),
            owner_id,
            request_id: metadata.request_id,
            file_name: metadata.file_name,
            content_type: metadata.content_type,
            size,
            declared_sha256: metadata.sha256,
            digest_state: RunningDigest::default().state(),
            now,
            expires_at: now.after(self.limits.upload_time),
            quota: self.limits.quota,
        };
        let (upload, is_new) = self.store.create_upload(new).await?;
        Ok((self.settle(owner_id, upload).await?, is_new))
    }

    /// How far an upload is. One whose last byte was committed just before a crash is completed
    /// first, so that what looks complete is.
    ///
    /// # Errors
    ///
    /// [`MediaError::Expired`], and [`StoreError::NotFound`] for what is not the owner's.
    pub async fn state(&self, owner_id: UserId, id: MediumId) -> Result<Upload, MediaError> {
        let upload = self.store.upload(owner_id, id).await?;
        self.check_time(&upload)?;
        self.settle(owner_id, upload).await
    }

    /// Appends a body that begins at `offset`, taking the upload over from any older request.
    ///
    /// What arrived is committed even when the body breaks off or the caller goes away; with a
    /// checksum the body counts as a whole or not at all. `length` is what the body will have, if
    /// that is known.
    ///
    /// # Errors
    ///
    /// Any [`MediaError`]; where the upload then stands is for [`Self::state`] to say.
    pub async fn append(
        &self,
        owner_id: UserId,
        id: MediumId,
        offset: u64,
        length: Option<u64>,
        checksum: Option<BodyChecksum>,
        body: UploadBody,
    ) -> Result<Upload, MediaError> {
        let upload = self.store.upload(owner_id, id).await?;
        self.check_time(&upload)?;
        if upload.offset != offset {
            return Err(StoreError::OffsetMismatch { given: offset, offset: upload.offset }.into());
        }
        if length.is_some_and(|length| length > upload.size - offset) {
            return Err(MediaError::Overlong { size: upload.size });
        }
        if upload.sha256.is_some() {
            return Ok(upload);
        }
        let mut turn = self.turns.enter(owner_id)?;
        let this = self.clone();
        self.see_through(async move {
            let append = match this.store.begin_append(owner_id, id, offset).await {
                // Another request completed it meanwhile.
                Err(StoreError::NotFound(_)) => return Ok(this.store.upload(owner_id, id).await?),
                begun => begun?,
            };
            let terms = AppendTerms {
                idle_max: this.limits.idle_max,
                upload_time: this.limits.upload_time,
                clock: this.clock.clone(),
                taken_over: turn.take_over(id, append.fence),
            };
            let (store, objects) = (Arc::clone(&this.store), this.objects.as_ref());
            let fence = append.fence;
            let appender = Appender::new(store, objects, append, checksum, terms).await?;
            let (upload, digest) = match appender.run(body).await {
                Ok(taken) => taken,
                Err(error) => return Err(this.give_up_if_lost(owner_id, id, fence, error).await),
            };
            if upload.offset < upload.size {
                return Ok(upload);
            }
            let alone = this.completing.lock(id).await;
            let completed = this.complete(alone, owner_id, id, Some((fence, digest))).await;
            drop(turn);
            completed
        })
        .await
    }

    /// Removes an upload that is not complete.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is none.
    pub async fn terminate(&self, owner_id: UserId, id: MediumId) -> Result<(), MediaError> {
        self.store.remove_upload(owner_id, id).await?;
        if let Err(error) = self.objects.delete(id).await {
            tracing::warn!(%error, %id, "the bytes of an upload stay for the collector");
        }
        Ok(())
    }

    /// Waits for what goes on without its client.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn check_time(&self, upload: &Upload) -> Result<(), MediaError> {
        let is_over = upload.sha256.is_none() && upload.expires_at <= self.clock.now();
        if is_over { Err(MediaError::Expired) } else { Ok(()) }
    }

    /// Completes an upload that has all its bytes but is not complete yet.
    async fn settle(&self, owner_id: UserId, upload: Upload) -> Result<Upload, MediaError> {
        if upload.sha256.is_some() || upload.offset < upload.size {
            return Ok(upload);
        }
        // Whoever waits, waits in its own request: what goes on without one is one per medium.
        let alone = self.completing.lock(upload.id).await;
        let this = self.clone();
        self.see_through(async move { this.complete(alone, owner_id, upload.id, None).await }).await
    }

    /// When all bytes are in: the digest, then the object, and only then the medium. One request does it
    /// and the others wait for it; a crash anywhere in between is made up for by the next.
    async fn complete(
        &self,
        _alone: OwnedMutexGuard<()>,
        owner_id: UserId,
        id: MediumId,
        turn: Option<(u64, RunningDigest)>,
    ) -> Result<Upload, MediaError> {
        let upload = self.store.upload(owner_id, id).await?;
        if upload.sha256.is_some() {
            return Ok(upload);
        }
        let (fence, digest) = match turn {
            Some(turn) => turn,
            None => self.turn(owner_id, &upload).await?,
        };
        let sha256 = digest.finish();
        if let Some(declared) = upload.declared_sha256.filter(|&declared| declared != sha256) {
            self.terminate(owner_id, id).await?;
            let (computed, declared) = (hex::encode(sha256), hex::encode(declared));
            return Err(MediaError::DigestMismatch { computed, declared });
        }
        let Some(layout) = self.store.layout(id).await? else {
            // A node that completed it meanwhile.
            return Ok(self.store.upload(owner_id, id).await?);
        };
        let finished = self.objects.finish(id, upload.size, &layout).await;
        let object = match finished {
            Ok(object) => object,
            Err(error) => {
                // Another node may have completed it, and taken away what it lay in.
                let upload = self.store.upload(owner_id, id).await?;
                return if upload.sha256.is_some() {
                    Ok(upload)
                } else {
                    Err(self.give_up_if_lost(owner_id, id, fence, error.into()).await)
                };
            }
        };
        let now = self.clock.now();
        let expires_at = media_expire_at(now, self.limits.media_days);
        let medium = self.store.complete_upload(id, sha256, object, now, expires_at).await?;
        if let Err(error) = self.objects.tidy(id, &layout, &medium.object).await {
            tracing::warn!(%error, %id, "what the upload lay in stays for the collector");
        }
        Ok(Upload { sha256: Some(sha256), ..upload })
    }

    /// The newest turn at an upload that has all its bytes: its fence, and their digest.
    async fn turn(
        &self,
        owner_id: UserId,
        upload: &Upload,
    ) -> Result<(u64, RunningDigest), MediaError> {
        let turn = self.store.begin_append(owner_id, upload.id, upload.size).await?;
        let digest = RunningDigest::resume(&turn.digest_state).ok_or_else(|| {
            MediaError::Internal(format!("the digest state of upload {} is damaged", upload.id))
        })?;
        Ok((turn.fence, digest))
    }

    /// After a failover that lost the newest commits the store may name what they took away. Nobody can go on
    /// then: the upload goes, so that its client begins again. A newer request may have moved what an older one
    /// misses; only the newest is believed, and only of a place that is the store's.
    async fn give_up_if_lost(
        &self,
        owner_id: UserId,
        id: MediumId,
        fence: u64,
        error: MediaError,
    ) -> MediaError {
        let MediaError::Objects(ObjectError::Lost { .. }) = error else { return error };
        let is_newest = async {
            self.objects.ping().await.ok()?;
            let layout = self.store.layout(id).await.ok()??;
            self.store.record_layout(id, fence, layout).await.ok()
        };
        if is_newest.await.is_none() || self.terminate(owner_id, id).await.is_err() {
            return error;
        }
        tracing::error!(%error, "an upload is given up");
        MediaError::Lost
    }

    /// Goes on when the client is gone.
    async fn see_through(
        &self,
        work: impl Future<Output = Result<Upload, MediaError>> + Send + 'static,
    ) -> Result<Upload, MediaError> {
        let done = self.tasks.spawn(work).await;
        done.map_err(|error| MediaError::Internal(error.to_string()))?
    }
}
