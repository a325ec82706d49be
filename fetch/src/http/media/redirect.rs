//! Downloads that go to the object store itself.

use std::sync::Arc;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::headers::{CACHE_CONTROL, content_type, put};
use crate::{
    auth::Peer,
    config::RedirectConfig,
    media::{disposition::content_disposition, redirect::RedirectRules},
    objects::{ConnectError, ObjectsConfig, SignedRead, Signer},
    store::Medium,
};

/// Who is sent there, and how.
#[derive(Clone, Debug)]
pub struct Redirects {
    rules: Arc<RedirectRules>,
    signer: Arc<Signer>,
}

impl Redirects {
    /// For media that lie in `objects`.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Configuration`] when nobody could be sent there.
    pub fn new(config: RedirectConfig, objects: &ObjectsConfig) -> Result<Self, ConnectError> {
        let ObjectsConfig::Remote(remote) = objects else {
            return Err(ConnectError::Configuration {
                place: "a folder".to_owned(),
                why: "downloads can be redirected to an object store alone".to_owned(),
            });
        };
        let signer = Arc::new(Signer::new(remote, config.endpoint.as_deref())?);
        Ok(Self { rules: Arc::new(config.rules), signer })
    }

    /// The answer to a request that is to go there. Whether its user may read the medium is known.
    pub(super) async fn answer(
        &self,
        medium: &Medium,
        peer: Peer,
        headers: &HeaderMap,
    ) -> Option<Response> {
        if !self.rules.apply(medium.size, peer.0, headers) {
            return None;
        }
        let read = SignedRead {
            content_type: content_type(medium).to_owned(),
            content_disposition: content_disposition(&medium.content_type, &medium.file_name),
            cache_control: CACHE_CONTROL,
            time: self.rules.time,
        };
        match self.signer.url(medium.id, &medium.object, read).await {
            Ok(url) => Some(redirect(url.as_str())),
            Err(error) => {
                tracing::warn!(medium = %medium.id, %error, "a download is not redirected");
                None
            }
        }
    }
}

fn redirect(url: &str) -> Response {
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    let headers = response.headers_mut();
    put(headers, header::LOCATION, url);
    for (name, value) in [
        // The URL ends, and with it whoever kept the answer.
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "authorization, prefer"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
