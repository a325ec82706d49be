use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Service, answer};

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
