use nudge_client_sdk::{Client, Draft, Event, ResyncReason, UpdateKind};
use nudge_harness::System;
use tempfile::TempDir;

use super::support::{Device, config, device};

/// A copy of a device's folder, as a backup would make it.
pub(crate) fn copy_of(device: &Device) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(device.folder.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_are_told_again_until_they_are_confirmed() {
    let system = System::builder().start().await.unwrap();
    let (ada, bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    ada.send(talk.id, "first").await;
    ada.send(talk.id, "second").await;
    let texts = async |bob: &mut Device, count| {
        let mut seen = Vec::new();
        while seen.len() < count {
            if let Event::Update(update) = bob.events.next().await.unwrap().unwrap()
                && let UpdateKind::Message(message) = update.kind
            {
                seen.push((update.position, message.text().unwrap().to_owned()));
            }
        }
        seen
    };
    let mut bob = bob;
    let told = texts(&mut bob, 2).await;
    let mut bob = bob.restarted(&system).await;
    assert_eq!(texts(&mut bob, 2).await, told);
    bob.client.confirm(told[0].0).await.unwrap();
    let mut bob = bob.restarted(&system).await;
    assert_eq!(texts(&mut bob, 1).await, told[1..]);
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_time_ran_out_before_it_was_told_is_not_told() {
    let system = System::builder().start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    let short = Draft { ttl_s: Some(1), ..Draft::text("short-lived") };
    let short = ada.client.send(talk.id, short).await.unwrap();
    ada.client.sent(short).await.unwrap();
    ada.send(talk.id, "lasting").await;
    // Stored on the device, with nobody looking.
    let bob_id = ada.client.find_user("bob").await.unwrap().id;
    super::support::until(async || {
        let marks = ada.client.receipts(talk.id).await.unwrap();
        marks.iter().any(|marks| marks.user_id == bob_id && marks.delivered.0 >= 2)
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(bob.next_texts(1).await, ["lasting"]);
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_folder_says_so_and_tells_every_message_it_had_not() {
    let system = System::builder().start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    ada.send(talk.id, "before the backup").await;
    assert_eq!(bob.next_texts(1).await, ["before the backup"]);
    let Device { client, events, folder } = bob;
    client.close().await;
    let bob = Device {
        client: Client::open(config(&system, folder.path())).await.unwrap(),
        events,
        folder,
    };
    bob.client.clone().close().await;
    let backup = copy_of(&bob);
    let client = Client::open(config(&system, bob.folder.path())).await.unwrap();
    let mut bob = Device { events: client.events(), client, folder: bob.folder };
    let sent = ada.send(talk.id, "after the backup").await;
    assert_eq!(bob.next_texts(1).await, ["after the backup"]);
    let bob_id = ada.client.find_user("bob").await.unwrap().id;
    super::support::until(async || {
        let marks = ada.client.receipts(talk.id).await.unwrap();
        marks.iter().any(|marks| marks.user_id == bob_id && marks.delivered >= sent.seq)
    })
    .await;
    bob.client.close().await;
    let client = Client::open(config(&system, backup.path())).await.unwrap();
    let mut bob = Device { events: client.events(), client, folder: backup };
    let reason = bob.expect(|event| match event {
        Event::Update(update) => match update.kind {
            UpdateKind::Resynced(reason) => Some(reason),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(reason.await, ResyncReason::StateRestored);
    assert_eq!(bob.next_texts(1).await, ["after the backup"]);
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;

    let system = System::builder().start().await.unwrap();
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("state");
    let client = Client::open(config(&system, &folder)).await.unwrap();
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("state.db")), 0o600);
    client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_restored_from_before_many_renewals_says_so_and_can_log_in_again() {
    let system = System::builder().start().await.unwrap();
    let bob = device(&system, "bob").await;
    let backup = copy_of(&bob);
    for _ in 0..3 {
        system.clock().advance(std::time::Duration::from_secs(20 * 60));
        bob.client.devices().await.unwrap();
    }
    bob.client.close().await;
    let client = Client::open(config(&system, backup.path())).await.unwrap();
    let mut bob = Device { events: client.events(), client, folder: backup };
    let resynced = |event| match event {
        Event::Update(update) => match update.kind {
            UpdateKind::Resynced(reason) => Some(reason),
            _ => None,
        },
        _ => None,
    };
    let error = bob.client.conversations().await.unwrap_err();
    assert!(error.is_session_over(), "{error}");
    assert_eq!(bob.expect(resynced).await, ResyncReason::StateRestored);
    bob.client.log_in("bob", nudge_harness::system::PASSWORD).await.unwrap();
    assert_eq!(bob.expect(resynced).await, ResyncReason::NewDevice);
    bob.client.conversations().await.unwrap();
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_leaves_a_folder_that_is_as_new() {
    let system = System::builder().start().await.unwrap();
    let bob = device(&system, "bob").await;
    bob.client.delete_account(nudge_harness::system::PASSWORD).await.unwrap();
    assert_eq!(bob.client.user().await.unwrap(), None);
    let other = nudge_client_sdk::NewAccount {
        handle: "other".to_owned(),
        password: nudge_harness::system::PASSWORD.to_owned(),
        display_name: String::new(),
        invite: None,
    };
    bob.client.register(other).await.unwrap();
    bob.client.log_in("other", nudge_harness::system::PASSWORD).await.unwrap();
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_can_be_forgotten_without_a_network_and_in_the_middle_of_a_send() {
    let system = System::builder().start().await.unwrap();
    let (mut ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    ada.link_is_up().await;
    let talk = ada.direct_with("bob").await;
    system.stop_fetch().await;
    ada.client.send_text(talk.id, "never said").await.unwrap();
    ada.client.forget_account().await.unwrap();
    assert_eq!(ada.client.unsent().await.unwrap(), []);
    super::support::until(async || ada.client.link().is_none()).await;
    system.start_fetch().await.unwrap();
    let cleo = nudge_client_sdk::NewAccount {
        handle: "cleo".to_owned(),
        password: nudge_harness::system::PASSWORD.to_owned(),
        display_name: String::new(),
        invite: None,
    };
    ada.client.register(cleo).await.unwrap();
    ada.client.log_in("cleo", nudge_harness::system::PASSWORD).await.unwrap();
    // The folder works for its new account, at once.
    let talk = ada.direct_with("bob").await;
    ada.send(talk.id, "hello from cleo").await;
    assert_eq!(bob.next_texts(1).await, ["hello from cleo"]);
    bob.send(talk.id, "welcome").await;
    assert_eq!(ada.next_texts(1).await, ["welcome"]);
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}
