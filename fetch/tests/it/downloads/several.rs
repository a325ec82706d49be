//! Several ranges in one answer.

use reqwest::Response;

use super::get;
use crate::support::{Service, header, noise};

/// The parts of a multipart answer, read as RFC 2046 says: (headers, content).
async fn parts(response: Response) -> Vec<(Vec<String>, Vec<u8>)> {
    let content_type = header(&response, "content-type");
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let delimiter = format!("--{boundary}");
    let content = response.bytes().await.unwrap().to_vec();
    let mut rest = content.strip_prefix(delimiter.as_bytes()).unwrap();
    let mut parts = Vec::new();
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        let end = after.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(after[..end].to_vec()).unwrap();
        let body = &after[end + 4..];
        let next = format!("\r\n{delimiter}");
        let length = body.windows(next.len()).position(|at| at == next.as_bytes()).unwrap();
        parts.push((head.split("\r\n").map(str::to_owned).collect(), body[..length].to_vec()));
        rest = &body[length + next.len()..];
    }
    assert_eq!(rest, b"--\r\n");
    parts
}

#[tokio::test]
async fn several_ranges_are_parts_in_the_order_in_which_they_were_asked_for() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(300_000);
    let medium = ada.upload("photo.jpg", &bytes).await;
    let range = "bytes=-100000, 0-9, 500000-, 1000-150000";
    let response = get(&ada, &medium, &[("range", range)]).await;
    assert_eq!(response.status(), 206);
    assert!(!response.headers().contains_key("content-range"));
    let told: usize = header(&response, "content-length").parse().unwrap();
    let length = get(&ada, &medium, &[("range", range)]).await.bytes().await.unwrap().len();
    assert_eq!(length, told);
    let found = parts(response).await;
    let expected = [200_000..300_000, 0..10, 1000..150_001];
    assert_eq!(found.len(), expected.len());
    for ((head, body), part) in found.into_iter().zip(expected) {
        let range = format!("Content-Range: bytes {}-{}/300000", part.start, part.end - 1);
        assert_eq!(head, ["Content-Type: image/jpeg".to_owned(), range]);
        assert!(body == bytes[part]);
    }
}

#[tokio::test]
async fn several_ranges_that_come_to_one_are_one_part() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(1000);
    let medium = ada.upload("photo.jpg", &bytes).await;
    for (range, part) in
        [("bytes=0-1,5-6", 0..7), ("bytes=500-599,550-", 500..1000), ("bytes=0-9,5000-", 0..10)]
    {
        let response = get(&ada, &medium, &[("range", range)]).await;
        assert_eq!(response.status(), 206, "{range}");
        let told = format!("bytes {}-{}/1000", part.start, part.end - 1);
        assert_eq!(header(&response, "content-range"), told);
        assert_eq!(header(&response, "content-type"), "image/jpeg");
        assert!(response.bytes().await.unwrap() == bytes[part]);
    }
}

#[tokio::test]
async fn overlapping_ranges_send_no_byte_twice() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(100_000);
    let medium = ada.upload("photo.jpg", &bytes).await;
    let range = format!("bytes={}", vec!["0-"; 64].join(","));
    let response = get(&ada, &medium, &[("range", &range)]).await;
    assert_eq!(response.status(), 206);
    assert!(response.bytes().await.unwrap() == bytes);
}
