//! One API over every version of HTTP, in JSON and in protobuf.

use nudge_fetch::FetchParts;
use nudge_proto::pb::content as pb;
use prost::Message;
use reqwest::{Client, Method, RequestBuilder, Version};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use uuid::Uuid;

use crate::support::{Service, User, base64, header, noise, self_signed, text};

#[tokio::test]
async fn http_1_1_and_http_2_by_prior_knowledge_are_on_one_port() {
    let service = Service::start().await;
    let url = service.url("/.well-known/nudge");
    let h1 = Client::new().get(&url).send().await.unwrap();
    assert_eq!((h1.status().as_u16(), h1.version()), (200, Version::HTTP_11));
    let h2 = Client::builder().http2_prior_knowledge().build().unwrap();
    let response = h2.get(&url).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    // Many at a time over the one connection.
    let many = (0..200).map(|_| h2.get(&url).send());
    for response in futures::future::join_all(many).await {
        assert_eq!(response.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn media_go_up_and_down_over_http_2() {
    let mut service = Service::start().await;
    service.http = Client::builder().http2_prior_knowledge().build().unwrap();
    let ada = service.user("ada").await;
    let bytes = noise(3 << 20);
    let transfers = (0..4).map(|n| {
        let (ada, bytes) = (&ada, &bytes[n << 18..]);
        async move {
            let medium = ada.upload("photo.jpg", bytes).await;
            ada.download(&medium).await == bytes
        }
    });
    assert_eq!(futures::future::join_all(transfers).await, [true; 4]);
}

#[tokio::test]
async fn over_tls_alpn_chooses_the_version() {
    let (tls, trusted) = self_signed();
    let service = Service::start_with(|config| config.tls = Some(tls), FetchParts::default()).await;
    let client = || Client::builder().tls_certs_only([trusted.clone()]);
    let url = service.url("/.well-known/nudge");
    assert!(url.starts_with("https://"));
    let both = client().build().unwrap().get(&url).send().await.unwrap();
    assert_eq!((both.status().as_u16(), both.version()), (200, Version::HTTP_2));
    let old = client().http1_only().build().unwrap().get(&url).send().await.unwrap();
    assert_eq!((old.status().as_u16(), old.version()), (200, Version::HTTP_11));
    // Words that are no TLS end their own connection, and no other.
    let mut plain = TcpStream::connect(service.fetch.public_addr()).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: nudge\r\n\r\n").await.unwrap();
    let mut answered = Vec::new();
    let _ = plain.read_to_end(&mut answered).await;
    assert!(!answered.starts_with(b"HTTP"));
    assert_eq!(client().build().unwrap().get(&url).send().await.unwrap().status(), 200);
}

/// Asks in both forms, and holds them against each other.
async fn assert_same<T>(user: &User<'_>, method: Method, path: &str, body: Option<(Value, T)>)
where
    T: Message + Default + Serialize,
{
    let ask = |request: RequestBuilder| async move {
        let response = request.send().await.unwrap();
        let kind = header(&response, "content-type");
        (response.status(), kind, response.bytes().await.unwrap())
    };
    let mut request = user.request(method.clone(), path);
    if let Some((json, _)) = &body {
        request = request.json(json);
    }
    let (status, kind, said) = ask(request).await;
    assert_eq!(kind, "application/json", "{path}");
    let json: Value = serde_json::from_slice(&said).unwrap();
    let mut request = user.request(method, path).header("accept", "application/x-protobuf");
    if let Some((_, protobuf)) = &body {
        let protobuf = protobuf.encode_to_vec();
        request = request.header("content-type", "application/x-protobuf").body(protobuf);
    }
    let (other_status, kind, said) = ask(request).await;
    assert_eq!(kind, "application/x-protobuf", "{path}");
    assert!(status.is_success() && other_status.is_success());
    let decoded: Value = match path {
        _ if path.ends_with("/inbox") => to_json::<pb::InboxPage>(&said),
        _ if path.ends_with("/conversations") => to_json::<pb::ConversationPage>(&said),
        _ if path.ends_with("/receipts") => to_json::<pb::ReceiptDetail>(&said),
        _ if path.ends_with("/devices") => to_json::<pb::DeviceList>(&said),
        _ if path.ends_with("/messages") => to_json::<pb::HistoryPage>(&said),
        _ if path.ends_with("/nudge") => to_json::<pb::Discovery>(&said),
        _ if path.contains("/messages/") => to_json::<pb::SendResponse>(&said),
        _ if path.contains("/conversations/") => to_json::<pb::Conversation>(&said),
        _ => to_json::<pb::User>(&said),
    };
    assert_eq!(decoded, json, "{path}");
}

fn to_json<T: Message + Default + Serialize>(bytes: &[u8]) -> Value {
    serde_json::to_value(T::decode(bytes).unwrap()).unwrap()
}

#[tokio::test]
async fn protobuf_says_what_json_says() {
    let service = Service::start().await;
    let (ada, bob) = (service.user("ada").await, service.user("bob").await);
    let group = ada.group(&[&bob]).await;
    ada.send(&group, "hello").await;
    let nothing = None::<(Value, pb::SendRequest)>;
    for path in [
        "/v1/me".to_owned(),
        "/v1/users/bob".to_owned(),
        "/v1/devices".to_owned(),
        "/v1/inbox".to_owned(),
        "/v1/conversations".to_owned(),
        format!("/v1/conversations/{group}"),
        format!("/v1/conversations/{group}/messages"),
        format!("/v1/conversations/{group}/receipts"),
        "/.well-known/nudge".to_owned(),
    ] {
        assert_same(&bob, Method::GET, &path, nothing.clone()).await;
    }
    // The same content in both forms is the same content: the second is a retry of the first.
    let path = format!("/v1/conversations/{group}/messages/{}", Uuid::new_v4());
    let json = json!({ "content_type": "text/plain", "body": base64("both"), "ttl_s": 60 });
    let protobuf = pb::SendRequest {
        content_type: "text/plain".to_owned(),
        body: "both".into(),
        ttl_s: Some(60),
        ..pb::SendRequest::default()
    };
    assert_same(&ada, Method::PUT, &path, Some((json, protobuf))).await;
    assert_eq!(bob.texts(0).await, ["hello", "both"]);
}

#[tokio::test]
async fn a_refusal_comes_in_the_form_that_was_asked_for() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let path = format!("/v1/conversations/{}", Uuid::new_v4());
    let response = ada.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(header(&response, "content-type"), "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    assert_eq!((text(&problem["type"]), &problem["status"]), ("about:blank".into(), &json!(404)));
    let request = ada.request(Method::GET, &path).header("accept", "application/x-protobuf");
    let response = request.send().await.unwrap();
    assert_eq!(header(&response, "content-type"), "application/x-protobuf");
    let problem = pb::Problem::decode(response.bytes().await.unwrap()).unwrap();
    assert_eq!((problem.status, problem.code.as_str()), (404, "not_found"));
    let unreadable = ada
        .request(Method::POST, "/v1/conversations")
        .header("content-type", "application/x-protobuf")
        .body(vec![0xff; 20]);
    assert_eq!(unreadable.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_refusal_carries_the_id_of_its_request() {
    let service = Service::start().await;
    let response = service.http.get(service.url("/v1/inbox")).send().await.unwrap();
    let id = header(&response, "x-request-id");
    assert_eq!(header(&response, "www-authenticate"), "Bearer");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["request_id"], json!(id));
    assert!(id.parse::<Uuid>().is_ok());
}

#[tokio::test]
async fn a_web_page_of_a_listed_origin_may_ask_and_another_may_not() {
    let list = |config: &mut nudge_fetch::FetchConfig| {
        config.cors_origins = vec!["https://app.example".to_owned()];
    };
    let service = Service::start_with(list, FetchParts::default()).await;
    let ada = service.user("ada").await;
    let allowed = async |origin: &str| {
        let request = ada.request(Method::GET, "/v1/me").header("origin", origin);
        let response = request.send().await.unwrap();
        response.headers().get("access-control-allow-origin").cloned()
    };
    assert_eq!(allowed("https://app.example").await.unwrap(), "https://app.example");
    assert_eq!(allowed("https://evil.example").await, None);
    let preflight = service
        .http
        .request(Method::OPTIONS, service.url("/v1/uploads"))
        .header("origin", "https://app.example")
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "tus-resumable,upload-offset");
    let response = preflight.send().await.unwrap();
    assert!(header(&response, "access-control-allow-methods").contains("PATCH"));
    assert!(header(&response, "access-control-allow-headers").contains("upload-offset"));
}

#[tokio::test]
async fn health_and_readiness_are_on_both_listeners() {
    let service = Service::start().await;
    for address in [service.fetch.public_addr(), service.fetch.private_addr()] {
        for path in ["healthz", "readyz"] {
            let url = format!("http://{address}/{path}");
            assert_eq!(service.http.get(url).send().await.unwrap().status(), 200);
        }
    }
    // The API is on the public one alone.
    let url = format!("http://{}/v1/me", service.fetch.private_addr());
    assert_eq!(service.http.get(url).send().await.unwrap().status(), 404);
}
