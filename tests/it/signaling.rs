//! Signaling against the real content service: what a connection costs, who may have one, and what
//! comes over it.

use std::time::Duration;

use nudge_harness::{
    Api, Peer, PeerError, System,
    peer::{Heard, hello, ticket},
};
use nudge_proto::{
    ClientMessageId, CloseCode,
    frame::{ClientFrame, Notice, ServerFrame},
    limits::{CLIENT_FRAME_BYTES_MAX, NOTICE_BYTES_MAX},
};
use reqwest::Method;
use tokio::time::{Instant, sleep};

/// What a busy machine may add to any time.
const SLACK: Duration = Duration::from_millis(500);

#[tokio::test]
async fn p5_a_notice_takes_at_most_32_bytes_of_the_wire() {
    let system = System::builder().start().await.unwrap();
    let (alice, mut bob, conversation) = pair(&system).await;
    for _ in 0..20 {
        send(&alice, &conversation).await;
        let (notice, bytes) = next_notice(&mut bob.1).await;
        assert!(bytes <= NOTICE_BYTES_MAX, "{notice:?} took {bytes} bytes");
        assert!(bytes > 16, "a notice of {bytes} bytes has no message id");
    }
    assert_eq!(NOTICE_BYTES_MAX, 32);
    system.shutdown().await;
}

#[tokio::test]
async fn p5_who_does_not_read_a_thousand_notices_hears_a_few_and_catches_up_with_one_sync() {
    const MESSAGES: usize = 1000;
    let small = |config: &mut nudge_signal::SignalConfig| {
        config.sockets.send_buffer_bytes = Some(1);
    };
    let system = System::builder().signal(small).start().await.unwrap();
    let (alice, mut bob, conversation) = pair(&system).await;
    // Several at a time: the commits are shared.
    futures::future::join_all((0..10).map(async |_| {
        for _ in 0..MESSAGES / 10 {
            send(&alice, &conversation).await;
        }
    }))
    .await;

    let (mut notices, mut head) = (0, 0);
    // The conversation itself has no entry: each message has one.
    while head < MESSAGES as u64 {
        head = next_notice(&mut bob.1).await.0.head.0;
        notices += 1;
    }
    assert!(notices < MESSAGES / 2, "{notices} notices were kept for a client that did not read");

    let (mut after, mut messages) = ("1.0".to_owned(), 0);
    loop {
        let page = bob.0.inbox(&after, 500).await.unwrap();
        messages += page.entries.iter().filter(|entry| entry.message.is_some()).count();
        after = format!("{}.{}", page.epoch, page.through);
        if page.through >= head {
            break;
        }
    }
    assert_eq!(messages, MESSAGES);
    system.shutdown().await;
}

#[tokio::test]
async fn p4_with_a_deaf_bus_a_notice_comes_within_a_heartbeat() {
    let heartbeat = Duration::from_secs(2);
    let system = System::builder().deaf_bus().heartbeat(heartbeat).start().await.unwrap();
    let (alice, mut bob, conversation) = pair(&system).await;
    for head in 1..=2 {
        let sent_at = Instant::now();
        send(&alice, &conversation).await;
        assert_eq!(next_notice(&mut bob.1).await.0.head.0, head);
        assert!(sent_at.elapsed() <= heartbeat + SLACK, "it took {:?}", sent_at.elapsed());
    }
    assert!(system.bus().lost() >= 2, "the bus lost nothing");
    system.shutdown().await;
}

#[tokio::test]
async fn p4_a_pong_tells_the_head_and_without_the_watch_it_tells_none() {
    let system = System::builder().start().await.unwrap();
    let (alice, mut bob, conversation) = pair(&system).await;
    send(&alice, &conversation).await;
    next_notice(&mut bob.1).await;
    assert_eq!(pong(&mut bob.1).await, Some(1));
    system.cut_watch();
    while pong(&mut bob.1).await.is_some() {}
    send(&alice, &conversation).await;
    system.restore_watch();
    assert_eq!(next_notice(&mut bob.1).await.0.head.0, 2);
    assert_eq!(pong(&mut bob.1).await, Some(2));
    system.shutdown().await;
}

#[tokio::test]
async fn p8_only_a_genuine_ticket_in_its_time_of_a_device_that_stands_is_welcomed() {
    let system = System::builder().start().await.unwrap();
    let bob = system.api("bob").await.unwrap();
    let genuine = ticket(bob.session());
    assert_eq!(genuine.len(), nudge_proto::ticket::TICKET_BYTES);

    assert_eq!(refused(&system, Vec::new()).await, CloseCode::BadTicket);
    assert_eq!(refused(&system, genuine[..40].to_vec()).await, CloseCode::BadTicket);
    for byte in 0..genuine.len() {
        let mut forged = genuine.clone();
        forged[byte] ^= 1;
        assert_eq!(refused(&system, forged).await, CloseCode::BadTicket, "byte {byte} was changed");
    }
    system.peer().await.unwrap().join(bob.session()).await.unwrap();

    let other = system.api("bob").await.unwrap();
    let path = format!("/v1/devices/{}", bob.session().device_id);
    other.request(Method::DELETE, &path).send().await.unwrap().error_for_status().unwrap();
    assert_eq!(refused(&system, genuine).await, CloseCode::Revoked);

    system.clock().advance(Duration::from_secs(31 * 24 * 3600));
    assert_eq!(refused(&system, ticket(other.session())).await, CloseCode::TicketExpired);
    system.shutdown().await;
}

#[tokio::test]
async fn p8_a_revocation_ends_what_is_connected_within_a_second_and_its_reason_is_told() {
    let system = System::builder().tls().start().await.unwrap();
    let (phone, laptop) = (system.api("bob").await.unwrap(), system.api("bob").await.unwrap());
    let mut phone_peer = system.peer().await.unwrap();
    phone_peer.join(phone.session()).await.unwrap();
    let mut laptop_peer = system.peer().await.unwrap();
    laptop_peer.join(laptop.session()).await.unwrap();

    let revoked_at = Instant::now();
    revoke(&laptop, &phone).await;
    assert_eq!(phone_peer.hear_end().await.unwrap(), CloseCode::Revoked);
    assert!(revoked_at.elapsed() <= Duration::from_secs(1), "after {:?}", revoked_at.elapsed());
    assert_eq!(pong(&mut laptop_peer).await, Some(0));
    system.shutdown().await;
}

#[tokio::test]
async fn p8_with_a_deaf_bus_a_revocation_ends_what_is_connected_within_a_heartbeat() {
    let heartbeat = Duration::from_secs(1);
    let system = System::builder().deaf_bus().heartbeat(heartbeat).start().await.unwrap();
    let (phone, laptop) = (system.api("bob").await.unwrap(), system.api("bob").await.unwrap());
    let mut peer = system.peer().await.unwrap();
    peer.join(phone.session()).await.unwrap();
    let revoked_at = Instant::now();
    revoke(&laptop, &phone).await;
    assert_eq!(peer.hear_end().await.unwrap(), CloseCode::Revoked);
    assert!(revoked_at.elapsed() <= heartbeat + SLACK, "after {:?}", revoked_at.elapsed());
    system.shutdown().await;
}

#[tokio::test]
async fn bad_frames_get_their_codes_and_the_server_goes_on() {
    let hello_timeout = Duration::from_millis(500);
    let system = System::builder()
        .signal(move |config| config.hello_timeout = hello_timeout)
        .start()
        .await
        .unwrap();
    let bob = system.api("bob").await.unwrap();
    let mut bystander = system.peer().await.unwrap();
    bystander.join(bob.session()).await.unwrap();
    let mut whole = Vec::new();
    ClientFrame::Hello(hello(bob.session())).encode(&mut whole);
    let mut ping = Vec::new();
    ClientFrame::Ping.encode(&mut ping);
    let oversized = ((CLIENT_FRAME_BYTES_MAX + 1) as u16).to_be_bytes();
    let garbage: Vec<u8> = (0..255).collect();

    let at_once: [(&str, &[u8], CloseCode); 5] = [
        ("malformed", &[0, 3, 0xff, 0xff, 0xff], CloseCode::ProtocolViolation),
        ("an empty frame", &[0, 0], CloseCode::ProtocolViolation),
        ("no hello first", &ping, CloseCode::ProtocolViolation),
        ("oversized", &oversized, CloseCode::FrameTooLarge),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n", CloseCode::FrameTooLarge),
    ];
    for (what, bytes, code) in at_once {
        let mut peer = system.peer().await.unwrap();
        peer.say_bytes(bytes).await.unwrap();
        assert_eq!(peer.hear_end().await.unwrap(), code, "{what}");
    }

    let mut silent = system.peer().await.unwrap();
    let mut slow = system.peer().await.unwrap();
    let began = Instant::now();
    // A byte at a time, and too late with the last.
    for byte in &whole[..10] {
        slow.say_bytes(&[*byte]).await.unwrap();
        sleep(hello_timeout / 20).await;
    }
    assert_eq!(slow.hear_end().await.unwrap(), CloseCode::HelloTimeout);
    assert_eq!(silent.hear_end().await.unwrap(), CloseCode::HelloTimeout);
    // Deadlines are looked at four times a second.
    assert!(began.elapsed() < hello_timeout + Duration::from_millis(250) + SLACK);

    for cut_at in 1..whole.len() {
        let mut cut = system.peer().await.unwrap();
        cut.say_bytes(&whole[..cut_at]).await.unwrap();
        cut.say_no_more().await.unwrap();
        assert_eq!(cut.hear_end().await.unwrap(), CloseCode::CutShort, "cut at {cut_at}");
    }

    let late = system.api("bob").await.unwrap();
    let mut peer = system.peer().await.unwrap();
    peer.join(late.session()).await.unwrap();
    // Its end may be told before all of it was sent.
    let _ = peer.say_bytes(&garbage).await;
    assert!(peer.hear_end().await.unwrap().is_terminal());

    assert_eq!(pong(&mut bystander).await, Some(0));
    drop(bystander);
    system.shutdown().await;
}

/// Alice, Bob with a connection, and their conversation.
async fn pair(system: &System) -> (Api, (Api, Peer), String) {
    let (alice, bob) = (system.api("alice").await.unwrap(), system.api("bob").await.unwrap());
    let mut peer = system.peer().await.unwrap();
    peer.join(bob.session()).await.unwrap();
    let conversation = alice.direct(&bob.user().id).await.unwrap().id;
    (alice, (bob, peer), conversation)
}

async fn send(from: &Api, conversation: &str) {
    from.send_text(conversation, ClientMessageId::random(), "words").await.unwrap();
}

async fn next_notice(peer: &mut Peer) -> (Notice, usize) {
    match peer.hear().await.unwrap() {
        Some(Heard { frame: ServerFrame::Notice(notice), bytes }) => (notice, bytes),
        other => panic!("no notice but {other:?}"),
    }
}

async fn pong(peer: &mut Peer) -> Option<u64> {
    peer.say(&ClientFrame::Ping).await.unwrap();
    match peer.hear().await.unwrap() {
        Some(Heard { frame: ServerFrame::Pong { head }, .. }) => head.map(|head| head.0),
        other => panic!("no pong but {other:?}"),
    }
}

/// How a hello with this ticket is refused.
async fn refused(system: &System, ticket: Vec<u8>) -> CloseCode {
    let session = nudge_proto::pb::content::Session::default();
    let hello = nudge_proto::frame::Hello { ticket: ticket.into(), ..hello(&session) };
    let refused: Result<_, PeerError> = async {
        let mut peer = system.peer().await?;
        peer.say(&ClientFrame::Hello(hello)).await?;
        peer.hear_end().await
    }
    .await;
    refused.unwrap()
}

async fn revoke(by: &Api, device: &Api) {
    let path = format!("/v1/devices/{}", device.session().device_id);
    by.request(Method::DELETE, &path).send().await.unwrap().error_for_status().unwrap();
}
