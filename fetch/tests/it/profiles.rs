//! Accounts, profiles, devices, blocks: each route's own work.

use nudge_fetch::limits::ATTEMPTS_PER_MINUTE;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Service, answer, text};

#[tokio::test]
async fn a_user_is_found_by_his_handle_by_who_is_logged_in() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let (status, found) = ada.get("/v1/users/Bob").await;
    assert_eq!((status.as_u16(), text(&found["id"])), (200, bob.id.clone()));
    assert_eq!(found, json!({ "id": bob.id, "handle": "bob", "display_name": "bob" }));
    let (status, problem) = ada.get("/v1/users/nobody").await;
    assert_eq!((status.as_u16(), &problem["code"]), (404, &json!("not_found")));
    let (status, problem) = ada.get("/v1/users/no%20handle").await;
    assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("invalid_request")));
    let anybody = service.http.get(service.url("/v1/users/bob")).send().await.unwrap();
    assert_eq!(anybody.status(), 401);
}

#[tokio::test]
async fn a_profile_is_shown_and_changed_by_its_owner() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let change =
        |name: &str| ada.send_json(Method::PATCH, "/v1/me", json!({ "display_name": name }));
    let (status, changed) = change("  Ada Lovelace ").await;
    assert_eq!((status.as_u16(), text(&changed["display_name"])), (200, "Ada Lovelace".into()));
    assert_eq!(ada.get("/v1/me").await.1, changed);
    assert_eq!(bob.get("/v1/users/ada").await.1, changed);
    let (status, unchanged) = ada.send_json(Method::PATCH, "/v1/me", json!({})).await;
    assert_eq!((status.as_u16(), unchanged), (200, changed));
    let (status, problem) = change(&"x".repeat(129)).await;
    assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("invalid_request")));
    // An empty one means the handle.
    assert_eq!(change(" ").await.1["display_name"], "ada");
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let change = |current: &str, new: &str| {
        let body = json!({ "current_password": current, "new_password": new });
        ada.send_json(Method::PUT, "/v1/me/password", body)
    };
    let code = |answer: (reqwest::StatusCode, Value)| answer.1["code"].clone();
    assert_eq!(code(change("wrong horse", "battery staple").await), "credentials_invalid");
    assert_eq!(code(change("correct horse", "short").await), "invalid_request");
    assert_eq!(change("correct horse", "battery staple").await.0, 204);
    let log_in = |password: &str| {
        let device = Uuid::new_v4();
        let body = json!({ "device_id": device, "handle": "ada", "password": password });
        service.post("/v1/sessions", body)
    };
    assert_eq!(log_in("correct horse").await.0, 401);
    assert_eq!(log_in("battery staple").await.0, 201);
}

#[tokio::test]
async fn a_retried_log_in_opens_the_same_device() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let body = json!({
        "device_id": Uuid::new_v4(), "device_name": "Ada's phone",
        "handle": "ada", "password": "correct horse",
    });
    let (first, session) = service.post("/v1/sessions", body.clone()).await;
    let (second, again) = service.post("/v1/sessions", body).await;
    assert_eq!((first.as_u16(), second.as_u16()), (201, 200));
    assert_eq!(session["device_id"], again["device_id"]);
    let (_, list) = ada.get("/v1/devices").await;
    let devices: Vec<_> = list["devices"].as_array().unwrap().iter().collect();
    assert_eq!(devices.len(), 2);
    assert_eq!((&devices[0]["current"], &devices[1]["current"]), (&json!(true), &json!(false)));
    assert_eq!(devices[1]["name"], "Ada's phone");
    // The answer of the first was lost, and its tokens with it.
    let refresh = |session: &Value| {
        let body = json!({ "refresh_token": session["refresh_token"] });
        service.post("/v1/sessions/refresh", body)
    };
    assert_eq!(refresh(&session).await.1["code"], "refresh_token_invalid");
    assert_eq!(refresh(&again).await.0, 200);
}

#[tokio::test]
async fn a_device_is_revoked_by_its_own_user_alone() {
    let service = Service::start().await;
    let (ada, eve) = (service.user("ada").await, service.user("eve").await);
    let path = format!("/v1/devices/{}", ada.session["device_id"].as_str().unwrap());
    for path in [&path, &format!("/v1/devices/{}", Uuid::new_v4())] {
        let (status, problem) = eve.send_json(Method::DELETE, path, json!({})).await;
        assert_eq!((status.as_u16(), &problem["detail"]), (404, &json!("there is no such device")));
    }
    assert_eq!(ada.get("/v1/me").await.0, 200);
    let again = json!({
        "device_id": ada.session["device_id"], "handle": "ada", "password": "correct horse",
    });
    assert_eq!(ada.send_json(Method::DELETE, &path, json!({})).await.0, 204);
    let (status, problem) = service.post("/v1/sessions", again).await;
    assert_eq!((status.as_u16(), &problem["code"]), (401, &json!("device_revoked")));
}

#[tokio::test]
async fn a_block_is_put_and_taken_away_again_and_again() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let path = format!("/v1/blocks/{}", ada.id);
    for method in [Method::PUT, Method::PUT, Method::DELETE, Method::DELETE] {
        assert_eq!(bob.send_json(method, &path, json!({})).await.0, 204);
    }
    let (status, problem) =
        bob.send_json(Method::PUT, &format!("/v1/blocks/{}", bob.id), json!({})).await;
    assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("invalid_request")));
    let unknown = format!("/v1/blocks/{}", Uuid::new_v4());
    assert_eq!(bob.send_json(Method::PUT, &unknown, json!({})).await.0, 404);
}

#[tokio::test]
async fn the_keys_of_access_tokens_are_public_and_nothing_else_of_them_is() {
    let service = Service::start().await;
    let response = service.http.get(service.url("/.well-known/jwks.json")).send().await.unwrap();
    let keys: Value = response.json().await.unwrap();
    let key = &keys["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA"))
    );
    assert!(key.get("d").is_none(), "the private half");
}

#[tokio::test]
async fn one_url_is_all_that_an_app_needs() {
    let change = |config: &mut nudge_fetch::FetchConfig| {
        config.discovery.transports = vec![("tcp".to_owned(), ":7400".to_owned())];
        config.discovery.fetch = vec!["https://nudge.example".to_owned()];
    };
    let service = Service::start_with(change, Default::default()).await;
    let response = service.http.get(service.url("/.well-known/nudge")).send().await.unwrap();
    let told: Value = response.json().await.unwrap();
    assert_eq!(told["fetch"], json!(["https://nudge.example"]));
    assert_eq!(told["transports"], json!([{ "kind": "tcp", "address": ":7400" }]));
    assert_eq!(told["limits"]["upload_part_bytes"], 8 << 20);
    assert_eq!(told["registration"], "open");
}

#[tokio::test]
async fn a_password_change_may_be_repeated() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let change = |current: &str, new: &str| {
        let body = json!({ "current_password": current, "new_password": new });
        answer(ada.request(Method::PUT, "/v1/me/password").json(&body))
    };
    for _ in 0..2 {
        let (status, problem) = change("correct horse", "battery staple").await;
        assert_eq!(status, 204, "{problem}");
    }
    let (status, problem) = change("correct horse", "something else").await;
    assert_eq!((status.as_u16(), &problem["code"]), (401, &json!("credentials_invalid")));
}

#[tokio::test]
async fn p5_vain_log_ins_keep_nobody_from_changing_his_password() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let mut status = 0;
    for _ in 0..ATTEMPTS_PER_MINUTE {
        let log_in =
            json!({ "device_id": Uuid::new_v4(), "handle": "ada", "password": "wrong horse" });
        status = service.post("/v1/sessions", log_in).await.0.as_u16();
    }
    assert_eq!(status, 429);
    let body = json!({ "current_password": "correct horse", "new_password": "battery staple" });
    assert_eq!(ada.send_json(Method::PUT, "/v1/me/password", body).await.0, 204);
}
