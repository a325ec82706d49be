//! The API: parse at the edge, ask the store once, tell the bus, answer.

mod accounts;
mod admin;
mod api;
mod blocks;
mod conversations;
pub(crate) mod convert;
mod devices;
mod error;
mod extract;
mod health;
mod inbox;
mod me;
mod media;
mod members;
mod messages;
mod metrics;
mod request;
mod routes;
mod sessions;
mod typists;
mod uploads;
mod users;
mod well_known;

use std::sync::Arc;

use api::Api;
use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, Method, header},
    middleware,
    routing::get,
};
use nudge_proto::{ErrorCode, limits::REQUEST_BYTES_MAX, watch::StoreId};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};
use tracing::Instrument;
use utoipa::openapi::Required;

use crate::{
    auth::Auth,
    bus::Bus,
    clock::Clock,
    config::FetchConfig,
    health::Health,
    limits::DETACHED_WRITES_MAX,
    media::{Granted, Uploads},
    milestones::Milestones,
    objects::Objects,
    store::{Outcome, Store, StoreError},
    traces,
    watch::{self, HubWatch, WatchHub},
};

pub use error::ApiError;
pub use media::Redirects;
pub use typists::Typists;

/// What every handler may use.
#[derive(Clone, Debug)]
pub struct App {
    /// What must last.
    pub store: Arc<dyn Store>,
    /// Which store that is.
    pub store_id: StoreId,
    /// Where the bytes of media lie.
    pub objects: Arc<dyn Objects>,
    /// Who may read which of them, a moment ago.
    pub granted: Arc<Granted>,
    /// Where downloads go to the object store itself.
    pub redirects: Option<Redirects>,
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
    /// How many of them there may be at a time.
    pub places: Arc<Semaphore>,
    /// Who is typing.
    pub typists: Arc<Typists>,
    /// What became of messages.
    pub milestones: Arc<Milestones>,
    /// What is missing.
    pub health: Arc<Health>,
    /// Who is connected.
    pub hub: Arc<WatchHub>,
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
            let outcome = write.instrument(traces::commit()).await?;
            if !outcome.moved.is_empty() {
                traces::publish(&*bus, outcome.moved);
            }
            Ok(outcome.value)
        })
        .await
    }

    /// Does all of `work`, whether or not the client waits for it.
    ///
    /// # Errors
    ///
    /// Those of `work`; [`ErrorCode::Unavailable`] when too much is being done, and then none of it is.
    async fn see_through<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            ApiError::new(
                ErrorCode::Unavailable,
                format!("{DETACHED_WRITES_MAX} writes wait for the store already"),
            )
        })?;
        let work = async move {
            let _place = place;
            work.await
        };
        // What is logged from there belongs to the same request.
        let done = self.tasks.spawn(work.in_current_span()).await;
        done.unwrap_or_else(|error| Err(ApiError::new(ErrorCode::Internal, error.to_string())))
    }
}

/// The public API.
pub fn public_router(app: App) -> Router {
    let cors = cors(&app.config.cors_origins);
    let (routes, document) = api().split();
    routes
        .fallback(error::no_such_path)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(middleware::from_fn(request::refuse_partial_put))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(middleware::from_fn(request::finish))
        .layer(cors)
        .layer(middleware::from_fn_with_state(app.clone(), uploads::tell_options))
        .layer(Extension(well_known::Document::new(&document)))
        .with_state(app)
}

/// The watch for signal nodes; health, metrics and admin for the operator alone.
pub fn private_router(app: App) -> Router {
    let hub = HubWatch(Arc::clone(&app.hub));
    let watch = watch::routes(hub, app.config.watch_guard.clone(), app.store_id);
    Router::new()
        .route("/metrics", get(metrics::show))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::detail))
        .merge(admin::routes(&app))
        .fallback(error::no_such_path)
        .layer(middleware::from_fn(request::finish))
        .with_state(app)
        .merge(watch)
}

/// All routes.
fn api() -> Api {
    let bounded = |router: Router<App>| {
        router
            .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
            .layer(middleware::from_fn(request::within_time))
    };
    let by_tus = |router: Router<App>| router.route_layer(middleware::from_fn(uploads::speak_tus));
    Api::default()
        .merge(routes::requests().around(bounded, |operation| {
            operation.add_refusals(&[ErrorCode::RequestTimeout]);
        }))
        .merge(routes::resumable().around(by_tus, |operation| {
            let version = "The version of tus, 1.0.0.";
            operation.add_header("Tus-Resumable", Required::True, version);
            operation.add_refusals(&[ErrorCode::UploadVersionUnsupported]);
        }))
        .merge(routes::download())
        .around(std::convert::identity, |operation| operation.add_refusals(routes::ALWAYS))
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
            header::HeaderName::from_static("content-digest"),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_path_that_is_routed_is_described_and_the_other_way_round() {
        let (router, document) = api().split();
        let described: BTreeSet<_> = document.paths.paths.keys().cloned().collect();
        assert!(described.len() > 25);
        // axum tells its paths in no other way.
        let routed = format!("{router:?}");
        let routed: BTreeSet<_> = routed
            .split('"')
            .filter(|word| word.starts_with('/') && word.len() > 1 && !word.contains("__private__"))
            .map(str::to_owned)
            .collect();
        assert_eq!(routed, described);
    }
}
