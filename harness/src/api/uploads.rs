//! Media: tus 1.0 and plain downloads.

use bytes::Bytes;
use nudge_proto::RequestId;
use reqwest::{Method, RequestBuilder, Response};

use super::{Api, ApiError, success};

/// What every tus request says.
const TUS_VERSION: (&str, &str) = ("Tus-Resumable", "1.0.0");
const UPLOAD_TYPE: &str = "application/offset+octet-stream";

impl Api {
    /// Makes an upload of `size` bytes, and answers its id; the same `request_id` once more is a retry.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn create_upload(
        &self,
        request_id: RequestId,
        size: u64,
    ) -> Result<String, ApiError> {
        use base64::{Engine, engine::general_purpose::STANDARD};

        let metadata = format!("request_id {}", STANDARD.encode(request_id.to_string()));
        let request = self
            .tus(Method::POST, "/v1/uploads")
            .header("Upload-Length", size)
            .header("Upload-Metadata", metadata);
        let answer = success(request).await?;
        let location = answer.headers().get("Location").and_then(|value| value.to_str().ok());
        let id = location.and_then(|location| location.rsplit('/').next());
        id.map(str::to_owned).ok_or(ApiError::Incomplete("Location"))
    }

    /// Adds bytes at an offset, and answers the offset after them.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn append_upload(
        &self,
        id: &str,
        offset: u64,
        bytes: Bytes,
    ) -> Result<u64, ApiError> {
        let request = self
            .tus(Method::PATCH, &format!("/v1/uploads/{id}"))
            .header("Upload-Offset", offset)
            .header("Content-Type", UPLOAD_TYPE)
            .body(bytes);
        offset_of(&success(request).await?)
    }

    /// How far an upload is.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn upload_offset(&self, id: &str) -> Result<u64, ApiError> {
        let answer = success(self.tus(Method::HEAD, &format!("/v1/uploads/{id}"))).await?;
        offset_of(&answer)
    }

    /// A whole medium.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn medium(&self, id: &str) -> Result<Bytes, ApiError> {
        let answer = success(self.request(Method::GET, &format!("/v1/media/{id}"))).await?;
        Ok(answer.bytes().await?)
    }

    fn tus(&self, method: Method, path: &str) -> RequestBuilder {
        let (name, version) = TUS_VERSION;
        self.request(method, path).header(name, version)
    }
}

fn offset_of(answer: &Response) -> Result<u64, ApiError> {
    let offset = answer.headers().get("Upload-Offset").and_then(|value| value.to_str().ok());
    offset.and_then(|offset| offset.parse().ok()).ok_or(ApiError::Incomplete("Upload-Offset"))
}
