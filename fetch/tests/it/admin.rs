//! What the operator asks on the private listener.

use std::time::Duration;

use nudge_fetch::{FetchParts, auth::AdminToken};
use nudge_proto::CloseCode;
use nudge_proto::watch::Down;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    support::{Service, User, answer, noise, text},
    watch::Node,
};

const TOKEN: &str = "only-the-operator-knows";

async fn service() -> Service {
    let token = AdminToken::new(TOKEN).unwrap();
    Service::start_with(|config| config.admin_token = Some(token), FetchParts::default()).await
}

impl Service {
    async fn admin(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("http://{}/admin/{path}", self.fetch.private_addr());
        answer(self.http.request(method, url).bearer_auth(TOKEN).json(&body)).await
    }

    async fn ask(&self, path: &str) -> Value {
        let (status, told) = self.admin(Method::GET, path, Value::Null).await;
        assert_eq!(status, 200, "{told}");
        told
    }

    /// The story of a message, once it has these milestones.
    async fn story_with(&self, message: &str, milestones: &[&str]) -> Value {
        for _ in 0..500 {
            let story = self.ask(&format!("messages/{message}")).await;
            let happened: Vec<_> = story["milestones"].as_array().unwrap().iter().collect();
            if happened.iter().map(|one| &one["milestone"]).eq(milestones) {
                return story;
            }
            // What a mark passed over is found out behind the answer.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{milestones:?} never came: {}", self.ask(&format!("messages/{message}")).await);
    }
}

fn recipient<'s>(story: &'s Value, who: &User<'_>) -> &'s Value {
    let recipients = story["recipients"].as_array().unwrap();
    recipients.iter().find(|recipient| recipient["user_id"] == json!(who.id)).unwrap()
}

#[tokio::test]
async fn p8_the_admin_api_is_for_the_token_on_the_private_listener_alone() {
    let service = service().await;
    let url = format!("http://{}/admin/stats", service.fetch.private_addr());
    let shown =
        ["", "Bearer", "Bearer wrong-token-of-24-bytes", "Basic x", "Bearer only-the-operator"];
    for shown in shown {
        let response = service.http.get(&url).header("authorization", shown).send().await.unwrap();
        assert_eq!(response.status(), 401, "{shown:?}");
    }
    assert_eq!(service.http.get(&url).send().await.unwrap().status(), 401);
    let public = service.http.get(service.url("/admin/stats")).bearer_auth(TOKEN);
    assert_eq!(public.send().await.unwrap().status(), 404);
    let without = Service::start().await;
    let url = format!("http://{}/admin/stats", without.fetch.private_addr());
    assert_eq!(without.http.get(url).bearer_auth(TOKEN).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_message_is_followed_from_its_commit_to_its_reading() {
    let service = service().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let direct = ada.direct(&bob).await;
    let medium = ada.upload("secret plan.jpg", &noise(1000)).await;
    let path = format!("/v1/conversations/{direct}/messages/{}", Uuid::new_v4());
    let body = json!({ "content_type": "text/plain", "body": crate::support::base64("the eagle"),
        "media_ids": [medium] });
    let (_, sent) = ada.send_json(Method::PUT, &path, body).await;
    let message = text(&sent["message_id"]);
    let story = service.story_with(&message, &["committed"]).await;
    assert_eq!(story["conversation_id"], json!(direct));
    assert_eq!((&story["kind"], &story["conversation_number"]), (&json!("direct"), &json!(1)));
    assert_eq!(story["media"], json!([{ "id": medium, "size": 1000, "is_here": true }]));
    assert_eq!(recipient(&story, &ada)["state"], "sent");
    assert_eq!(recipient(&story, &bob)["state"], "waiting");
    assert_eq!(recipient(&story, &bob)["inbox_number"], 1);
    bob.inbox(0).await;
    bob.ack(1).await;
    bob.ack(1).await;
    let story = service.story_with(&message, &["committed", "fetched", "acknowledged"]).await;
    assert_eq!(recipient(&story, &bob)["state"], "delivered");
    let path = format!("/v1/conversations/{direct}/read");
    bob.send_json(Method::PUT, &path, json!({ "conversation_seq": 1 })).await;
    let all = ["committed", "fetched", "acknowledged", "read"];
    let story = service.story_with(&message, &all).await;
    assert_eq!(recipient(&story, &bob)["state"], "read");
    assert_eq!(story["milestones"][3]["user_id"], json!(bob.id));
    let told = story.to_string();
    for content in
        ["eagle", &crate::support::base64("the eagle"), "secret plan", "jpg", "text/plain"]
    {
        assert!(!told.contains(content), "{content} is in {told}");
    }
    let unknown = service.ask(&format!("messages/{}", Uuid::now_v7())).await;
    assert_eq!(unknown["is_here"], false);
}

#[tokio::test]
async fn a_connected_device_is_listed_told_and_kicked() {
    let service = service().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let direct = ada.direct(&bob).await;
    let mut node = Node::open(&service).await;
    node.hold_first(&bob, 5).await;
    let device = text(&bob.session["device_id"]);
    let listed = service.ask("sessions").await;
    assert_eq!(listed["held_sessions"], 1);
    assert_eq!(listed["sessions"][0]["user_id"], json!(bob.id));
    assert_eq!(listed["sessions"][0]["device_id"], json!(device));
    assert_eq!(service.ask("sessions?user=ada").await["sessions"], json!([]));
    let message = text(&ada.send(&direct, "hello").await["message_id"]);
    let story = service.story_with(&message, &["committed", "noticed"]).await;
    assert_eq!(recipient(&story, &bob)["devices"][0]["is_held_here"], true);
    assert!(text(&recipient(&story, &bob)["why"]).contains("has not acknowledged"));

    let kick = json!({ "user": "bob", "device_id": device });
    let (status, kicked) = service.admin(Method::POST, "kick", kick).await;
    assert_eq!((status, &kicked["devices"]), (StatusCode::OK, &json!([device])), "{kicked}");
    let ended = Down::Displaced { session: 5, code: CloseCode::Kicked };
    while node.next().await != ended {}
    assert_eq!(service.ask("sessions").await["held_sessions"], 0);
    assert_eq!(bob.get("/v1/me").await.0, 200, "he may come back");

    let (status, _) =
        service.admin(Method::POST, "kick", json!({ "user": bob.id, "revoke": true })).await;
    assert_eq!(status, 200);
    assert_eq!(bob.get("/v1/me").await.0, 401);
    for (refused, expected) in [
        (json!({ "user": "nobody" }), 404),
        (json!({ "user": "ada", "device_id": Uuid::new_v4() }), 404),
        (json!({ "user": "ada", "revok": true }), 400),
        (json!({}), 400),
    ] {
        assert_eq!(service.admin(Method::POST, "kick", refused).await.0, expected);
    }
}

#[tokio::test]
async fn stats_tell_how_much_there_is() {
    let service = service().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let direct = ada.direct(&bob).await;
    ada.send(&direct, "hello").await;
    ada.upload("photo.jpg", &noise(1000)).await;
    let stats = service.ask("stats").await;
    assert_eq!((&stats["users"], &stats["messages"]), (&json!(2), &json!(1)));
    assert_eq!((&stats["media"], &stats["media_bytes"]), (&json!(1), &json!(1000)));
    assert_eq!(stats["node"]["held_sessions"], 0);
}
