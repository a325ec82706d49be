//! A large medium takes little memory on its way in and out.

use std::{
    fs,
    process::{Command, Stdio},
};

use bytes::Bytes;
use futures::StreamExt;
use nudge_fetch::{FetchParts, objects::ObjectsConfig};
use reqwest::{Body, Method};
use sha2::{Digest, Sha256};

use super::bucket::Bucket;
use crate::support::{Service, User, noise};

const MIB: usize = 1 << 20;
/// Of the medium.
const SIZE: usize = 100 * MIB;
/// What the process, server and client in one, may grow by.
const GROWTH_MAX: u64 = 40 * MIB as u64;

#[test]
fn p5_a_hundred_mebibytes_go_in_and_out_through_a_few() {
    if std::env::var_os(CHILD).is_some() {
        return tokio::runtime::Runtime::new().unwrap().block_on(measure());
    }
    // In a process where nothing else is tested meanwhile.
    let name = "remote::memory::p5_a_hundred_mebibytes_go_in_and_out_through_a_few";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("grew by"), "{said}");
}

#[expect(clippy::print_stdout, reason = "the test that started this process reads it")]
async fn measure() {
    let bucket = Bucket::own();
    let objects = ObjectsConfig::Remote(bucket.at("memory"));
    let service =
        Service::start_with(|config| config.objects = objects, FetchParts::default()).await;
    let ada = service.user("ada").await;
    transfer(&ada, 12 * MIB).await;
    let before = resident("VmRSS");
    fs::write("/proc/self/clear_refs", "5").unwrap();
    transfer(&ada, SIZE).await;
    let growth = resident("VmHWM").saturating_sub(before);
    println!("grew by {} KiB over {} KiB", growth / 1024, before / 1024);
    assert!(growth < GROWTH_MAX, "{growth} bytes");
}

async fn transfer(ada: &User<'_>, size: usize) {
    let chunk = Bytes::from(noise(64 * 1024));
    let count = size / chunk.len();
    let mut sent = Sha256::new();
    (0..count).for_each(|_| sent.update(&chunk));
    let path = ada.create_upload(size as u64, &[]).await;
    let body = futures::stream::repeat(chunk).take(count).map(Ok::<_, std::io::Error>);
    let request = ada.append(&path, 0, Body::wrap_stream(body));
    assert_eq!(request.send().await.unwrap().status(), 204);
    let medium = path.replace("/v1/uploads", "/v1/media");
    let response = ada.request(Method::GET, &medium).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut received = Sha256::new();
    let mut body = response.bytes_stream();
    while let Some(bytes) = body.next().await {
        received.update(bytes.unwrap());
    }
    assert_eq!(received.finalize(), sent.finalize());
}

/// A size of this process, in bytes.
fn resident(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Says that this is the process to measure.
const CHILD: &str = "NUDGE_TEST_MEMORY_CHILD";
