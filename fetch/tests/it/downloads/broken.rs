//! Downloads that cannot be finished.

use std::{fs::OpenOptions, path::PathBuf};

use reqwest::{Client, Version};

use crate::support::{Service, User, noise};

fn object(service: &Service, medium: &str) -> PathBuf {
    service.folder().join("objects/media").join(medium)
}

/// Begins a download, cuts the file, and takes the rest.
async fn cut(service: &Service, ada: &User<'_>, http: &Client, headers: &[(&str, &str)]) {
    let size = 32 << 20;
    let medium = ada.upload("film.mp4", &noise(size)).await;
    let token = ada.session["access_token"].as_str().unwrap();
    let mut request = http.get(service.url(&format!("/v1/media/{medium}"))).bearer_auth(token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = request.send().await.unwrap();
    assert!(response.status().is_success());
    response.chunk().await.unwrap().unwrap();
    let file = OpenOptions::new().write(true).open(object(service, &medium)).unwrap();
    file.set_len(size as u64 - 1).unwrap();
    let outcome = loop {
        match response.chunk().await {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert!(outcome.is_err(), "nobody takes it for complete");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_a_download_whose_file_became_shorter_breaks_off() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let http1 = Client::builder().http1_only().build().unwrap();
    let http2 = Client::builder().http2_prior_knowledge().build().unwrap();
    for http in [&http1, &http2] {
        cut(&service, &ada, http, &[]).await;
        cut(&service, &ada, http, &[("range", "bytes=1-")]).await;
        cut(&service, &ada, http, &[("range", "bytes=0-9,1000-")]).await;
    }
    let response = http2.get(service.url("/healthz")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
}

#[tokio::test]
async fn a_download_whose_file_is_gone_or_short_is_not_begun() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let medium = ada.upload("photo.jpg", &noise(1000)).await;
    let path = object(&service, &medium);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(999).unwrap();
    let get = async || super::get(&ada, &medium, &[]).await.status();
    assert_eq!(get().await, 500);
    std::fs::remove_file(path).unwrap();
    assert_eq!(get().await, 500);
}
