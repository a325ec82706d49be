use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Service, User, answer};

#[tokio::test]
async fn pages_join_without_gap_or_overlap() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    for n in 0..7 {
        ada.send(&conversation, &format!("{n}")).await;
    }
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let (_, page) = bob.get(&format!("/v1/inbox?after=1.{after}&limit=3")).await;
        let entries = page["entries"].as_array().unwrap();
        seen.extend(entries.iter().map(|entry| entry["seq"].as_u64().unwrap()));
        after = page["through"].as_u64().unwrap();
        if after == page["head"] {
            break;
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn acks_of_another_epoch_or_above_the_head_are_refused() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let (status, problem) = ada.ack(1).await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("cursor_ahead")));
    let body = json!({ "cursor": "7.0" });
    let (status, problem) = ada.send_json(Method::POST, "/v1/inbox/ack", body).await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("epoch_mismatch")));
    let (status, problem) = ada.get("/v1/inbox?after=7.0").await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("epoch_mismatch")));
}

#[tokio::test]
async fn receipts_merge_into_one_live_entry() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    ada.send(&conversation, "one").await;
    ada.send(&conversation, "two").await;
    assert_eq!(bob.ack(1).await.0, 204);
    receipt_until(&ada, |receipt| receipt["delivered_seq"] == 1).await;
    assert_eq!(bob.ack(2).await.0, 204);
    service.advance_s(2);
    receipt_until(&ada, |receipt| receipt["delivered_seq"] == 2).await;
    let path = format!("/v1/conversations/{conversation}/read");
    let read = json!({ "conversation_seq": 2 });
    assert_eq!(bob.send_json(Method::PUT, &path, read).await.0, 204);
    service.advance_s(2);
    let receipts = receipt_until(&ada, |receipt| receipt["read_seq"] == 2).await;
    assert_eq!(receipts, 1, "a newer receipt supersedes the older");
    let (_, detail) = ada.get(&format!("/v1/conversations/{conversation}/receipts")).await;
    let marks = detail["members"].as_array().unwrap();
    assert!(marks.iter().any(|mark| mark["user_id"] == bob.id && mark["read_seq"] == 2));
}

#[tokio::test]
async fn a_new_device_starts_at_the_head_and_reads_the_rest_from_history() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    ada.send(&conversation, "old").await;
    let laptop = service.log_in("bob").await;
    assert_eq!(laptop.session["cursor"], "1.1");
    let (_, list) = laptop.get("/v1/conversations").await;
    assert_eq!(list["cursor"], "1.1");
    assert_eq!(list["conversations"][0]["unread_count"], 1);
    assert_eq!(list["conversations"][0]["last_message"]["sender_id"], ada.id);
}

#[tokio::test]
async fn protobuf_and_json_say_the_same() {
    use nudge_proto::pb::content as pb;
    use prost::Message;

    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    ada.send(&conversation, "hello").await;
    let (_, json) = answer(bob.request(Method::GET, "/v1/inbox")).await;
    let request = bob.request(Method::GET, "/v1/inbox").header("accept", "application/x-protobuf");
    let bytes = request.send().await.unwrap().bytes().await.unwrap();
    let page = pb::InboxPage::decode(bytes).unwrap();
    assert_eq!(serde_json::to_value(&page).unwrap(), json);
}

/// Waits for a receipt that fits; returns how many receipts are live.
async fn receipt_until(user: &User<'_>, fits: impl Fn(&Value) -> bool) -> usize {
    for _ in 0..100 {
        let page = user.inbox(0).await;
        let entries = page["entries"].as_array().unwrap();
        let receipts: Vec<_> = entries.iter().filter_map(|entry| entry.get("receipt")).collect();
        if receipts.iter().any(|receipt| fits(receipt)) {
            return receipts.len();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no receipt that fits");
}
