//! Members: roles, intervals, numbered changes.

use futures::future::join_all;
use nudge_proto::{ConversationId, UserId};

use super::{Person, World};
use crate::store::{ChangeKind, Role, StoreError};

async fn three(world: &World) -> (Person, Person, Person) {
    (world.person("ada").await, world.person("bob").await, world.person("eve").await)
}

/// How many inboxes it moved.
async fn put(
    world: &World,
    actor: Person,
    group: ConversationId,
    who: Person,
    role: Role,
) -> Result<usize, StoreError> {
    let (store, now) = (world.store(), world.now());
    let outcome = store.put_member(actor.pair(), group, who.user_id, role, now).await?;
    Ok(outcome.moved.len())
}

/// How many inboxes it moved.
async fn remove(
    world: &World,
    actor: Person,
    group: ConversationId,
    who: Person,
) -> Result<usize, StoreError> {
    let (store, now) = (world.store(), world.now());
    let outcome = store.remove_member(actor.pair(), group, who.user_id, now).await?;
    Ok(outcome.moved.len())
}

async fn admins(world: &World, asking: Person, group: ConversationId) -> Vec<UserId> {
    let members = world.view(asking, group).await.unwrap().members;
    let admins = members.iter().filter(|member| member.role == Role::Admin);
    admins.map(|member| member.user.id).collect()
}

/// Who is none may only go.
pub async fn only_an_admin_changes_the_members(world: &World) {
    let (ada, bob, eve) = three(world).await;
    let group = world.group(ada, &[bob]).await;
    let refused = put(world, bob, group, eve, Role::Member).await.unwrap_err();
    assert!(matches!(refused, StoreError::Forbidden { .. }));
    let refused = put(world, bob, group, bob, Role::Admin).await.unwrap_err();
    assert!(matches!(refused, StoreError::Forbidden { .. }));
    let refused = remove(world, bob, group, ada).await.unwrap_err();
    assert!(matches!(refused, StoreError::Forbidden { .. }));
    put(world, ada, group, bob, Role::Admin).await.unwrap();
    put(world, bob, group, eve, Role::Member).await.unwrap();
    remove(world, eve, group, eve).await.unwrap();
    let nobody = Person { user_id: UserId::random(), ..eve };
    let unknown = put(world, ada, group, nobody, Role::Member).await.unwrap_err();
    assert_eq!(unknown, StoreError::NotFound("user"));
}

/// Under the same lock as messages, and to who comes or goes as well.
pub async fn member_changes_take_numbers_and_are_told_to_all(world: &World) {
    let (ada, bob, eve) = three(world).await;
    let group = world.group(ada, &[bob]).await;
    world.say(ada, group, "two").await;
    assert_eq!(put(world, ada, group, eve, Role::Member).await.unwrap(), 3);
    world.say(ada, group, "four").await;
    assert_eq!(put(world, ada, group, eve, Role::Admin).await.unwrap(), 3);
    assert_eq!(remove(world, ada, group, eve).await.unwrap(), 3);
    let told = |who| async move {
        let changes = world.changes(who).await;
        changes.into_iter().map(|change| (change.seq.0, change.kind)).collect::<Vec<_>>()
    };
    let all = [
        (1, ChangeKind::Created),
        (3, ChangeKind::Joined(eve.user_id, Role::Member)),
        (5, ChangeKind::Role(eve.user_id, Role::Admin)),
        (6, ChangeKind::Removed(eve.user_id)),
    ];
    assert_eq!(told(bob).await, all);
    assert_eq!(told(eve).await, all[1..]);
    assert_eq!(world.view(bob, group).await.unwrap().head.0, 6);
}

/// A lost answer is made up for by asking again.
pub async fn putting_and_removing_are_idempotent(world: &World) {
    let (ada, bob, eve) = three(world).await;
    let group = world.group(ada, &[bob]).await;
    for expected in [3, 0, 0] {
        assert_eq!(put(world, ada, group, eve, Role::Member).await.unwrap(), expected);
    }
    for expected in [3, 0, 0] {
        assert_eq!(remove(world, ada, group, eve).await.unwrap(), expected);
    }
    for expected in [2, 0, 0] {
        assert_eq!(remove(world, bob, group, bob).await.unwrap(), expected);
    }
    assert_eq!(world.view(ada, group).await.unwrap().head.0, 4);
}

/// Each stay is its own interval; what came in between is not to be seen.
pub async fn p8_history_and_messages_follow_the_intervals(world: &World) {
    let (ada, bob, eve) = three(world).await;
    let group = world.group(ada, &[bob]).await;
    world.say(ada, group, "before").await;
    world.add(ada, group, eve, Role::Member).await;
    world.say(ada, group, "first stay").await;
    world.remove(ada, group, eve).await;
    let between = world.say(ada, group, "in between").await;
    world.add(ada, group, eve, Role::Member).await;
    let second = world.say(ada, group, "second stay").await;
    world.remove(eve, group, eve).await;
    let after = world.say(ada, group, "after").await;
    let seen = ["joined", "first stay", "removed", "joined", "second stay", "left"];
    assert_eq!(world.history(eve, group).await, seen);
    assert_eq!(world.texts(eve).await, ["first stay", "second stay"]);
    for hidden in [between, after] {
        let refused =
            world.store().message(eve.user_id, hidden.message_id, world.now()).await.unwrap_err();
        assert_eq!(refused, StoreError::NotFound("message"));
    }
    world.store().message(eve.user_id, second.message_id, world.now()).await.unwrap();
}

/// Neither its later title, nor its later messages, nor who is in it now.
pub async fn p8_a_former_member_sees_the_conversation_as_he_left_it(world: &World) {
    let (ada, bob, eve) = three(world).await;
    let group = world.group(ada, &[bob, eve]).await;
    let last = world.say(ada, group, "goodbye eve").await;
    world.remove(ada, group, eve).await;
    let _ = world.rename(ada, group, "without eve").await.unwrap();
    world.say(ada, group, "finally").await;
    let view = world.view(eve, group).await.unwrap();
    assert_eq!((view.title.as_str(), view.head.0, view.is_member), ("friends", 3, false));
    assert_eq!(view.last_message.unwrap().id, last.message_id);
    assert_eq!((view.members.len(), view.unread_count), (0, 0));
    let store = world.store();
    assert_eq!(store.marks(eve.user_id, group).await, Err(StoreError::NotFound("conversation")));
    let list = store.conversations(eve.user_id, None, 10, world.now()).await.unwrap();
    assert!(list.conversations.is_empty());
    assert_eq!(world.texts(eve).await, ["goodbye eve"], "the inbox stays readable");
}

/// A group is never without one.
pub async fn the_last_admin_leaving_promotes_who_joined_first(world: &World) {
    let (ada, bob, eve) = three(world).await;
    let group = world.group(ada, &[]).await;
    world.add(ada, group, eve, Role::Member).await;
    world.add(ada, group, bob, Role::Member).await;
    remove(world, ada, group, ada).await.unwrap();
    assert_eq!(admins(world, bob, group).await, [eve.user_id]);
    let kinds: Vec<_> = world.changes(bob).await.into_iter().map(|change| change.kind).collect();
    let promoted = ChangeKind::Role(eve.user_id, Role::Admin);
    assert_eq!(kinds[1..], [ChangeKind::Left(ada.user_id), promoted]);
    remove(world, eve, group, eve).await.unwrap();
    assert_eq!(admins(world, bob, group).await, [bob.user_id]);
    remove(world, bob, group, bob).await.unwrap();
    assert!(!world.view(bob, group).await.unwrap().is_member);
}

/// Giving the role away passes it on, and alone one keeps it.
pub async fn a_group_never_loses_its_last_admin_to_a_demotion(world: &World) {
    let (ada, bob, _) = three(world).await;
    let group = world.group(ada, &[]).await;
    assert!(put(world, ada, group, ada, Role::Member).await.unwrap() == 0);
    assert_eq!(admins(world, ada, group).await, [ada.user_id]);
    world.add(ada, group, bob, Role::Member).await;
    put(world, ada, group, ada, Role::Member).await.unwrap();
    assert_eq!(admins(world, ada, group).await, [bob.user_id]);
}

/// However many go at once.
pub async fn concurrent_leaving_keeps_an_admin(world: &World) {
    let names = ["ada", "bob", "cyd", "dan", "eve", "fay", "gus"];
    let people = join_all(names.map(|name| world.person(name))).await;
    let group = world.group(people[0], &people[1..]).await;
    let gone = join_all(people[..6].iter().map(|who| remove(world, *who, group, *who))).await;
    assert!(gone.iter().all(Result::is_ok));
    assert_eq!(admins(world, people[6], group).await, [people[6].user_id]);
    assert_eq!(world.view(people[6], group).await.unwrap().member_count, 1);
}

/// He looks like somebody who is not there.
pub async fn who_blocks_the_actor_is_not_added(world: &World) {
    let (ada, bob, eve) = three(world).await;
    world.block(bob, ada).await;
    let group = world.group(ada, &[eve]).await;
    let refused = put(world, ada, group, bob, Role::Member).await.unwrap_err();
    assert_eq!(refused, StoreError::NotFound("user"));
    let store = world.store();
    let refused = store.create_conversation(world.new_group(ada, &[eve, bob])).await.unwrap_err();
    assert_eq!(refused, StoreError::NotFound("user"));
    assert!(world.inbox(bob, 0).await.entries.is_empty());
    put(world, ada, group, eve, Role::Admin).await.unwrap();
    put(world, eve, group, bob, Role::Member).await.unwrap();
}

/// Nobody comes, nobody goes.
pub async fn a_direct_conversation_keeps_its_members(world: &World) {
    let (ada, bob, eve) = three(world).await;
    let direct = world.direct(ada, bob).await;
    world.say(ada, direct, "hello").await;
    assert!(matches!(
        put(world, ada, direct, eve, Role::Member).await,
        Err(StoreError::Invalid(_))
    ));
    assert!(matches!(remove(world, ada, direct, bob).await, Err(StoreError::Invalid(_))));
    assert!(matches!(remove(world, ada, direct, ada).await, Err(StoreError::Invalid(_))));
    assert_eq!(world.view(bob, direct).await.unwrap().member_count, 2);
}

/// His first request may have been answered, or not.
pub async fn an_admin_gives_his_right_up_once_and_again(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let group = world.group(ada, &[bob]).await;
    let store = world.store();
    let demote = |who: Person| {
        let (store, now) = (store.clone(), world.now());
        async move { store.put_member(who.pair(), group, who.user_id, Role::Member, now).await }
    };
    assert_eq!(demote(ada).await.unwrap().moved.len(), 4, "bob follows him");
    assert!(demote(ada).await.unwrap().moved.is_empty());
    let promote = store.put_member(ada.pair(), group, ada.user_id, Role::Admin, world.now()).await;
    assert!(matches!(promote, Err(StoreError::Forbidden { .. })));
}
