//! `/metrics`: few counters, well named, and nobody's name in them.

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Service, header, noise};

async fn metrics(service: &Service) -> String {
    let url = format!("http://{}/metrics", service.fetch.private_addr());
    let response = service.http.get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(header(&response, "content-type").starts_with("text/plain"));
    response.text().await.unwrap()
}

/// The sum of all series of a name whose labels have all of these.
fn sum(metrics: &str, name: &str, labels: &[&str]) -> f64 {
    let fits = |line: &&str| {
        line.split(['{', ' ']).next() == Some(name)
            && labels.iter().all(|label| line.contains(label))
    };
    let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    metrics.lines().filter(fits).map(value).sum()
}

#[tokio::test]
async fn what_happens_is_counted() {
    let service = Service::start().await;
    let before = metrics(&service).await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let id = Uuid::new_v4();
    ada.send_as(&conversation, id, "hello").await;
    ada.send_as(&conversation, id, "hello").await;
    let medium = ada.upload("photo.jpg", &noise(100_000)).await;
    ada.download(&medium).await;
    ada.get("/v1/conversations/nonsense").await;
    ada.get("/nowhere").await;
    ada.request(Method::from_bytes(b"BREW").unwrap(), "/v1/inbox").send().await.unwrap();
    let after = metrics(&service).await;
    // Other tests count in the same process: at least what was done here.
    for (name, labels, least) in [
        ("nudge_fetch_sends_total", &["outcome=\"created\""][..], 1.0),
        ("nudge_fetch_sends_total", &["outcome=\"repeated\""], 1.0),
        ("nudge_fetch_commits_total", &["outcome=\"committed\""], 5.0),
        ("nudge_fetch_commit_writes_count", &[], 5.0),
        ("nudge_fetch_commit_writes_sum", &[], 5.0),
        ("nudge_fetch_commit_seconds_count", &[], 5.0),
        ("nudge_fetch_uploaded_bytes_total", &[], 100_000.0),
        ("nudge_fetch_downloaded_bytes_total", &[], 100_000.0),
        (
            "nudge_fetch_requests_total",
            &[
                "method=\"PUT\"",
                "route=\"/v1/conversations/{id}/messages/{client_id}\"",
                "status=\"201\"",
            ],
            1.0,
        ),
        (
            "nudge_fetch_requests_total",
            &["route=\"/v1/conversations/{id}\"", "status=\"400\""],
            1.0,
        ),
        ("nudge_fetch_requests_total", &["route=\"none\"", "status=\"404\""], 1.0),
        ("nudge_fetch_requests_total", &["method=\"other\"", "status=\"405\""], 1.0),
        ("nudge_fetch_request_seconds_count", &["route=\"/v1/media/{id}\"", "method=\"GET\""], 1.0),
    ] {
        let counted = sum(&after, name, labels) - sum(&before, name, labels);
        assert!(counted >= least, "{name} {labels:?} counted {counted}\n{after}");
    }
    for gauge in ["nudge_fetch_watch_streams", "nudge_fetch_held_sessions"] {
        assert!(after.contains(&format!("\n{gauge} ")), "{gauge}");
    }
}

#[tokio::test]
async fn p8_metrics_name_nobody_and_are_for_the_operator_alone() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("countess").await, service.user("babbage").await);
    let conversation = ada.direct(&bob).await;
    ada.send(&conversation, "hello").await;
    ada.get("/v1/users/babbage").await;
    ada.send_json(Method::PUT, &format!("/v1/blocks/{}", bob.id), json!({})).await;
    let told = metrics(&service).await;
    for secret in ["countess", "babbage", &ada.id, &bob.id, &conversation] {
        assert!(!told.contains(secret), "{secret} is in the metrics");
    }
    let public = service.http.get(service.url("/metrics")).send().await.unwrap();
    assert_eq!(public.status(), 404);
}
