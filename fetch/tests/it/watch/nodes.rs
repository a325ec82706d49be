//! Two nodes on one database: what happens on one is told on the other, over every bus, and without.

use std::time::Duration;

use futures::SinkExt;
use nudge_fetch::{
    FetchConfig, FetchParts,
    bus::BusConfig,
    objects::ObjectsConfig,
    store::{Database, postgres::PostgresOptions},
};
use nudge_proto::{
    CloseCode,
    watch::{Down, SessionKey, Up},
};
use nudge_test_servers::{Nats, Postgres};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Node;
use crate::support::{Service, User};

/// No sweep comes to the bus's help.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// A database, a place for media, and a way between nodes.
struct Site {
    database: Database,
    objects: TempDir,
    bus: BusConfig,
    heartbeat: Duration,
}

impl Site {
    fn new(bus: BusConfig, heartbeat: Duration) -> Self {
        let options = PostgresOptions::new(Postgres::shared().database());
        let objects = tempfile::tempdir().unwrap();
        Self { database: Database::Postgres(options), objects, bus, heartbeat }
    }

    /// Two nodes that reach each other.
    async fn pair(&self) -> (Service, Service) {
        let here = self.node(None).await;
        let there = self.node(Some(&here)).await;
        for node in [&here, &there] {
            until_bus(node, "ready").await;
        }
        (here, there)
    }

    /// A node, with a clock of its own or that of another.
    async fn node(&self, other: Option<&Service>) -> Service {
        let change = |config: &mut FetchConfig| {
            config.bus = self.bus.clone();
            config.heartbeat = self.heartbeat;
            let path = self.objects.path().to_owned();
            config.objects = ObjectsConfig::Directory { path, is_shared: true };
        };
        let clock_ms = other.map(Service::clock_ms);
        Service::start_on(self.database.clone(), clock_ms, change, FetchParts::default()).await
    }
}

async fn until_bus(node: &Service, expected: &str) {
    let url = format!("http://{}/readyz", node.fetch.private_addr());
    let is_so = async {
        loop {
            let answer = node.http.get(&url).send().await.unwrap();
            // A bus that is down is no reason to be unready.
            assert_eq!(answer.status(), 200);
            let report: Value = answer.json().await.unwrap();
            let mut all = report["dependencies"].as_array().unwrap().iter();
            let bus = all.find(|dependency| dependency["name"] == "bus").unwrap();
            if bus["status"] == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), is_so).await.expect("the bus does not change");
}

impl Node {
    async fn until_revoked(&mut self, user: &User<'_>) {
        let is_it = |down: &Down| {
            matches!(down, Down::Revoked { user_id, device_id: Some(device_id) }
                if user_id.to_string() == user.id
                    && user.session["device_id"] == json!(device_id.to_string()))
        };
        self.until(is_it).await;
    }

    async fn until_displaced(&mut self, session: SessionKey, code: CloseCode) {
        let is_it = |down: &Down| *down == Down::Displaced { session, code };
        self.until(is_it).await;
    }
}

/// What is told at once: a message, typing, a newer connection, a revocation.
async fn everything_is_told_on_the_other_node(bus: BusConfig) {
    let site = Site::new(bus, NEVER);
    let (here, there) = site.pair().await;
    let (ada, bob) = (here.user("ada").await, here.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let mut node = Node::open(&there).await;
    node.hold_first(&bob, 1).await;

    ada.send(&conversation, "hello").await;
    node.until_head(&bob, 1).await;

    let typing = format!("/v1/conversations/{conversation}/typing");
    assert_eq!(ada.send_json(Method::POST, &typing, json!({})).await.0, 204);
    node.until(|down| matches!(down, Down::Typing { .. })).await;

    let mut other = Node::open(&here).await;
    other.hold(&bob, 1, 7, 2).await;
    node.until_displaced(1, CloseCode::Superseded).await;
    node.up.send(vec![Up::Drop { session: 1 }]).await.unwrap();

    let laptop = there.log_in("bob").await;
    node.hold(&laptop, 2, 9, 1).await;
    node.until(|down| matches!(down, Down::Held { session: 2, .. })).await;
    let path = format!("/v1/devices/{}", laptop.session["device_id"].as_str().unwrap());
    assert_eq!(bob.send_json(Method::DELETE, &path, json!({})).await.0, 204);
    node.until_revoked(&laptop).await;
    let (status, problem) = laptop.get("/v1/inbox").await;
    assert_eq!((status.as_u16(), &problem["code"]), (401, &json!("device_revoked")));
    here.fetch.shutdown().await;
    there.fetch.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_over_the_database_everything_is_told_on_the_other_node() {
    everything_is_told_on_the_other_node(BusConfig::Store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_over_nats_everything_is_told_on_the_other_node() {
    let nats = Nats::start().unwrap();
    everything_is_told_on_the_other_node(nats.url().parse().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_p8_without_nats_everything_is_told_within_a_heartbeat_and_at_once_when_it_is_back() {
    let nats = Nats::start().unwrap();
    let site = Site::new(nats.url().parse().unwrap(), Duration::from_secs(1));
    let (here, there) = site.pair().await;
    let (ada, bob) = (here.user("ada").await, here.user("bob").await);
    let conversation = ada.direct(&bob).await;
    let laptop = there.log_in("bob").await;
    let mut node = Node::open(&there).await;
    node.hold_first(&bob, 1).await;
    node.hold(&laptop, 2, 9, 1).await;
    node.until(|down| matches!(down, Down::Held { session: 2, .. })).await;

    nats.stop();
    for service in [&here, &there] {
        until_bus(service, "degraded").await;
    }
    ada.send(&conversation, "is anybody there").await;
    node.until_head(&bob, 1).await;
    let path = format!("/v1/devices/{}", laptop.session["device_id"].as_str().unwrap());
    assert_eq!(bob.send_json(Method::DELETE, &path, json!({})).await.0, 204);
    node.until_revoked(&laptop).await;
    let (status, _) = laptop.get("/v1/inbox").await;
    assert_eq!(status, 401);

    nats.start_again().unwrap();
    for service in [&here, &there] {
        until_bus(service, "ready").await;
    }
    ada.send(&conversation, "there you are").await;
    node.until_head(&bob, 2).await;
    here.fetch.shutdown().await;
    there.fetch.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_signed_by_a_key_that_was_just_made_is_taken_by_every_node_without_a_bus() {
    // Nobody is there.
    let site = Site::new("nats://127.0.0.1:1".parse().unwrap(), NEVER);
    let here = site.node(None).await;
    here.user("ada").await;
    let mut node = Node::open(&here).await;
    let Down::Keys(before) = node.next().await else { panic!("no keys") };
    // A month in which nobody read the keys: whoever does now makes new ones, and they make at once.
    here.advance_s(40 * 24 * 3600);
    let there = site.node(Some(&here)).await;
    let ada = there.log_in("ada").await;
    let (status, _) = here.again(ada.session.clone()).get("/v1/me").await;
    assert_eq!(status, 200);
    let Down::Keys(after) = node.next().await else { panic!("no keys") };
    assert_ne!(before, after, "signal checks tickets of the new key, too");
    here.fetch.shutdown().await;
    there.fetch.shutdown().await;
}
