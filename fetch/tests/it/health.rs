//! Whether a node can serve, and what it lacks.

use nudge_fetch::{
    FetchConfig, FetchParts,
    store::{
        Database,
        postgres::{Failover, PostgresOptions},
    },
};
use nudge_test_servers::Postgres;
use serde_json::{Value, json};

use crate::support::{Service, answer};

async fn private(service: &Service) -> (u16, Value) {
    let url = format!("http://{}/readyz", service.fetch.private_addr());
    let (status, report) = answer(service.http.get(url)).await;
    (status.as_u16(), report)
}

async fn public(service: &Service, path: &str) -> u16 {
    service.http.get(service.url(path)).send().await.unwrap().status().as_u16()
}

fn dependency<'r>(report: &'r Value, name: &str) -> &'r Value {
    let dependencies = report["dependencies"].as_array().unwrap();
    dependencies.iter().find(|dependency| dependency["name"] == json!(name)).unwrap()
}

#[tokio::test]
async fn a_node_that_has_all_it_needs_is_ready() {
    let service = Service::start().await;
    let (status, report) = private(&service).await;
    assert_eq!((status, &report["status"]), (200, &json!("ready")), "{report}");
    for name in ["store", "objects", "bus", "keys", "watch"] {
        assert_eq!(dependency(&report, name)["status"], "ready", "{report}");
    }
    assert_eq!((public(&service, "/readyz").await, public(&service, "/healthz").await), (200, 200));
}

#[tokio::test]
async fn a_node_without_its_media_serves_the_rest_and_says_so_to_the_operator() {
    let service = Service::start().await;
    std::fs::remove_dir_all(service.folder().join("objects")).unwrap();
    let (status, report) = private(&service).await;
    assert_eq!((status, &report["status"]), (200, &json!("degraded")), "{report}");
    assert_eq!(dependency(&report, "objects")["status"], "degraded");
    assert_eq!(dependency(&report, "store")["status"], "ready");
    let told = service.http.get(service.url("/readyz")).send().await.unwrap();
    assert_eq!((told.status().as_u16(), told.text().await.unwrap()), (200, "ready\n".to_owned()));
}

#[tokio::test]
async fn p7_a_draining_node_is_not_ready_and_goes_on_serving() {
    let service = Service::start().await;
    service.fetch.drain();
    let (status, report) = private(&service).await;
    assert_eq!((status, &report["draining"]), (503, &json!(true)), "{report}");
    assert_eq!((public(&service, "/readyz").await, public(&service, "/healthz").await), (503, 200));
    let ada = service.user("ada").await;
    assert_eq!(ada.get("/v1/me").await.0, 200);
}

#[tokio::test]
async fn p1_a_database_that_is_said_to_have_a_standby_and_names_none_is_told_to_the_operator() {
    let failover = Failover::Synchronous;
    let options =
        PostgresOptions { failover, ..PostgresOptions::new(Postgres::shared().database()) };
    let use_it = |config: &mut FetchConfig| config.database = Database::Postgres(options);
    let service = Service::start_with(use_it, FetchParts::default()).await;
    let (status, report) = private(&service).await;
    assert_eq!((status, &report["status"]), (200, &json!("degraded")), "{report}");
    let standby = dependency(&report, "standby");
    assert!(standby["detail"].as_str().unwrap().contains("synchronous_standby_names"), "{report}");
    service.fetch.shutdown().await;
}
