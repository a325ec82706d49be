//! Links for players that cannot send a header.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::get;
use crate::support::{Service, User, answer, header, noise, text};

async fn make(user: &User<'_>, medium: &str) -> (StatusCode, Value) {
    answer(user.request(Method::POST, &format!("/v1/media/{medium}/links"))).await
}

/// The URL of a link that is made.
async fn link(user: &User<'_>, medium: &str) -> String {
    let (status, link) = make(user, medium).await;
    assert_eq!(status, 201, "{link}");
    text(&link["url"])
}

/// What nobody in particular is answered: a status, and the problem's code.
async fn ask(service: &Service, url: &str) -> (u16, Option<String>) {
    let (status, problem) = answer(service.http.get(service.url(url))).await;
    (status.as_u16(), problem["code"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn a_link_is_good_for_get_head_and_ranges_of_its_medium() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bytes = noise(1000);
    let medium = ada.upload("film.mp4", &bytes).await;
    let url = service.url(&link(&ada, &medium).await);
    let response = service.http.get(&url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "referrer-policy"), "no-referrer");
    assert!(response.bytes().await.unwrap() == bytes);
    let response = service.http.head(&url).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), header(&response, "content-length")),
        (200, "1000".into())
    );
    let response = service.http.get(&url).header("range", "bytes=-10").send().await.unwrap();
    assert_eq!(response.status(), 206);
    assert!(response.bytes().await.unwrap() == bytes[990..]);
}

#[tokio::test]
async fn p8_a_link_is_no_token_and_a_token_is_no_link() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let (medium, other) = (ada.upload("a", &noise(10)).await, ada.upload("b", &noise(11)).await);
    let url = link(&ada, &medium).await;
    let token = url.split_once("?link=").unwrap().1;
    let refused = (401, Some("access_token_invalid".to_owned()));
    assert_eq!(ask(&service, &format!("/v1/media/{other}?link={token}")).await, refused);
    assert_eq!(ask(&service, &format!("/v1/media/{medium}?link={token}x")).await, refused);
    assert_eq!(ask(&service, &format!("/v1/media/{medium}?link=")).await, refused);
    let access = text(&ada.session["access_token"]);
    assert_eq!(ask(&service, &format!("/v1/media/{medium}?link={access}")).await, refused);
    for path in
        ["/v1/me".to_owned(), format!("/v1/media/{medium}"), format!("/v1/uploads/{medium}")]
    {
        let asked = service.http.get(service.url(&path)).bearer_auth(token);
        let (status, problem) = answer(asked.header("tus-resumable", "1.0.0")).await;
        assert!(status == 401 || status == 405, "{path}: {status} {problem}");
        assert_ne!(ask(&service, &format!("{path}?link={access}")).await.0, 200, "{path}");
    }
    assert_eq!(ask(&service, &format!("/v1/me?link={token}")).await.0, 401);
    let again = format!("/v1/media/{medium}/links?link={token}");
    assert_eq!(answer(service.http.post(service.url(&again))).await.0, 401, "it makes no others");
}

#[tokio::test]
async fn p8_a_link_ends_with_its_time_its_device_and_its_grant() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let medium = ada.upload("film.mp4", &noise(10)).await;
    assert_eq!(make(&bob, &medium).await.0, 404, "nobody makes one to what he may not read");
    assert_eq!(make(&ada, &Uuid::new_v4().to_string()).await.0, 404);
    let conversation = ada.direct(&bob).await;
    let path = format!("/v1/conversations/{conversation}/messages/{}", Uuid::new_v4());
    let message = json!({
        "content_type": "text/plain", "body": "aGk=", "media_ids": [medium], "ttl_s": 60,
    });
    assert_eq!(ada.send_json(Method::PUT, &path, message).await.0, 201);
    let phone = service.log_in("ada").await;
    let (of_ada, of_bob, of_phone) =
        (link(&ada, &medium).await, link(&bob, &medium).await, link(&phone, &medium).await);
    for url in [&of_ada, &of_bob, &of_phone] {
        assert_eq!(ask(&service, url).await.0, 200);
    }
    let device = format!("/v1/devices/{}", text(&phone.session["device_id"]));
    assert_eq!(ada.request(Method::DELETE, &device).send().await.unwrap().status(), 204);
    assert_eq!(ask(&service, &of_phone).await, (401, Some("device_revoked".to_owned())));
    service.advance_s(61);
    assert_eq!(ask(&service, &of_bob).await.0, 404, "the message is past its time");
    assert_eq!(get(&ada, &medium, &[]).await.status(), 200);
    assert_eq!(ask(&service, &of_ada).await.0, 200);
    service.advance_s(540);
    assert_eq!(ask(&service, &of_ada).await, (401, Some("access_token_expired".to_owned())));
}
