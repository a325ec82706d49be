//! P1 in system calls: what is answered with success is on disk by then.

use std::{fs, path::Path};

use bytes::Bytes;
use futures::future::join_all;
use nudge_harness::{
    ServerCommand, ServerProcess, Trace,
    trace::{Broken, HowBroken, Promise, STRACE, Step},
};
use nudge_proto::{ClientMessageId, RequestId};

use crate::serve::{BINARY, user};

const SENDERS: usize = 4;
const SENDS_EACH: usize = 10;
const CHUNKS: u64 = 5;
const CHUNK_BYTES: u64 = 50_000;
const LOG: &str = "nudge.db-wal";

#[tokio::test]
async fn p1_each_success_of_a_send_or_a_chunk_comes_after_the_sync_that_covers_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = traced(folder.path()).start().await.unwrap();
    let mut promises = send(&server).await;
    promises.extend(upload(&server).await);
    let broken = check(&mut server, folder.path(), &promises).await;
    assert!(broken.is_empty(), "{broken:#?}");
    assert_eq!(promises.len(), SENDERS * SENDS_EACH + CHUNKS as usize);
}

#[tokio::test]
async fn p1_without_syncing_each_success_is_found_to_break_the_promise() {
    let folder = tempfile::tempdir().unwrap();
    let unsafe_flags = ["--sqlite-synchronous", "off", "--allow-unsafe-durability"];
    let mut server = traced(folder.path()).arguments(unsafe_flags).start().await.unwrap();
    let mut promises = send(&server).await;
    promises.extend(upload(&server).await);
    let broken = check(&mut server, folder.path(), &promises).await;
    let not_synced = HowBroken::NotSynced { file: LOG.to_owned() };
    let how: Vec<_> = broken.iter().map(|broken| &broken.how).collect();
    assert_eq!(how, vec![&not_synced; promises.len()]);
}

#[tokio::test]
async fn p1_a_server_does_not_start_without_syncing_unless_it_is_told_twice() {
    let folder = tempfile::tempdir().unwrap();
    let command = ServerCommand::new(BINARY, folder.path());
    let refused = command.arguments(["--sqlite-synchronous", "off"]).start().await.unwrap_err();
    let said = refused.to_string();
    assert!(said.contains("exit status: 2"), "{said}");
    assert!(said.contains("synchronous=0") && said.contains("--allow-unsafe-durability"), "{said}");
}

/// Concurrent senders, so that commits are shared.
async fn send(server: &ServerProcess) -> Vec<Promise> {
    let (alice, bob) = (user(server, "alice").await, user(server, "bob").await);
    let conversation = alice.direct(&bob.user().id).await.unwrap().id;
    let senders = (0..SENDERS).map(async |sender| {
        let mut promises = Vec::new();
        for number in 0..SENDS_EACH {
            let (id, words) = (ClientMessageId::random(), format!("words {sender} of {number}"));
            alice.send_text(&conversation, id, &words).await.unwrap();
            promises.push(Promise {
                request: format!("PUT /v1/conversations/{conversation}/messages/{id} "),
                steps: vec![Step { file: LOG.to_owned(), content: Some(words) }],
            });
        }
        promises
    });
    join_all(senders).await.concat()
}

async fn upload(server: &ServerProcess) -> Vec<Promise> {
    let api = user(server, "uploader").await;
    let mut promises = Vec::new();
    // One upload per chunk, so that each has a request of its own to be found by.
    for number in 0..CHUNKS {
        let id = api.create_upload(RequestId::random(), 2 * CHUNK_BYTES).await.unwrap();
        let words = format!("chunk {number}:");
        let mut chunk = words.clone().into_bytes();
        chunk.resize(CHUNK_BYTES as usize, b'.');
        api.append_upload(&id, 0, Bytes::from(chunk)).await.unwrap();
        promises.push(Promise {
            request: format!("PATCH /v1/uploads/{id} "),
            steps: vec![
                Step { file: format!("/uploads/{id}/"), content: Some(words) },
                Step { file: LOG.to_owned(), content: None },
            ],
        });
    }
    promises
}

fn traced(folder: &Path) -> ServerCommand {
    let trace = folder.join("trace").display().to_string();
    let wrapper = STRACE.iter().map(ToString::to_string).chain(["-o".to_owned(), trace]);
    ServerCommand::new(BINARY, folder.join("data")).under(wrapper)
}

async fn check(server: &mut ServerProcess, folder: &Path, promises: &[Promise]) -> Vec<Broken> {
    let status = server.terminate().await.unwrap();
    assert!(status.success(), "{status}: {}", server.output());
    let trace = Trace::parse(&fs::read_to_string(folder.join("trace")).unwrap());
    promises.iter().filter_map(|promise| trace.check(promise).err()).collect()
}
