//! P6, upward: tus 1.0 over real requests.

mod refusals;
mod resuming;

use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Service, base64, header, noise, sha256_hex};

/// One part, in bytes.
const PART: usize = 8 * 1024 * 1024;

#[tokio::test]
async fn p6_files_of_every_awkward_size_arrive_as_they_were_sent() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    for size in [0, 1, 255 * 1024, PART / 2, PART, PART + 1] {
        let bytes = noise(size);
        let medium = ada.upload("file", &bytes).await;
        assert!(ada.download(&medium).await == bytes, "{size} bytes");
        let path = format!("/v1/media/{medium}");
        let head = ada.request(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(header(&head, "etag"), format!("\"{}\"", sha256_hex(&bytes)));
        assert_eq!(header(&head, "content-length"), size.to_string());
    }
}

#[tokio::test]
async fn a_creation_may_bring_the_first_bytes_or_all() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(1000);
    for brought in [0, 400, 1000] {
        let response = ada
            .creation(1000, &[])
            .header("content-type", "application/offset+octet-stream")
            .body(bytes[..brought].to_vec())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(header(&response, "upload-offset"), brought.to_string());
        assert_eq!(response.headers().contains_key("upload-expires"), brought < 1000);
        let path = header(&response, "location");
        assert_eq!(ada.upload_offset(&path).await, brought as u64);
    }
}

#[tokio::test]
async fn head_tells_what_an_upload_is_and_how_far() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let sha256 = sha256_hex(&noise(10));
    let metadata =
        [("filename", "süß/.. photo.jpg"), ("filetype", "image/jpeg"), ("sha256", &sha256)];
    let path = ada.create_upload(10, &metadata).await;
    ada.append(&path, 0, noise(10)[..4].to_vec()).send().await.unwrap();
    let head = ada.tus(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(header(&head, "upload-offset"), "4");
    assert_eq!(header(&head, "upload-length"), "10");
    assert_eq!(header(&head, "cache-control"), "no-store");
    assert_eq!(header(&head, "tus-resumable"), "1.0.0");
    // 24 hours after 2027-01-15 08:00 in UTC.
    assert!(header(&head, "upload-expires").starts_with("Sat, 23 Jan 2027 08:0"));
    let told = header(&head, "upload-metadata");
    assert!(told.contains(&format!("filename {}", base64("süß/.. photo.jpg"))));
    assert!(told.contains(&format!("content_type {}", base64("image/jpeg"))));
    assert!(told.contains(&format!("sha256 {}", base64(&sha256))));
    // Once complete it is there for good.
    ada.append(&path, 4, noise(10)[4..].to_vec()).send().await.unwrap();
    let head = ada.tus(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(header(&head, "upload-offset"), "10");
    assert!(!head.headers().contains_key("upload-expires"));
}

#[tokio::test]
async fn a_retried_creation_answers_with_the_same_upload() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let id = Uuid::new_v4().to_string();
    let path = ada.create_upload(10, &[("request_id", &id)]).await;
    ada.append(&path, 0, vec![1; 4]).send().await.unwrap();
    let again = ada.creation(10, &[("request_id", &id)]).send().await.unwrap();
    assert_eq!((header(&again, "location"), header(&again, "upload-offset")), (path, "4".into()));
    let other = ada.creation(11, &[("request_id", &id)]).send().await.unwrap();
    assert_eq!(other.status(), 409);
}

#[tokio::test]
async fn a_terminated_upload_is_gone_and_leaves_no_bytes() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let path = ada.create_upload(10, &[]).await;
    ada.append(&path, 0, vec![1; 4]).send().await.unwrap();
    let uploads = service.folder().join("objects/uploads");
    assert_eq!(std::fs::read_dir(&uploads).unwrap().count(), 1);
    assert_eq!(ada.tus(Method::DELETE, &path).send().await.unwrap().status(), 204);
    assert_eq!(std::fs::read_dir(&uploads).unwrap().count(), 0);
    for method in [Method::HEAD, Method::DELETE] {
        assert_eq!(ada.tus(method, &path).send().await.unwrap().status(), 404);
    }
    assert_eq!(ada.append(&path, 4, vec![1; 6]).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_proxy_that_knows_only_post_is_no_obstacle() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let path = ada.create_upload(10, &[]).await;
    let overridden = |method| ada.tus(Method::POST, &path).header("x-http-method-override", method);
    let patch = overridden("PATCH")
        .header("upload-offset", 0)
        .header("content-type", "application/offset+octet-stream")
        .body(vec![1; 4]);
    assert_eq!(patch.send().await.unwrap().status(), 204);
    assert_eq!(header(&overridden("HEAD").send().await.unwrap(), "upload-offset"), "4");
    assert_eq!(overridden("PUT").send().await.unwrap().status(), 405);
    assert_eq!(overridden("DELETE").send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn options_tells_what_the_server_has_of_tus() {
    let service = Service::start().await;
    let options = service.http.request(Method::OPTIONS, service.url("/v1/uploads"));
    let response = options.send().await.unwrap();
    assert!(response.status().is_success());
    assert_eq!(header(&response, "tus-version"), "1.0.0");
    let extensions = header(&response, "tus-extension");
    for extension in ["creation", "creation-with-upload", "checksum", "expiration", "termination"] {
        assert!(extensions.split(',').any(|told| told == extension), "{extension}");
    }
    assert_eq!(header(&response, "tus-checksum-algorithm"), "sha1,sha256");
    assert_eq!(header(&response, "tus-max-size"), (4u64 << 30).to_string());
}

#[tokio::test]
async fn a_message_carries_media_to_who_may_see_it() {
    let service = Service::start().await;
    let (ada, bob, eve) =
        (service.user("ada").await, service.user("bob").await, service.user("eve").await);
    let conversation = ada.direct(&bob).await;
    let bytes = noise(1000);
    let medium = ada.upload("photo.jpg", &bytes).await;
    let path = format!("/v1/conversations/{conversation}/messages/{}", Uuid::new_v4());
    let body = json!({ "content_type": "text/plain", "body": "", "media_ids": [medium] });
    assert_eq!(ada.send_json(Method::PUT, &path, body).await.0, 201);
    let page = bob.inbox(0).await;
    let seen = &page["entries"][0]["message"]["media"][0];
    assert_eq!((&seen["id"], &seen["size"]), (&json!(medium), &json!(1000)));
    assert_eq!(seen["sha256"], sha256_hex(&bytes));
    assert_eq!(seen["file_name"], "photo.jpg");
    assert!(bob.download(&medium).await == bytes);
    let refused = eve.request(Method::GET, &format!("/v1/media/{medium}")).send().await.unwrap();
    assert_eq!(refused.status(), 404);
}
