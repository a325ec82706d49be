//! The OpenAPI document, held against the service that serves it.

use std::collections::BTreeSet;

use nudge_proto::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Service, header, text};

async fn document(service: &Service) -> Value {
    let response = service.http.get(service.url("/openapi.json")).send().await.unwrap();
    assert_eq!(header(&response, "content-type"), "application/json");
    response.json().await.unwrap()
}

fn filled(path: &str) -> String {
    let id = Uuid::new_v4().to_string();
    let fill = |part: &str| match part {
        "{handle}" => "nobody".to_owned(),
        _ if part.starts_with('{') => id.clone(),
        _ => part.to_owned(),
    };
    path.split('/').map(fill).collect::<Vec<_>>().join("/")
}

const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];

#[tokio::test]
async fn every_method_of_every_path_is_described_and_the_other_way_round() {
    let service = Service::start().await;
    let document = document(&service).await;
    let mut user = service.user("ada").await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            let asked: Method = method.to_uppercase().parse().unwrap();
            let request = user.request(asked, &filled(path)).header("tus-resumable", "1.0.0");
            let status = request.send().await.unwrap().status().as_u16();
            // HEAD is what GET is, without the body.
            let described =
                item.get(method).is_some() || (method == "head" && item.get("get").is_some());
            // A POST on an upload is routed, and refuses what it is not told to override.
            let overrides = path == "/v1/uploads/{id}" && method == "post";
            assert_eq!(described && !overrides, status != 405, "{method} {path}: {status}");
            if path == "/v1/sessions/current" && status == 204 {
                user = service.log_in("ada").await;
            }
        }
    }
}

#[tokio::test]
async fn an_operation_says_who_may_ask_and_what_it_refuses() {
    let service = Service::start().await;
    let document = document(&service).await;
    let mut told = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let is_open = operation.get("security").is_none();
            let asked: Method = method.to_uppercase().parse().unwrap();
            let request = service.http.request(asked, service.url(&filled(path)));
            let status = request.header("tus-resumable", "1.0.0").send().await.unwrap().status();
            assert_eq!(status != 401, is_open, "{method} {path} without a token: {status}");
            assert!(!text(&operation["summary"]).is_empty());
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
            for (status, response) in responses {
                let Some(problem) = response["content"].get("application/problem+json") else {
                    assert!(!status.starts_with('4'), "{method} {path}: {status}");
                    continue;
                };
                assert_eq!(problem["schema"]["$ref"], "#/components/schemas/Problem");
                for code in text(&response["description"]).split(", ") {
                    let code: ErrorCode = code.trim_matches('`').parse().unwrap();
                    assert_eq!(code.http_status().to_string(), *status);
                    told.insert(code.as_str());
                }
            }
        }
    }
    // Every code that there is, but for what is not an operation's own.
    let elsewhere = [ErrorCode::MethodNotAllowed, ErrorCode::NotAcceptable];
    for code in ErrorCode::ALL.iter().filter(|code| !elsewhere.contains(code)) {
        assert!(told.contains(code.as_str()), "no operation says that it may refuse with {code}");
    }
}

#[tokio::test]
async fn every_schema_that_is_named_is_there() {
    let service = Service::start().await;
    let document = document(&service).await;
    let mut named = BTreeSet::new();
    collect_references(&document, &mut named);
    assert!(named.len() > 25, "{named:?}");
    for reference in &named {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in schemas.keys() {
        let reference = format!("#/components/schemas/{name}");
        assert!(named.contains(&reference), "{name} is described and never used");
    }
    // Words of an enum are the words on the wire, bytes are base64, and what is optional is.
    let kinds = &schemas["ConversationKind"]["enum"];
    assert_eq!(*kinds, json!(["unspecified", "direct", "group"]));
    assert_eq!(schemas["Member"]["properties"]["role"]["default"], "unspecified");
    let body = &schemas["SendRequest"]["properties"]["body"];
    assert_eq!((&body["format"], &body["default"]), (&json!("byte"), &json!("")));
    assert!(
        schemas["InboxEntry"]
            .get("required")
            .is_none_or(|names| { !names.as_array().unwrap().contains(&json!("message")) })
    );
}

fn collect_references(value: &Value, named: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == "$ref" {
                    named.insert(text(field));
                }
                collect_references(field, named);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, named)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
