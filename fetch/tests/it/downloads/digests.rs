//! Digests of the whole and of what an answer carries (RFC 9530).

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, Response};

use super::get;
use crate::support::{Service, noise, sha256_hex};

fn digest(bytes: &[u8]) -> Option<String> {
    let sha256 = hex::decode(sha256_hex(bytes)).unwrap();
    Some(format!("sha-256=:{}:", STANDARD.encode(sha256)))
}

fn told(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_part_comes_with_its_own_digest_for_who_wants_it() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(9 << 20);
    let medium = ada.upload("film.mp4", &bytes).await;
    let wanted = ("want-content-digest", "sha-512=3, sha-256=10");
    for (range, expected) in [
        ("bytes=10-19", digest(&bytes[10..20])),
        ("bytes=-200000", digest(&bytes[bytes.len() - 200_000..])),
        ("bytes=0-", digest(&bytes)),
        ("lines=0-", digest(&bytes)),
        // Too much to read twice, and more than one.
        ("bytes=1-", None),
        ("bytes=0-1,1000-1001", None),
    ] {
        let response = get(&ada, &medium, &[("range", range), wanted]).await;
        assert_eq!(told(&response, "content-digest"), expected, "{range}");
        assert_eq!(told(&response, "repr-digest"), digest(&bytes), "{range}");
        response.bytes().await.unwrap();
    }
    for unwanted in ["sha-512=1", "sha-256=0", "nonsense="] {
        let headers = [("range", "bytes=10-19"), ("want-content-digest", unwanted)];
        let response = get(&ada, &medium, &headers).await;
        assert_eq!(told(&response, "content-digest"), None, "{unwanted}");
    }
    let head = ada.request(Method::HEAD, &format!("/v1/media/{medium}"));
    let response = head.header(wanted.0, wanted.1).send().await.unwrap();
    assert_eq!(told(&response, "content-digest"), None, "it carries nothing");
}

#[tokio::test]
async fn the_digest_of_the_whole_comes_unless_it_is_refused_or_there_from_before() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(1000);
    let medium = ada.upload("photo.jpg", &bytes).await;
    let etag = format!("\"{}\"", sha256_hex(&bytes));
    let continued = [("range", "bytes=5-"), ("if-range", etag.as_str())];
    let wanting = |wish| [&continued[..], &[("want-repr-digest", wish)]].concat();
    for (headers, expected) in [
        (vec![("want-repr-digest", "sha-256=1")], digest(&bytes)),
        (vec![("want-repr-digest", "sha-512=1")], digest(&bytes)),
        (vec![("want-repr-digest", "sha-256=0")], None),
        (continued.to_vec(), None),
        (wanting("sha-256=1"), digest(&bytes)),
    ] {
        let response = get(&ada, &medium, &headers).await;
        assert_eq!(told(&response, "repr-digest"), expected, "{headers:?}");
    }
}
