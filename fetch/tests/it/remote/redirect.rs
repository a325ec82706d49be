//! Downloads that go to the object store itself.

use std::{collections::HashMap, time::Duration};

use nudge_fetch::{
    FetchParts,
    config::RedirectConfig,
    media::redirect::{RedirectRules, Redirected},
    objects::ObjectsConfig,
};
use reqwest::{Client, Method, Response, Url, redirect::Policy};
use serde_json::json;
use uuid::Uuid;

use super::bucket::Bucket;
use crate::support::{Service, User, header, noise, sha256_hex, text};

const SIZE: usize = 10_000;

async fn start(who: Redirected, networks: &[&str]) -> Service {
    let rules = RedirectRules {
        who,
        from_bytes: SIZE as u64,
        networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
        time: Duration::from_secs(60),
    };
    let mut service = Service::start_with(
        |config| {
            let prefix = Uuid::new_v4().to_string();
            config.objects = ObjectsConfig::Remote(Bucket::shared().at(&prefix));
            config.redirect = Some(RedirectConfig { rules, endpoint: None });
        },
        FetchParts::default(),
    )
    .await;
    service.http = Client::builder().redirect(Policy::none()).build().unwrap();
    service
}

async fn ask(user: &User<'_>, method: Method, medium: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = user.request(method, &format!("/v1/media/{medium}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn p6_a_redirected_download_comes_from_the_object_store_in_ranges_too() {
    let service = start(Redirected::WhoDoesNotRefuse, &["127.0.0.0/8"]).await;
    let ada = service.user("ada").await;
    let bytes = noise(SIZE);
    let path = ada
        .create_upload(SIZE as u64, &[("filename", "süß.html"), ("content_type", "text/html")])
        .await;
    assert_eq!(ada.append(&path, 0, bytes.clone()).send().await.unwrap().status(), 204);
    let medium = path.rsplit('/').next().unwrap();
    let response = ask(&ada, Method::GET, medium, &[]).await;
    assert_eq!(response.status(), 307);
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(header(&response, "referrer-policy"), "no-referrer");
    assert!(response.headers().get_all("vary").iter().any(|vary| vary == "authorization, prefer"));
    let url: Url = header(&response, "location").parse().unwrap();
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    let name = "attachment; filename=\"s__.html\"; filename*=UTF-8''s%C3%BC%C3%9F.html";
    assert_eq!(query["response-content-disposition"], name, "a browser does not run it there");
    assert_eq!(query["response-content-type"], "text/html");
    assert_eq!(query["X-Amz-Expires"], "60");
    // Nobody has to say who he is there.
    let anybody = Client::new();
    let whole = anybody.get(url.clone()).send().await.unwrap();
    assert_eq!(whole.status(), 200);
    assert!(whole.bytes().await.unwrap() == bytes);
    let part = anybody.get(url.clone()).header("range", "bytes=100-199").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert!(part.bytes().await.unwrap() == bytes[100..200]);
    // What it says cannot be changed.
    let mut forged = url;
    forged.query_pairs_mut().append_pair("response-content-disposition", "inline");
    assert_eq!(anybody.get(forged).send().await.unwrap().status(), 403);
    let head = ask(&ada, Method::HEAD, medium, &[("prefer", "redirect")]).await;
    assert_eq!((head.status().as_u16(), header(&head, "content-length")), (200, SIZE.to_string()));
    assert_eq!(header(&head, "etag"), format!("\"{}\"", sha256_hex(&bytes)), "what we know of it");
}

#[tokio::test]
async fn p8_who_may_not_read_a_medium_is_not_redirected() {
    let service = start(Redirected::WhoDoesNotRefuse, &[]).await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let medium = ada.upload("photo.jpg", &noise(SIZE)).await;
    assert_eq!(ask(&bob, Method::GET, &medium, &[]).await.status(), 404);
    let path = format!("/v1/media/{medium}");
    assert_eq!(service.http.get(service.url(&path)).send().await.unwrap().status(), 401);
    let (status, link) = ada.send_json(Method::POST, &format!("{path}/links"), json!({})).await;
    assert_eq!(status, 201);
    let linked = service.http.get(service.url(&text(&link["url"]))).send().await.unwrap();
    assert_eq!(linked.status(), 307, "a link speaks for its maker");
}

#[tokio::test]
async fn what_only_this_service_can_answer_is_answered_here() {
    let service = start(Redirected::WhoDoesNotRefuse, &[]).await;
    let ada = service.user("ada").await;
    let bytes = noise(SIZE);
    let medium = ada.upload("photo.jpg", &bytes).await;
    let small = ada.upload("small.jpg", &noise(SIZE - 1)).await;
    let etag = format!("\"{}\"", sha256_hex(&bytes));
    for (medium, headers, status) in [
        (&small, vec![], 200),
        (&medium, vec![("prefer", "redirect=no")], 200),
        (&medium, vec![("range", "bytes=5-"), ("if-range", etag.as_str())], 206),
        (&medium, vec![("if-match", etag.as_str())], 200),
        (&medium, vec![("if-match", "\"other\"")], 412),
        (&medium, vec![("if-none-match", etag.as_str())], 304),
        (&medium, vec![("range", "bytes=0-1,1000-1001")], 206),
        (&medium, vec![("range", "bytes=10000-")], 416),
        (&medium, vec![("range", "bytes=0-1")], 307),
        (&medium, vec![("if-none-match", "\"other\"")], 307),
    ] {
        let response = ask(&ada, Method::GET, medium, &headers).await;
        assert_eq!(response.status(), status, "{headers:?}");
    }
}

#[tokio::test]
async fn who_prefers_it_and_is_near_is_redirected() {
    let service = start(Redirected::WhoPrefersIt, &["127.0.0.1"]).await;
    let ada = service.user("ada").await;
    let medium = ada.upload("photo.jpg", &noise(SIZE)).await;
    let wish = [("prefer", "redirect")];
    assert_eq!(ask(&ada, Method::GET, &medium, &[]).await.status(), 200);
    assert_eq!(ask(&ada, Method::GET, &medium, &wish).await.status(), 307);
    let service = start(Redirected::WhoPrefersIt, &["10.0.0.0/8"]).await;
    let ada = service.user("ada").await;
    let medium = ada.upload("photo.jpg", &noise(SIZE)).await;
    assert_eq!(ask(&ada, Method::GET, &medium, &wish).await.status(), 200, "he is elsewhere");
}

#[tokio::test]
async fn nobody_is_redirected_to_a_folder() {
    let rules = RedirectRules {
        who: Redirected::WhoPrefersIt,
        from_bytes: 0,
        networks: Vec::new(),
        time: Duration::from_secs(60),
    };
    let folder = tempfile::tempdir().unwrap();
    let mut config = nudge_fetch::FetchConfig::new(folder.path().to_owned());
    config.redirect = Some(RedirectConfig { rules, endpoint: None });
    let refused = nudge_fetch::Fetch::start(config).await.unwrap_err().to_string();
    assert!(refused.contains("object store alone"), "{refused}");
}
