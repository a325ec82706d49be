//! P6 as far as the store knows: fences, offsets, digests, quotas.

use std::time::Duration;

use futures::future::join_all;
use nudge_proto::{MediumId, RequestId};

use super::{Person, World, unlimited};
use crate::{
    objects::{Layout, Multipart, ObjectName},
    store::{AppendCommit, MediaQuota, MediumState, NewUpload, StoreError, UnixMs, Upload},
};

async fn create(world: &World, owner: Person, size: u64) -> MediumId {
    let new = world.new_upload(owner, size);
    world.store().create_upload(new).await.unwrap().0.id
}

async fn state(world: &World, owner: Person, id: MediumId) -> Upload {
    world.store().upload(owner.user_id, id).await.unwrap()
}

fn commit(id: MediumId, fence: u64, offset: u64) -> AppendCommit {
    let digest_state = offset.to_be_bytes().to_vec();
    AppendCommit { id, fence, layout: lies(offset), offset, digest_state, expires_at: UnixMs(0) }
}

/// Where so many bytes might lie.
fn lies(offset: u64) -> Layout {
    Layout(format!("{offset} bytes, 'somewhere'"))
}

fn multipart(name: &str) -> Multipart {
    Multipart { name: ObjectName(name.to_owned()), id: format!("id of {name}") }
}

/// A retry answers with the upload as it then stands, complete or not.
pub async fn an_upload_is_made_once_per_request(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let new = NewUpload { declared_sha256: Some([7; 32]), ..world.new_upload(ada, 10) };
    let again = NewUpload { id: MediumId::random(), ..new.clone() };
    let store = world.store();
    let (first, created) = store.create_upload(new.clone()).await.unwrap();
    assert!(created);
    assert_eq!((first.size, first.offset, first.sha256), (10, 0, None));
    assert_eq!(first.declared_sha256, new.declared_sha256);
    world.append(ada, new.id, 0, 4).await;
    let (retry, created) = store.create_upload(again.clone()).await.unwrap();
    assert_eq!((retry.id, retry.offset, created), (new.id, 4, false));
    for other in [
        NewUpload { size: 11, ..again.clone() },
        NewUpload { declared_sha256: Some([8; 32]), ..again.clone() },
    ] {
        let conflict = StoreError::IdempotencyConflict(new.request_id.unwrap().uuid());
        assert_eq!(store.create_upload(other).await.unwrap_err(), conflict);
    }
    world.append(ada, new.id, 4, 6).await;
    world.complete(new.id).await.unwrap();
    let (retry, created) = store.create_upload(again.clone()).await.unwrap();
    assert_eq!((retry.id, retry.offset, retry.sha256), (new.id, 10, Some([7; 32])));
    assert!(!created);
    let bobs = NewUpload { owner_id: bob.user_id, ..again };
    assert!(store.create_upload(bobs).await.unwrap().1, "a request is its user's");
    // Without a client-made id each creation is a new one.
    for _ in 0..2 {
        let nameless = NewUpload { request_id: None, ..world.new_upload(ada, 1) };
        assert!(store.create_upload(nameless).await.unwrap().1);
    }
}

/// One request, asked many times at once.
pub async fn concurrent_creations_of_an_upload_make_one(world: &World) {
    let ada = world.person("ada").await;
    let request_id = Some(RequestId::random());
    let news = (0..16).map(|_| NewUpload { request_id, ..world.new_upload(ada, 10) });
    let store = world.store();
    let made = join_all(news.map(|new| store.create_upload(new))).await;
    let made: Vec<_> = made.into_iter().map(Result::unwrap).collect();
    assert_eq!(made.iter().filter(|(_, created)| *created).count(), 1);
    assert!(made.iter().all(|(upload, _)| upload.id == made[0].0.id));
}

/// Until it is a medium that he sends.
pub async fn p8_an_upload_is_its_owners_alone(world: &World) {
    let (ada, eve) = (world.person("ada").await, world.person("eve").await);
    let upload = create(world, ada, 10).await;
    let store = world.store();
    for id in [upload, MediumId::random()] {
        let refused = store.upload(eve.user_id, id).await.unwrap_err();
        assert_eq!(refused, StoreError::NotFound("upload"));
        let refused = store.begin_append(eve.user_id, id, 0).await.unwrap_err();
        assert_eq!(refused, StoreError::NotFound("upload"));
        let refused = store.remove_upload(eve.user_id, id).await.unwrap_err();
        assert_eq!(refused, StoreError::NotFound("unfinished upload"));
    }
    assert_eq!(state(world, ada, upload).await.offset, 0);
}

/// Who was taken over commits nothing any more.
pub async fn p6_a_newer_request_fences_the_older(world: &World) {
    let ada = world.person("ada").await;
    let id = create(world, ada, 10).await;
    let store = world.store();
    let older = store.begin_append(ada.user_id, id, 0).await.unwrap();
    store.commit_append(commit(id, older.fence, 3)).await.unwrap();
    let newer = store.begin_append(ada.user_id, id, 3).await.unwrap();
    assert!(newer.fence > older.fence);
    let refused = store.commit_append(commit(id, older.fence, 5)).await.unwrap_err();
    assert_eq!(refused, StoreError::UploadTakenOver);
    assert_eq!(state(world, ada, id).await.offset, 3);
    store.commit_append(commit(id, newer.fence, 5)).await.unwrap();
    store.commit_append(commit(id, newer.fence, 10)).await.unwrap();
    let refused = store.record_layout(id, older.fence, lies(1)).await.unwrap_err();
    assert_eq!(refused, StoreError::UploadTakenOver);
    assert_eq!(store.layout(id).await.unwrap(), Some(lies(10)));
}

/// Anything else is told where that is, and takes nothing over.
pub async fn p6_bytes_begin_where_the_upload_stands(world: &World) {
    let ada = world.person("ada").await;
    let id = create(world, ada, 10).await;
    let store = world.store();
    let turn = store.begin_append(ada.user_id, id, 0).await.unwrap();
    store.commit_append(commit(id, turn.fence, 3)).await.unwrap();
    for given in [0, 2, 4, 10, u64::MAX >> 1] {
        let refused = store.begin_append(ada.user_id, id, given).await.unwrap_err();
        assert_eq!(refused, StoreError::OffsetMismatch { given, offset: 3 });
    }
    store.commit_append(commit(id, turn.fence, 4)).await.unwrap();
}

/// And is what the next request goes on from.
pub async fn p6_the_digests_state_goes_with_the_offset(world: &World) {
    let ada = world.person("ada").await;
    let new = world.new_upload(ada, 10);
    let (id, at_first) = (new.id, new.digest_state.clone());
    let store = world.store();
    store.create_upload(new).await.unwrap();
    let turn = store.begin_append(ada.user_id, id, 0).await.unwrap();
    assert_eq!(turn.digest_state, at_first);
    store.commit_append(commit(id, turn.fence, 6)).await.unwrap();
    world.reopen().await;
    let turn = world.store().begin_append(ada.user_id, id, 6).await.unwrap();
    assert_eq!(turn.digest_state, 6u64.to_be_bytes());
    assert_eq!((turn.upload.offset, turn.upload.size), (6, 10));
}

/// And so does where the bytes lie, which may change without more of them.
pub async fn p6_the_layout_goes_with_the_offset(world: &World) {
    let ada = world.person("ada").await;
    let id = create(world, ada, 10).await;
    let store = world.store();
    assert_eq!(store.layout(id).await.unwrap(), Some(Layout::default()));
    let turn = store.begin_append(ada.user_id, id, 0).await.unwrap();
    assert_eq!(turn.layout, Layout::default());
    store.commit_append(commit(id, turn.fence, 6)).await.unwrap();
    assert_eq!(store.layout(id).await.unwrap(), Some(lies(6)));
    store.record_layout(id, turn.fence, lies(7)).await.unwrap();
    world.reopen().await;
    let turn = world.store().begin_append(ada.user_id, id, 6).await.unwrap();
    assert_eq!((turn.layout, turn.upload.offset), (lies(7), 6));
    assert_eq!(turn.digest_state, 6u64.to_be_bytes());
    let nobodys = MediumId::random();
    assert_eq!(world.store().layout(nobodys).await.unwrap(), None);
    let refused = world.store().record_layout(nobodys, 1, lies(1)).await.unwrap_err();
    assert_eq!(refused, StoreError::UploadTakenOver);
}

/// A node that dies leaves what only the store knows of.
pub async fn a_multipart_upload_is_remembered_until_it_was_aborted_twice(world: &World) {
    let ada = world.person("ada").await;
    let (given_up, over) = (create(world, ada, 10).await, create(world, ada, 10).await);
    let store = world.store();
    for id in [given_up, over] {
        for name in ["a", "b"] {
            store.remember_multipart(id, multipart(name)).await.unwrap();
        }
    }
    assert_eq!(store.lost_multiparts(10).await.unwrap(), [], "they may go on");
    store.remove_upload(ada.user_id, given_up).await.unwrap();
    world.wait_days(1);
    world.reopen().await;
    assert_eq!(world.sweep(unlimited()).await.media, [over]);
    let store = world.store();
    assert_eq!(store.lost_multiparts(3).await.unwrap().len(), 3);
    let mut lost = store.lost_multiparts(10).await.unwrap();
    lost.sort_by_key(|(id, multipart)| (*id != given_up, multipart.name.0.clone()));
    let all = [(given_up, "a"), (given_up, "b"), (over, "a"), (over, "b")];
    assert_eq!(lost, all.map(|(id, name)| (id, multipart(name))));
    for left in [4, 3, 3, 3] {
        store.multipart_aborted(over, &multipart("b").name).await.unwrap();
        assert_eq!(store.lost_multiparts(10).await.unwrap().len(), left);
    }
    for id in [over, MediumId::random()] {
        let refused = store.remember_multipart(id, multipart("c")).await.unwrap_err();
        assert_eq!(refused, StoreError::NotFound("upload"), "nobody would come for it");
    }
}

/// It became the object; the others did not.
pub async fn a_multipart_upload_that_became_the_object_is_forgotten(world: &World) {
    let ada = world.person("ada").await;
    let id = create(world, ada, 10).await;
    let store = world.store();
    for name in ["other", "object"] {
        store.remember_multipart(id, multipart(name)).await.unwrap();
    }
    world.append(ada, id, 0, 10).await;
    assert_eq!(world.complete(id).await.unwrap().object, ObjectName("object".to_owned()));
    assert_eq!(store.lost_multiparts(10).await.unwrap(), [(id, multipart("other"))]);
}

/// Then it is no upload any more, but its creator can still look at it.
pub async fn p6_an_upload_completes_with_all_its_bytes_only(world: &World) {
    let ada = world.person("ada").await;
    let id = create(world, ada, 10).await;
    let store = world.store();
    for (at, length) in [(0, 4), (4, 5)] {
        assert!(matches!(world.complete(id).await, Err(StoreError::NotFound(_))));
        assert!(!world.may_read(ada, id).await);
        world.append(ada, id, at, length).await;
    }
    assert!(matches!(world.complete(id).await, Err(StoreError::NotFound(_))));
    world.append(ada, id, 9, 1).await;
    let medium = world.complete(id).await.unwrap();
    assert_eq!((medium.size, medium.sha256), (10, [7; 32]));
    assert_eq!(store.medium(ada.user_id, id, world.now()).await.unwrap(), medium);
    let seen = state(world, ada, id).await;
    assert_eq!((seen.offset, seen.sha256), (10, Some([7; 32])));
    let refused = store.begin_append(ada.user_id, id, 10).await.unwrap_err();
    assert!(matches!(refused, StoreError::NotFound(_)));
    let refused = store.remove_upload(ada.user_id, id).await.unwrap_err();
    assert_eq!(refused, StoreError::NotFound("unfinished upload"), "a medium is not given up");
    assert_eq!(store.layout(id).await.unwrap(), None);
}

/// Two requests that both saw the last byte, and one that died in between.
pub async fn p6_completing_twice_is_completing_once(world: &World) {
    let ada = world.person("ada").await;
    let id = create(world, ada, 10).await;
    world.append(ada, id, 0, 10).await;
    let made = join_all((0..8).map(|_| world.complete(id))).await;
    let first = made[0].clone().unwrap();
    assert!(made.iter().all(|medium| medium.as_ref() == Ok(&first)), "one time, one digest");
    let late = ObjectName("late".to_owned());
    let now = world.now();
    let medium = world.store().complete_upload(id, [7; 32], late, now, now).await.unwrap();
    assert_eq!(medium, first, "one object");
}

/// There is no last byte to wait for.
pub async fn an_empty_upload_completes_at_once(world: &World) {
    let ada = world.person("ada").await;
    let id = create(world, ada, 0).await;
    assert_eq!(world.complete(id).await.unwrap().size, 0);
    assert!(world.may_read(ada, id).await);
}

/// Completing frees a place among the unfinished, removing frees the bytes too.
pub async fn quotas_hold_for_bytes_and_for_unfinished_uploads(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let quota = MediaQuota { bytes: 25, unfinished: 2 };
    let store = world.store();
    let new = |owner, size| NewUpload { quota, ..world.new_upload(owner, size) };
    let first = store.create_upload(new(ada, 10)).await.unwrap().0.id;
    let second = store.create_upload(new(ada, 10)).await.unwrap().0.id;
    let refused = store.create_upload(new(ada, 6)).await.unwrap_err();
    assert_eq!(refused, StoreError::QuotaExceeded { needed: 6, left: 5 });
    let refused = store.create_upload(new(ada, 5)).await.unwrap_err();
    assert_eq!(refused, StoreError::LimitReached { what: "unfinished uploads", limit: 2 });
    world.append(ada, first, 0, 10).await;
    world.complete(first).await.unwrap();
    store.create_upload(new(ada, 5)).await.unwrap();
    store.remove_upload(ada.user_id, second).await.unwrap();
    store.create_upload(new(ada, 10)).await.unwrap();
    store.create_upload(new(bob, 25)).await.unwrap();
}

/// However many ask at once.
pub async fn concurrent_creations_keep_the_quota(world: &World) {
    let ada = world.person("ada").await;
    let quota = MediaQuota { bytes: 35, unfinished: 100 };
    let news = (0..16).map(|_| NewUpload { quota, ..world.new_upload(ada, 10) });
    let store = world.store();
    let made = join_all(news.map(|new| store.create_upload(new))).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 3);
}

/// And a request that was still writing to it is told.
pub async fn an_unfinished_upload_is_removed_after_its_time(world: &World) {
    let ada = world.person("ada").await;
    let id = create(world, ada, 10).await;
    let turn = world.store().begin_append(ada.user_id, id, 0).await.unwrap();
    assert!(world.sweep(unlimited()).await.media.is_empty());
    world.wait_days(1);
    assert_eq!(world.sweep(unlimited()).await.media, [id]);
    let refused = world.store().upload(ada.user_id, id).await.unwrap_err();
    assert_eq!(refused, StoreError::NotFound("upload"));
    let refused = world.store().commit_append(commit(id, turn.fence, 3)).await.unwrap_err();
    assert_eq!(refused, StoreError::UploadTakenOver);
    assert_eq!(world.store().layout(id).await.unwrap(), None);
}

/// Never earlier than it was to be.
pub async fn an_upload_that_makes_progress_is_removed_later(world: &World) {
    let ada = world.person("ada").await;
    let id = create(world, ada, 10).await;
    let turn = world.store().begin_append(ada.user_id, id, 0).await.unwrap();
    let later = world.now().after(Duration::from_secs(3 * 24 * 3600));
    for (length, expires_at) in [(1, later), (2, UnixMs(7))] {
        let commit = AppendCommit { expires_at, ..commit(id, turn.fence, length) };
        world.store().commit_append(commit).await.unwrap();
        assert_eq!(state(world, ada, id).await.expires_at, later);
    }
    world.wait_days(2);
    assert!(world.sweep(unlimited()).await.media.is_empty());
    world.wait_days(1);
    assert_eq!(world.sweep(unlimited()).await.media, [id]);
}

/// For the collector.
pub async fn media_states_are_told_in_the_order_asked(world: &World) {
    let ada = world.person("ada").await;
    let (whole, half) = (world.medium(ada).await, create(world, ada, 10).await);
    let removed = create(world, ada, 10).await;
    world.store().remove_upload(ada.user_id, removed).await.unwrap();
    let asked = [half, MediumId::random(), whole, removed, half];
    let states = world.store().media_states(&asked).await.unwrap();
    use MediumState::{Complete, Unfinished, Unknown};
    let complete = Complete { object: ObjectName("object".to_owned()) };
    assert_eq!(states, [Unfinished, Unknown, complete, Unknown, Unfinished]);
    assert_eq!(world.store().media_states(&[]).await.unwrap(), []);
}
