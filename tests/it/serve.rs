//! `nudge serve` as a process.

use nudge_harness::{ServerCommand, ServerProcess, system::PASSWORD};
use nudge_proto::ClientMessageId;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_nudge");

#[tokio::test]
async fn what_was_sent_survives_kill_9_and_sigterm_at_the_same_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = ServerCommand::new(BINARY, folder.path().join("data")).start().await.unwrap();
    let (before, before_pid) = (server.ready().clone(), server.pid());
    let (alice, bob) = (user(&server, "alice").await, user(&server, "bob").await);
    let conversation = alice.direct(&bob.user().id).await.unwrap();
    for round in 1..=4 {
        let id = ClientMessageId::random();
        alice.send_text(&conversation.id, id, "once").await.unwrap();
        if round % 2 == 0 {
            let status = server.terminate().await.unwrap();
            assert!(status.success(), "{status}: {}", server.output());
        } else {
            server.kill().await.unwrap();
        }
        server.restart().await.unwrap();
        alice.send_text(&conversation.id, id, "once").await.unwrap();
        let page = bob.inbox("1.0", 100).await.unwrap();
        assert_eq!(page.entries.iter().filter(|entry| entry.message.is_some()).count(), round);
    }
    let after = server.ready();
    assert_eq!(
        (&before.url, before.signal, before.fetch, before.private),
        (&after.url, after.signal, after.fetch, after.private)
    );
    assert_ne!(before_pid, server.pid());
}

#[tokio::test]
async fn a_self_signed_certificate_serves_https() {
    let folder = tempfile::tempdir().unwrap();
    let command = ServerCommand::new(BINARY, folder.path()).arguments(["--tls", "self-signed"]);
    let mut server = command.start().await.unwrap();
    assert!(server.ready().url.starts_with("https://"), "{}", server.ready().url);
    user(&server, "alice").await;
    assert!(server.terminate().await.unwrap().success());
}

#[tokio::test]
async fn a_second_server_on_the_same_data_says_so_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let _first = ServerCommand::new(BINARY, folder.path()).start().await.unwrap();
    let refused = ServerCommand::new(BINARY, folder.path()).start().await.unwrap_err();
    let said = refused.to_string();
    assert!(said.contains("exit status: 2") && said.contains("in use"), "{said}");
}

/// A new device of `handle`.
pub(crate) async fn user(server: &ServerProcess, handle: &str) -> nudge_harness::Api {
    let mut api = server.anonymous_api().unwrap();
    api.sign_up(handle, PASSWORD).await.unwrap();
    api
}
