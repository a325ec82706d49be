//! Notices reach their sessions, and cost nothing while a client does not read.

use std::time::Duration;

use nudge_proto::{
    CloseCode, ConversationId, InboxSeq, MessageId, UserId,
    frame::{Notice, NoticeFlags, ServerFrame, Typing},
    watch::Down,
};
use tokio::time::{Instant, sleep};

use crate::{
    heap,
    rig::{Device, Rig},
};

fn notice(head: u64) -> Option<ServerFrame> {
    Some(ServerFrame::Notice(Notice {
        head: InboxSeq(head),
        message_id: None,
        flags: NoticeFlags::MESSAGE,
    }))
}

#[tokio::test(start_paused = true)]
async fn a_notice_reaches_every_device_of_its_user_and_nobody_else() {
    let rig = Rig::start().await;
    let phone = Device::new();
    let laptop = Device { user_id: phone.user_id, ..Device::new() };
    let mut phone_peer = rig.join(phone).await;
    let mut laptop_peer = rig.join(laptop).await;
    let mut stranger = rig.join(Device::new()).await;
    rig.watch.tell_head(phone.user_id, 5);
    assert_eq!(phone_peer.hear().await, notice(5));
    assert_eq!(laptop_peer.hear().await, notice(5));
    assert!(stranger.hears_nothing_for(Duration::from_secs(9)).await);
}

#[tokio::test(start_paused = true)]
async fn the_sending_device_hears_nothing_and_knows_its_head() {
    let rig = Rig::start().await;
    let phone = Device::new();
    let laptop = Device { user_id: phone.user_id, ..Device::new() };
    let mut phone_peer = rig.join(phone).await;
    let mut laptop_peer = rig.join(laptop).await;
    rig.watch.tell(Down::Head {
        user_id: phone.user_id,
        notice: Notice { head: InboxSeq(6), ..Notice::default() },
        except_device_id: Some(phone.device_id),
        trace: None,
    });
    assert!(matches!(laptop_peer.hear().await, Some(ServerFrame::Notice(_))));
    assert_eq!(phone_peer.ping().await, Some(6));
}

#[tokio::test(start_paused = true)]
async fn notices_that_come_late_or_twice_are_told_once() {
    let rig = Rig::start().await;
    let device = Device::new();
    let mut peer = rig.join(device).await;
    rig.watch.tell_head(device.user_id, 5);
    assert_eq!(peer.hear().await, notice(5));
    rig.watch.tell_head(device.user_id, 5);
    rig.watch.tell_head(device.user_id, 4);
    assert!(peer.hears_nothing_for(Duration::from_secs(9)).await);
    assert_eq!(peer.ping().await, Some(5));
}

#[tokio::test(start_paused = true)]
async fn p5_a_thousand_notices_to_a_client_that_does_not_read_become_one() {
    let rig = Rig::start().await;
    let device = Device::new();
    // Room for the welcome and not much more: eight notices or so.
    const PIPE_BYTES: usize = 64;
    const NOTICE_BYTES_MIN: usize = 6;
    let mut peer = rig.connect_with(PIPE_BYTES);
    peer.join(device).await;
    let newest = MessageId::random();
    for head in 1..=1000 {
        let last = (head == 1000).then_some(newest);
        let flags = if head == 500 { NoticeFlags::CHANGE } else { NoticeFlags::MESSAGE };
        rig.watch.tell(Down::Head {
            user_id: device.user_id,
            notice: Notice { head: InboxSeq(head), message_id: last, flags },
            except_device_id: None,
            trace: None,
        });
        tokio::task::yield_now().await;
    }
    sleep(Duration::from_secs(1)).await;
    let mut heard = Vec::new();
    while heard.last().is_none_or(|notice: &Notice| notice.head < InboxSeq(1000)) {
        let Some(ServerFrame::Notice(notice)) = peer.hear().await else { panic!("no notice") };
        heard.push(notice);
    }
    // Those in the pipe, the one on its way into it, and the one that waits.
    let kept_max = PIPE_BYTES / NOTICE_BYTES_MIN + 2;
    assert!(heard.len() <= kept_max, "{} notices were kept", heard.len());
    assert_eq!(heard.last().unwrap().message_id, Some(newest));
    let flags = heard.iter().fold(NoticeFlags::NONE, |flags, notice| flags.union(notice.flags));
    assert!(flags.contains(NoticeFlags::CHANGE), "a flag was lost");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_closed_by_the_write_deadline() {
    let rig = Rig::start().await;
    let device = Device::new();
    let mut peer = rig.connect_with(64);
    peer.join(device).await;
    let start = Instant::now();
    for head in 1..=50 {
        rig.watch.tell_head(device.user_id, head);
        sleep(Duration::from_millis(10)).await;
    }
    while rig.signal.stats().connections > 0 {
        assert!(start.elapsed() < Duration::from_secs(22), "it is still there");
        sleep(Duration::from_millis(100)).await;
    }
    assert!(start.elapsed() >= Duration::from_secs(20), "it went too early");
}

#[tokio::test(start_paused = true)]
async fn typing_reaches_the_user_and_at_most_one_waits() {
    let rig = Rig::start().await;
    let device = Device::new();
    let mut peer = rig.join(device).await;
    let typing = || Typing { conversation_id: ConversationId::random(), user_id: UserId::random() };
    let (first, second) = (typing(), typing());
    rig.watch.tell(Down::Typing { to: device.user_id, typing: first });
    assert_eq!(peer.hear().await, Some(ServerFrame::Typing(first)));
    rig.watch.tell(Down::Typing { to: device.user_id, typing: second });
    assert_eq!(peer.hear().await, Some(ServerFrame::Typing(second)));
}

#[tokio::test(start_paused = true)]
async fn revocation_ends_the_device_s_session_or_all_of_the_user_s() {
    let rig = Rig::start().await;
    let phone = Device::new();
    let laptop = Device { user_id: phone.user_id, ..Device::new() };
    let mut phone_peer = rig.join(phone).await;
    let mut laptop_peer = rig.join(laptop).await;
    let user_id = phone.user_id;
    rig.watch.tell(Down::Revoked { user_id, device_id: Some(phone.device_id) });
    assert_eq!(phone_peer.hear_end().await, CloseCode::Revoked);
    assert_eq!(laptop_peer.ping().await, Some(0));
    rig.watch.tell(Down::Revoked { user_id, device_id: None });
    assert_eq!(laptop_peer.hear_end().await, CloseCode::Revoked);
}

#[test]
fn p5_a_thousand_notices_to_a_client_that_does_not_read_keep_no_byte_more_than_fifty() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    let device = Device::new();
    let tell = async |rig: &Rig, heads: std::ops::RangeInclusive<u64>| {
        for head in heads {
            rig.watch.tell_head(device.user_id, head);
            tokio::task::yield_now().await;
        }
        sleep(Duration::from_secs(1)).await;
    };
    let (rig, mut peer) = runtime.block_on(async {
        let rig = Rig::start().await;
        let mut peer = rig.connect_with(64);
        peer.join(device).await;
        tell(&rig, 1..=50).await;
        (rig, peer)
    });
    let ((), kept) = heap::kept_after(|| runtime.block_on(tell(&rig, 51..=1000)));
    assert!(kept <= 0, "{kept} bytes more are kept");
    // The connection is still there, and the newest head is not lost.
    runtime.block_on(async {
        while peer.hear().await != notice(1000) {}
        assert_eq!(peer.ping().await, Some(1000));
    });
}
