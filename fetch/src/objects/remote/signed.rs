//! URLs by which a client reads an object from the object store himself.

use std::{fmt, sync::Arc, time::Duration};

use http::Method;
use nudge_proto::MediumId;
use object_store::{path::Path, signer::SignedUrlOptions};
use url::Url;

use super::{
    connect::{self, Patience, connect},
    failure::{ConnectError, failed},
    place::object_path,
};
use crate::objects::{ObjectError, ObjectName, RemoteConfig};

/// Signs such URLs. It asks nobody but, for some credentials, who gives them out.
pub struct Signer {
    client: Arc<dyn object_store::signer::Signer>,
    prefix: Path,
    /// For a person.
    name: String,
}

/// What the answer to a GET of a signed URL says.
#[derive(Clone, Debug)]
pub struct SignedRead {
    /// Of the answer.
    pub content_type: String,
    /// Of the answer.
    pub content_disposition: String,
    /// Of the answer.
    pub cache_control: &'static str,
    /// How long it is good.
    pub time: Duration,
}

impl Signer {
    /// For a place; clients may know its object store by another endpoint than this node does.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Configuration`] when the options make no client, or none that signs what it must.
    pub fn new(config: &RemoteConfig, endpoint: Option<&str>) -> Result<Self, ConnectError> {
        let config = endpoint.map_or_else(|| config.clone(), |other| config.with_endpoint(other));
        let backend = connect(&config, Patience::LONG)?;
        let connect::Backend { signer, prefix, name, .. } = backend;
        match signer {
            Some(client) => Ok(Self { client, prefix, name }),
            None => Err(ConnectError::Configuration {
                place: name,
                why:
                    "its URLs cannot say how a browser is to treat a medium: leave the redirect out"
                        .to_owned(),
            }),
        }
    }

    /// An URL for one object.
    ///
    /// # Errors
    ///
    /// When there are no credentials to sign with.
    pub async fn url(
        &self,
        id: MediumId,
        object: &ObjectName,
        read: SignedRead,
    ) -> Result<Url, ObjectError> {
        let path = object_path(&self.prefix, id, object);
        let options = SignedUrlOptions::new().with_query([
            ("response-content-type", read.content_type),
            ("response-content-disposition", read.content_disposition),
            ("response-cache-control", read.cache_control.to_owned()),
        ]);
        let signed = self.client.signed_url_opts(Method::GET, &path, read.time, &options).await;
        signed.map_err(failed("sign an URL of the object store"))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Signer").field(&self.name).finish()
    }
}
