//! A server with one user, who has media.

use std::{fs, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::stream;
use nudge_proto::pb::content::Session;
use reqwest::{Certificate, Client, ClientBuilder};

use super::{
    gauge::Gauge,
    population::populate,
    server::{Server, data_dir},
};
use crate::failure::Failure;

/// Bytes that an upload hands over at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// A server with one user.
pub(super) struct Stand {
    server: Server,
    session: Session,
    data_dir: PathBuf,
    certificate: Option<Certificate>,
}

/// A medium, and how long its upload took.
pub(super) struct Uploaded {
    pub(super) id: String,
    pub(super) seconds: f64,
}

impl Stand {
    pub(super) async fn start(tls: bool) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let data_dir = data_dir(&folder);
        let mut sessions = populate(&data_dir, 1).await?;
        let session = sessions.pop().ok_or_else(|| Failure::new("there is no user"))?;
        let server = Server::start(folder, tls).await?;
        let pem = server.ready.certificate.as_ref().map(fs::read).transpose()?;
        let certificate = pem.map(|pem| Certificate::from_pem(&pem)).transpose()?;
        Ok(Self { server, session, data_dir, certificate })
    }

    pub(super) const fn gauge(&self) -> Gauge {
        self.server.gauge()
    }

    /// The file of its certificate.
    pub(super) fn certificate(&self) -> Option<PathBuf> {
        self.server.ready.certificate.clone()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.ready.url)
    }

    /// Where the finished objects lie.
    pub(super) fn objects(&self) -> PathBuf {
        self.data_dir.join("objects").join("media")
    }

    pub(super) fn token(&self) -> &str {
        &self.session.access_token
    }

    /// A client that trusts the server.
    pub(super) fn client(&self) -> ClientBuilder {
        let certificates = self.certificate.clone();
        match certificates {
            Some(certificate) => Client::builder().tls_certs_only([certificate]),
            None => Client::builder(),
        }
    }

    /// Uploads that many bytes in one request.
    pub(super) async fn upload(&self, size: u64) -> Result<Uploaded, Failure> {
        let http = self.client().http1_only().build()?;
        let name = STANDARD.encode("bench.bin");
        let created = http
            .post(self.url("/v1/uploads"))
            .bearer_auth(self.token())
            .header("Tus-Resumable", "1.0.0")
            .header("Upload-Length", size)
            .header("Upload-Metadata", format!("filename {name}"))
            .send()
            .await?
            .error_for_status()?;
        let location = created.headers().get("Location").and_then(|value| value.to_str().ok());
        let path = location.ok_or_else(|| Failure::new("the upload has no address"))?.to_owned();
        let began = std::time::Instant::now();
        http.patch(self.url(&path))
            .bearer_auth(self.token())
            .header("Tus-Resumable", "1.0.0")
            .header("Upload-Offset", 0)
            .header("Content-Type", "application/offset+octet-stream")
            .header("Content-Length", size)
            .body(noise(size))
            .send()
            .await?
            .error_for_status()?;
        let id = path.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Uploaded { id, seconds: began.elapsed().as_secs_f64() })
    }

    pub(super) async fn stop(self) -> Result<(), Failure> {
        self.server.stop().await
    }
}

/// Bytes that do not compress, without making each anew.
fn noise(size: u64) -> reqwest::Body {
    let mut piece = vec![0; PIECE_BYTES];
    fastrand::Rng::with_seed(size).fill(&mut piece);
    let piece = Bytes::from(piece);
    let pieces = stream::unfold(size, move |left| {
        let piece = piece.clone();
        async move {
            let length = left.min(PIECE_BYTES as u64);
            let next = piece.slice(..length as usize);
            (length > 0).then_some((Ok::<_, std::io::Error>(next), left - length))
        }
    });
    reqwest::Body::wrap_stream(pieces)
}
