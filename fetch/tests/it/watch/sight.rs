//! A hub whose store does not answer.

use std::time::Duration;

use futures::{SinkExt, StreamExt, stream};
use nudge_fetch::{
    FetchConfig, FetchParts,
    store::{Database, postgres::PostgresOptions},
};
use nudge_proto::{
    Epoch, InboxSeq,
    watch::{Down, Generation, Hold, Known, Up, WatchError},
};
use nudge_test_servers::{Postgres, PostgresOptions as ServerOptions};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{Node, hello};
use crate::support::Service;

const HEARTBEAT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_a_node_that_cannot_read_its_store_sends_signal_away_within_a_heartbeat() {
    let server = Postgres::start(ServerOptions::default()).unwrap();
    let database = Database::Postgres(PostgresOptions::new(server.database()));
    let change = |config: &mut FetchConfig| config.heartbeat = HEARTBEAT;
    let service = Service::start_on(database, None, change, FetchParts::default()).await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let mut node = Node::open(&service).await;
    node.hold_first(&bob, 1).await;

    // As it looks from a node that the network cuts off from its database.
    server.freeze();
    let why = timeout(HEARTBEAT, ended(&mut node)).await.expect("its heads are believed");
    assert!(matches!(why, Some(WatchError::Unavailable(_))), "{why:?}");
    let again = timeout(HEARTBEAT, service.fetch.watch().open(stream::pending().boxed())).await;
    let refused = again.expect("it does not say").map(drop).unwrap_err();
    assert!(matches!(refused, WatchError::Unavailable(_)), "{refused}");
    assert_eq!(service.fetch.hub().held_sessions(), 0);

    server.thaw();
    let mut node = timeout(HEARTBEAT, opened(&service)).await.expect("it stays blind");
    node.hold_first(&bob, 1).await;
    ada.send(&conversation, "do you see me").await;
    node.until_head(&bob, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_for_a_moment_costs_no_stream() {
    let server = Postgres::start(ServerOptions::default()).unwrap();
    let database = Database::Postgres(PostgresOptions::new(server.database()));
    let change = |config: &mut FetchConfig| config.heartbeat = 6 * HEARTBEAT;
    let service = Service::start_on(database, None, change, FetchParts::default()).await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let mut node = Node::open(&service).await;
    node.hold_first(&bob, 1).await;
    server.stop_immediate();
    server.start_again().unwrap();
    // Whoever sends asks again, as an outbox does.
    while ada.send_as(&conversation, Uuid::nil(), "still there").await.0.is_server_error() {
        sleep(Duration::from_millis(100)).await;
    }
    node.until_head(&bob, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_stand_are_not_ended_by_a_node_that_cannot_read_its_store() {
    let server = Postgres::start(ServerOptions::default()).unwrap();
    let database = Database::Postgres(PostgresOptions::new(server.database()));
    let change = |config: &mut FetchConfig| config.heartbeat = HEARTBEAT;
    let service = Service::start_on(database, None, change, FetchParts::default()).await;
    let bob = service.user("bob").await;
    let mut node = Node::open(&service).await;
    server.freeze();
    // Its node came from another one, and says what it was told there.
    let known = Some(Known { generation: Generation(1), epoch: Epoch(1), head: InboxSeq(0) });
    node.up.send(vec![Up::Hold(Hold { known, ..hello(&bob, 1) })]).await.unwrap();
    let mut told = Vec::new();
    while let Some(Ok(batch)) = timeout(HEARTBEAT, node.down.next()).await.unwrap() {
        told.extend(batch);
    }
    assert!(matches!(told[..], [Down::Keys(_)]), "{told:?}");
    server.thaw();
}

/// Why the stream ended.
async fn ended(node: &mut Node) -> Option<WatchError> {
    while let Some(batch) = node.down.next().await {
        if let Err(why) = batch {
            return Some(why);
        }
    }
    None
}

/// A stream, once one is taken.
async fn opened(service: &Service) -> Node {
    while service.fetch.watch().open(stream::empty().boxed()).await.is_err() {
        sleep(Duration::from_millis(50)).await;
    }
    Node::open(service).await
}
