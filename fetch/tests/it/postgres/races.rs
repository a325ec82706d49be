//! Two nodes do the same thing at the same time: it is done once, and both know.

use futures::future::join_all;
use nudge_fetch::{
    objects::{Layout, ObjectName},
    store::{
        AppendCommit, Key, KeyPurpose, MediaQuota, NewAccount, NewConversation, NewUpload,
        OpenDevice, Refresh, Refreshed, StoreError, UnixMs,
    },
};
use nudge_proto::{ConversationId, MediumId, RequestId, UserId, limits::DEVICES_PER_USER_MAX};

use super::nodes::{Nodes, only};

/// Once is luck.
const ROUNDS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_is_registered_on_one_node_alone() {
    let nodes = Nodes::start().await;
    for round in 0..ROUNDS {
        let handle = format!("ada{round}");
        let made = nodes
            .on_all(async |store| store.create_account(nodes.world.new_account(&handle)).await)
            .await;
        let (made, refused) = only(made);
        assert!(made.created);
        let taken = StoreError::HandleTaken(handle.parse().unwrap());
        assert_eq!(refused, [taken.clone(), taken]);
        let found = nodes.node(round).account_by_handle(&handle.parse().unwrap()).await.unwrap();
        assert_eq!(found, Some(made.account));
    }
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_that_is_repeated_on_other_nodes_makes_one_account() {
    let nodes = Nodes::start().await;
    for round in 0..ROUNDS {
        let new = nodes.world.new_account(&format!("ada{round}"));
        let made = nodes
            .on_all(async |store| {
                let retry = NewAccount { user_id: UserId::random(), ..new.clone() };
                store.create_account(retry).await.unwrap()
            })
            .await;
        assert_eq!(made.iter().filter(|made| made.created).count(), 1);
        assert!(made.iter().all(|one| one.account == made[0].account));
    }
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuers_subject_is_seen_for_the_first_time_once() {
    let nodes = Nodes::start().await;
    for round in 0..ROUNDS {
        let subject = format!("https://id.example {round}");
        let made = nodes
            .on_all(async |store| {
                // The handle is made up by the node.
                let handle = format!("u{}", &UserId::random().to_string()[..8]);
                let new = nodes.world.new_account(&handle);
                let new = NewAccount { password_hash: None, ..new };
                store.account_of_issuer(&subject, new).await.unwrap()
            })
            .await;
        assert_eq!(made.iter().filter(|made| made.created).count(), 1);
        assert!(made.iter().all(|one| one.account == made[0].account));
    }
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_direct_conversation_made_from_both_sides_is_one() {
    let nodes = Nodes::start().await;
    let people = nodes.people(ROUNDS + 1).await;
    for round in 0..ROUNDS {
        let (ada, bob) = (people[0], people[round + 1]);
        let sides = [(ada, bob), (bob, ada), (ada, bob), (bob, ada)];
        let made = join_all(sides.iter().enumerate().map(async |(number, (who, other))| {
            let new = nodes.world.new_direct(*who, other.user_id);
            nodes.node(number).create_conversation(new).await.unwrap().value
        }))
        .await;
        assert_eq!(made.iter().filter(|(_, created)| *created).count(), 1);
        assert!(made.iter().all(|(id, _)| *id == made[0].0));
        for who in [ada, bob] {
            assert!(nodes.world.view(who, made[0].0).await.unwrap().is_member);
        }
    }
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_asked_for_on_every_node_begins_once() {
    let nodes = Nodes::start().await;
    let people = nodes.people(4).await;
    for round in 0..ROUNDS {
        let new = nodes.world.new_group(people[0], &people[1..]);
        let made = nodes
            .on_all(async |store| {
                let retry = NewConversation { id: ConversationId::random(), ..new.clone() };
                store.create_conversation(retry).await.unwrap()
            })
            .await;
        let created: Vec<_> = made.iter().filter(|made| made.value.1).collect();
        assert_eq!(created.len(), 1);
        assert_eq!(created[0].moved.len(), people.len());
        assert!(made.iter().all(|one| one.value.0 == made[0].value.0));
        for who in &people {
            assert_eq!(nodes.world.changes(*who).await.len(), round + 1);
        }
    }
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_asked_for_on_every_node_is_one() {
    let nodes = Nodes::start().await;
    let ada = nodes.world.person("ada").await;
    for _ in 0..ROUNDS {
        let quota = MediaQuota { bytes: 10 * ROUNDS as u64, unfinished: ROUNDS };
        let new = NewUpload { quota, ..nodes.world.new_upload(ada, 10) };
        let made = nodes
            .on_all(async |store| {
                let retry = NewUpload { id: MediumId::random(), ..new.clone() };
                store.create_upload(retry).await.unwrap()
            })
            .await;
        assert_eq!(made.iter().filter(|(_, created)| *created).count(), 1);
        assert!(made.iter().all(|(upload, _)| upload.id == made[0].0.id));
    }
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_used_on_every_node_has_one_successor() {
    let nodes = Nodes::start().await;
    let ada = nodes.world.person("ada").await;
    for round in 1..=ROUNDS as u64 {
        let refreshed = nodes
            .on_all(async |store| {
                let refresh = Refresh {
                    user_id: ada.user_id,
                    device_id: ada.device_id,
                    chain: 1,
                    n: round,
                    now: nodes.world.now(),
                };
                store.refresh(refresh).await.unwrap()
            })
            .await;
        for answer in refreshed {
            assert!(matches!(answer, Refreshed::Next { n, .. } if n == round + 1), "{answer:?}");
        }
    }
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_repeated_on_other_nodes_is_one_device() {
    let nodes = Nodes::start().await;
    let ada = nodes.world.person("ada").await;
    for _ in 0..ROUNDS {
        let open = nodes.world.log_in(ada.user_id, 7);
        let opened =
            nodes.on_all(async |store| store.open_device(open.clone()).await.unwrap()).await;
        assert_eq!(opened.iter().filter(|opened| opened.created).count(), 1);
    }
    assert_eq!(nodes.node(1).devices(ada.user_id).await.unwrap().len(), ROUNDS + 1);
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_last_place_for_a_device_is_given_once() {
    let nodes = Nodes::start().await;
    let ada = nodes.world.person("ada").await;
    for _ in 2..DEVICES_PER_USER_MAX {
        nodes.world.device_of(ada.user_id).await;
    }
    let opened = nodes
        .on_all(async |store| {
            let open: OpenDevice = nodes.world.log_in(ada.user_id, 1);
            store.open_device(open).await
        })
        .await;
    let full = StoreError::LimitReached { what: "devices", limit: DEVICES_PER_USER_MAX };
    assert_eq!(only(opened).1, [full.clone(), full]);
    assert_eq!(nodes.node(0).devices(ada.user_id).await.unwrap().len(), DEVICES_PER_USER_MAX);
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quota_of_media_holds_over_all_nodes() {
    let nodes = Nodes::start().await;
    for owner in nodes.people(ROUNDS).await {
        let quota = MediaQuota { bytes: 45, unfinished: 3 };
        let made = join_all((0..9).map(async |number| {
            let new = NewUpload { quota, ..nodes.world.new_upload(owner, 10 + number) };
            nodes.node(number as usize).create_upload(new).await
        }))
        .await;
        let made: Vec<_> = made.into_iter().flatten().collect();
        assert!(made.iter().map(|(upload, _)| upload.size).sum::<u64>() <= quota.bytes);
        assert!((2..=quota.unfinished).contains(&made.len()), "{}", made.len());
    }
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_of_requests_that_continue_an_upload_on_several_nodes_one_commits() {
    let nodes = Nodes::start().await;
    let ada = nodes.world.person("ada").await;
    for _ in 0..ROUNDS {
        let new = nodes.world.new_upload(ada, 10);
        let (id, expires_at) = (new.id, new.expires_at);
        nodes.node(0).create_upload(new).await.unwrap();
        let turns = nodes
            .on_all(async |store| {
                let turn = store.begin_append(ada.user_id, id, 0).await.unwrap();
                assert_eq!(turn.upload.offset, 0);
                turn
            })
            .await;
        let commits = turns.iter().enumerate().map(async |(number, turn)| {
            let commit = AppendCommit {
                id,
                fence: turn.fence,
                layout: Layout(format!("{number}")),
                offset: 10,
                digest_state: turn.digest_state.clone(),
                expires_at,
            };
            nodes.node(number).commit_append(commit).await
        });
        assert_eq!(only(join_all(commits).await).1, vec![StoreError::UploadTakenOver; 2]);
        let complete = nodes
            .on_all(async |store| {
                let kept = UnixMs(expires_at.0 + 1);
                let object = ObjectName(UserId::random().to_string());
                store.complete_upload(id, [7; 32], object, nodes.world.now(), kept).await.unwrap()
            })
            .await;
        assert!(complete.iter().all(|medium| *medium == complete[0]), "one object, by its name");
    }
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_have_the_same_keys() {
    let nodes = Nodes::start().await;
    for purpose in [KeyPurpose::Ticket, KeyPurpose::Access, KeyPurpose::Refresh] {
        let now = nodes.world.now();
        let keys = nodes
            .on_all(async |store| {
                let fresh = Key {
                    id: 0,
                    secret: UserId::random().as_bytes().to_vec(),
                    created_at: now,
                    retire_at: UnixMs(now.0 + 1000),
                    not_after: UnixMs(now.0 + 2000),
                };
                store.keys(purpose, fresh, now).await.unwrap()
            })
            .await;
        assert_eq!(keys[0].len(), 1);
        assert!(keys.iter().all(|of_node| *of_node == keys[0]));
    }
    nodes.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_id_used_for_two_groups_at_once_makes_one_and_a_conflict() {
    let nodes = Nodes::start().await;
    let people = nodes.people(3).await;
    for _ in 0..ROUNDS {
        let request_id = RequestId::random();
        let made = join_all(people[1..].iter().enumerate().map(async |(number, other)| {
            let new = nodes.world.new_group(people[0], &[*other]);
            let new = NewConversation { request_id: Some(request_id), ..new };
            nodes.node(number).create_conversation(new).await
        }))
        .await;
        let (made, refused) = only(made);
        assert!(made.value.1);
        assert_eq!(refused, [StoreError::IdempotencyConflict(request_id.uuid())]);
    }
    nodes.end().await;
}
