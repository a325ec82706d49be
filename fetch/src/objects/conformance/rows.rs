use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use nudge_proto::MediumId;
use uuid::Uuid;

use crate::{
    objects::{Layout, Ledger, Multipart, Owner, Unfinished},
    store::StoreError,
};

/// What the store knows of uploads, without one.
#[derive(Debug, Default)]
pub struct Rows(Mutex<HashMap<MediumId, Row>>);

#[derive(Debug)]
struct Row {
    upload: Unfinished,
    multiparts: Vec<Multipart>,
}

impl Rows {
    /// Makes an upload.
    pub fn create(&self, size: u64) -> MediumId {
        let id = MediumId::random();
        let upload = Unfinished { id, size, fence: 0, layout: Layout::default() };
        self.rows().insert(id, Row { upload, multiparts: Vec::new() });
        id
    }

    /// An upload as it stands.
    pub fn upload(&self, id: MediumId) -> Unfinished {
        self.rows()[&id].upload.clone()
    }

    /// Raises the fence.
    pub fn begin(&self, id: MediumId) -> Unfinished {
        let mut rows = self.rows();
        let upload = &mut rows.get_mut(&id).unwrap().upload;
        upload.fence += 1;
        upload.clone()
    }

    /// Commits a layout; `false` when the fence is not the newest.
    pub fn commit(&self, id: MediumId, fence: u64, layout: &Layout) -> bool {
        let mut rows = self.rows();
        let upload = &mut rows.get_mut(&id).unwrap().upload;
        if upload.fence == fence {
            upload.layout = layout.clone();
        }
        upload.fence == fence
    }

    /// Those that were begun.
    pub fn multiparts(&self, id: MediumId) -> Vec<Multipart> {
        self.rows()[&id].multiparts.clone()
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<MediumId, Row>> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Ledger for Rows {
    async fn record(&self, id: MediumId, fence: u64, layout: &Layout) -> Result<(), StoreError> {
        if self.commit(id, fence, layout) { Ok(()) } else { Err(StoreError::UploadTakenOver) }
    }

    async fn remember(&self, id: MediumId, multipart: &Multipart) -> Result<(), StoreError> {
        self.rows().get_mut(&id).unwrap().multiparts.push(multipart.clone());
        Ok(())
    }
}

/// A store's identity, without one; clones are the same one's.
#[derive(Clone, Debug)]
pub struct Identity {
    store_id: Uuid,
    objects_id: Arc<Mutex<Option<Uuid>>>,
}

impl Default for Identity {
    fn default() -> Self {
        Self { store_id: Uuid::new_v4(), objects_id: Arc::default() }
    }
}

#[async_trait]
impl Owner for Identity {
    async fn ids(&self) -> Result<(Uuid, Option<Uuid>), StoreError> {
        Ok((self.store_id, *self.objects_id.lock().unwrap()))
    }

    async fn claim(&self, objects_id: Uuid) -> Result<Uuid, StoreError> {
        Ok(*self.objects_id.lock().unwrap().get_or_insert(objects_id))
    }
}
