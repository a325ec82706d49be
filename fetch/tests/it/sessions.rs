use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::support::Service;

#[tokio::test]
async fn a_repeated_registration_answers_with_the_same_account() {
    let service = Service::start().await;
    let request = json!({
        "request_id": Uuid::new_v4(), "handle": "Ada", "password": "correct horse",
    });
    let (first, account) = service.post("/v1/accounts", request.clone()).await;
    let (second, again) = service.post("/v1/accounts", request.clone()).await;
    assert_eq!((first.as_u16(), second.as_u16()), (201, 200));
    assert_eq!(account, again);
    let mut other = request;
    other["request_id"] = json!(Uuid::new_v4());
    let (third, problem) = service.post("/v1/accounts", other).await;
    assert_eq!((third.as_u16(), &problem["code"]), (409, &json!("handle_taken")));
}

#[tokio::test]
async fn a_lost_refresh_answer_is_given_again_and_reuse_revokes_the_device() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let first = ada.session["refresh_token"].clone();
    let refresh = |token| service.post("/v1/sessions/refresh", json!({ "refresh_token": token }));

    let (status, second) = refresh(first.clone()).await;
    assert_eq!(status, 200, "{second}");
    let (status, again) = refresh(first.clone()).await;
    assert_eq!(status, 200, "a lost answer must not log a phone out: {again}");
    assert_eq!(second["refresh_token"], again["refresh_token"]);

    let (status, _) = refresh(second["refresh_token"].clone()).await;
    assert_eq!(status, 200);
    let (status, problem) = refresh(first).await;
    assert_eq!((status.as_u16(), &problem["code"]), (401, &json!("refresh_token_reused")));
    let (status, problem) = ada.get("/v1/me").await;
    assert_eq!((status.as_u16(), &problem["code"]), (401, &json!("device_revoked")));
}

#[tokio::test]
async fn an_access_token_ends_after_ten_minutes() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    assert_eq!(ada.get("/v1/me").await.0, 200);
    service.advance_s(601);
    let (status, problem) = ada.get("/v1/me").await;
    assert_eq!((status.as_u16(), &problem["code"]), (401, &json!("access_token_expired")));
}

#[tokio::test]
async fn an_unknown_handle_and_a_wrong_password_look_the_same() {
    let service = Service::start().await;
    service.user("ada").await;
    let log_in = |handle: &str| json!({ "device_id": Uuid::new_v4(), "handle": handle, "password": "wrong horse" });
    let (status, mut known) = service.post("/v1/sessions", log_in("ada")).await;
    let (other_status, mut unknown) = service.post("/v1/sessions", log_in("nobody")).await;
    known["request_id"] = json!("");
    unknown["request_id"] = json!("");
    assert_eq!((status.as_u16(), known), (other_status.as_u16(), unknown));
    assert_eq!(status, 401);
}

#[tokio::test]
async fn a_revoked_device_is_out_at_once_and_the_other_stays() {
    let service = Service::start().await;
    let phone = service.user("ada").await;
    let laptop = service.log_in("ada").await;
    let path = format!("/v1/devices/{}", phone.session["device_id"].as_str().unwrap());
    assert_eq!(laptop.send_json(Method::DELETE, &path, json!({})).await.0, 204);
    assert_eq!(phone.get("/v1/inbox").await.0, 401);
    let (status, devices) = laptop.get("/v1/devices").await;
    assert_eq!(status, 200);
    assert_eq!(devices["devices"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn too_many_guesses_are_turned_away() {
    let service = Service::start().await;
    for _ in 0..40 {
        let guess = json!({
            "device_id": Uuid::new_v4(), "handle": "victim", "password": "a guess or two",
        });
        let (status, problem) = service.post("/v1/sessions", guess).await;
        if status == 429 {
            assert_eq!(problem["code"], "rate_limited");
            return;
        }
    }
    panic!("forty guesses within a minute were all heard");
}

#[tokio::test]
async fn a_deleted_account_leaves_and_its_handle_is_never_given_again() {
    let service = Service::start().await;
    let ada = service.user("ada").await;
    let bob = service.user("bob").await;
    let group = ada.group(&[&bob]).await;
    ada.send(&group, "goodbye").await;
    let (status, _) =
        ada.send_json(Method::DELETE, "/v1/me", json!({ "password": "correct horse" })).await;
    assert_eq!(status, 204);
    assert_eq!(ada.get("/v1/me").await.0, 401);
    for _ in 0..100 {
        let (_, conversation) = bob.get(&format!("/v1/conversations/{group}")).await;
        if conversation["member_count"] == 1 {
            assert_eq!(
                conversation["members"][0]["role"], "admin",
                "the oldest member is promoted"
            );
            assert_eq!(bob.texts(0).await, ["goodbye"], "what others received stays");
            let again = json!({
                "request_id": Uuid::new_v4(), "handle": "ada", "password": "correct horse",
            });
            let (_, problem) = service.post("/v1/accounts", again).await;
            assert_eq!(problem["code"], "handle_taken");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the deleted user never left the group");
}
