use async_trait::async_trait;
use nudge_proto::{Cursor, DeviceId, Epoch, InboxSeq, MessageId, UserId, watch::Generation};

use super::{StoreError, UnixMs};

/// Devices and their sessions.
#[async_trait]
pub trait Devices: Send + Sync + 'static {
    /// Makes a device, its mark at the head read in the same transaction, or opens a new refresh
    /// chain on an existing one.
    ///
    /// # Errors
    ///
    /// [`StoreError::DeviceRevoked`], [`StoreError::LimitReached`].
    async fn open_device(&self, open: OpenDevice) -> Result<DeviceOpened, StoreError>;

    /// Takes a genuine refresh token in.
    async fn refresh(&self, refresh: Refresh) -> Result<Refreshed, StoreError>;

    /// The active devices of a user, oldest first.
    async fn devices(&self, user_id: UserId) -> Result<Vec<Device>, StoreError>;

    /// Revokes a device; false when it already was.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`].
    async fn revoke_device(
        &self,
        user_id: UserId,
        device_id: DeviceId,
        now: UnixMs,
    ) -> Result<bool, StoreError>;

    /// Every device revoked since `since`.
    async fn revoked_since(&self, since: UnixMs) -> Result<Vec<(UserId, DeviceId)>, StoreError>;

    /// What the watch must know of each of these devices, in their order; one bounded number of
    /// queries whatever their number.
    async fn device_states(
        &self,
        devices: &[(UserId, DeviceId)],
    ) -> Result<Vec<DeviceState>, StoreError>;

    /// A point above every one that any node was given before this call began: what tells the order of
    /// a device's connections, whatever the nodes' clocks say. Waits for no disk.
    async fn next_point(&self) -> Result<Point, StoreError>;
}

/// A point in the order of all that the nodes of a store do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// The store's epoch: in another one the numbers may begin anew.
    pub epoch: Epoch,
    /// The number within it.
    pub generation: Generation,
}

/// A log in.
#[derive(Clone, Debug)]
pub struct OpenDevice {
    /// Whose.
    pub user_id: UserId,
    /// Client-made: a retry opens the same device.
    pub device_id: DeviceId,
    /// For the user's list of devices.
    pub name: String,
    /// A random number that tells this log in's refresh tokens from earlier ones'.
    pub refresh_chain: u64,
    /// Now.
    pub now: UnixMs,
}

/// A device, opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceOpened {
    /// Whether this call made it.
    pub created: bool,
    /// Where its inbox reading starts: its acknowledged mark.
    pub cursor: Cursor,
}

/// A genuine refresh token's content.
#[derive(Clone, Copy, Debug)]
pub struct Refresh {
    /// Whose.
    pub user_id: UserId,
    /// Which device.
    pub device_id: DeviceId,
    /// Which log in.
    pub chain: u64,
    /// Which token of it, from 1 on.
    pub n: u64,
    /// Now.
    pub now: UnixMs,
}

/// What became of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The successor's number: the same for a repetition until the successor is first used.
    Next {
        /// Which token to hand out.
        n: u64,
        /// The device's acknowledged mark.
        cursor: Cursor,
    },
    /// Its successor was used before: the device is revoked now.
    Reused,
    /// Of an earlier log in, or of a revoked device.
    Ended,
}

/// A device of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Unique within the user.
    pub id: DeviceId,
    /// For the user's eyes.
    pub name: String,
    /// When it first logged in.
    pub created_at: UnixMs,
    /// Everything up to here is stored on it.
    pub acked: InboxSeq,
}

/// What the watch must know of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceState {
    /// Unknown or revoked.
    pub revoked: bool,
    /// The store's epoch.
    pub epoch: Epoch,
    /// The user's head.
    pub head: InboxSeq,
    /// The user's newest message.
    pub newest_message: Option<MessageId>,
}
