//! Conversations and their members over HTTP.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Service, text};

#[tokio::test]
async fn a_direct_conversation_is_made_once_from_either_side() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let body = json!({ "kind": "direct", "member_ids": [bob.id] });
    let make = || ada.send_json(Method::POST, "/v1/conversations", body.clone());
    let (first, made) = make().await;
    let (second, again) = make().await;
    assert_eq!((first.as_u16(), second.as_u16()), (201, 200));
    assert_eq!(made["id"], again["id"]);
    assert_eq!(bob.direct(&ada).await, text(&made["id"]));
    assert_eq!((&made["kind"], &made["member_count"]), (&json!("direct"), &json!(2)));
}

#[tokio::test]
async fn a_group_is_made_once_and_another_content_is_a_conflict() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let body = json!({
        "kind": "group", "member_ids": [bob.id], "title": "Friends", "request_id": Uuid::new_v4(),
    });
    let make = |body: &Value| ada.send_json(Method::POST, "/v1/conversations", body.clone());
    let (first, made) = make(&body).await;
    let (second, again) = make(&body).await;
    assert_eq!((first.as_u16(), second.as_u16(), &made["id"]), (201, 200, &again["id"]));
    let mut other = body.clone();
    other["title"] = json!("Foes");
    assert_eq!(make(&other).await.1["code"], "idempotency_conflict");
    let mut nameless = body.clone();
    nameless["request_id"] = json!("");
    assert_eq!(make(&nameless).await.1["code"], "invalid_request");
    let mut unknown = body;
    unknown["member_ids"] = json!([Uuid::new_v4()]);
    unknown["request_id"] = json!(Uuid::new_v4());
    assert_eq!(make(&unknown).await.1["code"], "not_found");
}

#[tokio::test]
async fn creations_that_cannot_be_meant_are_refused() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    for body in [
        json!({ "member_ids": [bob.id] }),
        json!({ "kind": "unspecified", "member_ids": [bob.id] }),
        json!({ "kind": "direct", "member_ids": [] }),
        json!({ "kind": "direct", "member_ids": [ada.id] }),
        json!({ "kind": "direct", "member_ids": ["nobody"] }),
        json!({ "kind": "direct", "member_ids": "bob" }),
        json!({ "kind": "group", "title": "x".repeat(257), "request_id": Uuid::new_v4() }),
    ] {
        let (status, problem) =
            ada.send_json(Method::POST, "/v1/conversations", body.clone()).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("invalid_request")), "{body}");
    }
}

#[tokio::test]
async fn members_come_and_go_and_change_their_roles() {
    let service = Service::start().await;
    let (ada, bob, eve) =
        (service.user("ada").await, service.user("bob").await, service.user("eve").await);
    let group = ada.group(&[&bob]).await;
    let member = |id: &str| format!("/v1/conversations/{group}/members/{id}");
    assert_eq!(ada.send_json(Method::PUT, &member(&eve.id), json!({})).await.0, 204);
    let admin = json!({ "role": "admin" });
    assert_eq!(ada.send_json(Method::PUT, &member(&eve.id), admin.clone()).await.0, 204);
    let (status, problem) = bob.send_json(Method::PUT, &member(&bob.id), admin).await;
    assert_eq!((status.as_u16(), &problem["code"]), (403, &json!("forbidden")));
    let (status, problem) =
        ada.send_json(Method::PUT, &member(&eve.id), json!({ "role": "king" })).await;
    assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("invalid_request")));
    assert_eq!(eve.send_json(Method::DELETE, &member(&ada.id), json!({})).await.0, 204);
    let (_, view) = bob.get(&format!("/v1/conversations/{group}")).await;
    assert_eq!(view["member_count"], 2);
    let roles: Vec<_> = view["members"].as_array().unwrap().iter().map(|it| &it["role"]).collect();
    assert_eq!(roles, ["member", "admin"]);
    let (_, left) = ada.get(&format!("/v1/conversations/{group}")).await;
    assert_eq!((&left["member"], &left["members"]), (&json!(false), &json!([])));
    let unknown = member(&Uuid::new_v4().to_string());
    assert_eq!(eve.send_json(Method::PUT, &unknown, json!({})).await.0, 404);
}

#[tokio::test]
async fn title_and_muting_are_changed_together_or_apart() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let group = ada.group(&[&bob]).await;
    let path = format!("/v1/conversations/{group}");
    let both = json!({ "title": "Foes", "muted_until_ms": 1_900_000_000_000_u64 });
    let (status, view) = ada.send_json(Method::PATCH, &path, both).await;
    assert_eq!((status.as_u16(), &view["title"]), (200, &json!("Foes")));
    assert_eq!(view["muted_until_ms"], 1_900_000_000_000_u64);
    let (_, seen) = bob.get(&path).await;
    assert_eq!((&seen["title"], &seen["muted_until_ms"]), (&json!("Foes"), &json!(0)));
    let (status, _) = bob.send_json(Method::PATCH, &path, json!({ "muted_until_ms": 7 })).await;
    assert_eq!(status, 200);
    let (status, problem) = bob.send_json(Method::PATCH, &path, json!({ "title": "Mine" })).await;
    assert_eq!((status.as_u16(), &problem["code"]), (403, &json!("forbidden")));
    let (status, _) =
        ada.send_json(Method::PATCH, &path, json!({ "title": "x".repeat(257) })).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn the_list_goes_on_where_its_page_ended() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(ada.group(&[&bob]).await);
    }
    made.sort_unstable();
    let (mut path, mut seen) = ("/v1/conversations?limit=2".to_owned(), Vec::new());
    loop {
        let (status, page) = bob.get(&path).await;
        assert_eq!(status, 200);
        seen.extend(page["conversations"].as_array().unwrap().iter().map(|it| text(&it["id"])));
        assert_eq!(page["cursor"], "1.5");
        let next = text(&page["next"]);
        if next.is_empty() {
            break;
        }
        path = format!("/v1/conversations?limit=2&after={next}");
    }
    assert_eq!(seen, made);
    let (status, problem) = bob.get("/v1/conversations?after=nonsense").await;
    assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn one_message_and_history_are_read_by_members() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let mut sent = Vec::new();
    for n in 0..5 {
        sent.push(ada.send(&conversation, &format!("{n}")).await);
    }
    let path = format!("/v1/messages/{}", text(&sent[2]["message_id"]));
    let (status, message) = bob.get(&path).await;
    assert_eq!((status.as_u16(), &message["conversation_seq"]), (200, &json!(3)));
    assert_eq!(message["sender_id"], ada.id);
    let (mut path, mut seen) =
        (format!("/v1/conversations/{conversation}/messages?limit=2"), vec![]);
    loop {
        let (_, page) = bob.get(&path).await;
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["message"]["conversation_seq"].as_u64().unwrap()));
        let Some(before) = page["next_before"].as_u64() else { break };
        path = format!("/v1/conversations/{conversation}/messages?limit=2&before={before}");
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
}
