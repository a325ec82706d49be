//! Accounts and profiles.

use futures::future::join_all;
use nudge_proto::{RequestId, UserId};

use super::World;
use crate::store::{NewAccount, StoreError};

/// A retry answers with the account made before, whatever else it says.
pub async fn an_account_is_made_once_per_request(world: &World) {
    let new = world.new_account("ada");
    let first = world.store().create_account(new.clone()).await.unwrap();
    assert!(first.created);
    let retry = NewAccount { user_id: UserId::random(), now: world.now(), ..new.clone() };
    let again = world.store().create_account(retry).await.unwrap();
    assert!(!again.created);
    assert_eq!(again.account, first.account);
    let other = NewAccount { request_id: RequestId::random(), ..new.clone() };
    let taken = world.store().create_account(other).await.unwrap_err();
    assert_eq!(taken, StoreError::HandleTaken(new.handle));
}

/// Whoever is first has it.
pub async fn concurrent_registrations_of_a_handle_make_one_account(world: &World) {
    let news: Vec<_> = (0..16).map(|_| world.new_account("ada")).collect();
    let store = world.store();
    let made = join_all(news.iter().map(|new| store.create_account(new.clone()))).await;
    let created: Vec<_> = made.iter().flatten().collect();
    assert_eq!(created.len(), 1);
    let found = store.account_by_handle(&news[0].handle).await.unwrap().unwrap();
    assert_eq!(found, created[0].account);
}

/// And not at all when there is none.
pub async fn an_account_is_found_by_handle_and_by_id(world: &World) {
    let new = world.new_account("ada");
    world.store().create_account(new.clone()).await.unwrap();
    let by_handle = world.store().account_by_handle(&new.handle).await.unwrap().unwrap();
    let by_id = world.store().account(new.user_id).await.unwrap().unwrap();
    assert_eq!(by_handle, by_id);
    assert_eq!(by_id.user.handle, "ada");
    assert_eq!(by_id.user.display_name, new.display_name);
    assert_eq!(by_id.password_hash, new.password_hash);
    assert_eq!(world.store().account_by_handle(&"bob".parse().unwrap()).await.unwrap(), None);
    assert_eq!(world.store().account(UserId::random()).await.unwrap(), None);
}

/// Of a live account only.
pub async fn a_profile_and_a_password_change(world: &World) {
    let ada = world.person("ada").await;
    let user = world.store().set_display_name(ada.user_id, "Ada L.").await.unwrap();
    assert_eq!((user.id, user.display_name.as_str()), (ada.user_id, "Ada L."));
    world.store().set_password_hash(ada.user_id, "another").await.unwrap();
    let account = world.store().account(ada.user_id).await.unwrap().unwrap();
    assert_eq!(account.user, user);
    assert_eq!(account.password_hash.as_deref(), Some("another"));
    let nobody = UserId::random();
    let store = world.store();
    let unknown = StoreError::NotFound("user");
    assert_eq!(store.set_display_name(nobody, "x").await.unwrap_err(), unknown);
    assert_eq!(store.set_password_hash(nobody, "x").await.unwrap_err(), unknown);
}

/// Made at first sight, found from then on, and never mixed up with another.
pub async fn an_issuers_subject_has_one_account(world: &World) {
    let store = world.store();
    let new = |handle| NewAccount { password_hash: None, ..world.new_account(handle) };
    let first = store.account_of_issuer("https://id.example ada", new("ada")).await.unwrap();
    let again = store.account_of_issuer("https://id.example ada", new("ada2")).await.unwrap();
    let other = store.account_of_issuer("https://id.example bob", new("bob")).await.unwrap();
    assert!(first.created && !again.created && other.created);
    assert_eq!(again.account, first.account);
    assert_ne!(other.account, first.account);
    let taken = store.account_of_issuer("https://id.example eve", new("ada")).await.unwrap_err();
    assert_eq!(taken, StoreError::HandleTaken("ada".parse().unwrap()));
}
