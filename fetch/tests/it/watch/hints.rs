//! P4: a notice is a hint; the store is the truth.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use nudge_fetch::{
    FetchParts,
    bus::{Bus, LocalBus},
    store::Moved,
};
use nudge_proto::{
    Epoch, InboxSeq,
    frame::{Notice, Typing},
    watch::Down,
};
use reqwest::Method;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use uuid::Uuid;

use super::{BusEvent, DeafBus, Node};
use crate::support::{Service, StoppedTime, User, base64};

#[tokio::test]
async fn a_held_user_hears_of_a_message_at_once() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let mut node = Node::open(&service).await;
    assert_eq!(node.hold_first(&bob, 1).await, InboxSeq(0));
    let sent = ada.send(&conversation, "hello").await;
    let Down::Head { user_id, notice, except_device_id, .. } = node.next().await else {
        panic!("no head")
    };
    assert_eq!((user_id.to_string(), notice.head), (bob.id.clone(), InboxSeq(1)));
    assert_eq!(notice.message_id.unwrap().to_string(), sent["message_id"].as_str().unwrap());
    assert_eq!(except_device_id, None);
}

#[tokio::test]
async fn p4_with_every_bus_message_dropped_the_head_is_told_within_a_heartbeat() {
    let time = StoppedTime::start();
    let service = Service::start_with(|_| {}, DeafBus::parts()).await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let mut node = Node::open(&service).await;
    node.hold_first(&bob, 1).await;
    // At any point of the sweep.
    for (n, seconds) in [(1, 0), (2, 70), (3, 119), (4, 121)] {
        time.pass(Duration::from_secs(seconds)).await;
        ada.send(&conversation, "hello").await;
        assert_eq!(node.take_all(), [], "the bus tells nothing");
        time.pass(service.heartbeat()).await;
        let Down::Head { notice, .. } = node.next().await else { panic!("no head") };
        assert_eq!(notice.head, InboxSeq(n));
    }
}

#[tokio::test]
async fn p4_a_device_that_registers_late_hides_no_move_from_the_others() {
    let time = StoppedTime::start();
    let service = Service::start_with(|_| {}, DeafBus::parts()).await;
    let (ada, phone) = (service.user("ada").await, service.user("bob").await);
    let laptop = service.log_in("bob").await;
    let conversation = ada.direct(&phone).await;
    let (mut first, mut second) = (Node::open(&service).await, Node::open(&service).await);
    first.hold_first(&phone, 1).await;
    ada.send(&conversation, "hello").await;
    assert_eq!(second.hold_first(&laptop, 1).await, InboxSeq(1));
    time.pass(service.heartbeat()).await;
    let Down::Head { notice, .. } = first.next().await else { panic!("no head") };
    assert_eq!(notice.head, InboxSeq(1));
}

#[tokio::test]
async fn p4_what_moves_while_a_device_registers_is_told_twice_rather_than_not_at_all() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let mut node = Node::open(&service).await;
    for round in 1..=20 {
        let ((), _) = tokio::join!(node.hold(&bob, round, 7, round as u32), async {
            join_all((0..3).map(|_| ada.send(&conversation, "hello"))).await;
        });
        let head = InboxSeq(round * 3);
        let tells = |down: &Down| {
            matches!(down, Down::Held { head: told, .. } if *told == head)
                || matches!(down, Down::Head { notice, .. } if notice.head == head)
        };
        while !tells(&node.next().await) {}
    }
}

#[tokio::test]
async fn p4_a_gap_of_the_bus_is_made_up_for_at_once() {
    let _time = StoppedTime::start();
    let bus = Arc::new(DeafBus::default());
    let parts = FetchParts { bus: Some(Arc::clone(&bus) as _), ..FetchParts::default() };
    let service = Service::start_with(|_| {}, parts).await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let mut node = Node::open(&service).await;
    node.hold_first(&bob, 1).await;
    ada.send(&conversation, "hello").await;
    assert_eq!(node.take_all(), []);
    let typing =
        Typing { conversation_id: conversation.parse().unwrap(), user_id: ada.id.parse().unwrap() };
    for _ in 0..5000 {
        bus.publish(BusEvent::Typing { to: Vec::new(), typing });
    }
    let Down::Head { notice, .. } = node.next().await else { panic!("no head") };
    assert_eq!(notice.head, InboxSeq(1), "without a second having passed");
}

#[tokio::test]
async fn p4_a_move_of_a_newer_epoch_begins_it_and_one_of_a_former_epoch_is_dropped() {
    let bus = Arc::new(LocalBus::default());
    let parts = FetchParts { bus: Some(Arc::clone(&bus) as _), ..FetchParts::default() };
    let service = Service::start_with(|_| {}, parts).await;
    let bob = service.user("bob").await;
    let mut node = Node::open(&service).await;
    node.hold_first(&bob, 1).await;
    let moved = |epoch, head| Moved {
        user_id: bob.id.parse().unwrap(),
        epoch: Some(Epoch(epoch)),
        notice: Notice { head: InboxSeq(head), ..Notice::default() },
        except_device_id: None,
        trace: None,
    };
    bus.publish(BusEvent::Moved(vec![moved(2, 4), moved(1, 9)]));
    bus.publish(BusEvent::Moved(vec![moved(1, 10)]));
    bus.publish(BusEvent::Moved(vec![moved(2, 5)]));
    let mut told = vec![node.next().await];
    while !matches!(told.last(), Some(Down::Head { notice, .. }) if notice.head == InboxSeq(5)) {
        told.push(node.next().await);
    }
    assert_eq!(told[0], Down::EpochChanged { epoch: Epoch(2) });
    let is_of_it =
        |down: &Down| matches!(down, Down::Head { notice, .. } if [4, 5].contains(&notice.head.0));
    assert!(told[1..].iter().all(is_of_it), "{told:?}");
}

#[tokio::test]
async fn p4_what_was_committed_is_told_although_its_client_went_away() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    ada.send(&conversation, "the first").await;
    let mut node = Node::open(&service).await;
    let mut told = node.hold_first(&bob, 1).await;
    for pause_us in (0..60).map(|n| n * 100) {
        send_and_hang_up(&service, &ada, &conversation, Duration::from_micros(pause_us)).await;
        // A request of one's own on the same store comes after it.
        ada.get("/v1/me").await;
        let head = settled_head(&bob).await;
        while told < head {
            let Down::Head { notice, .. } = node.next().await else { panic!("no head") };
            told = told.max(notice.head);
        }
    }
}

async fn settled_head(user: &User<'_>) -> InboxSeq {
    let mut head = None;
    loop {
        let page = user.inbox(0).await;
        let now = page["head"].as_u64();
        if now == head {
            return InboxSeq(now.unwrap());
        }
        head = now;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Says all of a request, and is gone before the answer.
async fn send_and_hang_up(service: &Service, user: &User<'_>, conversation: &str, pause: Duration) {
    let body = json!({ "content_type": "text/plain", "body": base64("hello") }).to_string();
    let request = format!(
        "PUT /v1/conversations/{conversation}/messages/{} HTTP/1.1\r\nhost: nudge\r\n\
         authorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        Uuid::new_v4(),
        user.session["access_token"].as_str().unwrap(),
        body.len(),
    );
    let mut stream = TcpStream::connect(service.fetch.public_addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(pause).await;
}

#[tokio::test]
async fn p5_a_stream_that_is_not_read_costs_one_entry_for_each_user() {
    let service = Service::start().await;
    let (ada, bob, eve) =
        (service.user("ada").await, service.user("bob").await, service.user("eve").await);
    let group = ada.group(&[&bob, &eve]).await;
    let mut node = Node::open(&service).await;
    node.hold_first(&bob, 1).await;
    node.hold_first(&eve, 2).await;
    for _ in 0..10 {
        join_all((0..20).map(|n| ada.send(&group, if n == 0 { "x" } else { "y" }))).await;
        ada.send_json(Method::POST, &format!("/v1/conversations/{group}/typing"), json!({})).await;
    }
    // Until the hub has heard the last of it.
    tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let waiting = node.take_all();
            assert!(waiting.len() <= 4, "{} wait", waiting.len());
            let is_last = |down: &Down| matches!(down, Down::Head { notice, .. } if notice.head == InboxSeq(201));
            if waiting.iter().any(is_last) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn typing_is_told_and_never_stored() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let group = ada.group(&[&bob]).await;
    let mut node = Node::open(&service).await;
    node.hold_first(&bob, 1).await;
    let path = format!("/v1/conversations/{group}/typing");
    assert_eq!(ada.send_json(Method::POST, &path, json!({})).await.0, 204);
    let Down::Typing { to, typing } = node.next().await else { panic!("no typing") };
    assert_eq!((to.to_string(), typing.user_id.to_string()), (bob.id.clone(), ada.id.clone()));
    assert_eq!(bob.inbox(0).await["head"], 1, "the group's creation");
}

#[tokio::test]
async fn a_stream_whose_either_half_ends_holds_nobody() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let (mut first, mut second) = (Node::open(&service).await, Node::open(&service).await);
    first.hold_first(&ada, 1).await;
    second.hold_first(&bob, 1).await;
    assert_eq!(service.fetch.hub().held_sessions(), 2);
    let Node { up, down, .. } = first;
    drop(down);
    until(|| service.fetch.hub().held_sessions() == 1).await;
    drop(second.up);
    until(|| service.fetch.hub().held_sessions() == 0).await;
    drop(up);
}

async fn until(holds: impl Fn() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to be");
}
