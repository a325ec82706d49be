//! What runs by itself: retention, receipts, keys.

use std::{fs, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::StreamExt;
use nudge_fetch::FetchParts;
use nudge_proto::{ticket, watch::Down};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Service, StoppedTime, header, noise, text};

const DAY_S: u64 = 24 * 3600;

/// Longer than the pause between two sweeps.
const A_SWEEP: Duration = Duration::from_secs(70);

fn objects(service: &Service, kind: &str) -> usize {
    fs::read_dir(service.folder().join("objects").join(kind)).unwrap().count()
}

#[tokio::test]
async fn what_is_past_its_time_goes_with_its_bytes() {
    let time = StoppedTime::start();
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    ada.send(&conversation, "old").await;
    ada.upload("photo.jpg", &noise(1000)).await;
    let path = ada.create_upload(10, &[]).await;
    ada.append(&path, 0, noise(4)).send().await.unwrap();
    assert_eq!((objects(&service, "media"), objects(&service, "uploads")), (1, 1));
    service.advance_s(9 * DAY_S);
    time.pass(A_SWEEP).await;
    time.until(async || objects(&service, "uploads") == 0).await;
    assert_eq!(objects(&service, "media"), 1);
    service.advance_s(22 * DAY_S);
    time.pass(A_SWEEP).await;
    time.until(async || objects(&service, "media") == 0).await;
    let bob = service.log_in("bob").await;
    let page = bob.inbox(0).await;
    assert_eq!((&page["entries"], &page["truncated"]), (&json!([]), &json!(true)));
    assert_eq!((&page["first_kept"], &page["head"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn until_acked_keeps_no_longer_than_the_devices_need() {
    let time = StoppedTime::start();
    let change = |config: &mut nudge_fetch::FetchConfig| config.retention.until_acked = true;
    let service = Service::start_with(change, FetchParts::default()).await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    ada.send(&conversation, "for your eyes").await;
    ada.ack(1).await;
    time.pass(A_SWEEP).await;
    assert_eq!(bob.texts(0).await, ["for your eyes"]);
    bob.ack(1).await;
    time.pass(A_SWEEP).await;
    time.until(async || bob.texts(0).await.is_empty()).await;
    let (_, history) = ada.get(&format!("/v1/conversations/{conversation}/messages")).await;
    assert_eq!(history["items"], json!([]));
}

#[tokio::test]
async fn keys_rotate_with_overlap_and_are_pushed_down_the_watch() {
    let time = StoppedTime::start();
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let mut down = service.fetch.watch().open(futures::stream::pending().boxed()).await.unwrap();
    let mut keys = async || loop {
        let batch = down.next().await.unwrap().unwrap();
        let keys = batch
            .into_iter()
            .find_map(|down| if let Down::Keys(keys) = down { Some(keys) } else { None });
        if let Some(keys) = keys {
            return keys;
        }
    };
    let first = keys().await;
    let ticket = URL_SAFE_NO_PAD.decode(text(&ada.session["connect_ticket"])).unwrap();
    service.advance_s(29 * DAY_S);
    time.pass(Duration::from_secs(700)).await;
    service.advance_s(DAY_S + 60);
    time.pass(Duration::from_secs(700)).await;
    let second = keys().await;
    assert_eq!(second.len(), 2, "the retired one still checks");
    assert_eq!(second[1], first[0]);
    assert!(ticket::verify(&second, &ticket, 1_800_000_000).is_ok());
    let jwks = service.http.get(service.url("/.well-known/jwks.json")).send().await.unwrap();
    let jwks: Value = jwks.json().await.unwrap();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 2);
    // What is made now is made with the new ones, and taken; a refresh token lives on.
    let again = service.log_in("ada").await;
    assert_eq!(again.get("/v1/me").await.0, 200);
    let body = json!({ "refresh_token": ada.session["refresh_token"] });
    assert_eq!(service.post("/v1/sessions/refresh", body).await.0, 200);
}

#[tokio::test]
async fn receipts_are_told_without_being_asked_for() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    ada.send(&conversation, "hello").await;
    let path = format!("/v1/conversations/{conversation}/read");
    let read = json!({ "conversation_seq": 1 });
    assert_eq!(bob.send_json(Method::PUT, &path, read).await.0, 204);
    for _ in 0..200 {
        let page = ada.inbox(1).await;
        if page["entries"][0]["receipt"]["read_seq"] == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no receipt came");
}

#[tokio::test]
async fn a_service_that_stops_answers_what_it_was_asked() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let session = bob.session.clone();
    let sends: Vec<_> = (0..20)
        .map(|n| {
            let path =
                format!("/v1/conversations/{conversation}/messages/{}", uuid::Uuid::new_v4());
            let body = crate::support::base64(&format!("{n}"));
            let body = json!({ "content_type": "text/plain", "body": body });
            tokio::spawn(ada.request(Method::PUT, &path).json(&body).send())
        })
        .collect();
    tokio::task::yield_now().await;
    let service = service.restart().await;
    let mut answered = 0;
    for send in sends {
        if let Ok(response) = send.await.unwrap() {
            assert_eq!(response.status(), 201);
            assert!(!header(&response, "x-request-id").is_empty());
            answered += 1;
        }
    }
    let there = service.again(session).texts(0).await.len();
    assert!(there >= answered, "{answered} were answered, {there} are there");
}
