//! Health and metrics over HTTP, for the operator alone.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    limits::{ACCEPT_RETRY_DELAY, OPERATOR_CONNECTIONS_MAX, OPERATOR_TIMEOUT},
    node::Node,
    telemetry,
};

/// Answers until it is stopped.
pub(crate) async fn serve(listener: TcpListener, node: Arc<Node>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(OPERATOR_CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = stop.cancelled() => return,
            next = next => next,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let answering = answer_on(stream, Arc::clone(&node));
                connections.spawn(async move {
                    let _place = place;
                    // One that is silent for long gives its place to others.
                    let _ = timeout(OPERATOR_TIMEOUT, answering).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection of the operator's");
                sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
}

async fn answer_on(stream: TcpStream, node: Arc<Node>) {
    let service = service_fn(move |request| {
        let answer = answer(&node, &request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(OPERATOR_TIMEOUT);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection of the operator's broke");
    }
}

fn answer(node: &Node, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET is answered here\n");
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, PLAIN, "ok\n"),
        "/readyz" => readiness(node),
        "/metrics" => match telemetry::recorder() {
            Some(recorder) => {
                recorder.run_upkeep();
                text(StatusCode::OK, PROMETHEUS, recorder.render())
            }
            None => text(
                StatusCode::NOT_FOUND,
                PLAIN,
                "this process counts with a recorder of its own\n",
            ),
        },
        _ => text(StatusCode::NOT_FOUND, PLAIN, "there is no such path\n"),
    }
}

/// Without the watch a hello would only wait: others are better off elsewhere.
fn readiness(node: &Node) -> Response<Full<Bytes>> {
    let (trouble, draining) = (node.telemetry.watch_trouble(), node.is_draining());
    let is_ready = trouble.is_none() && !draining;
    let warning = node.telemetry.watch_warning();
    let watch = match (&trouble, &warning) {
        (Some(_), _) => "unready",
        (None, Some(_)) => "degraded",
        (None, None) => "ready",
    };
    let report = json!({
        "status": if is_ready { "ready" } else { "unready" },
        "draining": draining,
        "dependencies": [{
            "name": "watch",
            "status": watch,
            "detail": trouble.or(warning).unwrap_or_else(|| "ok".to_owned()),
        }],
        "connections": node.stats().connections,
    });
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    text(status, "application/json", report.to_string())
}

fn text(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

const PLAIN: &str = "text/plain; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
