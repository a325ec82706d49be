//! P8: what is logged, and what never is.

use std::{cell::RefCell, io, sync::Once, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use tracing_subscriber::{Layer, filter::dynamic_filter_fn, layer::SubscriberExt};
use uuid::Uuid;

use crate::support::{Service, base64, header, noise, text};

thread_local! {
    static CAPTURED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Everything that is logged on this thread from now on, at the most talkative level: a service and its
/// clients run on the thread of their test.
struct Log;

impl Log {
    fn capture() -> Self {
        static INSTALL: Once = Once::new();
        INSTALL.call_once(|| {
            let lines = tracing_subscriber::fmt::layer()
                .with_ansi(false)
                .with_writer(|| Self)
                .with_filter(dynamic_filter_fn(|_, _| CAPTURED.with_borrow(Option::is_some)));
            let subscriber = tracing_subscriber::registry().with(lines);
            tracing::subscriber::set_global_default(subscriber).unwrap();
        });
        CAPTURED.set(Some(Vec::new()));
        Self
    }

    fn end(self) -> String {
        String::from_utf8(CAPTURED.take().unwrap()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        CAPTURED.with_borrow_mut(|captured| {
            captured.get_or_insert_default().extend_from_slice(bytes);
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn p8_no_secret_and_no_content_reaches_the_log() {
    let log = Log::capture();
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    ada.send(&conversation, "the eagle lands at noon").await;
    let medium = ada.upload("secret plan.jpg", &noise(1000)).await;
    ada.download(&medium).await;
    let made = ada.send_json(Method::POST, &format!("/v1/media/{medium}/links"), json!({})).await;
    let link = text(&made.1["url"]);
    for url in [link.clone(), format!("{link}x")] {
        service.http.get(service.url(&url)).send().await.unwrap();
    }
    bob.inbox(0).await;
    let refreshed = {
        let body = json!({ "refresh_token": ada.session["refresh_token"] });
        service.post("/v1/sessions/refresh", body).await.1
    };
    // What goes wrong talks most.
    let wrong = json!({ "device_id": Uuid::new_v4(), "handle": "ada", "password": "wrong horse" });
    service.post("/v1/sessions", wrong).await;
    let change = json!({ "current_password": "correct horse", "new_password": "tiny" });
    ada.send_json(Method::PUT, "/v1/me/password", change).await;
    ada.request(Method::POST, "/v1/sessions")
        .body("{\"password\": \"broken horse")
        .send()
        .await
        .unwrap();
    let forged = format!("{}x", text(&ada.session["access_token"]));
    service.http.get(service.url("/v1/me")).bearer_auth(&forged).send().await.unwrap();
    let path = format!("/v1/conversations/{conversation}/messages/{}", Uuid::new_v4());
    let broken = json!({ "body": base64("the eagle is late"), "ttl_s": 0 });
    ada.send_json(Method::PUT, &path, broken).await;
    let old = json!({ "refresh_token": "forged.refresh.token" });
    service.post("/v1/sessions/refresh", old).await;

    let log = log.end();
    assert!(log.contains("nudge_fetch"), "nothing was captured");
    let mut secrets: Vec<String> = [
        "correct horse",
        "wrong horse",
        "broken horse",
        "tiny",
        "$argon2",
        "forged.refresh.token",
        "the eagle",
        "secret plan",
        &base64("the eagle lands at noon"),
        &base64("the eagle is late"),
        link.split_once("?link=").unwrap().1,
    ]
    .map(str::to_owned)
    .to_vec();
    for session in [&ada.session, &bob.session, &refreshed] {
        for token in ["access_token", "refresh_token", "connect_ticket"] {
            secrets.push(text(&session[token]));
        }
    }
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{secret:?} is in the log");
    }
}

#[tokio::test]
async fn a_message_is_followed_through_the_log_by_request_and_message_id() {
    let log = Log::capture();
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let path = format!("/v1/conversations/{conversation}/messages/{}", Uuid::new_v4());
    let body = json!({ "content_type": "text/plain", "body": base64("hello") });
    let sending = ada.request(Method::PUT, &path).header("x-request-id", "app-17.send").json(&body);
    let sent = sending.send().await.unwrap();
    assert_eq!(header(&sent, "x-request-id"), "app-17.send");
    let message = text(&sent.json::<Value>().await.unwrap()["message_id"]);
    bob.inbox(0).await;
    bob.ack(1).await;
    let unfit = service.http.get(service.url("/v1/inbox")).header("x-request-id", "a b");
    assert_ne!(header(&unfit.send().await.unwrap(), "x-request-id"), "a b");
    // What an ack passed over is found out behind its answer.
    for _ in 0..500 {
        if CAPTURED.with_borrow(|lines| {
            let lines = String::from_utf8_lossy(lines.as_deref().unwrap_or_default()).into_owned();
            lines.contains("milestone=\"acknowledged\"")
        }) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let log = log.end();
    let of_message = |milestone: &str| {
        let milestone = format!("milestone=\"{milestone}\"");
        log.lines().find(|line| line.contains(&message) && line.contains(&milestone))
    };
    assert!(of_message("committed").unwrap().contains("app-17.send"));
    assert!(of_message("fetched").unwrap().contains(&bob.id));
    assert!(of_message("acknowledged").unwrap().contains(&bob.id));
}

#[tokio::test]
async fn a_request_is_found_in_the_log_by_the_id_that_its_client_was_told() {
    let log = Log::capture();
    let service = Service::start().await;
    let response = service.http.get(service.url("/v1/inbox")).send().await.unwrap();
    let id = header(&response, "x-request-id");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["request_id"], json!(id));
    let log = log.end();
    let line = log.lines().find(|line| line.contains(&id)).unwrap();
    assert!(line.contains("401") && line.contains("/v1/inbox"), "{line}");
}
