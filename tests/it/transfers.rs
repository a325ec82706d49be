//! P6: a large file, cut and its server killed again and again, in both directions.

use std::{path::Path, time::Duration};

use nudge_client_sdk::{Client, ClientConfig, Downloaded, Medium, NewAccount, UpdateKind};
use nudge_harness::{FaultProxy, ServerCommand, ServerProcess};
use nudge_proto::limits::PART_BYTES;
use tokio::time::{sleep, timeout};

use crate::program::NUDGE;

/// Of the file, in bytes: twelve parts and a half.
const SIZE: usize = 104 * 1024 * 1024 + 12_345;
/// What the proxy lets through per second and connection, so that there is time to cut.
const BYTES_PER_SECOND: u64 = 60 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_large_file_arrives_although_its_transfers_are_cut_and_its_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(folder.path()).await;
    let (ada, bob) =
        (rig.client(folder.path(), "ada").await, rig.client(folder.path(), "bob").await);
    let path = folder.path().join("archive.tar");
    let mut bytes = vec![0; SIZE];
    fastrand::Rng::with_seed(7).fill(&mut bytes);
    std::fs::write(&path, &bytes).unwrap();
    rig.proxy.to_server().throttle(BYTES_PER_SECOND);
    rig.proxy.to_client().throttle(BYTES_PER_SECOND);

    let bob_id = ada.find_user("bob").await.unwrap().id;
    let talk = ada.direct(bob_id).await.unwrap();
    let before = rig.proxy.to_server().carried();
    let message = ada.send_file(talk.id, &path, "the archive").await.unwrap();
    let interruptions = rig.interrupt_while(async || ada.outcome(message).await.unwrap().is_none());
    let interruptions = timeout(PATIENCE, interruptions).await.expect("the upload did not end");
    ada.sent(message).await.unwrap();
    let carried = rig.proxy.to_server().carried() - before;
    println!("upload: {interruptions} interruptions, {carried} bytes for {SIZE}");
    assert!(interruptions >= 5);
    assert!(carried <= SIZE as u64 + interruptions * PART_BYTES);

    let medium = received_medium(&bob).await;
    let target = folder.path().join(medium.safe_file_name() + ".received");
    let mut download = bob.download(&medium, &target);
    let interruptions = rig.interrupt_while(async || download.progress().bytes_done < SIZE as u64);
    let interruptions = timeout(PATIENCE, interruptions).await.expect("the download did not end");
    let Downloaded { bytes_fetched, .. } = download.finished().await.unwrap();
    println!("download: {interruptions} interruptions, {bytes_fetched} bytes for {SIZE}");
    assert!(interruptions >= 5);
    assert!(bytes_fetched <= SIZE as u64 + interruptions * PART_BYTES);
    assert!(std::fs::read(target).unwrap() == bytes, "what arrived is not what was sent");
    ada.close().await;
    bob.close().await;
    assert!(rig.server.terminate().await.unwrap().success());
}

/// A server in a process of its own, reached through a proxy.
struct Rig {
    server: ServerProcess,
    proxy: FaultProxy,
}

impl Rig {
    async fn start(folder: &Path) -> Self {
        let server = ServerCommand::new(NUDGE, folder.join("data")).start().await.unwrap();
        let address = server.ready().fetch;
        Self { server, proxy: FaultProxy::start(address).await.unwrap() }
    }

    async fn client(&self, folder: &Path, handle: &str) -> Client {
        let config = ClientConfig {
            retry_min: Duration::from_millis(20),
            retry_max: Duration::from_millis(200),
            ..ClientConfig::new(format!("http://{}", self.proxy.address()), folder.join(handle))
        };
        let client = Client::open(config).await.unwrap();
        let account = NewAccount {
            handle: handle.to_owned(),
            password: "correct horse".to_owned(),
            display_name: String::new(),
            invite: None,
        };
        client.register(account).await.unwrap();
        client.log_in(handle, "correct horse").await.unwrap();
        client
    }

    /// Cuts the connections, or kills the server, at random, as long as `is_on`; returns how often.
    async fn interrupt_while(&mut self, is_on: impl AsyncFn() -> bool) -> u64 {
        let mut interruptions = 0;
        while is_on().await {
            sleep(Duration::from_millis(fastrand::u64(50..350))).await;
            if interruptions % 3 == 2 {
                self.server.kill().await.unwrap();
                self.server.restart().await.unwrap();
            } else {
                self.proxy.cut();
            }
            interruptions += 1;
        }
        interruptions
    }
}

async fn received_medium(client: &Client) -> Medium {
    let mut events = client.events();
    loop {
        let event = timeout(PATIENCE, events.next()).await.expect("nothing came").unwrap();
        if let Some(nudge_client_sdk::Event::Update(update)) = event
            && let UpdateKind::Message(message) = update.kind
        {
            return message.media[0].clone();
        }
    }
}
