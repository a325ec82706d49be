//! P8: to who has no right to it, a thing is not there.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Service, User, noise, text};

/// Asks, and leaves out of the answer what is different each time.
async fn ask(user: &User<'_>, method: &Method, path: &str, body: &Value) -> (u16, Value) {
    let request = user.tus(method.clone(), path);
    let request = if path.starts_with("/v1/uploads") && *method == Method::PATCH {
        let request = request.header("upload-offset", 4);
        request.header("content-type", "application/offset+octet-stream").body(noise(6))
    } else {
        request.json(body)
    };
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let mut said: Value =
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
    if let Some(said) = said.as_object_mut() {
        said.remove("request_id");
    }
    (status, said)
}

#[tokio::test]
async fn p8_on_every_route_a_stranger_is_answered_as_if_nothing_were_there() {
    let service = Service::start().await;
    let (ada, bob, eve) =
        (service.user("ada").await, service.user("bob").await, service.user("eve").await);
    let direct = ada.direct(&bob).await;
    let message = text(&ada.send(&direct, "for bob alone").await["message_id"]);
    let group = ada.group(&[&bob]).await;
    let medium = ada.upload("photo.jpg", &noise(10)).await;
    let upload = ada.create_upload(10, &[]).await.replace("/v1/uploads/", "");
    let device = text(&ada.session["device_id"]);
    let (user, client_id) = (&bob.id, Uuid::new_v4());
    let (get, head, post, put, patch, delete) =
        (Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE);
    let send = json!({ "content_type": "text/plain", "body": "aGk=" });
    let with_medium = json!({ "content_type": "text/plain", "body": "", "media_ids": [medium] });
    let own = eve.group(&[]).await;
    let cases = [
        (&get, "/v1/conversations/{}".to_owned(), json!({})),
        (&patch, "/v1/conversations/{}".to_owned(), json!({ "title": "mine" })),
        (&patch, "/v1/conversations/{}".to_owned(), json!({ "muted_until_ms": 7 })),
        (&get, "/v1/conversations/{}/messages".to_owned(), json!({})),
        (&put, format!("/v1/conversations/{{}}/messages/{client_id}"), send),
        (&put, "/v1/conversations/{}/read".to_owned(), json!({ "conversation_seq": 1 })),
        (&get, "/v1/conversations/{}/receipts".to_owned(), json!({})),
        (&post, "/v1/conversations/{}/typing".to_owned(), json!({})),
        (&put, format!("/v1/conversations/{{}}/members/{user}"), json!({ "role": "admin" })),
        (&put, format!("/v1/conversations/{{}}/members/{}", eve.id), json!({ "role": "admin" })),
        (&delete, format!("/v1/conversations/{{}}/members/{user}"), json!({})),
        (&delete, format!("/v1/conversations/{{}}/members/{}", eve.id), json!({})),
        (&get, "/v1/messages/{}".to_owned(), json!({})),
        (&get, "/v1/media/{}".to_owned(), json!({})),
        (&head, "/v1/media/{}".to_owned(), json!({})),
        (&head, "/v1/uploads/{}".to_owned(), json!({})),
        (&patch, "/v1/uploads/{}".to_owned(), json!({})),
        (&delete, "/v1/uploads/{}".to_owned(), json!({})),
        (&delete, "/v1/devices/{}".to_owned(), json!({})),
    ];
    for (method, path, body) in &cases {
        let unknown =
            ask(&eve, method, &path.replace("{}", &Uuid::new_v4().to_string()), body).await;
        assert_eq!(unknown.0, 404, "{method} {path}: {}", unknown.1);
        for thing in [&direct, &group, &message, &medium, &upload, &device] {
            let there = ask(&eve, method, &path.replace("{}", thing), body).await;
            assert_eq!(there, unknown, "{method} {path} of {thing}");
        }
    }
    // Neither is a medium by naming it in a message of one's own.
    for named in [with_medium, json!({ "body": "", "media_ids": [Uuid::new_v4()] })] {
        let path = format!("/v1/conversations/{own}/messages/{}", Uuid::new_v4());
        let (status, said) = ask(&eve, &put, &path, &named).await;
        assert_eq!((status, &said["detail"]), (404, &json!("there is no such medium")));
    }
    // And nothing of it had any effect.
    assert_eq!(bob.texts(0).await, ["for bob alone"]);
    let (_, view) = ada.get(&format!("/v1/conversations/{group}")).await;
    assert_eq!((&view["title"], &view["member_count"]), (&json!("Friends"), &json!(2)));
    assert_eq!(ada.get("/v1/me").await.0, 200);
    assert_eq!(ada.upload_offset(&format!("/v1/uploads/{upload}")).await, 0);
}

#[tokio::test]
async fn p8_without_a_token_or_with_one_of_another_server_there_is_nothing() {
    let (service, elsewhere) = (Service::start().await, Service::start().await);
    let (_, stranger) = (service.user("ada").await, elsewhere.user("ada").await);
    let foreign = text(&stranger.session["access_token"]);
    let refresh = json!({ "refresh_token": stranger.session["refresh_token"] });
    for token in ["", "nonsense", "a.b.c", &foreign, &text(&stranger.session["refresh_token"])] {
        let request = service.http.get(service.url("/v1/me")).bearer_auth(token);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401, "{token}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "access_token_invalid");
    }
    // A token whose algorithm is none.
    let header = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIiwia2lkIjoiMSJ9";
    let claims = foreign.split('.').nth(1).unwrap();
    let unsigned =
        service.http.get(service.url("/v1/me")).bearer_auth(format!("{header}.{claims}."));
    assert_eq!(unsigned.send().await.unwrap().status(), 401);
    let (status, problem) = service.post("/v1/sessions/refresh", refresh).await;
    assert_eq!((status.as_u16(), &problem["code"]), (401, &json!("refresh_token_invalid")));
    let scheme =
        service.http.get(service.url("/v1/me")).header("authorization", format!("Basic {foreign}"));
    assert_eq!(scheme.send().await.unwrap().status(), 401);
}
