use std::time::Duration;

use nudge_client_sdk::{Client, ClientConfig, CloseCode, Error, Event, LinkState};
use nudge_harness::{System, system::PASSWORD};

use super::support::{Device, config, device, until};

#[tokio::test(flavor = "multi_thread")]
async fn expired_credentials_are_renewed_without_a_word() {
    let system = System::builder().start().await.unwrap();
    let (mut ada, mut bob) = (device(&system, "ada").await, device(&system, "bob").await);
    ada.link_is_up().await;
    let talk = ada.direct_with("bob").await;
    // The access token lives for minutes, the connect ticket for weeks.
    system.clock().advance(Duration::from_secs(20 * 60));
    ada.send(talk.id, "an hour later").await;
    assert_eq!(bob.next_texts(1).await, ["an hour later"]);
    system.clock().advance(Duration::from_secs(40 * 24 * 3600));
    system.restart_signal().await.unwrap();
    bob.link_is_up().await;
    ada.send(talk.id, "weeks later").await;
    assert_eq!(bob.next_texts(1).await, ["weeks later"]);
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_renewal_logs_nobody_out() {
    let system = System::builder().fetch_proxy().start().await.unwrap();
    let ada = device(&system, "ada").await;
    for _ in 0..5 {
        system.clock().advance(Duration::from_secs(20 * 60));
        // The first answer says that the token expired, the second is the renewal's.
        let before = system.fetch_proxy().to_client().carried();
        let _ = ada.client.devices().await.unwrap();
        let took = system.fetch_proxy().to_client().carried() - before;
        system.clock().advance(Duration::from_secs(20 * 60));
        system.fetch_proxy().to_client().cut_after(took / 2);
        assert_eq!(ada.client.devices().await.unwrap().len(), 1);
    }
    ada.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_a_revoked_device_loses_its_link_at_once_and_its_requests() {
    let system = System::builder().start().await.unwrap();
    let (mut phone, laptop) = (device(&system, "ada").await, device(&system, "ada").await);
    phone.link_is_up().await;
    let devices = laptop.client.devices().await.unwrap();
    let other = devices.iter().find(|device| !device.is_current).unwrap();
    laptop.client.revoke_device(other.id).await.unwrap();
    let ended = phone.expect(|event| match event {
        Event::Link(LinkState::Ended(code)) => Some(code),
        _ => None,
    });
    assert_eq!(ended.await, CloseCode::Revoked);
    let error = phone.client.devices().await.unwrap_err();
    assert!(error.is_session_over(), "{error}");
    // The folder can become a new device of the same account.
    phone.client.log_out().await.unwrap();
    phone.client.log_in("ada", PASSWORD).await.unwrap();
    until(async || phone.client.link() == Some(LinkState::Up)).await;
    assert_eq!(phone.client.devices().await.unwrap().len(), 2);
    phone.client.close().await;
    laptop.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_with_one_devices_state_do_not_fight() {
    let system = System::builder().start().await.unwrap();
    let mut first = device(&system, "ada").await;
    first.link_is_up().await;
    let copy = super::state::copy_of(&first);
    let second = Client::open(config(&system, copy.path())).await.unwrap();
    let ended = first.expect(|event| match event {
        Event::Link(LinkState::Ended(code)) => Some(code),
        _ => None,
    });
    assert_eq!(ended.await, CloseCode::Replaced);
    until(async || second.link() == Some(LinkState::Up)).await;
    second.close().await;
    first.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_is_followed_at_once_although_the_inbox_was_tried_in_vain_before() {
    let system = System::builder().start().await.unwrap();
    let ada = device(&system, "ada").await;
    let bob = device(&system, "bob").await;
    let folder = tempfile::tempdir().unwrap();
    let an_hour = Duration::from_secs(3600);
    let patient =
        ClientConfig { retry_min: an_hour, retry_max: an_hour, ..config(&system, folder.path()) };
    let client = Client::open(patient).await.unwrap();
    let events = client.events();
    // The first attempt, with nobody logged in, has failed by the end of this.
    client.find_user("ada").await.unwrap_err();
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.log_in("bob", PASSWORD).await.unwrap();
    let mut tablet = Device { client, events, folder };
    let talk = ada.direct_with("bob").await;
    ada.send(talk.id, "welcome").await;
    assert_eq!(tablet.next_texts(1).await, ["welcome"]);
    for client in [ada.client, bob.client, tablet.client] {
        client.close().await;
    }
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_for_one_account() {
    let system = System::builder().start().await.unwrap();
    let (ada, bob) = (device(&system, "ada").await, device(&system, "bob").await);
    let error = ada.client.log_in("bob", PASSWORD).await.unwrap_err();
    assert!(matches!(error, Error::OtherAccount { .. }), "{error}");
    let error = bob.client.log_in("bob", "not the password").await.unwrap_err();
    assert_eq!(error.code().map(|code| code.as_str()), Some("credentials_invalid"));
    ada.client.close().await;
    bob.client.close().await;
    system.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_logged_in_with_a_new_folder() {
    let system = System::builder().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let client = Client::open(config(&system, folder.path())).await.unwrap();
    assert_eq!(client.user().await.unwrap(), None);
    assert!(matches!(client.conversations().await, Err(Error::LoggedOut)));
    let sent = client.send_text(nudge_client_sdk::ConversationId::random(), "hello").await;
    assert!(matches!(sent, Err(Error::LoggedOut)));
    client.close().await;
    system.shutdown().await;
}
