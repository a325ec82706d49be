mod acts;
mod media;
mod people;
mod views;

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use nudge_proto::{DeviceId, UserId};

use crate::store::{Retention, Store, UnixMs};

/// Where a store lies.
#[async_trait]
pub trait Place: Send + Sync + 'static {
    /// Opens it: new the first time, and what was left the next.
    async fn open(&self) -> Arc<dyn Store>;
}

/// A store, and a clock that only the check moves.
pub struct World {
    place: Box<dyn Place>,
    store: RwLock<Arc<dyn Store>>,
    now_ms: AtomicU64,
}

impl std::fmt::Debug for World {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("World").finish_non_exhaustive()
    }
}

/// A user on one of his devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub user_id: UserId,
    /// On which device.
    pub device_id: DeviceId,
}

impl Person {
    /// As the store wants it.
    #[must_use]
    pub const fn pair(self) -> (UserId, DeviceId) {
        (self.user_id, self.device_id)
    }
}

/// Nothing is ever too old.
#[must_use]
pub const fn unlimited() -> Retention {
    Retention { history_days: None, until_acked: false, media_days: Some(30) }
}

/// How long the world keeps media, in days.
#[must_use]
pub const fn media_kept() -> u64 {
    30
}

impl World {
    /// Opens a fresh store.
    pub async fn new(place: impl Place) -> Self {
        let store = RwLock::new(place.open().await);
        Self { place: Box::new(place), store, now_ms: AtomicU64::new(1_800_000_000_000) }
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens the store once more, beside the one that is open: what another node has. A store of one process
    /// refuses.
    pub async fn another_node(&self) -> Arc<dyn Store> {
        self.place.open().await
    }

    /// Closes the store and opens it again.
    pub async fn reopen(&self) {
        self.close().await;
        let store = self.place.open().await;
        *self.store.write().unwrap_or_else(PoisonError::into_inner) = store;
    }

    /// Closes the store.
    pub async fn close(&self) {
        self.store().close().await;
    }

    /// The time; a millisecond passes with each look.
    pub fn now(&self) -> UnixMs {
        UnixMs(self.now_ms.fetch_add(1, Ordering::Relaxed))
    }

    /// Lets seconds pass.
    pub fn wait_s(&self, seconds: u64) {
        self.now_ms.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    /// Sets the clock back.
    pub fn set_back_s(&self, seconds: u64) {
        self.now_ms.fetch_sub(seconds * 1000, Ordering::Relaxed);
    }

    /// Lets days pass.
    pub fn wait_days(&self, days: u64) {
        self.wait_s(days * 24 * 3600);
    }
}
