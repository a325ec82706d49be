//! Files.

use std::{path::PathBuf, sync::Arc};

use nudge_proto::ClientMessageId;

use super::Client;
use crate::{download::Download, error::Result, model::Medium};

impl Client {
    /// Begins, or goes on with, bringing a medium to `target`, which it replaces once it is whole.
    ///
    /// Beside it lies a hidden part file meanwhile. See [`Medium::safe_file_name`] for a name.
    #[must_use]
    pub fn download(&self, medium: &Medium, target: impl Into<PathBuf>) -> Download {
        Download::start(Arc::clone(&self.core), medium.clone(), target.into())
    }

    /// Holds the uploads of a message, and with them the message; whether there are any.
    ///
    /// # Errors
    ///
    /// [`Error::State`](crate::Error::State).
    pub async fn pause_uploads(&self, message: ClientMessageId) -> Result<bool> {
        self.set_paused(message, true).await
    }

    /// Lets the uploads of a message go on; whether there are any.
    ///
    /// # Errors
    ///
    /// [`Error::State`](crate::Error::State).
    pub async fn resume_uploads(&self, message: ClientMessageId) -> Result<bool> {
        self.set_paused(message, false).await
    }

    async fn set_paused(&self, message: ClientMessageId, is_paused: bool) -> Result<bool> {
        let any = self.core.state.pause_uploads(message, is_paused).await?;
        self.core.uploads_bell.notify_one();
        Ok(any)
    }
}
