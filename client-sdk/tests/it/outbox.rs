use nudge_client_sdk::{Client, Draft, Error, Outcome, SyncMode};
use nudge_harness::System;

use super::support::{Device, config, device, file, tamper, until};

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_lost_answer_does_not_double_a_message() {
    let system = System::builder().fetch_proxy().start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    let proxy = system.fetch_proxy();
    for n in 0..10 {
        // The request arrives whole; the answer is cut at its first byte.
        proxy.to_client().cut_after(0);
        let message = ada.client.send_text(talk.id, &n.to_string()).await.unwrap();
        ada.client.sent(message).await.unwrap();
    }
    let texts = bob.next_texts(10).await;
    assert_eq!(texts, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    let history = ada.client.history(talk.id, None).await.unwrap();
    let messages = history
        .items
        .iter()
        .filter(|item| matches!(item, nudge_client_sdk::HistoryItem::Message(_)));
    assert_eq!(messages.count(), 10);
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_into_the_outbox_is_sent_by_the_next_run_in_order() {
    let system = System::builder().start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    system.stop_fetch().await;
    for n in 0..20 {
        ada.client.send_text(talk.id, &n.to_string()).await.unwrap();
    }
    assert_eq!(ada.client.unsent().await.unwrap().len(), 20);
    let ada = ada.restarted(&system).await;
    assert_eq!(ada.client.unsent().await.unwrap().len(), 20);
    system.start_fetch().await.unwrap();
    let texts = bob.next_texts(20).await;
    assert_eq!(texts, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_for_its_file_holds_no_later_one_back() {
    let system = System::builder().start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "film.bin", 100_000);
    system.stop_fetch().await;
    let film = ada.client.send(talk.id, Draft::text("film").with_file(path)).await.unwrap();
    assert!(ada.client.pause_uploads(film).await.unwrap());
    let text = ada.client.send_text(talk.id, "text").await.unwrap();
    system.start_fetch().await.unwrap();
    ada.client.sent(text).await.unwrap();
    assert_eq!(ada.client.outcome(film).await.unwrap(), None);
    assert!(ada.client.resume_uploads(film).await.unwrap());
    ada.client.sent(film).await.unwrap();
    assert_eq!(bob.next_texts(2).await, ["text", "film"]);
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_says_why_and_does_not_hold_the_next_one_back() {
    let system = System::builder().start().await.unwrap();
    let (ada, bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    let unknown = nudge_client_sdk::MediumId::random();
    let draft = Draft { media: vec![unknown], ..Draft::text("nothing there") };
    let refused = ada.client.send(talk.id, draft).await.unwrap();
    let fine = ada.client.send_text(talk.id, "fine").await.unwrap();
    let error = ada.client.sent(refused).await.unwrap_err();
    assert_eq!(error.code().map(|code| code.as_str()), Some("not_found"), "{error}");
    ada.client.sent(fine).await.unwrap();
    assert!(matches!(
        ada.client.outcome(refused).await.unwrap(),
        Some(Outcome::NotSent(not_sent)) if not_sent.code == error.code()
    ));
    let unsent = ada.client.unsent().await.unwrap();
    assert_eq!(unsent.len(), 1);
    assert_eq!(unsent[0].draft.media, [unknown]);
    assert_eq!(unsent[0].failure.as_ref().map(|failure| failure.client_message_id), Some(refused));
    // Tried again, it is refused again.
    assert!(ada.client.send_again(refused).await.unwrap());
    assert!(matches!(ada.client.sent(refused).await, Err(Error::NotSent(_))));
    assert!(ada.client.discard(refused).await.unwrap());
    assert_eq!(ada.client.unsent().await.unwrap(), []);
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_can_be_taken_back_while_it_waits() {
    let system = System::builder().start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    system.stop_fetch().await;
    let regretted = ada.client.send_text(talk.id, "regretted").await.unwrap();
    let meant = ada.client.send_text(talk.id, "meant").await.unwrap();
    ada.client.cancel_send(regretted).await.unwrap();
    system.start_fetch().await.unwrap();
    ada.client.sent(meant).await.unwrap();
    assert_eq!(bob.next_texts(1).await, ["meant"]);
    assert!(matches!(ada.client.sent(regretted).await, Err(Error::NotSent(_))));
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_could_not_be_sent_for_a_week_is_given_up() {
    let system = System::builder().start().await.unwrap();
    let (ada, bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    system.stop_fetch().await;
    let old = ada.client.send_text(talk.id, "old").await.unwrap();
    let Device { client, folder, .. } = ada;
    client.close().await;
    let eight_days_ms = 8 * 24 * 3600 * 1000;
    let age = format!("UPDATE outbox SET created_at_ms = created_at_ms - {eight_days_ms}");
    tamper(folder.path(), &age);
    let client = Client::open(config(&system, folder.path())).await.unwrap();
    let error = client.sent(old).await.unwrap_err();
    assert!(error.to_string().contains("7 days"), "{error}");
    system.start_fetch().await.unwrap();
    client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_folder_sends_its_own_and_leaves_the_inbox_alone() {
    let system = System::builder().start().await.unwrap();
    let (mut ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    assert!(ada.client.is_syncing());
    let second = Client::open(config(&system, ada.folder.path())).await.unwrap();
    assert!(!second.is_syncing());
    let message = second.send_text(talk.id, "from the second").await.unwrap();
    second.sent(message).await.unwrap();
    assert_eq!(bob.next_texts(1).await, ["from the second"]);
    bob.send(talk.id, "for the first").await;
    assert_eq!(ada.next_texts(1).await, ["for the first"]);
    second.close().await;
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_second_process_left_behind_is_sent_by_the_next_first() {
    let system = System::builder().start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    system.stop_fetch().await;
    let mut off = config(&system, ada.folder.path());
    off.sync = SyncMode::Off;
    let second = Client::open(off).await.unwrap();
    second.send_text(talk.id, "left behind").await.unwrap();
    second.close().await;
    let ada = ada.restarted(&system).await;
    system.start_fetch().await.unwrap();
    assert_eq!(bob.next_texts(1).await, ["left behind"]);
    until(async || ada.client.unsent().await.unwrap().is_empty()).await;
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_left_behind_is_sent_by_the_one_that_runs() {
    let system = System::builder().start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    system.stop_fetch().await;
    let second = Client::open(config(&system, ada.folder.path())).await.unwrap();
    let message = second.send_text(talk.id, "left behind").await.unwrap();
    second.close().await;
    system.start_fetch().await.unwrap();
    tamper(ada.folder.path(), "UPDATE outbox SET created_at_ms = created_at_ms - 60000");
    ada.client.sent(message).await.unwrap();
    assert_eq!(bob.next_texts(1).await, ["left behind"]);
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_server_lost_before_its_message_was_sent_is_uploaded_again() {
    let system = System::builder().start().await.unwrap();
    let (ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let talk = ada.direct_with("bob").await;
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "lost.bin", 1000);
    system.stop_fetch().await;
    let message = ada.client.send_file(talk.id, path, "").await.unwrap();
    let Device { client, events, folder } = ada;
    drop(events);
    client.close().await;
    // As if the upload had been complete, and was swept since.
    tamper(folder.path(), "UPDATE uploads SET is_complete = 1, medium_id = randomblob(16)");
    system.start_fetch().await.unwrap();
    let client = Client::open(config(&system, folder.path())).await.unwrap();
    client.sent(message).await.unwrap();
    let received = bob.next_message().await;
    assert!(bob.fetch(&received.media[0]).await == super::support::bytes(1000));
    client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}
