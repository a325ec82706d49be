//! The API: parse at the edge, ask the store once, tell the bus, answer.

mod accounts;
mod blocks;
mod conversations;
pub(crate) mod convert;
mod devices;
mod error;
mod extract;
mod inbox;
mod me;
mod media;
mod members;
mod messages;
mod request;
mod sessions;
mod uploads;
mod users;
mod well_known;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, Method, header},
    middleware,
    routing::{delete, get, patch, post, put},
};
use nudge_proto::{ErrorCode, limits::REQUEST_BYTES_MAX};
use tokio_util::task::TaskTracker;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};

use crate::{
    auth::Auth,
    bus::{Bus, BusEvent},
    clock::Clock,
    config::FetchConfig,
    media::Uploads,
    objects::Objects,
    store::{Outcome, Store, StoreError},
};

pub use error::ApiError;

/// What every handler may use.
#[derive(Clone, Debug)]
pub struct App {
    /// What must last.
    pub store: Arc<dyn Store>,
    /// Where the bytes of media lie.
    pub objects: Arc<dyn Objects>,
    /// Takes media in.
    pub uploads: Uploads,
    /// What is told after a commit.
    pub bus: Arc<dyn Bus>,
    /// Who is asking.
    pub auth: Arc<Auth>,
    /// The time.
    pub clock: Clock,
    /// What the operator decided.
    pub config: Arc<FetchConfig>,
    /// Writes whose client may be gone.
    pub tasks: TaskTracker,
}

impl App {
    /// Writes, and tells the bus what moved: also when the client goes away meanwhile, because nobody
    /// would be told of what was committed before the next sweep.
    async fn commit<T, W, F>(&self, write: W) -> Result<T, ApiError>
    where
        T: Send + 'static,
        W: FnOnce(Arc<dyn Store>) -> F,
        F: Future<Output = Result<Outcome<T>, StoreError>> + Send + 'static,
    {
        let (write, bus) = (write(Arc::clone(&self.store)), Arc::clone(&self.bus));
        self.see_through(async move {
            let outcome = write.await?;
            if !outcome.moved.is_empty() {
                bus.publish(BusEvent::Moved(outcome.moved));
            }
            Ok(outcome.value)
        })
        .await
    }

    /// Does all of `work`, whether or not the client waits for it.
    async fn see_through<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        let done = self.tasks.spawn(work).await;
        done.unwrap_or_else(|error| Err(ApiError::new(ErrorCode::Internal, error.to_string())))
    }
}

/// The public API.
pub fn public_router(app: App) -> Router {
    let cors = cors(&app.config.cors_origins);
    Router::new()
        .merge(requests())
        .merge(transfers())
        .fallback(error::no_such_path)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(middleware::from_fn(request::finish))
        .layer(cors)
        .layer(middleware::from_fn_with_state(app.clone(), uploads::tell_options))
        .with_state(app)
}

/// Health, for the operator alone.
pub fn private_router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(well_known::healthz))
        .route("/readyz", get(well_known::readyz))
        .layer(middleware::from_fn(request::finish))
        .with_state(app)
}

fn requests() -> Router<App> {
    Router::new()
        .route("/healthz", get(well_known::healthz))
        .route("/readyz", get(well_known::readyz))
        .route("/.well-known/nudge", get(well_known::discovery))
        .route("/.well-known/jwks.json", get(well_known::jwks))
        .route("/v1/accounts", post(accounts::create))
        .route("/v1/sessions", post(sessions::create))
        .route("/v1/sessions/refresh", post(sessions::refresh))
        .route("/v1/sessions/current", delete(sessions::end))
        .route("/v1/users/{handle}", get(users::find))
        .route("/v1/me", get(me::show).patch(me::update).delete(me::delete))
        .route("/v1/me/password", put(me::change_password))
        .route("/v1/blocks/{user}", put(blocks::block).delete(blocks::unblock))
        .route("/v1/devices", get(devices::list))
        .route("/v1/devices/{id}", delete(devices::revoke))
        .route("/v1/conversations", get(conversations::list).post(conversations::create))
        .route("/v1/conversations/{id}", get(conversations::show).patch(conversations::update))
        .route("/v1/conversations/{id}/members/{user}", put(members::put).delete(members::remove))
        .route("/v1/conversations/{id}/messages", get(messages::history))
        .route("/v1/conversations/{id}/messages/{client_id}", put(messages::send))
        .route("/v1/conversations/{id}/read", put(conversations::mark_read))
        .route("/v1/conversations/{id}/receipts", get(conversations::receipts))
        .route("/v1/conversations/{id}/typing", post(conversations::typing))
        .route("/v1/messages/{id}", get(messages::show))
        .route("/v1/inbox", get(inbox::page))
        .route("/v1/inbox/ack", post(inbox::ack))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(middleware::from_fn(request::within_time))
}

/// Bodies of any length, which have deadlines of their own.
fn transfers() -> Router<App> {
    let upload = patch(uploads::append)
        .head(uploads::show)
        .delete(uploads::terminate)
        .post(uploads::overridden);
    Router::new()
        .route("/v1/uploads", post(uploads::create))
        .route("/v1/uploads/{id}", upload)
        .route_layer(middleware::from_fn(uploads::speak_tus))
        .route("/v1/media/{id}", get(media::download))
}

fn cors(origins: &[String]) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers(tower_http::cors::AllowHeaders::mirror_request())
        .expose_headers([
            header::LOCATION,
            header::ETAG,
            header::CONTENT_RANGE,
            header::ACCEPT_RANGES,
            header::CONTENT_DISPOSITION,
            header::HeaderName::from_static("repr-digest"),
            header::HeaderName::from_static("upload-offset"),
            header::HeaderName::from_static("upload-length"),
            header::HeaderName::from_static("upload-expires"),
            header::HeaderName::from_static("tus-resumable"),
            header::HeaderName::from_static("x-request-id"),
        ]);
    if origins.iter().any(|origin| origin == "*") {
        return layer.allow_origin(AllowOrigin::any());
    }
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    layer.allow_origin(AllowOrigin::list(origins))
}
