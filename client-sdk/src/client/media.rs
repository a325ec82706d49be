//! Files.

use std::{path::PathBuf, sync::Arc};

use nudge_proto::{ClientMessageId, MediumId};
use reqwest::Method;

use super::Client;
use crate::{
    download::Download, error::Result, limits::REQUEST_TIMEOUT, medium_head, model::Medium,
};

impl Client {
    /// What the server says of a medium; nothing of it is downloaded.
    ///
    /// # Errors
    ///
    /// `not_found`, other refusals, [`Error::Offline`](crate::Error::Offline).
    pub async fn medium(&self, id: MediumId) -> Result<Medium> {
        let path = format!("/v1/media/{id}");
        let build = |request: reqwest::RequestBuilder| request.timeout(REQUEST_TIMEOUT);
        let response = self.core.http.send(Method::HEAD, &path, build).await?;
        medium_head::read(id, response.headers())
    }

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
