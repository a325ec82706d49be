use std::sync::Arc;

use async_trait::async_trait;
use nudge_proto::MediumId;

use super::{Layout, Ledger, Multipart};
use crate::store::{Store, StoreError};

/// The store as the ledger of a place.
#[derive(Clone, Debug)]
pub struct StoreLedger(pub Arc<dyn Store>);

#[async_trait]
impl Ledger for StoreLedger {
    async fn record(&self, id: MediumId, fence: u64, layout: &Layout) -> Result<(), StoreError> {
        self.0.record_layout(id, fence, layout.clone()).await
    }

    async fn remember(&self, id: MediumId, multipart: &Multipart) -> Result<(), StoreError> {
        self.0.remember_multipart(id, multipart.clone()).await
    }
}
