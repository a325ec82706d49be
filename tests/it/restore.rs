//! A server that is restored from a backup, and an app that had more than that.

use std::{path::Path, time::Duration};

use nudge_client_sdk::{Client, ClientConfig, Event, Events, NewAccount, ResyncReason, UpdateKind};
use nudge_harness::{ServerCommand, ServerProcess};
use tokio::time::timeout;

use crate::program::{NUDGE, nudge, text};

const PASSWORD: &str = "correct horse";

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_and_a_new_epoch_an_app_reads_again_and_is_told_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = ServerCommand::new(NUDGE, &data).start().await.unwrap();
    let ada = client(&server, folder.path(), "ada").await;
    let bob = client(&server, folder.path(), "bob").await;
    let bob_id = ada.find_user("bob").await.unwrap().id;
    let talk = ada.direct(bob_id).await.unwrap().id;
    let mut events = bob.events();
    let send = async |words: &str| {
        let message = ada.send_text(talk, words).await.unwrap();
        ada.sent(message).await.unwrap()
    };
    send("before the backup").await;
    assert_eq!(next(&bob, &mut events).await, Told::Text("before the backup".to_owned()));
    server.kill().await.unwrap();
    copy(&data, &folder.path().join("backup"));
    server.restart().await.unwrap();
    send("lost with the disk").await;
    assert_eq!(next(&bob, &mut events).await, Told::Text("lost with the disk".to_owned()));

    server.kill().await.unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&folder.path().join("backup"), &data);
    let new_epoch = nudge(["admin", "new-epoch", "--data-dir", text(&data)]).output().unwrap();
    assert!(new_epoch.status.success(), "{new_epoch:?}");
    server.restart().await.unwrap();

    // Its inbox begins anew: the message that it has is known by its id.
    assert_eq!(next(&bob, &mut events).await, Told::Resynced(ResyncReason::NewEpoch));
    send("after the restore").await;
    assert_eq!(next(&bob, &mut events).await, Told::Text("after the restore".to_owned()));
    ada.close().await;
    bob.close().await;
    assert!(server.terminate().await.unwrap().success());
}

#[test]
fn a_new_epoch_needs_a_stopped_server_and_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let missing = nudge(["admin", "new-epoch", "--data-dir", text(&folder.path().join("none"))]);
    let output = { missing }.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!folder.path().join("none").exists());
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Text(String),
    Resynced(ResyncReason),
}

async fn next(client: &Client, events: &mut Events) -> Told {
    loop {
        let event = timeout(Duration::from_secs(60), events.next()).await.expect("nothing came");
        let Some(Event::Update(update)) = event.unwrap() else { continue };
        client.confirm(update.position).await.unwrap();
        if let UpdateKind::Message(message) = &update.kind {
            return Told::Text(message.text().unwrap().to_owned());
        }
        if let UpdateKind::Resynced(reason) = update.kind {
            return Told::Resynced(reason);
        }
    }
}

async fn client(server: &ServerProcess, folder: &Path, handle: &str) -> Client {
    let config = ClientConfig {
        retry_max: Duration::from_millis(300),
        ..ClientConfig::new(&server.ready().url, folder.join(handle))
    };
    let client = Client::open(config).await.unwrap();
    let account = NewAccount {
        handle: handle.to_owned(),
        password: PASSWORD.to_owned(),
        display_name: String::new(),
        invite: None,
    };
    client.register(account).await.unwrap();
    client.log_in(handle, PASSWORD).await.unwrap();
    client
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(status.success());
}
