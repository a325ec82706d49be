//! An object store that stops and comes back, under a running service.

use std::time::{Duration, Instant};

use nudge_fetch::{FetchParts, objects::ObjectsConfig};
use reqwest::{Method, StatusCode};

use super::bucket::Bucket;
use crate::support::{Service, answer, header, noise};

async fn serve(bucket: &Bucket) -> Service {
    let objects = ObjectsConfig::Remote(bucket.at("a"));
    Service::start_with(|config| config.objects = objects, FetchParts::default()).await
}

#[tokio::test]
async fn p6_an_upload_goes_on_when_the_object_store_is_back() {
    let bucket = Bucket::own();
    let service = serve(&bucket).await;
    let ada = service.user("ada").await;
    let whole = ada.upload("before.jpg", b"hello").await;
    let bytes = noise(12 << 20);
    let path = ada.create_upload(bytes.len() as u64, &[]).await;
    let first = bytes[..6 << 20].to_vec();
    assert_eq!(ada.append(&path, 0, first).send().await.unwrap().status(), 204);
    bucket.server.stop();
    let began = Instant::now();
    let response = ada.append(&path, 6 << 20, bytes[6 << 20..].to_vec()).send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(header(&response, "retry-after"), "5");
    let problem: serde_json::Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "unavailable");
    let (status, problem) = answer(ada.request(Method::GET, &format!("/v1/media/{whole}"))).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("unavailable"))
    );
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert_eq!(ada.upload_offset(&path).await, 6 << 20, "what was acknowledged");
    assert_eq!(ada.get("/v1/me").await.0, 200, "everything else goes on");
    bucket.server.start_again().unwrap();
    assert_eq!(ada.download(&whole).await, b"hello");
    let rest = bytes[6 << 20..].to_vec();
    assert_eq!(ada.append(&path, 6 << 20, rest).send().await.unwrap().status(), 204);
    let medium = path.rsplit('/').next().unwrap();
    assert!(ada.download(medium).await == bytes);
    let part = ada.request(Method::GET, &format!("/v1/media/{medium}"));
    let part = part.header("range", "bytes=5242870-5242889").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert!(part.bytes().await.unwrap() == bytes[5_242_870..5_242_890]);
}

#[tokio::test]
async fn p6_a_restart_of_the_object_store_is_waited_out() {
    let bucket = Bucket::own();
    let service = serve(&bucket).await;
    let ada = service.user("ada").await;
    let bytes = noise(6 << 20);
    let path = ada.create_upload(bytes.len() as u64, &[]).await;
    bucket.server.stop();
    let back = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        bucket.server.start_again().unwrap();
    };
    let (appended, ()) = tokio::join!(ada.append(&path, 0, bytes.clone()).send(), back);
    assert_eq!(appended.unwrap().status(), 204);
    assert!(ada.download(path.rsplit('/').next().unwrap()).await == bytes);
}
