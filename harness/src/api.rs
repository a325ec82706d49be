//! The HTTP API without the SDK: one call, one answer, no retry.

mod uploads;

use std::time::Duration;

use nudge_proto::{ClientMessageId, DeviceId, RequestId, pb::content as pb};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::{Serialize, de::DeserializeOwned};

/// An answer must come within this time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// One user's view of a content service, in JSON.
#[derive(Clone, Debug)]
pub struct Api {
    base: String,
    http: reqwest::Client,
    session: Option<pb::Session>,
}

/// Why a call has no answer of its type.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The server did not answer, or not to the end; whether it acted is unknown.
    #[error("no answer: {0}")]
    NoAnswer(#[from] reqwest::Error),
    /// The certificate to trust cannot be read.
    #[error("cannot read the server's certificate: {0}")]
    Certificate(std::io::Error),
    /// The answer lacks a header that it must have.
    #[error("the answer lacks the header {0}")]
    Incomplete(&'static str),
    /// The server refused.
    #[error("{status}: {} ({})", problem.code, problem.detail)]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// Its body.
        problem: Box<pb::Problem>,
    },
}

impl ApiError {
    /// Whether the server may or may not have acted, or could not act just now: the same request once
    /// more is right.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NoAnswer(_) => true,
            Self::Refused { status, .. } => status.is_server_error(),
            Self::Certificate(_) | Self::Incomplete(_) => false,
        }
    }
}

impl Api {
    /// A nobody before the content service at `base`.
    ///
    /// # Errors
    ///
    /// When the TLS stack cannot be set up.
    pub fn new(base: impl Into<String>) -> Result<Self, ApiError> {
        Self::trusting(base, None)
    }

    /// The same user at another node of the same service.
    #[must_use]
    pub fn at(&self, base: impl Into<String>) -> Self {
        Self { base: base.into(), ..self.clone() }
    }

    /// The same, trusting a certificate of the server's own, in PEM.
    ///
    /// # Errors
    ///
    /// When that is no certificate, or the TLS stack cannot be set up.
    pub fn trusting(base: impl Into<String>, certificate: Option<&str>) -> Result<Self, ApiError> {
        let mut http = reqwest::Client::builder().timeout(ANSWER_TIMEOUT);
        if let Some(pem) = certificate {
            http = http.tls_certs_merge([reqwest::Certificate::from_pem(pem.as_bytes())?]);
        }
        Ok(Self { base: base.into(), http: http.build()?, session: None })
    }

    /// Makes the account `handle` if it is new, and becomes a new device of it.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn sign_up(&mut self, handle: &str, password: &str) -> Result<(), ApiError> {
        let account = pb::CreateAccountRequest {
            request_id: RequestId::random().to_string(),
            handle: handle.to_owned(),
            password: password.to_owned(),
            display_name: handle.to_owned(),
            invite: None,
        };
        match self.call::<_, pb::User>(Method::POST, "/v1/accounts", &account).await {
            Ok(_) => (),
            Err(ApiError::Refused { problem, .. }) if problem.code == "handle_taken" => (),
            Err(error) => return Err(error),
        }
        self.log_in(handle, password).await
    }

    /// Becomes a new device of `handle`.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn log_in(&mut self, handle: &str, password: &str) -> Result<(), ApiError> {
        let request = pb::CreateSessionRequest {
            device_id: DeviceId::random().to_string(),
            device_name: "harness".to_owned(),
            handle: Some(handle.to_owned()),
            password: Some(password.to_owned()),
            issuer_token: None,
        };
        self.session = Some(self.call(Method::POST, "/v1/sessions", &request).await?);
        Ok(())
    }

    /// Trades the refresh token for a new session; asked again after a lost answer, it gets the same one.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn refresh(&mut self) -> Result<(), ApiError> {
        let refresh_token = self.session().refresh_token.clone();
        let request = pb::RefreshRequest { refresh_token };
        self.session = Some(self.call(Method::POST, "/v1/sessions/refresh", &request).await?);
        Ok(())
    }

    /// What the last log in answered.
    ///
    /// # Panics
    ///
    /// Without a log in.
    #[must_use]
    pub fn session(&self) -> &pb::Session {
        self.session.as_ref().expect("log in first")
    }

    /// The user that the session is for.
    ///
    /// # Panics
    ///
    /// Without a log in.
    #[must_use]
    pub fn user(&self) -> &pb::User {
        self.session().user.as_ref().expect("a session names its user")
    }

    /// The direct conversation with a user.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn direct(&self, user_id: &str) -> Result<pb::Conversation, ApiError> {
        let request = pb::CreateConversationRequest {
            request_id: RequestId::random().to_string(),
            kind: pb::ConversationKind::Direct.into(),
            member_ids: vec![user_id.to_owned()],
            title: String::new(),
        };
        self.call(Method::POST, "/v1/conversations", &request).await
    }

    /// A new group of this user and others.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn group(
        &self,
        title: &str,
        member_ids: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<pb::Conversation, ApiError> {
        let request = pb::CreateConversationRequest {
            request_id: RequestId::random().to_string(),
            kind: pb::ConversationKind::Group.into(),
            member_ids: member_ids.into_iter().map(Into::into).collect(),
            title: title.to_owned(),
        };
        self.call(Method::POST, "/v1/conversations", &request).await
    }

    /// Says that this device has everything up to a cursor ("epoch.seq").
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn ack(&self, cursor: &str) -> Result<(), ApiError> {
        let request = pb::AckRequest { cursor: cursor.to_owned() };
        success(self.request(Method::POST, "/v1/inbox/ack").json(&request)).await.map(drop)
    }

    /// Sends a text; the same id once more is a retry.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn send_text(
        &self,
        conversation_id: &str,
        client_message_id: ClientMessageId,
        text: &str,
    ) -> Result<pb::SendResponse, ApiError> {
        Ok(self.put_text(conversation_id, client_message_id, text).await?.1)
    }

    /// The same, with the status: 201 when it was new, 200 when it was a retry.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn put_text(
        &self,
        conversation_id: &str,
        client_message_id: ClientMessageId,
        text: &str,
    ) -> Result<(StatusCode, pb::SendResponse), ApiError> {
        let request = pb::SendRequest {
            content_type: "text/plain".to_owned(),
            body: text.to_owned().into(),
            media_ids: Vec::new(),
            ttl_s: None,
        };
        let path = format!("/v1/conversations/{conversation_id}/messages/{client_message_id}");
        let answer = success(self.request(Method::PUT, &path).json(&request)).await?;
        Ok((answer.status(), answer.json().await?))
    }

    /// One page of the inbox after a cursor ("epoch.seq").
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn inbox(&self, after: &str, limit: u32) -> Result<pb::InboxPage, ApiError> {
        let path = format!("/v1/inbox?after={after}&limit={limit}");
        answer(self.request(Method::GET, &path)).await
    }

    /// Any call with a JSON body.
    ///
    /// # Errors
    ///
    /// [`ApiError`] for everything but a success of the expected form.
    pub async fn call<B: Serialize + Sync, A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<A, ApiError> {
        answer(self.request(method, path).json(body)).await
    }

    /// Any request, with the session's access token if there is one.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.session {
            Some(session) => request.bearer_auth(&session.access_token),
            None => request,
        }
    }
}

async fn answer<A: DeserializeOwned>(request: RequestBuilder) -> Result<A, ApiError> {
    Ok(success(request).await?.json().await?)
}

async fn success(request: RequestBuilder) -> Result<Response, ApiError> {
    let answer = request.send().await?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    // The answer to HEAD has no body, whatever its status.
    let body = answer.bytes().await?;
    let problem = Box::new(serde_json::from_slice(&body).unwrap_or_default());
    Err(ApiError::Refused { status, problem })
}
