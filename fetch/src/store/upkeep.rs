use async_trait::async_trait;
use nudge_proto::{Epoch, MediumId};

use super::{StoreError, UnixMs};

/// The store itself: identity, keys, retention.
#[async_trait]
pub trait Upkeep: Send + Sync + 'static {
    /// Which store this is, and its epoch.
    async fn identity(&self) -> Result<StoreIdentity, StoreError>;

    /// Takes a place for objects as the store's own, if it has none yet; the id of the one that is.
    async fn claim_objects(&self, objects_id: uuid::Uuid) -> Result<uuid::Uuid, StoreError>;

    /// Begins a new epoch, above the present one.
    ///
    /// Its number is the time in seconds where that is higher: a backup that is restored a second time does
    /// not begin again an epoch that cursors still name.
    async fn new_epoch(&self, now: UnixMs) -> Result<Epoch, StoreError>;

    /// The keys of a purpose that still check at `now`, newest first.
    ///
    /// When none of them makes any more, `fresh` is stored first, under a lock: every node gets the
    /// same keys, however many ask at once.
    async fn keys(
        &self,
        purpose: KeyPurpose,
        fresh: Key,
        now: UnixMs,
    ) -> Result<Vec<Key>, StoreError>;

    /// One bounded step of retention: expired and over-aged messages with their inbox entries, old
    /// send receipts, retired keys, media past their time.
    async fn sweep(&self, retention: Retention, now: UnixMs) -> Result<Swept, StoreError>;

    /// What the store's own clock says, if it has one that all nodes share.
    async fn time(&self) -> Result<Option<UnixMs>, StoreError> {
        Ok(None)
    }

    /// Whether the store answers; for readiness.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Whether commits reach the standby that is configured to outlive this server; true where none is.
    async fn reaches_standby(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// Finishes what was begun and closes; later calls are [`StoreError::Unavailable`].
    async fn close(&self);
}

/// Which store this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreIdentity {
    /// Made once; the object root carries the same.
    pub store_id: uuid::Uuid,
    /// The place for objects that is the store's own, once there is one.
    pub objects_id: Option<uuid::Uuid>,
    /// The present history.
    pub epoch: Epoch,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    /// Connect tickets: 32 random bytes.
    Ticket,
    /// Access tokens: an Ed25519 key in PKCS #8.
    Access,
    /// Refresh tokens: 32 random bytes.
    Refresh,
}

/// A secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Unique within the purpose; ignored in a fresh one, which gets the next.
    pub id: u32,
    /// See [`KeyPurpose`].
    pub secret: Vec<u8>,
    /// When it was made.
    pub created_at: UnixMs,
    /// Makes until then.
    pub retire_at: UnixMs,
    /// Checks until then.
    pub not_after: UnixMs,
}

impl std::fmt::Debug for Key {
    /// Leaves the secret out.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Key")
            .field("id", &self.id)
            .field("retire_at", &self.retire_at)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Messages and inbox entries, in days; `None` for ever.
    pub history_days: Option<u32>,
    /// An inbox entry also goes once every active device has acknowledged it.
    pub until_acked: bool,
    /// Media after the last message naming them was committed, in days; `None` for ever.
    pub media_days: Option<u32>,
}

/// What one step of retention did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Messages removed.
    pub messages: u64,
    /// Inbox entries removed.
    pub inbox_entries: u64,
    /// Send receipts removed.
    pub send_receipts: u64,
    /// Media whose rows are gone and whose objects are to be deleted.
    pub media: Vec<MediumId>,
    /// Whether another step would find more.
    pub more: bool,
}
