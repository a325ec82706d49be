//! P8: revocation reaches held sessions and access tokens, with the bus and without.

use futures::SinkExt;
use nudge_proto::{
    CloseCode, InboxSeq,
    watch::{Down, Up},
};
use reqwest::Method;
use serde_json::json;

use super::{DeafBus, Node};
use crate::support::{Service, StoppedTime};

#[tokio::test]
async fn p8_a_revoked_device_is_told_and_never_held_again() {
    let service = Service::start().await;
    let bob = service.user("bob").await;
    let mut node = Node::open(&service).await;
    node.hold_first(&bob, 1).await;
    let (status, _) = bob.send_json(Method::DELETE, "/v1/sessions/current", json!({})).await;
    assert_eq!(status, 204);
    assert!(matches!(node.next().await, Down::Revoked { .. }));
    assert_eq!(service.fetch.hub().held_sessions(), 0);
    node.hold(&bob, 2, 7, 2).await;
    let refused = Down::Refused { session: 2, code: CloseCode::Revoked };
    assert_eq!(node.next().await, refused);
    node.up.send(vec![Up::Drop { session: 1 }]).await.unwrap();
}

#[tokio::test]
async fn p8_a_reused_refresh_token_ends_the_devices_connections() {
    let service = Service::start().await;
    let bob = service.user("bob").await;
    let mut node = Node::open(&service).await;
    node.hold_first(&bob, 1).await;
    let stolen = bob.session["refresh_token"].clone();
    let refresh = |token| service.post("/v1/sessions/refresh", json!({ "refresh_token": token }));
    let (_, second) = refresh(stolen.clone()).await;
    assert_eq!(refresh(second["refresh_token"].clone()).await.0, 200);
    assert_eq!(refresh(stolen).await.0, 401);
    assert!(matches!(node.next().await, Down::Revoked { .. }));
}

#[tokio::test]
async fn p8_a_deleted_account_loses_every_session_and_token() {
    let service = Service::start().await;
    let (phone, laptop) = (service.user("ada").await, service.log_in("ada").await);
    let mut node = Node::open(&service).await;
    node.hold_first(&phone, 1).await;
    node.hold_first(&laptop, 2).await;
    let password = json!({ "password": "correct horse" });
    assert_eq!(phone.send_json(Method::DELETE, "/v1/me", password).await.0, 204);
    for _ in 0..2 {
        assert!(matches!(node.next().await, Down::Revoked { device_id: Some(_), .. }));
    }
    for device in [&phone, &laptop] {
        let (status, problem) = device.get("/v1/inbox").await;
        assert_eq!((status.as_u16(), &problem["code"]), (401, &json!("device_revoked")));
    }
}

#[tokio::test]
async fn p8_without_the_bus_a_revocation_is_told_within_a_heartbeat() {
    let time = StoppedTime::start();
    let service = Service::start_with(|_| {}, DeafBus::parts()).await;
    let (phone, laptop) = (service.user("ada").await, service.log_in("ada").await);
    let mut node = Node::open(&service).await;
    node.hold_first(&phone, 1).await;
    node.hold_first(&laptop, 2).await;
    let path = format!("/v1/devices/{}", phone.session["device_id"].as_str().unwrap());
    assert_eq!(laptop.send_json(Method::DELETE, &path, json!({})).await.0, 204);
    assert_eq!(node.take_all(), []);
    time.pass(service.heartbeat()).await;
    let Down::Revoked { device_id, .. } = node.next().await else { panic!("not revoked") };
    assert_eq!(device_id.unwrap().to_string(), phone.session["device_id"].as_str().unwrap());
    assert_eq!(node.take_all(), [], "the other device stays");
}

#[tokio::test]
async fn acks_that_come_up_the_watch_move_the_devices_mark() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    ada.send(&conversation, "hello").await;
    let mut node = Node::open(&service).await;
    node.hold_first(&bob, 1).await;
    let ack = |seq: u64| Up::Ack {
        user_id: bob.id.parse().unwrap(),
        device_id: bob.session["device_id"].as_str().unwrap().parse().unwrap(),
        cursor: format!("1.{seq}").parse().unwrap(),
    };
    // One that cannot be, and one that can.
    node.up.send(vec![ack(9), ack(1)]).await.unwrap();
    node.hold(&bob, 2, 7, 2).await;
    while !matches!(node.next().await, Down::Held { session: 2, head: InboxSeq(1), .. }) {}
    let (_, devices) = bob.get("/v1/devices").await;
    assert_eq!(devices["devices"][0]["acked_seq"], 1);
}
