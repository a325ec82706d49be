//! A collector of the test's own: it takes OTLP over HTTP, and keeps what it was told.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use tokio::{net::TcpListener, sync::Notify, task::JoinSet, time::timeout};

/// Spans must come within this time.
const PATIENCE: Duration = Duration::from_secs(40);

/// A span as it came, and who sent it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) span: Span,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) resource: BTreeMap<String, String>,
}

impl Seen {
    /// An attribute of the span; empty when it has none of the name.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// Which service sent it.
    pub(crate) fn service(&self) -> &str {
        self.resource.get("service.name").map_or("", String::as_str)
    }
}

/// It runs until it is dropped, and its connections with it.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    told: Arc<Told>,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct Told {
    requests: Mutex<Vec<(http::HeaderMap, Bytes)>>,
    news: Notify,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into()).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::<Told>::default();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&told)));
        Self { address, told, _server: server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Seen> {
        self.told.requests.lock().unwrap().iter().flat_map(|(_, body)| read(body)).collect()
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<(http::HeaderMap, Bytes)> {
        self.told.requests.lock().unwrap().clone()
    }

    /// All spans, once they are what is waited for.
    pub(crate) async fn wait_for(&self, is_enough: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let enough = async {
            loop {
                let news = self.told.news.notified();
                let spans = self.spans();
                if is_enough(&spans) {
                    return spans;
                }
                news.await;
            }
        };
        match timeout(PATIENCE, enough).await {
            Ok(spans) => spans,
            Err(_) => panic!("only these came: {:#?}", self.spans()),
        }
    }
}

async fn serve(listener: TcpListener, told: Arc<Told>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let told = Arc::clone(&told);
        let answer = service_fn(move |request| take(request, Arc::clone(&told)));
        let connection = hyper::server::conn::http1::Builder::new();
        let connection = connection.serve_connection(TokioIo::new(stream), answer);
        connections.spawn(async move {
            // A client may go at any time.
            let _ = connection.await;
        });
    }
}

async fn take(
    request: Request<Incoming>,
    told: Arc<Told>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    assert_eq!((head.method.as_str(), head.uri.path()), ("POST", "/v1/traces"));
    assert_eq!(head.headers["content-type"], "application/x-protobuf");
    if let Ok(body) = body.collect().await {
        told.requests.lock().unwrap().push((head.headers, body.to_bytes()));
        told.news.notify_waiters();
    }
    Ok(Response::default())
}

fn read(body: &Bytes) -> Vec<Seen> {
    let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
    let mut seen = Vec::new();
    for of_resource in request.resource_spans {
        let resource = texts(&of_resource.resource.unwrap_or_default().attributes);
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let attributes = texts(&span.attributes);
            seen.push(Seen { span, attributes, resource: resource.clone() });
        }
    }
    seen
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| {
        let value = attribute.value.as_ref()?.value.as_ref()?;
        Some(if let Value::StringValue(text) = value {
            text.clone()
        } else if let Value::IntValue(number) = value {
            number.to_string()
        } else {
            format!("{value:?}")
        })
    };
    attributes
        .iter()
        .filter_map(|attribute| Some((attribute.key.clone(), text(attribute)?)))
        .collect()
}
