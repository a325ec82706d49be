//! Conversations: made once, known to whom they concern.

use futures::future::join_all;
use nudge_proto::{
    ConversationId, ConversationSeq, MessageId, RequestId, UserId, limits::GROUP_MEMBERS_MAX,
};

use super::{Person, World};
use crate::store::{ChangeKind, ConversationKind, NewConversation, Role, StoreError, UnixMs};

fn anew(world: &World, new: &NewConversation) -> NewConversation {
    NewConversation { id: ConversationId::random(), now: world.now(), ..new.clone() }
}

/// From whichever side it is asked for.
pub async fn a_direct_conversation_is_one_for_its_two_users(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let store = world.store();
    let first = store.create_conversation(world.new_direct(ada, bob.user_id)).await.unwrap();
    let again = store.create_conversation(world.new_direct(ada, bob.user_id)).await.unwrap();
    let back = store.create_conversation(world.new_direct(bob, ada.user_id)).await.unwrap();
    assert!(first.value.1 && !again.value.1 && !back.value.1);
    assert_eq!((again.value.0, back.value.0), (first.value.0, first.value.0));
    assert!(first.moved.is_empty(), "an empty conversation is nobody's news");
    let view = world.view(bob, first.value.0).await.unwrap();
    assert_eq!((view.kind, view.member_count, view.head.0), (ConversationKind::Direct, 2, 0));
    let mut members: Vec<_> = view.members.iter().map(|member| member.user.id).collect();
    let mut both = [ada.user_id, bob.user_id];
    members.sort_unstable();
    both.sort_unstable();
    assert_eq!(members, both);
}

/// From both sides at once.
pub async fn concurrent_creations_of_a_direct_conversation_make_one(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let ids = join_all((0..16).map(|n| match n % 2 {
        0 => world.direct(ada, bob),
        _ => world.direct(bob, ada),
    }))
    .await;
    assert!(ids.iter().all(|id| *id == ids[0]));
}

/// Neither with oneself, nor with two, nor with nobody.
pub async fn a_direct_conversation_needs_one_other_live_user(world: &World) {
    let (ada, bob, eve) =
        (world.person("ada").await, world.person("bob").await, world.person("eve").await);
    let with = |members: Vec<UserId>| {
        let new = NewConversation { members, ..world.new_direct(ada, bob.user_id) };
        let store = world.store();
        async move { store.create_conversation(new).await.unwrap_err() }
    };
    assert!(matches!(with(vec![ada.user_id]).await, StoreError::Invalid(_)));
    assert!(matches!(with(vec![]).await, StoreError::Invalid(_)));
    assert!(matches!(with(vec![bob.user_id, eve.user_id]).await, StoreError::Invalid(_)));
    assert_eq!(with(vec![UserId::random()]).await, StoreError::NotFound("user"));
}

/// Until then it is as if it were not there.
pub async fn the_other_side_learns_of_a_direct_conversation_by_its_first_message(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    assert_hidden(world, bob, direct).await;
    assert!(world.view(ada, direct).await.unwrap().is_member);
    world.say(ada, direct, "hello").await;
    assert_eq!(world.view(bob, direct).await.unwrap().unread_count, 1);
    assert_eq!(world.history(bob, direct).await, ["hello"]);
    let list = world.store().conversations(bob.user_id, None, 10, world.now()).await.unwrap();
    assert_eq!(list.conversations.len(), 1);
    // Who asks for it himself knows it as well.
    let eve = world.person("eve").await;
    let other = world.direct(ada, eve).await;
    assert_eq!(world.direct(eve, ada).await, other);
    world.say(eve, other, "hello").await;
    assert_eq!(world.texts(ada).await, ["hello", "hello"]);
}

/// To `who` there is no such conversation, whatever he tries.
async fn assert_hidden(world: &World, who: Person, id: ConversationId) {
    let hidden = StoreError::NotFound("conversation");
    let (store, now) = (world.store(), world.now());
    assert_eq!(world.view(who, id).await.unwrap_err(), hidden);
    assert_eq!(world.send(world.draft(who, id, "hello")).await, Err(hidden.clone()));
    let list = store.conversations(who.user_id, None, 100, now).await.unwrap();
    assert!(list.conversations.iter().all(|view| view.id != id));
    assert_eq!(store.history(who.user_id, id, None, 10, now).await.unwrap_err(), hidden);
    assert_eq!(store.marks(who.user_id, id).await.unwrap_err(), hidden);
    let read = store.mark_read(who.user_id, id, ConversationSeq(1), now).await;
    assert_eq!(read.unwrap_err(), hidden);
    assert_eq!(world.mute(who, id, UnixMs(1)).await.unwrap_err(), hidden);
    assert_eq!(store.typing_audience(who.user_id, id).await.unwrap_err(), hidden);
    assert_eq!(world.rename(who, id, "mine").await.unwrap_err(), hidden);
    let put = store.put_member(who.pair(), id, who.user_id, Role::Admin, now).await;
    assert_eq!(put.unwrap_err(), hidden);
    let leave = store.remove_member(who.pair(), id, who.user_id, now).await;
    assert_eq!(leave.unwrap_err(), hidden);
}

/// A retry says the same, in any order; another content is a conflict.
pub async fn a_group_is_made_once_per_request(world: &World) {
    let (ada, bob, eve) =
        (world.person("ada").await, world.person("bob").await, world.person("eve").await);
    let store = world.store();
    let new = world.new_group(ada, &[bob, eve]);
    let first = store.create_conversation(new.clone()).await.unwrap();
    assert_eq!((first.value, first.moved.len()), ((new.id, true), 3));
    let turned = vec![eve.user_id, bob.user_id];
    let retry = NewConversation { members: turned, ..anew(world, &new) };
    let again = store.create_conversation(retry).await.unwrap();
    assert_eq!((again.value, again.moved.len()), ((new.id, false), 0));
    let request_id = new.request_id.unwrap();
    for other in [
        NewConversation { title: "foes".to_owned(), ..anew(world, &new) },
        NewConversation { members: vec![bob.user_id], ..anew(world, &new) },
    ] {
        let conflict = StoreError::IdempotencyConflict(request_id.uuid());
        assert_eq!(store.create_conversation(other).await.unwrap_err(), conflict);
    }
    // The same request of another user is another one.
    let others = NewConversation { request_id: Some(request_id), ..world.new_group(bob, &[ada]) };
    assert!(store.create_conversation(others).await.unwrap().value.1);
    let view = world.view(bob, new.id).await.unwrap();
    assert_eq!((view.title.as_str(), view.member_count, view.head.0), ("friends", 3, 1));
    let admins = view.members.iter().filter(|member| member.role == Role::Admin);
    assert!(admins.map(|member| member.user.id).eq([ada.user_id]));
    let created = &world.changes(eve).await[0];
    assert_eq!((&created.kind, created.actor), (&ChangeKind::Created, ada.user_id));
}

/// One request, asked many times at once.
pub async fn concurrent_creations_of_a_group_make_one(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let new = world.new_group(ada, &[bob]);
    let store = world.store();
    let made = join_all((0..16).map(|_| store.create_conversation(anew(world, &new)))).await;
    let made: Vec<_> = made.into_iter().map(|made| made.unwrap().value).collect();
    assert_eq!(made.iter().filter(|(_, created)| *created).count(), 1);
    assert!(made.iter().all(|(id, _)| *id == made[0].0));
    assert_eq!(world.changes(bob).await.len(), 1);
}

/// The creator counts, and is counted once.
pub async fn a_group_has_a_limited_number_of_members(world: &World) {
    let ada = world.person("ada").await;
    let store = world.store();
    let accounts = (0..GROUP_MEMBERS_MAX).map(|n| world.new_account(&format!("user{n}")));
    let made = join_all(accounts.map(|new| store.create_account(new))).await;
    let mut users: Vec<_> = made.into_iter().map(|made| made.unwrap().account.user.id).collect();
    let of = |members: &[UserId]| NewConversation {
        members: members.to_vec(),
        request_id: Some(RequestId::random()),
        ..world.new_group(ada, &[])
    };
    let full = StoreError::ConversationFull { limit: GROUP_MEMBERS_MAX };
    assert_eq!(store.create_conversation(of(&users)).await.unwrap_err(), full);
    let late = users.pop().unwrap();
    users.push(ada.user_id);
    let made = store.create_conversation(of(&users)).await.unwrap();
    assert_eq!(made.moved.len(), GROUP_MEMBERS_MAX);
    let group = made.value.0;
    assert_eq!(world.view(ada, group).await.unwrap().members.len(), GROUP_MEMBERS_MAX);
    let put = store.put_member(ada.pair(), group, late, Role::Member, world.now()).await;
    assert_eq!(put.unwrap_err(), full);
    let sent = store.send(world.draft(ada, group, "all of you")).await.unwrap();
    assert_eq!(sent.moved.len(), GROUP_MEMBERS_MAX);
}

/// The same title again changes nothing.
pub async fn a_title_is_changed_by_an_admin_alone(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let (group, direct) = (world.group(ada, &[bob]).await, world.direct(ada, bob).await);
    let title = async |who, id, title| world.rename(who, id, title).await;
    assert_eq!(title(ada, group, "foes").await.unwrap().moved.len(), 2);
    assert!(title(ada, group, "foes").await.unwrap().moved.is_empty());
    assert_eq!(world.view(bob, group).await.unwrap().title, "foes");
    let told = ChangeKind::Title("foes".to_owned());
    let changes = world.changes(bob).await;
    assert_eq!(changes.iter().filter(|change| change.kind == told).count(), 1);
    assert!(matches!(title(bob, group, "x").await, Err(StoreError::Forbidden { .. })));
    assert!(matches!(title(ada, direct, "x").await, Err(StoreError::Invalid(_))));
}

/// Unknown and forbidden look the same.
pub async fn p8_to_a_stranger_there_is_no_conversation(world: &World) {
    let (ada, bob, eve) =
        (world.person("ada").await, world.person("bob").await, world.person("eve").await);
    let (direct, group) = (world.direct(ada, bob).await, world.group(ada, &[bob]).await);
    let sent = world.say(ada, direct, "for bob").await;
    for id in [direct, group, ConversationId::random()] {
        assert_hidden(world, eve, id).await;
    }
    for id in [sent.message_id, MessageId::random()] {
        let refused = world.store().message(eve.user_id, id, world.now()).await.unwrap_err();
        assert_eq!(refused, StoreError::NotFound("message"));
    }
    let message = world.store().message(bob.user_id, sent.message_id, world.now()).await.unwrap();
    assert_eq!(&message.body[..], b"for bob");
}

/// Whichever side blocks.
pub async fn typing_is_told_to_members_who_do_not_block(world: &World) {
    let (ada, bob, cyd, dan) = (
        world.person("ada").await,
        world.person("bob").await,
        world.person("cyd").await,
        world.person("dan").await,
    );
    let group = world.group(ada, &[bob, cyd, dan]).await;
    world.block(ada, bob).await;
    world.block(cyd, ada).await;
    let audience = world.store().typing_audience(ada.user_id, group).await.unwrap();
    assert_eq!(audience, [dan.user_id]);
}

/// The other side of a direct conversation learns of it by a message.
pub async fn typing_introduces_nobody(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let direct = world.direct(ada, bob).await;
    let audience = || async { world.store().typing_audience(ada.user_id, direct).await.unwrap() };
    assert_eq!(audience().await, []);
    world.say(ada, direct, "hello").await;
    assert_eq!(audience().await, [bob.user_id]);
}
