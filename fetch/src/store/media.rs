use async_trait::async_trait;
use nudge_proto::{MediumId, UserId};

use super::StoreError;

/// Media and their uploads.
#[async_trait]
pub trait Media: Send + Sync + 'static {
    /// A complete medium, if the user uploaded it or may see a message that names it.
    async fn medium(&self, user_id: UserId, id: MediumId) -> Result<Medium, StoreError>;
}

/// A complete medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// For good; its object's key is made of it.
    pub id: MediumId,
    /// As the uploader named it; untrusted.
    pub file_name: String,
    /// As the uploader declared it; untrusted.
    pub content_type: String,
    /// In bytes.
    pub size: u64,
    /// Computed by the server.
    pub sha256: [u8; 32],
}
