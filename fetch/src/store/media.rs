use async_trait::async_trait;
use nudge_proto::{MediumId, RequestId, UserId};

use super::{StoreError, UnixMs};
use crate::objects::{Layout, Multipart, ObjectName};

/// Media and their uploads.
///
/// Each request that writes to an upload raises its fence first; only the newest fence may commit, so that
/// a request that was taken over changes nothing any more. Where the bytes lie is committed with the
/// offset, in the words of the objects, which the store keeps and does not read.
#[async_trait]
pub trait Media: Send + Sync + 'static {
    /// Makes an upload, or answers with the one made before under the same `request_id`. `bool` is
    /// whether this call made it. Size and declared digest are what must be the same.
    ///
    /// # Errors
    ///
    /// [`StoreError::QuotaExceeded`], [`StoreError::LimitReached`],
    /// [`StoreError::IdempotencyConflict`].
    async fn create_upload(&self, new: NewUpload) -> Result<(Upload, bool), StoreError>;

    /// An upload or complete medium of its owner.
    async fn upload(&self, owner_id: UserId, id: MediumId) -> Result<Upload, StoreError>;

    /// Takes the upload over: raises the fence.
    ///
    /// # Errors
    ///
    /// [`StoreError::OffsetMismatch`] when the bytes do not begin where the upload stands.
    async fn begin_append(
        &self,
        owner_id: UserId,
        id: MediumId,
        offset: u64,
    ) -> Result<Append, StoreError>;

    /// Commits what is durable of an upload; one that makes progress has its time anew.
    ///
    /// # Errors
    ///
    /// [`StoreError::UploadTakenOver`] when the fence is not the newest.
    async fn commit_append(&self, commit: AppendCommit) -> Result<(), StoreError>;

    /// Commits a layout that holds no more bytes than the one before.
    ///
    /// # Errors
    ///
    /// [`StoreError::UploadTakenOver`] when the fence is not the newest.
    async fn record_layout(
        &self,
        id: MediumId,
        fence: u64,
        layout: Layout,
    ) -> Result<(), StoreError>;

    /// Where an upload's committed bytes lie; `None` when it is complete, or not there.
    async fn layout(&self, id: MediumId) -> Result<Option<Layout>, StoreError>;

    /// Makes the medium visible; all its bytes must be committed and its object durable. Idempotent:
    /// the object that was named first is the medium's, and is in the answer. That object's multipart
    /// upload is forgotten.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such upload with all its bytes.
    async fn complete_upload(
        &self,
        id: MediumId,
        sha256: [u8; 32],
        object: ObjectName,
        now: UnixMs,
        expires_at: UnixMs,
    ) -> Result<Medium, StoreError>;

    /// Removes an upload that is not complete.
    async fn remove_upload(&self, owner_id: UserId, id: MediumId) -> Result<(), StoreError>;

    /// A complete medium, if the user uploaded it or may see a message that names it.
    async fn medium(
        &self,
        user_id: UserId,
        id: MediumId,
        now: UnixMs,
    ) -> Result<Medium, StoreError>;

    /// What the store knows of each, in the order of `ids`; for the collector.
    async fn media_states(&self, ids: &[MediumId]) -> Result<Vec<MediumState>, StoreError>;

    /// Remembers a multipart upload until [`Self::multipart_aborted`], whatever becomes of its upload.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such unfinished upload: nobody would come for it.
    async fn remember_multipart(
        &self,
        id: MediumId,
        multipart: Multipart,
    ) -> Result<(), StoreError>;

    /// Multipart uploads whose upload is over, at most `limit`; for the collector.
    async fn lost_multiparts(&self, limit: usize)
    -> Result<Vec<(MediumId, Multipart)>, StoreError>;

    /// One of those was aborted. It is told once more, and forgotten when it was aborted twice.
    async fn multipart_aborted(&self, id: MediumId, name: &ObjectName) -> Result<(), StoreError>;
}

/// An upload to be made.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// The server's new id for it.
    pub id: MediumId,
    /// Whose.
    pub owner_id: UserId,
    /// Client-made: a retry makes nothing twice.
    pub request_id: Option<RequestId>,
    /// As the uploader named it; untrusted.
    pub file_name: String,
    /// As the uploader declared it; untrusted.
    pub content_type: String,
    /// In bytes.
    pub size: u64,
    /// What the bytes must have.
    pub declared_sha256: Option<[u8; 32]>,
    /// The digest's state before the first byte.
    pub digest_state: Vec<u8>,
    /// Now.
    pub now: UnixMs,
    /// An unfinished upload is removed then.
    pub expires_at: UnixMs,
    /// What the owner may have in all.
    pub quota: MediaQuota,
}

/// What one user may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaQuota {
    /// Bytes of media and uploads together.
    pub bytes: u64,
    /// Unfinished uploads at a time.
    pub unfinished: usize,
}

/// How far an upload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The medium's id, once complete.
    pub id: MediumId,
    /// As the uploader named it.
    pub file_name: String,
    /// As the uploader declared it.
    pub content_type: String,
    /// In bytes.
    pub size: u64,
    /// Durable bytes.
    pub offset: u64,
    /// What the bytes must have.
    pub declared_sha256: Option<[u8; 32]>,
    /// Computed by the server; `None` until complete.
    pub sha256: Option<[u8; 32]>,
    /// An unfinished upload is removed then.
    pub expires_at: UnixMs,
}

/// A request's turn to write.
#[derive(Clone, Debug)]
pub struct Append {
    /// The newest, until the next request comes.
    pub fence: u64,
    /// The upload as it stands.
    pub upload: Upload,
    /// Where its durable bytes lie.
    pub layout: Layout,
    /// The digest's state over the durable bytes.
    pub digest_state: Vec<u8>,
}

/// What a request made durable.
#[derive(Clone, Debug)]
pub struct AppendCommit {
    /// Which upload.
    pub id: MediumId,
    /// Which request.
    pub fence: u64,
    /// Where the durable bytes lie, all of them.
    pub layout: Layout,
    /// Durable bytes of the upload, in all.
    pub offset: u64,
    /// The digest's state over them.
    pub digest_state: Vec<u8>,
    /// An upload that stays unfinished is removed then; never earlier than it was to be before.
    pub expires_at: UnixMs,
}

/// A complete medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// For good.
    pub id: MediumId,
    /// Its object, among what lies under its id.
    pub object: ObjectName,
    /// As the uploader named it; untrusted.
    pub file_name: String,
    /// As the uploader declared it; untrusted.
    pub content_type: String,
    /// In bytes.
    pub size: u64,
    /// Computed by the server.
    pub sha256: [u8; 32],
    /// When the last byte was in.
    pub completed_at: UnixMs,
}

/// What the store knows of a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediumState {
    /// Nothing, and it never will: ids are not used again.
    Unknown,
    /// It is being uploaded.
    Unfinished,
    /// It is there.
    Complete {
        /// Its object.
        object: ObjectName,
    },
}
