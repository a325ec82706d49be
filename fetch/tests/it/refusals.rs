use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;

use crate::support::{Service, StoppedTime, answer, header, noise};

#[tokio::test]
async fn bad_input_gets_its_documented_code_and_the_server_goes_on() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bad_json = ada.request(Method::POST, "/v1/conversations").body("{\"kind\": ");
    let unknown_kind = ada.request(Method::POST, "/v1/conversations").body("{\"kind\": \"mob\"}");
    let html = ada
        .request(Method::POST, "/v1/conversations")
        .header("content-type", "text/html")
        .body("<p>");
    let huge = ada.request(Method::POST, "/v1/conversations").body(vec![b' '; 200 * 1024]);
    let cases = [
        (bad_json, 400, "invalid_request"),
        (unknown_kind, 400, "invalid_request"),
        (html, 415, "content_type_unsupported"),
        (huge, 413, "request_too_large"),
        (ada.request(Method::GET, "/v1/conversations/nonsense"), 400, "invalid_request"),
        (ada.request(Method::GET, "/v1/inbox?after=nonsense"), 400, "invalid_request"),
        (ada.request(Method::GET, "/v1/inbox?limit=many"), 400, "invalid_request"),
        (ada.request(Method::GET, "/v1/nothing"), 404, "not_found"),
        (ada.request(Method::PUT, "/v1/inbox"), 405, "method_not_allowed"),
        (ada.request(Method::GET, "/v1/messages/nonsense"), 400, "invalid_request"),
        (
            ada.request(Method::GET, "/v1/inbox?after=1.99999999999999999999"),
            400,
            "invalid_request",
        ),
        (ada.request(Method::GET, "/v1/inbox?limit=-1"), 400, "invalid_request"),
        (ada.request(Method::GET, "/v1/conversations/%ff/messages"), 400, "invalid_request"),
        (ada.request(Method::POST, "/v1/conversations"), 400, "invalid_request"),
        (ada.request(Method::POST, "/v1/inbox/ack").body("{\"cursor\":7}"), 400, "invalid_request"),
        (ada.request(Method::POST, "/v1/inbox/ack").body("{}"), 400, "invalid_request"),
        (ada.request(Method::POST, "/v1/inbox/ack").body(vec![0xff, 0xfe]), 400, "invalid_request"),
        (ada.request(Method::GET, "/v1/media"), 404, "not_found"),
        (ada.request(Method::POST, "/v1/media/x"), 405, "method_not_allowed"),
        (service.http.get(service.url("/v1/inbox")), 401, "access_token_invalid"),
        (
            service.http.get(service.url("/v1/inbox")).bearer_auth("forged"),
            401,
            "access_token_invalid",
        ),
    ];
    for (request, expected, code) in cases {
        let (status, problem) = answer(request).await;
        assert_eq!((status.as_u16(), problem["code"].as_str()), (expected, Some(code)));
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        assert!(problem["request_id"].as_str().is_some_and(|id| !id.is_empty()));
    }
    assert_eq!(ada.get("/v1/me").await.0, 200);
}

#[tokio::test]
async fn a_body_above_its_limit_is_refused() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let most = "x".repeat(64 * 1024);
    let (status, _) = ada.send_as(&conversation, Uuid::new_v4(), &most).await;
    assert_eq!(status, 201);
    let (status, problem) = ada.send_as(&conversation, Uuid::new_v4(), &format!("{most}x")).await;
    assert_eq!((status.as_u16(), &problem["code"]), (413, &json!("request_too_large")));
}

#[tokio::test]
async fn nothing_is_put_in_parts() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let path = format!("/v1/conversations/{conversation}/messages/{}", Uuid::new_v4());
    let body = json!({ "content_type": "text/plain", "body": "aGVsbG8=" });
    let put = || ada.request(Method::PUT, &path).json(&body);
    let (status, problem) = answer(put().header("content-range", "bytes 0-4/10")).await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (400, Some("invalid_request")));
    assert_eq!(answer(put()).await.0, 201, "nothing of it was kept");
}

#[tokio::test]
async fn registration_can_be_closed_or_by_invite() {
    use nudge_fetch::config::Registration;

    let request = |invite: Option<&str>| {
        json!({
            "request_id": Uuid::new_v4(), "handle": "ada", "password": "correct horse",
            "invite": invite,
        })
    };
    let closed = Service::start_with(
        |config| config.registration = Registration::Closed,
        Default::default(),
    )
    .await;
    let (_, problem) = closed.post("/v1/accounts", request(None)).await;
    assert_eq!(problem["code"], "registration_closed");
    let invite = Registration::Invite(vec!["welcome".to_owned()]);
    let by_invite =
        Service::start_with(|config| config.registration = invite, Default::default()).await;
    let (_, problem) = by_invite.post("/v1/accounts", request(Some("guess"))).await;
    assert_eq!(problem["code"], "invite_invalid");
    assert_eq!(by_invite.post("/v1/accounts", request(Some("welcome"))).await.0, 201);
}

#[tokio::test]
async fn a_405_says_what_there_is() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    for (method, path, allowed) in [
        (Method::PUT, "/v1/inbox", "GET,HEAD"),
        (Method::POST, "/v1/me", "GET,HEAD,PATCH,DELETE"),
        (Method::PATCH, "/v1/conversations", "GET,HEAD,POST"),
    ] {
        let response = ada.request(method, path).send().await.unwrap();
        assert_eq!(response.status(), 405);
        assert_eq!(header(&response, "allow").replace(' ', ""), allowed, "{path}");
    }
}

#[tokio::test]
async fn a_send_that_cannot_be_meant_is_refused() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let path = |id: &str| format!("/v1/conversations/{conversation}/messages/{id}");
    let id = Uuid::new_v4().to_string();
    let too_many: Vec<_> = (0..33).map(|_| Uuid::new_v4()).collect();
    let twice = [Uuid::from_u128(7); 2];
    for (id, body, status, code) in [
        ("nonsense", json!({ "body": "aGk=" }), 400, "invalid_request"),
        (&*id, json!({ "body": "not base64!" }), 400, "invalid_request"),
        (&*id, json!({ "body": 7 }), 400, "invalid_request"),
        (&*id, json!({ "body": "aGk=", "ttl_s": 0 }), 400, "invalid_request"),
        (&*id, json!({ "body": "aGk=", "ttl_s": 366 * 24 * 3600 }), 400, "invalid_request"),
        (&*id, json!({ "body": "aGk=", "ttl_s": -1 }), 400, "invalid_request"),
        (&*id, json!({ "content_type": "x".repeat(256) }), 400, "invalid_request"),
        (&*id, json!({ "content_type": "text\u{0}/plain" }), 400, "invalid_request"),
        (&*id, json!({ "media_ids": ["nonsense"] }), 400, "invalid_request"),
        (&*id, json!({ "media_ids": too_many }), 400, "invalid_request"),
        (&*id, json!({ "media_ids": twice }), 400, "invalid_request"),
        (&*id, json!({ "media_ids": [Uuid::new_v4()] }), 404, "not_found"),
    ] {
        let (given, problem) = ada.send_json(Method::PUT, &path(id), body.clone()).await;
        assert_eq!((given.as_u16(), problem["code"].as_str()), (status, Some(code)), "{body}");
    }
    assert_eq!(bob.inbox(0).await["head"], 0, "nothing of it was kept");
}

#[tokio::test]
async fn a_registration_that_cannot_be_meant_is_refused() {
    let service = Service::start().await;
    let whole = json!({
        "request_id": Uuid::new_v4(), "handle": "ada", "password": "correct horse",
    });
    for (field, value) in [
        ("request_id", json!("")),
        ("request_id", json!("seven")),
        ("handle", json!("")),
        ("handle", json!("ab")),
        ("handle", json!("with space")),
        ("handle", json!("x".repeat(33))),
        ("password", json!("short")),
        ("password", json!("x".repeat(1025))),
        ("display_name", json!("x".repeat(129))),
        ("display_name", json!("A\u{1b}[2Jda")),
    ] {
        let mut body = whole.clone();
        body[field] = value.clone();
        let (status, problem) = service.post("/v1/accounts", body).await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (400, &json!("invalid_request")),
            "{value}"
        );
        assert!(!problem.to_string().contains("correct horse"));
    }
    let (status, problem) =
        service.post("/v1/sessions", json!({ "device_id": Uuid::new_v4() })).await;
    assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("invalid_request")));
    for token in ["", "nonsense", "AAAA"] {
        let body = json!({ "refresh_token": token });
        let (status, problem) = service.post("/v1/sessions/refresh", body).await;
        assert_eq!((status.as_u16(), &problem["code"]), (401, &json!("refresh_token_invalid")));
    }
}

#[tokio::test]
async fn a_body_that_stops_halfway_is_a_bad_request_and_one_that_waits_times_out() {
    let time = StoppedTime::start();
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let (piece, pieces) = mpsc::channel::<Result<&str, std::io::Error>>(1);
    let body = reqwest::Body::wrap_stream(ReceiverStream::new(pieces));
    let waiting = tokio::spawn(answer(ada.request(Method::POST, "/v1/inbox/ack").body(body)));
    piece.send(Ok("{\"cursor\"")).await.unwrap();
    time.pass(Duration::from_secs(31)).await;
    let (status, problem) = waiting.await.unwrap();
    assert_eq!((status.as_u16(), &problem["code"]), (408, &json!("request_timeout")));

    let token = ada.session["access_token"].as_str().unwrap();
    let mut stream = TcpStream::connect(service.fetch.public_addr()).await.unwrap();
    let request = format!(
        "POST /v1/inbox/ack HTTP/1.1\r\nhost: nudge\r\nauthorization: Bearer {token}\r\n\
         transfer-encoding: chunked\r\n\r\n5\r\n{{\"cur\r\nnonsense"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut told = Vec::new();
    stream.read_to_end(&mut told).await.unwrap();
    assert!(told.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&told));
}

#[tokio::test]
async fn p5_what_does_not_get_on_is_let_go() {
    let time = StoppedTime::start();
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let medium = ada.upload("large", &noise(16 << 20)).await;
    let connect = || TcpStream::connect(service.fetch.public_addr());
    // Nothing said, half a head said, and one request over HTTP/2 done.
    let (mut silent, mut slow) = (connect().await.unwrap(), connect().await.unwrap());
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: nu").await.unwrap();
    let h2 = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    h2.get(service.url("/healthz")).send().await.unwrap();
    // A medium asked for, and never read.
    let mut stalled = connect().await.unwrap();
    let token = ada.session["access_token"].as_str().unwrap();
    let get = format!(
        "GET /v1/media/{medium} HTTP/1.1\r\nhost: nudge\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    stalled.write_all(get.as_bytes()).await.unwrap();
    time.pass(Duration::from_secs(60)).await;
    let mut rest = Vec::new();
    assert_eq!(silent.read_to_end(&mut rest).await.unwrap_or(0), 0);
    let _ = slow.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
    let mut got = Vec::new();
    let _ = stalled.read_to_end(&mut got).await;
    assert!(got.len() < 16 << 20, "{} bytes came after all that time", got.len());
    assert_eq!(h2.get(service.url("/healthz")).send().await.unwrap().status(), 200);
}
