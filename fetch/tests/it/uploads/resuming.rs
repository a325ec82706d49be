//! Transfers cut anywhere, requests that overtake each other, restarts.

use std::time::Duration;

use futures::StreamExt;
use reqwest::{Body, Method};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::PART;
use crate::support::{Service, User, answer, noise};

/// Says that `claimed` bytes follow, sends these, and hangs up.
async fn cut_off(
    service: &Service,
    user: &User<'_>,
    path: &str,
    offset: u64,
    bytes: &[u8],
    claimed: usize,
) {
    let request = format!(
        "PATCH {path} HTTP/1.1\r\nhost: nudge\r\nauthorization: Bearer {}\r\n\
         tus-resumable: 1.0.0\r\nupload-offset: {offset}\r\n\
         content-type: application/offset+octet-stream\r\ncontent-length: {claimed}\r\n\r\n",
        user.session["access_token"].as_str().unwrap(),
    );
    let mut stream = TcpStream::connect(service.fetch.public_addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
}

/// Waits until the upload stands at `offset`: what arrived before the cut is kept to the last byte.
async fn stands_at(user: &User<'_>, path: &str, offset: u64) {
    let mut stood = 0;
    for _ in 0..1000 {
        stood = user.upload_offset(path).await;
        if stood == offset {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the upload stands at {stood}, not at {offset}");
}

#[tokio::test]
async fn p6_an_upload_cut_at_many_points_goes_on_from_the_last_byte_that_arrived() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(2 * PART + 1);
    let path = ada.create_upload(bytes.len() as u64, &[]).await;
    let mut offset = 0;
    for cut in [1, 1000, 300 * 1024, PART / 2 + 7, PART] {
        let rest = &bytes[offset as usize..];
        let cut = cut.min(rest.len() - 1);
        cut_off(&service, &ada, &path, offset, &rest[..cut], rest.len()).await;
        offset += cut as u64;
        stands_at(&ada, &path, offset).await;
    }
    let rest = bytes[offset as usize..].to_vec();
    assert_eq!(ada.append(&path, offset, rest).send().await.unwrap().status(), 204);
    let medium = path.rsplit('/').next().unwrap();
    assert!(ada.download(medium).await == bytes);
}

#[tokio::test]
async fn p6_of_two_requests_the_newer_fences_the_older() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(1 << 20);
    let path = ada.create_upload(bytes.len() as u64, &[]).await;
    let (older, pieces) = mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let body = Body::wrap_stream(ReceiverStream::new(pieces));
    let stale = tokio::spawn(answer(ada.append(&path, 0, body)));
    // Other bytes than the newer request brings, so that a mixture would show.
    for _ in 0..4 {
        older.send(Ok(vec![0xee; 64 * 1024])).await.unwrap();
    }
    let segment = service.folder().join("objects").join(path.trim_start_matches("/v1/")).join("1");
    for _ in 0..400 {
        if segment.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(segment.exists(), "the older request has begun to write");
    assert_eq!(ada.append(&path, 0, bytes.clone()).send().await.unwrap().status(), 204);
    // It is told at once, although it brings nothing more.
    let told = tokio::time::timeout(Duration::from_secs(10), stale).await;
    let (status, problem) = told.unwrap().unwrap();
    drop(older);
    assert_eq!((status.as_u16(), problem["code"].as_str()), (409, Some("upload_taken_over")));
    let medium = path.rsplit('/').next().unwrap();
    assert!(ada.download(medium).await == bytes);
}

#[tokio::test]
async fn p6_many_requests_for_the_same_bytes_complete_one_medium() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(2 << 20);
    let path = ada.create_upload(bytes.len() as u64, &[]).await;
    let racing = (0..6).map(|_| answer(ada.append(&path, 0, bytes.clone())));
    for (status, problem) in futures::future::join_all(racing).await {
        let code = problem["code"].as_str();
        let fits = status == 204 || matches!(code, Some("upload_taken_over" | "offset_mismatch"));
        assert!(fits, "{status} {problem}");
    }
    let offset = ada.upload_offset(&path).await as usize;
    if offset < bytes.len() {
        ada.append(&path, offset as u64, bytes[offset..].to_vec()).send().await.unwrap();
    }
    let medium = path.rsplit('/').next().unwrap();
    assert!(ada.download(medium).await == bytes);
}

#[tokio::test]
async fn p6_an_upload_goes_on_after_a_restart_of_the_service() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(PART + 1);
    let path = ada.create_upload(bytes.len() as u64, &[("filename", "a.bin")]).await;
    let half = bytes[..PART / 2].to_vec();
    assert_eq!(ada.append(&path, 0, half).send().await.unwrap().status(), 204);
    let session = ada.session.clone();
    let service = service.restart().await;
    let ada = service.again(session);
    let offset = ada.upload_offset(&path).await;
    assert_eq!(offset, PART as u64 / 2, "what was answered is there");
    let rest = bytes[offset as usize..].to_vec();
    assert_eq!(ada.append(&path, offset, rest).send().await.unwrap().status(), 204);
    let medium = path.rsplit('/').next().unwrap();
    assert!(ada.download(medium).await == bytes);
}

#[tokio::test]
async fn p6_a_shutdown_in_the_middle_keeps_what_arrived() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(1 << 20);
    let path = ada.create_upload(bytes.len() as u64, &[]).await;
    let session = ada.session.clone();
    let (pieces, body) = mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let body = Body::wrap_stream(ReceiverStream::new(body));
    let upload = tokio::spawn(ada.append(&path, 0, body).send());
    for piece in bytes[..512 * 1024].chunks(64 * 1024) {
        pieces.send(Ok(piece.to_vec())).await.unwrap();
    }
    let (service, ()) = tokio::join!(service.restart(), async {
        // The request in flight has its time to finish; this one does not.
        tokio::time::sleep(Duration::from_millis(200)).await;
        pieces.send(Err(std::io::ErrorKind::ConnectionReset.into())).await.unwrap();
    });
    assert!(upload.await.unwrap().is_err());
    let ada = service.again(session);
    let offset = ada.upload_offset(&path).await as usize;
    assert!(offset > 0 && offset <= 512 * 1024, "{offset}");
    let rest = bytes[offset..].to_vec();
    assert_eq!(ada.append(&path, offset as u64, rest).send().await.unwrap().status(), 204);
    assert!(ada.download(path.rsplit('/').next().unwrap()).await == bytes);
}

#[tokio::test]
async fn a_download_that_is_cut_resumes_by_range_and_if_range() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(PART + 1);
    let medium = ada.upload("a.bin", &bytes).await;
    let path = format!("/v1/media/{medium}");
    let response = ada.request(Method::GET, &path).send().await.unwrap();
    let etag = response.headers()["etag"].clone();
    let mut got = Vec::new();
    let mut body = response.bytes_stream();
    while got.len() < 1 << 20 {
        got.extend_from_slice(&body.next().await.unwrap().unwrap());
    }
    drop(body);
    let rest = ada
        .request(Method::GET, &path)
        .header("range", format!("bytes={}-", got.len()))
        .header("if-range", etag)
        .send()
        .await
        .unwrap();
    assert_eq!(rest.status(), 206);
    got.extend_from_slice(&rest.bytes().await.unwrap());
    assert!(got == bytes);
}
