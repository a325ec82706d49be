use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::{SinkExt, StreamExt, channel::mpsc};
use nudge_fetch::{
    Clock, FetchParts,
    bus::{Bus, BusEvent, BusListener, LocalBus},
};
use nudge_proto::{
    CloseCode, InboxSeq, ticket,
    watch::{Down, DownStream, Hold, Up},
};
use reqwest::Method;
use serde_json::json;

use crate::support::{Service, User};

/// A signal node, seen from the hub.
struct Node {
    up: mpsc::Sender<Vec<Up>>,
    down: DownStream,
    pending: Vec<Down>,
}

impl Node {
    async fn open(service: &Service) -> Self {
        let (up, batches) = mpsc::channel(16);
        let down = service.fetch.watch().open(batches.boxed()).await.unwrap();
        Self { up, down, pending: Vec::new() }
    }

    async fn next(&mut self) -> Down {
        while self.pending.is_empty() {
            let batch = tokio::time::timeout(Duration::from_secs(10), self.down.next());
            self.pending = batch.await.expect("nothing came down").unwrap().unwrap();
        }
        self.pending.remove(0)
    }

    async fn hold(&mut self, user: &User<'_>, session: u64, instance: u64, attempt: u32) {
        let hold = Hold {
            session,
            user_id: user.id.parse().unwrap(),
            device_id: user.session["device_id"].as_str().unwrap().parse().unwrap(),
            instance,
            attempt,
            ticket_issued_at_s: 0,
            acked: None,
            known: None,
        };
        self.up.send(vec![Up::Hold(hold)]).await.unwrap();
    }
}

#[tokio::test]
async fn the_keys_come_first_and_check_the_ticket_of_a_session() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let mut node = Node::open(&service).await;
    let Down::Keys(keys) = node.next().await else { panic!("no keys") };
    let ticket = URL_SAFE_NO_PAD.decode(ada.session["connect_ticket"].as_str().unwrap()).unwrap();
    let claims = ticket::verify(&keys, &ticket, 1_800_000_000).unwrap();
    assert_eq!(claims.user_id.to_string(), ada.id);
}

#[tokio::test]
async fn a_held_user_hears_of_a_message_and_a_revoked_device_is_told() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let mut node = Node::open(&service).await;
    node.next().await;
    node.hold(&bob, 1, 7, 1).await;
    assert!(matches!(node.next().await, Down::Held { session: 1, head: InboxSeq(0), .. }));
    let sent = ada.send(&conversation, "hello").await;
    let Down::Head { user_id, notice, .. } = node.next().await else { panic!("no head") };
    assert_eq!((user_id.to_string(), notice.head), (bob.id.clone(), InboxSeq(1)));
    assert_eq!(notice.message_id.unwrap().to_string(), sent["message_id"].as_str().unwrap());
    let path = "/v1/sessions/current";
    assert_eq!(bob.send_json(Method::DELETE, path, json!({})).await.0, 204);
    assert!(matches!(node.next().await, Down::Revoked { .. }));
    node.hold(&bob, 2, 7, 2).await;
    let Down::Displaced { session: 1, .. } = node.next().await else { panic!("not displaced") };
    let refused = Down::Refused { session: 2, code: CloseCode::Revoked };
    assert_eq!(node.next().await, refused);
}

#[tokio::test]
async fn a_newer_connection_displaces_the_older_one_on_any_node() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let (mut here, mut there) = (Node::open(&service).await, Node::open(&service).await);
    here.next().await;
    there.next().await;
    here.hold(&ada, 1, 7, 1).await;
    here.next().await;
    there.hold(&ada, 1, 7, 2).await;
    assert!(matches!(there.next().await, Down::Held { .. }));
    let superseded = Down::Displaced { session: 1, code: CloseCode::Superseded };
    assert_eq!(here.next().await, superseded);
    here.hold(&ada, 2, 8, 1).await;
    assert!(matches!(here.next().await, Down::Held { .. }));
    let replaced = Down::Displaced { session: 1, code: CloseCode::Replaced };
    assert_eq!(there.next().await, replaced);
}

/// Loses everything it is told.
#[derive(Debug, Default)]
struct DeafBus(LocalBus);

impl Bus for DeafBus {
    fn publish(&self, _event: BusEvent) {}

    fn subscribe(&self) -> BusListener {
        self.0.subscribe()
    }
}

#[tokio::test]
async fn p4_with_every_bus_message_dropped_the_head_is_told_within_a_heartbeat() {
    let parts = FetchParts { clock: Clock::system(), bus: Arc::new(DeafBus::default()) };
    let heartbeat = Duration::from_millis(500);
    let service = Service::start_with(|config| config.heartbeat = heartbeat, parts).await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let mut node = Node::open(&service).await;
    node.next().await;
    node.hold(&bob, 1, 7, 1).await;
    node.next().await;
    ada.send(&conversation, "hello").await;
    let Down::Head { notice, .. } = node.next().await else { panic!("no head") };
    assert_eq!(notice.head, InboxSeq(1));
}
