use std::time::Duration;

use nudge_client_sdk::{Draft, Error, Event, TransferId};
use nudge_harness::System;

use super::support::{bytes, device, file};

const MIB: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_size_and_name_arrive_as_they_were() {
    let system = System::builder().start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    let folder = tempfile::tempdir().unwrap();
    for (name, size) in [
        ("empty", 0),
        ("one byte.txt", 1),
        ("exactly a part.bin", 8 * MIB),
        ("a part and a byte.bin", 8 * MIB + 1),
        ("Ünïcødé 写真 🖼.jpg", 3 * MIB + 7),
    ] {
        let path = file(folder.path(), name, size);
        ada.send_file(talk.id, &path).await;
        let message = bob.next_message().await;
        let medium = &message.media[0];
        assert_eq!((medium.file_name.as_str(), medium.size), (name, size as u64));
        assert!(bob.fetch(medium).await == bytes(size), "{name}");
    }
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_an_upload_cut_at_many_points_goes_on_and_moves_at_most_a_part_twice() {
    let system = System::builder().fetch_proxy().start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    let folder = tempfile::tempdir().unwrap();
    let size = 24 * MIB;
    let path = file(folder.path(), "cut.bin", size);
    let proxy = system.fetch_proxy();
    let before = proxy.to_server().carried();
    let message = ada.client.send(talk.id, Draft::text("").with_file(&path)).await.unwrap();
    for cut in [100, 5_000, 700_000, 3 * MIB, 5 * MIB, 4 * MIB, 8 * MIB] {
        proxy.to_server().cut_after(cut as u64);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    ada.client.sent(message).await.unwrap();
    let carried = proxy.to_server().carried() - before;
    assert!(carried <= (size + 8 * MIB) as u64, "{carried} bytes for {size}");
    let received = bob.next_message().await;
    assert!(bob.fetch(&received.media[0]).await == bytes(size));
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_survives_the_restart_of_both_ends() {
    let system = System::builder().fetch_proxy().start().await.unwrap();
    let (mut ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    let folder = tempfile::tempdir().unwrap();
    let size = 20 * MIB;
    let path = file(folder.path(), "long.bin", size);
    system.fetch_proxy().to_server().throttle(40 * MIB as u64);
    let message = ada.client.send(talk.id, Draft::text("").with_file(&path)).await.unwrap();
    let reached = |at: usize| {
        move |event| match event {
            Event::Progress(progress) if progress.bytes_done >= at as u64 => {
                Some(progress.transfer)
            }
            _ => None,
        }
    };
    assert_eq!(ada.expect(reached(6 * MIB)).await, TransferId::Upload(message));
    system.restart_fetch().await.unwrap();
    ada.expect(reached(12 * MIB)).await;
    let ada = ada.restarted(&system).await;
    ada.client.sent(message).await.unwrap();
    let received = bob.next_message().await;
    assert!(bob.fetch(&received.media[0]).await == bytes(size));
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_is_not_sent() {
    let system = System::builder().start().await.unwrap();
    let (ada, bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "draft.txt", 1000);
    system.stop_fetch().await;
    let message = ada.client.send(talk.id, Draft::text("").with_file(&path)).await.unwrap();
    std::fs::write(&path, "something else").unwrap();
    system.start_fetch().await.unwrap();
    let error = ada.client.sent(message).await.unwrap_err();
    assert!(error.to_string().contains("has changed"), "{error}");
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_or_no_file_is_refused_at_once() {
    let system = System::builder().start().await.unwrap();
    let (ada, bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("missing"), folder.path().to_owned()] {
        let sent = ada.client.send_file(talk.id, path, "").await;
        assert!(matches!(sent, Err(Error::File { .. })), "{sent:?}");
    }
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_upload_stops_and_its_message_is_not_sent() {
    let system = System::builder().fetch_proxy().start().await.unwrap();
    let (mut ada, bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "regretted.bin", 20 * MIB);
    system.fetch_proxy().to_server().throttle(20 * MIB as u64);
    let message = ada.client.send(talk.id, Draft::text("").with_file(&path)).await.unwrap();
    ada.expect(|event| {
        matches!(event, Event::Progress(progress) if progress.bytes_done > 0).then_some(())
    })
    .await;
    ada.client.cancel_send(message).await.unwrap();
    assert!(matches!(ada.client.sent(message).await, Err(Error::NotSent(_))));
    let carried = system.fetch_proxy().to_server().carried();
    assert!(carried < 20 * MIB as u64);
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_ran_out_on_the_server_begins_anew_with_renewed_credentials() {
    let system = System::builder().fetch_proxy().start().await.unwrap();
    let (mut ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    let folder = tempfile::tempdir().unwrap();
    let size = 20 * MIB;
    let path = file(folder.path(), "late.bin", size);
    system.fetch_proxy().to_server().throttle(40 * MIB as u64);
    let message = ada.client.send_file(talk.id, &path, "").await.unwrap();
    ada.expect(|event| match event {
        Event::Progress(progress) if progress.bytes_done > 2 * MIB as u64 => Some(()),
        _ => None,
    })
    .await;
    assert!(ada.client.pause_uploads(message).await.unwrap());
    // The answer to the next HEAD has no body that says why it is a refusal.
    system.clock().advance(Duration::from_secs(25 * 3600));
    ada.client.resume_uploads(message).await.unwrap();
    ada.client.sent(message).await.unwrap();
    let received = bob.next_message().await;
    assert!(bob.fetch(&received.media[0]).await == bytes(size));
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}
