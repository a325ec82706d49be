//! Bytes that are no frames get their code, and the server goes on.

use nudge_proto::{CloseCode, frame::ClientFrame};
use tokio::io::AsyncWriteExt;

use crate::rig::{Device, Rig};

#[tokio::test(start_paused = true)]
async fn a_malformed_frame_breaks_the_protocol() {
    let rig = Rig::start().await;
    for bytes in
        [&[0, 0][..], &[0, 3, 0xff, 0xff, 0xff], &[0, 2, 0x7a, 0], b"\x01\x02GET / HTTP/1.1"]
    {
        let mut peer = rig.connect();
        peer.say_bytes(bytes).await;
        peer.say_bytes(&[0xff; 300]).await;
        assert_eq!(peer.hear_end().await, CloseCode::ProtocolViolation, "{bytes:?}");
    }
    rig.join(Device::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_above_its_limit_is_refused_by_its_prefix_alone() {
    let rig = Rig::start().await;
    let mut peer = rig.connect();
    peer.say_bytes(&4097_u16.to_be_bytes()).await;
    assert_eq!(peer.hear_end().await, CloseCode::FrameTooLarge);
    rig.join(Device::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_within_a_frame_was_cut_and_may_come_back() {
    let rig = Rig::start().await;
    let mut hello = Vec::new();
    ClientFrame::Hello(Device::new().hello()).encode(&mut hello);
    for length in [1, 2, hello.len() - 1] {
        let mut peer = rig.connect();
        peer.say_bytes(&hello[..length]).await;
        peer.stream.shutdown().await.unwrap();
        assert_eq!(peer.hear_end().await, CloseCode::CutShort);
    }
    rig.join(Device::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_frame_after_the_welcome_ends_the_session() {
    let rig = Rig::start().await;
    let device = Device::new();
    let mut peer = rig.join(device).await;
    peer.say(ClientFrame::Hello(device.hello())).await;
    assert_eq!(peer.hear_end().await, CloseCode::ProtocolViolation);
}

#[tokio::test(start_paused = true)]
async fn frames_may_be_cut_anywhere_and_come_together() {
    let rig = Rig::start().await;
    let mut peer = rig.join(Device::new()).await;
    let mut pings = Vec::new();
    for _ in 0..50 {
        ClientFrame::Ping.encode(&mut pings);
    }
    for piece in pings.chunks(3) {
        peer.say_bytes(piece).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(
        peer.hear().await,
        Some(nudge_proto::frame::ServerFrame::Pong { head: Some(nudge_proto::InboxSeq(0)) })
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_on_sending_after_its_end_still_reads_why() {
    let rig = Rig::start().await;
    let mut peer = rig.connect_with(512);
    let (mut reading, mut writing) = tokio::io::split(&mut peer.stream);
    let flood = async { while writing.write_all(&[0xff; 512]).await.is_ok() {} };
    let mut heard = Vec::new();
    let hear = tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut heard);
    let (_, heard_all) = tokio::join!(flood, hear);
    heard_all.unwrap();
    let frame = nudge_proto::frame::ServerFrame::decode(&heard[2..]).unwrap();
    assert!(matches!(
        frame,
        nudge_proto::frame::ServerFrame::Error { code: CloseCode::FrameTooLarge, .. }
    ));
}
