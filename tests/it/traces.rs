//! Traces at a collector: one per message, whatever happens to the collector.

mod collector;

use std::{
    collections::HashSet,
    path::Path,
    time::{Duration, Instant},
};

use nudge_harness::{
    Api, Cluster, Peer, ServerCommand, ServerProcess, cluster::BusKind, system::PASSWORD,
};
use nudge_proto::{ClientMessageId, frame::ServerFrame};
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;

use self::collector::{Collector, Seen};
use crate::{program::NUDGE, serve::user};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const KEY: &str = "the collector's own key";
const SECRET_TEXT: &str = "the eagle lands at noon";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_one_trace_from_its_sender_s_span_to_the_notice_on_another_node() {
    for bus in [BusKind::Postgres, BusKind::Nats] {
        one_trace(bus).await;
    }
}

async fn one_trace(bus: BusKind) {
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let headers = folder.path().join("headers");
    std::fs::write(&headers, format!("x-key={}\n", KEY.replace(' ', "%20"))).unwrap();
    let arguments = ["--otlp-endpoint", &collector.url(), "--otlp-headers-file"];
    let arguments = [&arguments[..], &[headers.to_str().unwrap()]].concat();
    let cluster = Cluster::builder(NUDGE).bus(bus).paired();
    let cluster = cluster.fetch_arguments(&arguments).signal_arguments(&arguments);
    let cluster = cluster.start().await.unwrap();
    let (ada, bob) = (at(&cluster, 0, "ada").await, at(&cluster, 1, "bob").await);
    let conversation = ada.direct(&bob.user().id).await.unwrap().id;
    let signal = cluster.signal()[1].lock().await.ready().signal.unwrap();
    let mut phone = Peer::connect(signal, None).await.unwrap();
    phone.join(bob.session()).await.unwrap();

    let kept = format!("00-{TRACE}-{CALLER}-01");
    let left_out = format!("00-{}-{CALLER}-00", "ab".repeat(16));
    for (parent, request_id) in [(left_out, "app-16.send"), (kept, "app-17.send")] {
        send(&ada, &conversation, &parent, request_id).await;
        let heard = phone.hear().await.unwrap().unwrap();
        assert!(matches!(heard.frame, ServerFrame::Notice(_)), "{heard:?}");
    }

    let is_complete = |spans: &[Seen]| of_trace(spans, TRACE, "notify").is_some();
    collector.wait_for(is_complete).await;
    for node in cluster.fetch().iter().chain(cluster.signal()) {
        assert!(node.lock().await.terminate().await.unwrap().success());
    }
    let spans = collector.spans();
    let one =
        |name| of_trace(&spans, TRACE, name).unwrap_or_else(|| panic!("no {name}: {spans:#?}"));
    let (request, commit, publish) = (one("PUT"), one("commit"), one("publish"));
    let (tell, notify) = (one("tell"), one("notify"));
    assert_eq!(hex::encode(&request.span.parent_span_id), CALLER);
    for (above, below) in [(request, commit), (request, publish), (publish, tell), (tell, notify)] {
        assert_eq!(below.span.parent_span_id, above.span.span_id, "{below:#?}");
        assert!(below.span.start_time_unix_nano >= above.span.start_time_unix_nano);
    }
    let route = "/v1/conversations/{id}/messages/{client_id}";
    assert_eq!(request.span.name, format!("PUT {route}"));
    assert_eq!(request.attribute("http.route"), route);
    assert_eq!(request.attribute("http.response.status_code"), "201");
    assert_eq!(request.attribute("nudge.request_id"), "app-17.send");
    let message = publish.attribute("nudge.message_id");
    assert!(message.len() == 36 && publish.attribute("nudge.inboxes") == "2", "{publish:#?}");
    assert_eq!(
        (tell.attribute("nudge.message_id"), tell.attribute("nudge.inboxes")),
        (message, "1")
    );
    assert_eq!(
        (notify.attribute("nudge.message_id"), notify.attribute("nudge.sessions")),
        (message, "1")
    );
    assert_eq!(notify.service(), "nudge-signal");
    for span in [request, commit, publish, tell] {
        assert_eq!(span.service(), "nudge-fetch");
        assert_eq!(span.resource["service.version"], env!("CARGO_PKG_VERSION"));
    }
    let instance = |span: &Seen| span.resource["service.instance.id"].clone();
    assert_eq!(instance(request), instance(publish));
    assert_ne!(instance(request), instance(notify));

    assert!(spans.iter().all(|seen| seen.span.trace_id != [0xab; 16]), "its caller keeps none");
    assert!(spans.iter().all(|seen| !seen.attribute("http.route").contains("metrics")));
    let secrets = [&ada, &bob].map(|api| {
        let session = api.session();
        [&session.access_token, &session.refresh_token, &session.connect_ticket].map(Clone::clone)
    });
    let secrets =
        secrets.into_iter().flatten().chain([PASSWORD, SECRET_TEXT, KEY].map(str::to_owned));
    for secret in secrets {
        for (headers, body) in collector.requests() {
            assert_eq!(headers["x-key"], KEY);
            let is_in = body.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!is_in, "{secret:?} was exported");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_go_on_without_a_collector_and_their_spans_come_when_there_is_one() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let folder = tempfile::tempdir().unwrap();
    let server = exporting(folder.path(), &format!("http://{address}")).await;
    let (ada, bob) = (user(&server, "ada").await, user(&server, "bob").await);
    let conversation = ada.direct(&bob.user().id).await.unwrap().id;
    for _ in 0..2 {
        let mut sent = HashSet::new();
        for _ in 0..20 {
            let message = ada.send_text(&conversation, ClientMessageId::random(), "hello");
            sent.insert(message.await.unwrap().message_id);
        }
        while !server.output().contains(COMPLAINT) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let collector = Collector::start_at(address).await;
        let is_published = |spans: &[Seen], message: &String| {
            spans.iter().any(|seen| {
                seen.span.name == "publish" && seen.attribute("nudge.message_id") == message
            })
        };
        let all = |spans: &[Seen]| sent.iter().all(|message| is_published(spans, message));
        let spans = collector.wait_for(all).await;
        assert!(spans.iter().all(|seen| seen.service() == "nudge"));
    }
    let complaints = server.output().matches(COMPLAINT).count();
    assert_eq!(complaints, 1, "one line a minute: {}", server.output());
}

#[tokio::test]
async fn the_last_spans_are_exported_when_the_server_ends() {
    let (collector, folder) = (Collector::start().await, tempfile::tempdir().unwrap());
    let mut server = exporting(folder.path(), &collector.url()).await;
    let request = server.anonymous_api().unwrap().request(Method::GET, "/v1/inbox");
    request.header("x-request-id", "the-last").send().await.unwrap();
    assert!(server.terminate().await.unwrap().success());
    let is_last = |seen: &Seen| seen.attribute("nudge.request_id") == "the-last";
    assert!(collector.spans().iter().any(is_last), "{:#?}", collector.spans());
    assert!(!server.output().contains(LAST_WORDS), "{}", server.output());
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_up_neither_answers_nor_the_end() {
    // The system makes the connections, and nobody takes them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut server =
        exporting(folder.path(), &format!("http://{}", silent.local_addr().unwrap())).await;
    let (ada, bob) = (user(&server, "ada").await, user(&server, "bob").await);
    let conversation = ada.direct(&bob.user().id).await.unwrap().id;
    for _ in 0..20 {
        ada.send_text(&conversation, ClientMessageId::random(), "hello").await.unwrap();
    }
    let asked = Instant::now();
    assert!(server.terminate().await.unwrap().success());
    assert!(asked.elapsed() < END_MAX, "the end took {:?}", asked.elapsed());
    assert!(server.output().contains(LAST_WORDS), "{}", server.output());
}

/// What is logged when nothing is exported.
const COMPLAINT: &str = "traces are not exported";
const LAST_WORDS: &str = "the last traces were not exported";
/// The time for the last spans, and what a busy machine adds.
const END_MAX: Duration = Duration::from_secs(12);

async fn exporting(folder: &Path, endpoint: &str) -> ServerProcess {
    let command = ServerCommand::new(NUDGE, folder).arguments(["--otlp-endpoint", endpoint]);
    command.start().await.unwrap()
}

/// A new device of `handle`, at a fetch node.
async fn at(cluster: &Cluster, node: usize, handle: &str) -> Api {
    let mut api = Api::new(cluster.node_url(node).await.unwrap()).unwrap();
    api.sign_up(handle, PASSWORD).await.unwrap();
    api
}

async fn send(api: &Api, conversation: &str, traceparent: &str, request_id: &str) {
    let path = format!("/v1/conversations/{conversation}/messages/{}", ClientMessageId::random());
    let request = api.request(Method::PUT, &path);
    let request = request.header("traceparent", traceparent).header("x-request-id", request_id);
    let body = json!({ "content_type": "text/plain", "body": base64(SECRET_TEXT) });
    request.json(&body).send().await.unwrap().error_for_status().unwrap();
}

fn base64(text: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(text)
}

/// The span of a trace whose name begins so.
fn of_trace<'s>(spans: &'s [Seen], trace: &str, name: &str) -> Option<&'s Seen> {
    spans
        .iter()
        .find(|seen| hex::encode(&seen.span.trace_id) == trace && seen.span.name.starts_with(name))
}
