//! Downloads, to the letter of RFC 9110.

mod broken;
mod conformance;
mod digests;
mod links;
mod several;

use std::process::Command;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, Response};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Service, User, header, noise, sha256_hex};

async fn get(user: &User<'_>, medium: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = user.request(Method::GET, &format!("/v1/media/{medium}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn p6_a_medium_tells_its_digest_and_never_changes() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(1000);
    let medium = ada.upload("süße photo/../x.jpg", &bytes).await;
    let response = get(&ada, &medium, &[]).await;
    assert_eq!(response.status(), 200);
    let digest = hex::decode(sha256_hex(&bytes)).unwrap();
    for (name, expected) in [
        ("etag", format!("\"{}\"", sha256_hex(&bytes))),
        ("repr-digest", format!("sha-256=:{}:", STANDARD.encode(digest))),
        ("content-length", "1000".to_owned()),
        ("content-type", "image/jpeg".to_owned()),
        ("accept-ranges", "bytes".to_owned()),
        ("content-disposition", "inline; filename=\"x.jpg\"".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("content-security-policy", "default-src 'none'; sandbox".to_owned()),
        ("cache-control", "private, max-age=31536000, immutable, no-transform".to_owned()),
    ] {
        assert_eq!(header(&response, name), expected, "{name}");
    }
    assert!(response.bytes().await.unwrap() == bytes);
    let named = ada.upload("süß.jpg", &bytes).await;
    let response = get(&ada, &named, &[]).await;
    let expected = "inline; filename=\"s__.jpg\"; filename*=UTF-8''s%C3%BC%C3%9F.jpg";
    assert_eq!(header(&response, "content-disposition"), expected);
}

#[tokio::test]
async fn what_is_declared_as_no_type_is_just_bytes() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    for (declared, told) in [
        ("text/html; charset=utf-8", "text/html; charset=utf-8"),
        ("html", "application/octet-stream"),
        ("image/png\r\nx: y", "application/octet-stream"),
    ] {
        let path = ada.create_upload(10, &[("content_type", declared)]).await;
        assert_eq!(ada.append(&path, 0, noise(10)).send().await.unwrap().status(), 204);
        let response = get(&ada, path.rsplit('/').next().unwrap(), &[]).await;
        assert_eq!(header(&response, "content-type"), told);
        assert_eq!(header(&response, "content-disposition"), "attachment", "{declared:?}");
    }
}

#[tokio::test]
async fn head_says_what_get_says() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let medium = ada.upload("photo.jpg", &noise(1000)).await;
    let conversation = ada.direct(&bob).await;
    for path in [
        format!("/v1/media/{medium}"),
        format!("/v1/media/{}", Uuid::new_v4()),
        format!("/v1/conversations/{conversation}"),
        "/v1/inbox".to_owned(),
        "/v1/me".to_owned(),
        "/healthz".to_owned(),
        "/.well-known/nudge".to_owned(),
        "/nowhere".to_owned(),
    ] {
        let of = async |method| {
            let response = ada.request(method, &path).send().await.unwrap();
            let mut headers = response.headers().clone();
            headers.remove("x-request-id");
            headers.remove("date");
            (response.status(), headers, response.bytes().await.unwrap())
        };
        let (got, asked) = (of(Method::GET).await, of(Method::HEAD).await);
        assert_eq!((asked.0, asked.1), (got.0, got.1), "{path}");
        assert!(asked.2.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn a_range_gives_its_bytes_and_no_others() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(1000);
    let medium = ada.upload("photo.jpg", &bytes).await;
    for (range, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=10-19", 10..20),
        ("bytes=990-", 990..1000),
        ("bytes=990-5000", 990..1000),
        ("bytes=-10", 990..1000),
        ("bytes=-5000", 0..1000),
    ] {
        let response = get(&ada, &medium, &[("range", range)]).await;
        assert_eq!(response.status(), 206, "{range}");
        let told = format!("bytes {}-{}/1000", part.start, part.end - 1);
        assert_eq!(header(&response, "content-range"), told);
        assert_eq!(header(&response, "content-length"), part.len().to_string());
        assert_eq!(header(&response, "etag"), format!("\"{}\"", sha256_hex(&bytes)));
        assert!(response.bytes().await.unwrap() == bytes[part]);
    }
    // What is not one range is not a reason to fail.
    for range in ["bytes=5-3", "lines=0-1", "nonsense"] {
        let response = get(&ada, &medium, &[("range", range)]).await;
        assert_eq!(response.status(), 200, "{range}");
        assert!(response.bytes().await.unwrap() == bytes);
    }
    let head = ada.request(Method::HEAD, &format!("/v1/media/{medium}"));
    let response = head.header("range", "bytes=0-0").send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), header(&response, "content-length")),
        (200, "1000".into())
    );
}

#[tokio::test]
async fn a_whole_answer_has_no_content_range() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let medium = ada.upload("photo.jpg", &noise(10)).await;
    let (other, nothing) = (("if-match", "\"other\""), ("if-none-match", "*"));
    for (headers, status) in [(vec![], 200), (vec![nothing], 304), (vec![other], 412)] {
        let ranged = [&headers[..], &[("range", "bytes=5-3")]].concat();
        let response = get(&ada, &medium, &ranged).await;
        assert_eq!(response.status(), status);
        assert!(!response.headers().contains_key("content-range"), "{status}");
    }
}

#[tokio::test]
async fn a_range_without_any_byte_is_not_satisfiable() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let (medium, empty) = (ada.upload("a", &noise(10)).await, ada.upload("b", &[]).await);
    let excessive = format!("bytes={}", vec!["0-1"; 65].join(","));
    for (medium, range, told) in [
        (&medium, "bytes=10-", "bytes */10"),
        (&medium, "bytes=-0", "bytes */10"),
        (&empty, "bytes=0-", "bytes */0"),
        (&medium, &excessive, "bytes */10"),
    ] {
        let response = get(&ada, medium, &[("range", range)]).await;
        assert_eq!(response.status(), 416);
        assert_eq!(header(&response, "content-range"), told);
        assert_eq!(header(&response, "accept-ranges"), "bytes");
        let problem: serde_json::Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "range_not_satisfiable");
    }
    assert_eq!(get(&ada, &empty, &[]).await.status(), 200);
}

#[tokio::test]
async fn conditions_save_who_has_it_and_protect_who_has_another() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(1000);
    let medium = ada.upload("photo.jpg", &bytes).await;
    let etag = format!("\"{}\"", sha256_hex(&bytes));
    let response = get(&ada, &medium, &[("if-none-match", &etag)]).await;
    assert_eq!((response.status().as_u16(), header(&response, "etag")), (304, etag.clone()));
    for name in ["cache-control", "vary", "date"] {
        header(&response, name);
    }
    for name in ["last-modified", "content-type", "content-length", "repr-digest"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    assert!(response.bytes().await.unwrap().is_empty());
    assert_eq!(get(&ada, &medium, &[("if-none-match", "\"other\"")]).await.status(), 200);
    let both = [("if-none-match", etag.as_str()), ("range", "bytes=5000-")];
    assert_eq!(get(&ada, &medium, &both).await.status(), 304, "a condition comes before Range");
    let nothing = Uuid::new_v4().to_string();
    assert_eq!(get(&ada, &nothing, &[("if-none-match", "*")]).await.status(), 404);
    let response = get(&ada, &medium, &[("if-match", "\"other\"")]).await;
    assert_eq!(response.status(), 412);
    let problem: serde_json::Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "precondition_failed");
    let range = ("range", "bytes=500-");
    let anew = get(&ada, &medium, &[range, ("if-range", "\"other\"")]).await;
    let resumed = get(&ada, &medium, &[range, ("if-range", &etag)]).await;
    assert_eq!(resumed.status(), 206);
    for name in ["cache-control", "vary", "date", "etag", "content-range"] {
        header(&resumed, name);
    }
    for name in ["content-disposition", "content-security-policy", "x-content-type-options"] {
        assert_eq!(header(&resumed, name), header(&anew, name), "no answer lets a browser run it");
    }
    for name in ["last-modified", "repr-digest"] {
        assert!(!resumed.headers().contains_key(name), "{name}: it is there from before");
    }
    let whole = get(&ada, &medium, &[]).await;
    let part = get(&ada, &medium, &[range]).await;
    for name in whole.headers().keys().filter(|name| *name != "x-request-id" && *name != "date") {
        if name != "content-length" {
            assert_eq!(part.headers().get(name), whole.headers().get(name), "{name}");
        }
    }
    assert_eq!(get(&ada, &medium, &[("if-range", "\"other\"")]).await.status(), 200);
    assert_eq!(anew.status(), 200, "another medium is sent whole");
    assert!(anew.bytes().await.unwrap() == bytes);
}

#[tokio::test]
async fn p8_a_medium_that_is_not_for_the_asking_user_is_not_there() {
    let service = Service::start().await;
    let (ada, eve) = (service.user("ada").await, service.user("eve").await);
    let medium = ada.upload("photo.jpg", &noise(10)).await;
    let unfinished = ada.create_upload(10, &[]).await.replace("/v1/uploads/", "");
    for (user, id) in [(&eve, &medium), (&eve, &Uuid::new_v4().to_string()), (&ada, &unfinished)] {
        let response = get(user, id, &[]).await;
        assert_eq!(response.status(), 404);
        let problem: serde_json::Value = response.json().await.unwrap();
        assert_eq!(problem["detail"], "there is no such medium");
    }
    let anybody = service.http.get(service.url(&format!("/v1/media/{medium}")));
    assert_eq!(anybody.send().await.unwrap().status(), 401);
    assert_eq!(get(&ada, "nonsense", &[]).await.status(), 400);
}

#[tokio::test]
async fn p8_what_a_message_lends_for_a_time_is_not_there_after_it() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let medium = ada.upload("photo.jpg", &noise(10)).await;
    assert_eq!(get(&bob, &medium, &[]).await.status(), 404);
    let conversation = ada.direct(&bob).await;
    let path = format!("/v1/conversations/{conversation}/messages/{}", Uuid::new_v4());
    let message = json!({
        "content_type": "text/plain", "body": "aGk=", "media_ids": [medium], "ttl_s": 60,
    });
    assert_eq!(ada.send_json(Method::PUT, &path, message).await.0, 201);
    for _ in 0..2 {
        assert_eq!(get(&bob, &medium, &[]).await.status(), 200, "at once");
    }
    service.advance_s(61);
    assert_eq!(get(&bob, &medium, &[]).await.status(), 404);
    assert_eq!(get(&ada, &medium, &[]).await.status(), 200, "it is hers");
}

#[tokio::test]
async fn p8_a_revoked_device_gets_no_part_of_what_it_read_a_moment_ago() {
    let service = Service::start().await;
    let (ada, stolen) = (service.user("ada").await, service.log_in("ada").await);
    let medium = ada.upload("photo.jpg", &noise(10)).await;
    assert_eq!(get(&stolen, &medium, &[("range", "bytes=0-4")]).await.status(), 206);
    let device = format!("/v1/devices/{}", stolen.session["device_id"].as_str().unwrap());
    let revoked = ada.request(Method::DELETE, &device).send().await.unwrap();
    assert!(revoked.status().is_success());
    assert_eq!(get(&stolen, &medium, &[("range", "bytes=5-")]).await.status(), 401);
    assert_eq!(get(&ada, &medium, &[]).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_curl_resumes_a_download_that_was_cut() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(3 << 20);
    let medium = ada.upload("photo.jpg", &bytes).await;
    let url = service.url(&format!("/v1/media/{medium}"));
    let bearer = format!("Authorization: Bearer {}", ada.session["access_token"].as_str().unwrap());
    let folder = tempfile::tempdir().unwrap();
    for cut in [0, 1, 1 << 20, bytes.len() - 1, bytes.len()] {
        let part = folder.path().join(format!("part-{cut}"));
        std::fs::write(&part, &bytes[..cut]).unwrap();
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--continue-at", "-", "--header", &bearer]);
        curl.args(["--write-out", "%{http_code} %{size_download}", "--output"]);
        curl.arg(&part).arg(&url);
        let output = tokio::task::spawn_blocking(move || curl.output().unwrap()).await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
        assert!(std::fs::read(&part).unwrap() == bytes, "cut at {cut}");
        if cut < bytes.len() {
            let status = if cut == 0 { 200 } else { 206 };
            assert_eq!(said, format!("{status} {}", bytes.len() - cut), "only what was missing");
        }
    }
}
