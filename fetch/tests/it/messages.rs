use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Service, text};

#[tokio::test]
async fn p2_a_retry_returns_the_same_message_and_creates_nothing() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let id = Uuid::new_v4();
    let (first, sent) = ada.send_as(&conversation, id, "hello").await;
    let retries = join_all((0..8).map(|_| ada.send_as(&conversation, id, "hello"))).await;
    assert_eq!(first, 201);
    for (status, again) in retries {
        assert_eq!((status.as_u16(), &again), (200, &sent));
    }
    assert_eq!(bob.texts(0).await, ["hello"]);
    let (status, problem) = ada.send_as(&conversation, id, "something else").await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("idempotency_conflict")));
}

#[tokio::test]
async fn p2_a_retry_is_answered_even_after_leaving() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let group = ada.group(&[&bob]).await;
    let id = Uuid::new_v4();
    let (_, sent) = bob.send_as(&group, id, "bye").await;
    let path = format!("/v1/conversations/{group}/members/{}", bob.id);
    assert_eq!(bob.send_json(Method::DELETE, &path, json!({})).await.0, 204);
    let (status, again) = bob.send_as(&group, id, "bye").await;
    assert_eq!((status.as_u16(), again), (200, sent));
    let (status, _) = bob.send_as(&group, Uuid::new_v4(), "me again").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn p3_concurrent_senders_give_one_order_without_gaps() {
    let service = Service::start().await;
    let (ada, bob, eve) =
        (service.user("ada").await, service.user("bob").await, service.user("eve").await);
    let group = ada.group(&[&bob, &eve]).await;
    let users = [&ada, &bob, &eve];
    let sends = (0..60).map(|n| {
        let (user, group) = (users[n % 3], &group);
        async move { user.send(group, &format!("message {n}")).await }
    });
    join_all(sends).await;
    let order = bob.texts(0).await;
    assert_eq!(order.len(), 60);
    assert_eq!(order, eve.texts(0).await, "all see one order");
    let page = ada.inbox(0).await;
    let numbers: Vec<u64> = page["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=61).collect::<Vec<_>>(), "the group's creation and 60 messages");
    assert_eq!(page["through"], page["head"]);
}

#[tokio::test]
async fn p8_unknown_and_forbidden_look_the_same() {
    let service = Service::start().await;
    let (ada, bob, eve) =
        (service.user("ada").await, service.user("bob").await, service.user("eve").await);
    let conversation = ada.direct(&bob).await;
    let sent = ada.send(&conversation, "for bob alone").await;
    let unknown = Uuid::new_v4();
    for path in
        ["/v1/conversations/{}", "/v1/conversations/{}/messages", "/v1/conversations/{}/receipts"]
    {
        let mut answers = Vec::new();
        for id in [&conversation, &unknown.to_string()] {
            let (status, mut problem) = eve.get(&path.replace("{}", id)).await;
            problem["request_id"] = json!("");
            answers.push((status, problem));
        }
        assert_eq!(answers[0], answers[1], "{path}");
        assert_eq!(answers[0].0, 404);
    }
    let message = format!("/v1/messages/{}", text(&sent["message_id"]));
    assert_eq!(eve.get(&message).await.0, 404);
    assert_eq!(bob.get(&message).await.0, 200);
    assert_eq!(eve.send_as(&conversation, Uuid::new_v4(), "let me in").await.0, 404);
}

#[tokio::test]
async fn p8_history_follows_the_membership() {
    let service = Service::start().await;
    let (ada, bob, eve) =
        (service.user("ada").await, service.user("bob").await, service.user("eve").await);
    let group = ada.group(&[&bob]).await;
    ada.send(&group, "before eve").await;
    let member = format!("/v1/conversations/{group}/members/{}", eve.id);
    let admin = json!({ "role": "member" });
    assert_eq!(bob.send_json(Method::PUT, &member, admin.clone()).await.0, 403);
    assert_eq!(ada.send_json(Method::PUT, &member, admin).await.0, 204);
    ada.send(&group, "with eve").await;
    assert_eq!(ada.send_json(Method::DELETE, &member, json!({})).await.0, 204);
    ada.send(&group, "after eve").await;
    assert_eq!(eve.texts(0).await, ["with eve"]);
    let (_, history) = eve.get(&format!("/v1/conversations/{group}/messages")).await;
    let kinds: Vec<_> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["change"]["kind"].as_str().unwrap_or("message"))
        .collect();
    assert_eq!(kinds, ["removed", "message", "joined"]);
}

#[tokio::test]
async fn what_a_block_refused_is_never_shown_and_the_sender_cannot_tell() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let block = format!("/v1/blocks/{}", ada.id);
    assert_eq!(bob.send_json(Method::PUT, &block, json!({})).await.0, 204);
    ada.send(&conversation, "can you hear me?").await;
    assert_eq!(bob.send_json(Method::DELETE, &block, json!({})).await.0, 204);
    ada.send(&conversation, "and now?").await;
    assert_eq!(bob.texts(0).await, ["and now?"]);
    assert_eq!(ada.texts(0).await, ["can you hear me?", "and now?"]);
    let (_, history) = bob.get(&format!("/v1/conversations/{conversation}/messages")).await;
    assert_eq!(history["items"].as_array().unwrap().len(), 1);
    let (_, view) = bob.get(&format!("/v1/conversations/{conversation}")).await;
    assert_eq!(view["unread_count"], 1);
}

#[tokio::test]
async fn a_message_with_a_time_to_live_disappears() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let path = format!("/v1/conversations/{conversation}/messages/{}", Uuid::new_v4());
    let body = json!({ "content_type": "text/plain", "body": "aGk=", "ttl_s": 60 });
    assert_eq!(ada.send_json(Method::PUT, &path, body).await.0, 201);
    assert_eq!(bob.texts(0).await, ["hi"]);
    service.advance_s(61);
    let page = bob.inbox(0).await;
    assert_eq!(page["entries"], json!([]));
    assert_eq!(page["through"], 1, "the number is gone for good, and passed over");
}
