//! What people upload.

use nudge_proto::{ConversationId, MediumId, RequestId};

use super::{Person, World, media_kept};
use crate::{
    media::RunningDigest,
    objects::{Layout, ObjectName},
    store::{AppendCommit, MediaQuota, Medium, NewUpload, Send, Sent, StoreError, UnixMs},
};

impl World {
    /// An upload that could be made.
    pub fn new_upload(&self, owner: Person, size: u64) -> NewUpload {
        let now = self.now();
        NewUpload {
            id: MediumId::random(),
            owner_id: owner.user_id,
            request_id: Some(RequestId::random()),
            file_name: "photo.jpg".to_owned(),
            content_type: "image/jpeg".to_owned(),
            size,
            declared_sha256: None,
            digest_state: RunningDigest::default().state(),
            now,
            expires_at: UnixMs(now.0 + 24 * 3600 * 1000),
            quota: MediaQuota { bytes: 1000, unfinished: 5 },
        }
    }

    /// Commits bytes at the upload's end under a new fence.
    pub async fn append(&self, owner: Person, id: MediumId, offset: u64, length: u64) {
        let store = self.store();
        let turn = store.begin_append(owner.user_id, id, offset).await.unwrap();
        let expires_at = turn.upload.expires_at;
        let commit = AppendCommit {
            id,
            fence: turn.fence,
            layout: Layout(format!("{} bytes", offset + length)),
            offset: offset + length,
            digest_state: turn.digest_state,
            expires_at,
        };
        store.commit_append(commit).await.unwrap();
    }

    /// Makes an upload visible.
    pub async fn complete(&self, id: MediumId) -> Result<Medium, StoreError> {
        let object = ObjectName("object".to_owned());
        let now = self.now();
        let kept = UnixMs(now.0 + media_kept() * 24 * 3600 * 1000);
        self.store().complete_upload(id, [7; 32], object, now, kept).await
    }

    /// A complete medium of ten bytes.
    pub async fn medium(&self, owner: Person) -> MediumId {
        let new = self.new_upload(owner, 10);
        let id = new.id;
        self.store().create_upload(new).await.unwrap();
        self.append(owner, id, 0, 10).await;
        self.complete(id).await.unwrap();
        id
    }

    /// Sends a medium.
    pub async fn show(
        &self,
        sender: Person,
        conversation: ConversationId,
        medium: MediumId,
    ) -> Result<Sent, StoreError> {
        let draft = self.draft(sender, conversation, "look");
        self.send(Send { media: vec![medium], ..draft }).await
    }

    /// Whether a user may read a medium.
    pub async fn may_read(&self, who: Person, id: MediumId) -> bool {
        match self.store().medium(who.user_id, id, self.now()).await {
            Ok(_) => true,
            Err(StoreError::NotFound(_)) => false,
            Err(error) => panic!("{error}"),
        }
    }
}
