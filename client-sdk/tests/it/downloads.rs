use std::time::Duration;

use nudge_client_sdk::{Error, Medium};
use nudge_harness::System;

use super::support::{Device, bytes, device, file, until};

const MIB: usize = 1024 * 1024;

/// A medium of `size` bytes that bob may read, and bob.
async fn sent_to_bob(system: &System, size: usize) -> (Device, Medium) {
    let (ada, mut bob) = (device(system, "ada").await, device(system, "bob").await);
    let talk = ada.direct_with("bob").await;
    let folder = tempfile::tempdir().unwrap();
    ada.send_file(talk.id, &file(folder.path(), "film.bin", size)).await;
    let message = bob.next_message().await;
    ada.client.close().await;
    (bob, message.media[0].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_download_cut_at_many_points_goes_on_and_moves_at_most_a_part_twice() {
    let system = System::builder().fetch_proxy().start().await.unwrap();
    let size = 24 * MIB;
    let (bob, medium) = sent_to_bob(&system, size).await;
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("film.bin");
    let proxy = system.fetch_proxy();
    let mut download = bob.client.download(&medium, &target);
    for cut in [1, 900, 70_000, 3 * MIB, 5 * MIB, 4 * MIB] {
        proxy.to_client().cut_after(cut as u64);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let done = download.finished().await.unwrap();
    assert!(done.bytes_fetched <= (size + 8 * MIB) as u64, "{done:?}");
    assert!(std::fs::read(target).unwrap() == bytes(size));
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_of_a_client_that_ended_is_resumed_by_the_next() {
    let system = System::builder().fetch_proxy().start().await.unwrap();
    let size = 20 * MIB;
    let (bob, medium) = sent_to_bob(&system, size).await;
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("film.bin");
    system.fetch_proxy().to_client().throttle(40 * MIB as u64);
    let download = bob.client.download(&medium, &target);
    until(async || download.progress().bytes_done > 10 * MIB as u64).await;
    drop(download);
    let bob = bob.restarted(&system).await;
    assert!(!target.exists());
    let done = bob.client.download(&medium, &target).finished().await.unwrap();
    assert!(done.resumed_from > 9 * MIB as u64, "{done:?}");
    assert_eq!(done.resumed_from + done.bytes_fetched, size as u64);
    assert!(std::fs::read(&target).unwrap() == bytes(size));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_part_that_is_not_what_was_sent_is_thrown_away() {
    let system = System::builder().start().await.unwrap();
    let size = 3 * MIB;
    let (bob, medium) = sent_to_bob(&system, size).await;
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("film.bin");
    let part = folder.path().join(format!(".{}.part", medium.id));
    // Shorter, as long, and longer than the medium.
    for length in [MIB, size, size + 1] {
        std::fs::write(&part, vec![b'x'; length]).unwrap();
        bob.client.download(&medium, &target).finished().await.unwrap();
        assert!(std::fs::read(&target).unwrap() == bytes(size));
        assert!(!part.exists());
    }
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_bytes_that_are_not_what_was_sent_never_appear_under_the_files_name() {
    let system = System::builder().start().await.unwrap();
    let (bob, medium) = sent_to_bob(&system, MIB).await;
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("film.bin");
    let wrong = Medium { sha256: [7; 32], ..medium };
    let outcome = bob.client.download(&wrong, &target).finished().await;
    assert!(matches!(outcome, Err(Error::DigestMismatch { .. })), "{outcome:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_can_be_paused_and_cancelled() {
    let system = System::builder().fetch_proxy().start().await.unwrap();
    let size = 10 * MIB;
    let (bob, medium) = sent_to_bob(&system, size).await;
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("film.bin");
    system.fetch_proxy().to_client().throttle(20 * MIB as u64);
    let mut download = bob.client.download(&medium, &target);
    until(async || download.progress().bytes_done > MIB as u64).await;
    download.pause();
    until(async || system.fetch_proxy().open_connections() == 0).await;
    download.resume();
    let done = download.finished().await.unwrap();
    assert!(done.bytes_fetched <= (size + 8 * MIB) as u64);
    let mut again = bob.client.download(&medium, folder.path().join("again.bin"));
    until(async || again.progress().bytes_done > MIB as u64).await;
    again.cancel();
    assert!(matches!(again.finished().await, Err(Error::Cancelled)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_a_medium_of_others_is_not_found() {
    let system = System::builder().start().await.unwrap();
    let (bob, medium) = sent_to_bob(&system, 1000).await;
    let eve = device(&system, "eve").await;
    let folder = tempfile::tempdir().unwrap();
    let outcome = eve.client.download(&medium, folder.path().join("loot")).finished().await;
    let code = outcome.unwrap_err().code().map(|code| code.as_str());
    assert_eq!(code, Some("not_found"));
    bob.client.close().await;
    eve.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_medium_is_described_by_its_id_to_whom_it_is_for() {
    let system = System::builder().start().await.unwrap();
    let (bob, medium) = sent_to_bob(&system, 1000).await;
    let eve = device(&system, "eve").await;
    // The refusal of an expired token has no body here, and is understood all the same.
    system.clock().advance(Duration::from_secs(20 * 60));
    assert_eq!(bob.client.medium(medium.id).await.unwrap(), medium);
    let error = eve.client.medium(medium.id).await.unwrap_err();
    assert_eq!(error.code().map(|code| code.as_str()), Some("not_found"));
    bob.client.close().await;
    eve.client.close().await;
    system.shutdown().await;
}
