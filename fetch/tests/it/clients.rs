//! Clients that people have: each downloads with a grant, from a real service.

use std::{
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use nudge_fetch::FetchParts;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{process::Command, time::timeout};
use uuid::Uuid;

use crate::support::{Service, User, base64, noise, self_signed, text};

/// Within this time every program is done.
const PATIENCE: Duration = Duration::from_secs(120);

/// A medium that Ada sent to Bob: its URL, and the header by which he may read it.
async fn sent(service: &Service, name: &str, bytes: &[u8]) -> (String, String) {
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let medium = ada.upload(name, bytes).await;
    send_medium(&ada, &bob, &medium).await;
    let token = text(&bob.session["access_token"]);
    let url = service.url(&format!("/v1/media/{medium}"));
    (url, format!("Authorization: Bearer {token}"))
}

async fn send_medium(from: &User<'_>, to: &User<'_>, medium: &str) {
    let path = format!("/v1/conversations/{}/messages/{}", from.direct(to).await, Uuid::new_v4());
    let body = json!({
        "content_type": "text/plain", "body": base64("look"), "media_ids": [medium],
    });
    let (status, sent) = from.send_json(Method::PUT, &path, body).await;
    assert_eq!(status, 201, "{sent}");
}

/// A program that goes straight to the service, whatever the machine is set up for.
fn program(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(name);
    command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        command.env_remove(proxy);
    }
    command
}

async fn output(mut command: Command) -> Output {
    let name = command.as_std().get_program().to_owned();
    let output = timeout(PATIENCE, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{name:?} is not done within {PATIENCE:?}"));
    output.unwrap_or_else(|error| panic!("{name:?}: {error}: scripts/test installs it"))
}

/// What it wrote, when it succeeded.
async fn success(command: Command) -> Vec<u8> {
    let output = output(command).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stdout));
    output.stdout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_wget_resumes_a_download_that_was_cut() {
    let service = Service::start().await;
    let bytes = noise(3 << 20);
    let (url, bearer) = sent(&service, "photo.jpg", &bytes).await;
    for cut in [0, 1, 1 << 20, bytes.len() - 1, bytes.len()] {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join(url.rsplit('/').next().unwrap());
        if cut > 0 {
            std::fs::write(&part, &bytes[..cut]).unwrap();
        }
        let mut wget = program("wget", folder.path());
        wget.args(["--continue", "--no-verbose", "--tries=1", "--header", &bearer, &url]);
        success(wget).await;
        assert!(std::fs::read(&part).unwrap() == bytes, "cut at {cut}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_aria2c_with_eight_connections_is_killed_and_resumes() {
    let service = Service::start().await;
    let bytes = noise(24 << 20);
    let (url, bearer) = sent(&service, "film.mp4", &bytes).await;
    let folder = tempfile::tempdir().unwrap();
    let aria2c = || {
        let mut aria2c = program("aria2c", folder.path());
        aria2c.args(["--no-conf", "--quiet", "--continue", "-x8", "-s8", "-k1M", "-o", "film"]);
        aria2c.args(["--file-allocation=none", "--auto-save-interval=1", "--header", &bearer]);
        aria2c.arg(&url).stdout(Stdio::null()).stderr(Stdio::null());
        aria2c
    };
    let control = folder.path().join("film.aria2");
    let mut slow = aria2c();
    slow.arg("--max-overall-download-limit=4M");
    let mut slow =
        slow.spawn().unwrap_or_else(|error| panic!("aria2c: {error}: scripts/test installs it"));
    // Its notes on what it has, once a second.
    let noted = async {
        let mut turns = tokio::time::interval(Duration::from_millis(20));
        while !control.exists() {
            turns.tick().await;
        }
    };
    timeout(PATIENCE, noted).await.unwrap();
    slow.kill().await.unwrap();
    assert!(control.exists(), "it was killed before it was done");
    success(aria2c()).await;
    assert!(std::fs::read(folder.path().join("film")).unwrap() == bytes);
    assert!(!control.exists());
}

/// Twenty seconds of a test picture; what tells where what is lies at the end of the file, so that a
/// player must seek before it can play.
async fn film(folder: &Path) -> Vec<u8> {
    let mut ffmpeg = program("ffmpeg", folder);
    ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", "testsrc=duration=20:size=320x240:rate=10"]);
    ffmpeg.args(["-c:v", "mpeg4", "-q:v", "2", "-g", "10", "film.mp4"]);
    success(ffmpeg).await;
    std::fs::read(folder.join("film.mp4")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffprobe_reads_and_ffmpeg_seeks_a_film_over_http() {
    let service = Service::start().await;
    let folder = tempfile::tempdir().unwrap();
    let bytes = film(folder.path()).await;
    let (url, bearer) = sent(&service, "film.mp4", &bytes).await;
    let bearer = format!("{bearer}\r\n");
    let mut ffprobe = program("ffprobe", folder.path());
    ffprobe.args(["-v", "error", "-headers", &bearer, "-show_format", "-of", "json", &url]);
    let told: Value = serde_json::from_slice(&success(ffprobe).await).unwrap();
    assert_eq!(told["format"]["size"], bytes.len().to_string());
    assert_eq!(told["format"]["duration"], "20.000000");
    // The same pictures over HTTP as from the file, from the start and after a jump.
    for at in ["0", "3.5", "17"] {
        let pictures = async |source: &str, headers: &[&str]| {
            let mut ffmpeg = program("ffmpeg", folder.path());
            ffmpeg.args(["-v", "error"]).args(headers).args(["-ss", at, "-i", source]);
            ffmpeg.args(["-frames:v", "5", "-f", "framemd5", "-"]);
            success(ffmpeg).await
        };
        let played = pictures(&url, &["-headers", &bearer]).await;
        assert!(played.len() > 100, "there are pictures at {at}");
        assert_eq!(played, pictures("film.mp4", &[]).await, "at {at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2load_over_tls_gets_every_byte_of_every_range() {
    let (tls, trusted) = self_signed();
    let mut service =
        Service::start_with(|config| config.tls = Some(tls), FetchParts::default()).await;
    service.http = reqwest::Client::builder().tls_certs_only([trusted]).build().unwrap();
    let (url, bearer) = sent(&service, "film.mp4", &noise(1 << 20)).await;
    let folder = tempfile::tempdir().unwrap();
    for protocol in ["h2", "http/1.1"] {
        let mut h2load = program("h2load", folder.path());
        h2load.args(["-n", "200", "-c", "4", "-m", "8"]);
        if protocol == "http/1.1" {
            h2load.arg("--h1");
        }
        h2load.args(["-H", &bearer, "-H", "Range: bytes=1000-263143", &url]);
        let said = String::from_utf8(success(h2load).await).unwrap();
        assert!(said.contains(" 200 succeeded, 0 failed, 0 errored"), "{said}");
        assert!(said.contains(&format!("Application protocol: {protocol}")), "{said}");
        let (before, _) = said.split_once(") data").unwrap();
        let data: u64 = before.rsplit_once('(').unwrap().1.parse().unwrap();
        assert_eq!(data, 200 * 262_144, "{said}");
    }
}
