//! Requests to the content service, in protobuf.
//!
//! Every call of the SDK is one that may be repeated: it carries a client-made id, or says what is to
//! be and not what is to change. So a lost answer is asked for again.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, future::BoxFuture};
use nudge_proto::{ErrorCode, error_code::Retry, pb::content as pb, session::Backoff};
use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use tokio::sync::MutexGuard;
use url::Url;

use crate::{Error, credentials::Credentials, error::Result, limits, tls::Tls};

/// The way to one content service.
#[derive(Debug)]
pub(crate) struct Http {
    base: Url,
    client: reqwest::Client,
    credentials: Arc<Credentials>,
}

impl Http {
    pub(crate) fn new(base: &str, tls: &Tls, credentials: Arc<Credentials>) -> Result<Self> {
        let base = Url::parse(base)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                Error::Config(format!(
                    "the server's URL must begin with http:// or https://, not {base:?}"
                ))
            })?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.for_http())
            .connect_timeout(limits::CONNECT_TIMEOUT)
            .read_timeout(limits::TRANSFER_IDLE_TIMEOUT)
            .pool_idle_timeout(limits::HTTP_IDLE_TIMEOUT)
            .build()?;
        Ok(Self { base, client, credentials })
    }

    /// The host that the app named: what discovery leaves open is there.
    pub(crate) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// What the server says of itself, to anybody.
    pub(crate) async fn discovery(&self) -> Result<pb::Discovery> {
        retrying(|| {
            Box::pin(async {
                let request = self.request(Method::GET, "/.well-known/nudge")?;
                let request = with_body(request, None).timeout(limits::REQUEST_TIMEOUT);
                decode(check(request.send().await?).await?).await
            })
        })
        .await
    }

    /// Asks without a body.
    pub(crate) async fn get<A: prost::Message + Default>(&self, path: &str) -> Result<A> {
        self.call(Method::GET, path, None).await
    }

    /// Says something, and hears an answer.
    pub(crate) async fn ask<A: prost::Message + Default>(
        &self,
        method: Method,
        path: &str,
        body: &impl prost::Message,
    ) -> Result<A> {
        self.call(method, path, Some(body.encode_to_vec())).await
    }

    /// Says something; the answer has no content.
    pub(crate) async fn tell(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<()> {
        self.call::<()>(method, path, body).await
    }

    /// Says something without credentials, and hears an answer: for making them.
    pub(crate) async fn ask_as_nobody<A: prost::Message + Default>(
        &self,
        path: &str,
        body: &impl prost::Message,
    ) -> Result<A> {
        retrying(|| Box::pin(self.ask_as_nobody_once(path, body))).await
    }

    async fn ask_as_nobody_once<A: prost::Message + Default>(
        &self,
        path: &str,
        body: &impl prost::Message,
    ) -> Result<A> {
        let request = self.request(Method::POST, path)?.timeout(limits::REQUEST_TIMEOUT);
        let request = with_body(request, Some(body.encode_to_vec()));
        decode(check(request.send().await?).await?).await
    }

    /// A request with credentials whose answer the caller reads; once, but for an expired token.
    ///
    /// `build` is called again for the second attempt.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        build: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response> {
        let token = self.credentials.access_token().await?;
        let request = self.request(method.clone(), path)?.bearer_auth(&token);
        let refused = match check(build(request).send().await?).await {
            Err(Error::Refused { code, .. }) if code.retry() == Retry::AfterRefresh => token,
            other => return other,
        };
        self.refresh(&refused).await?;
        let token = self.credentials.access_token().await?;
        let request = self.request(method, path)?.bearer_auth(&token);
        check(build(request).send().await?).await
    }

    /// Gets new credentials unless somebody else did since `refused` was in use.
    pub(crate) async fn refresh(&self, refused: &str) -> Result<()> {
        let _turn = self.credentials.turn().await;
        // Read again for each attempt: another process on the folder may be faster.
        let renewed = retrying(|| Box::pin(self.refresh_once(refused))).await;
        if let Err(error) = &renewed
            && error.code() == Some(ErrorCode::RefreshTokenReused)
        {
            self.credentials.handle_reuse().await?;
        }
        renewed
    }

    async fn refresh_once(&self, refused: &str) -> Result<()> {
        let Some(refresh_token) = self.credentials.refresh_token(refused).await? else {
            return Ok(());
        };
        let body = pb::RefreshRequest { refresh_token: refresh_token.clone() };
        let session = self.ask_as_nobody_once("/v1/sessions/refresh", &body).await?;
        self.credentials.put_renewed(&session, &refresh_token).await
    }

    /// Held while credentials are made or forgotten.
    pub(crate) async fn credentials_turn(&self) -> MutexGuard<'_, ()> {
        self.credentials.turn().await
    }

    async fn call<A: prost::Message + Default>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<A> {
        retrying(|| {
            Box::pin(async {
                let build = |request: RequestBuilder| {
                    with_body(request, body.clone()).timeout(limits::REQUEST_TIMEOUT)
                };
                decode(self.send(method.clone(), path, build).await?).await
            })
        })
        .await
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder> {
        let url =
            self.base.join(path).map_err(|error| Error::Config(format!("{path}: {error}")))?;
        Ok(self.client.request(method, url))
    }
}

/// A few attempts, for what passes quickly.
async fn retrying<'a, A>(attempt: impl Fn() -> BoxFuture<'a, Result<A>> + Send) -> Result<A> {
    let mut backoff = Backoff::new(limits::RETRY_MIN, limits::RETRY_MAX, fastrand::u64(..));
    for _ in 1..limits::REQUEST_ATTEMPTS {
        match attempt().await {
            Err(error) if is_worth_repeating(&error) => {
                let wait = backoff.next_wait();
                tracing::debug!(%error, ?wait, "a request is repeated");
                tokio::time::sleep(wait).await;
            }
            other => return other,
        }
    }
    attempt().await
}

/// Who asked for patience is not asked again at once.
fn is_worth_repeating(error: &Error) -> bool {
    error.is_passing() && error.code() != Some(ErrorCode::RateLimited)
}

fn with_body(request: RequestBuilder, body: Option<Vec<u8>>) -> RequestBuilder {
    let request = request.header(header::ACCEPT, PROTOBUF);
    match body {
        Some(body) => request.header(header::CONTENT_TYPE, PROTOBUF).body(body),
        None => request,
    }
}

/// The answer, if it is a success; otherwise the refusal in it.
async fn check(response: Response) -> Result<Response> {
    let status = response.status();
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let media_type = response.headers().get(header::CONTENT_TYPE);
    let is_of = |expected: &str| {
        media_type.is_some_and(|value| value.as_bytes().starts_with(expected.as_bytes()))
    };
    let (is_protobuf, is_json) = (is_of(PROTOBUF), is_of(PROBLEM_JSON));
    let body = read(response).await?;
    let problem = match (is_protobuf, is_json) {
        (true, _) => <pb::Problem as prost::Message>::decode(&body[..]).ok(),
        // The answer to a HEAD has the type and no body.
        (_, true) if body.is_empty() => Some(pb::Problem::default()),
        (_, true) => serde_json::from_slice(&body).ok(),
        _ => None,
    };
    // Something between us and the service spoke, a proxy for example: it has nothing to decide.
    let problem = problem.ok_or_else(|| Error::Offline(format!("something answered {status}")))?;
    let code = problem.code.parse().unwrap_or_else(|_| ErrorCode::of_status(status.as_u16()));
    Err(Error::Refused { code, detail: problem.detail, retry_after })
}

async fn decode<A: prost::Message + Default>(response: Response) -> Result<A> {
    A::decode(read(response).await?.as_slice()).map_err(Error::protocol)
}

async fn read(response: Response) -> Result<Vec<u8>> {
    let mut pieces = response.bytes_stream().map_err(Error::from).boxed();
    let mut body = Vec::new();
    while let Some(piece) = pieces.try_next().await? {
        if body.len() + piece.len() > limits::ANSWER_BYTES_MAX {
            return Err(Error::Protocol(format!(
                "an answer of more than {} bytes",
                limits::ANSWER_BYTES_MAX
            )));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

const PROTOBUF: &str = "application/x-protobuf";
const PROBLEM_JSON: &str = "application/problem+json";
